package checker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// Testimony is what porcupine says of one key, or of several that operations
// tie together, in one life of the server.
type Testimony struct {
	Epoch int
	Keys  []string
	// Answer: can the operations be put in an order that explains their replies?
	Answer linear.Answer
	// Found: and one in which the state that was found after the crash fits
	// somewhere? Yes when nothing was found.
	Found linear.Answer
}

// Witness asks porcupine about every key of h, one after another, each under
// limits: registers, compare-and-set, counters, lists and queues, sets, hashes,
// sorted sets, streams. It shares the models of the values with Judge, and no
// algorithm.
func (j *Judge) Witness(h *history.History, limits linear.Limits) []Testimony {
	var all []Testimony
	j.h = h
	clients := contract.Clients()
	j.c = &clients
	from := 0
	for i := range max(1, len(h.Epochs)) {
		e := epoch{life: &endless, to: len(h.Ops), before: stateOf(h, 0)}
		if len(h.Epochs) > 0 {
			e = j.life(h, i, from)
		}
		from = e.to
		in := zones.Input{Ops: h.Ops[e.from:e.to], Crash: zones.Late}
		if e.before != nil {
			in.Initial, in.InitialAt = e.before.Keys, int64(e.before.At)
		}
		if e.crashed && e.after != nil {
			in.Crash, in.HasRecovered, in.Recovered, in.Dump = int64(e.life.Ended), true, e.after.Keys, int64(e.after.At)
		}
		j.regs.Build(in)
		j.e = &e
		for _, c := range j.components(&e, true) {
			t := Testimony{Epoch: i, Keys: c.names(j), Found: linear.Yes}
			t.Answer = c.problem.ByPorcupine(limits)
			if in.HasRecovered {
				c.problem.Find, c.problem.FoundFrom, c.problem.FoundTo = true, beforeAll, e.life.Ended
				t.Found = c.problem.ByPorcupine(limits)
			}
			all = append(all, t)
		}
	}
	j.h, j.c, j.e = nil, nil, nil
	return all
}

// Disagreement is what a judgement and porcupine's testimony say differently of
// what the clients saw; empty when they agree. It is a failure of the judges,
// not of the server.
func Disagreement(out *Judgement, testimony []Testimony) string {
	seen := []anomaly.Name{anomaly.NonLinearizable, anomaly.StaleRead, anomaly.Phantom, anomaly.AbortedRead}
	for i := range testimony {
		t := &testimony[i]
		if t.Answer != linear.No {
			continue
		}
		told := slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Epoch <= t.Epoch && slices.Contains(seen, a.Name) })
		if !told && out.Unanswered == 0 {
			return fmt.Sprintf("porcupine finds no order of the operations on %s in life %d of the server, and torntail told of none", strings.Trim(fmt.Sprintf("%q", t.Keys), "[]"), t.Epoch)
		}
	}
	for i := range out.Anomalies {
		a := &out.Anomalies[i]
		if a.Name != anomaly.NonLinearizable && a.Name != anomaly.StaleRead || a.Key == "" {
			continue
		}
		for k := range testimony {
			if t := &testimony[k]; t.Epoch == a.Epoch && slices.Contains(t.Keys, a.Key) && t.Answer == linear.Yes {
				return fmt.Sprintf("porcupine finds an order of the operations on %q in life %d of the server, and torntail told of %s", a.Key, t.Epoch, a.Name)
			}
		}
	}
	return ""
}
