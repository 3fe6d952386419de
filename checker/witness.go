package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
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
	// somewhere? Yes when nothing was found, or the contract keeps nothing.
	Found linear.Answer
}

// witnessTimeout is far more than porcupine needs for the steps that a run
// grants it: steps end its searches, so that they end alike on every machine.
const witnessTimeout = time.Minute

// Witness asks porcupine about every key of h, one after another: registers,
// compare-and-set, counters, lists and queues, sets, hashes, sorted sets, streams.
// It shares the models of the values with Judge, and no algorithm. Each search
// may take so many steps for each of its operations; 0: as many as it has time
// and memory for (see linear.Limits).
func (j *Judge) Witness(h *history.History, c contract.Contract, steps int64) []Testimony {
	var all []Testimony
	j.h, j.c = h, &c
	from := 0
	for i := range max(1, len(h.Epochs)) {
		e := epoch{life: &endless, to: len(h.Ops), before: stateOf(h, 0)}
		if len(h.Epochs) > 0 {
			e = j.life(h, i, from)
		}
		from = e.to
		in := zones.Input{Ops: h.Ops[e.from:e.to], Crash: zones.Late}
		if e.before != nil {
			in.Initial, in.InitialAt = e.before.Keys, int64(min(e.before.Began, e.before.At))
		}
		if e.crashed && e.after != nil {
			in.Crash, in.HasRecovered, in.Recovered, in.Dump = int64(e.life.Ended), true, e.after.Keys, int64(e.after.At)
		}
		j.regs.Build(in)
		j.e = &e
		for _, part := range j.components(&e, true) {
			var limits linear.Limits
			if steps > 0 {
				limits = linear.Limits{Timeout: witnessTimeout, Steps: steps * int64(len(part.problem.Ops)+1)}
			}
			t := Testimony{Epoch: i, Keys: part.names(j), Answer: linear.Yes, Found: linear.Yes}
			part.problem.Find = in.HasRecovered && (c.Level != contract.Empty || !e.judged)
			if part.problem.Find {
				part.problem.FoundFrom, part.problem.FoundTo = beforeAll, e.life.Ended
				t.Found = part.problem.ByPorcupine(limits)
			}
			// An order in which what was found fits is an order.
			if !part.problem.Find || t.Found != linear.Yes {
				part.problem.Find = false
				t.Answer = part.problem.ByPorcupine(limits)
			}
			all = append(all, t)
		}
	}
	j.h, j.c, j.e = nil, nil, nil
	return all
}

// Disagreement is what a judgement and porcupine's testimony say differently of
// what the clients saw, and of what was found after a crash; empty when they
// agree. It is a failure of the judges, not of the server.
func Disagreement(out *Judgement, testimony []Testimony) string {
	seen := []anomaly.Name{anomaly.NonLinearizable, anomaly.StaleRead, anomaly.Phantom, anomaly.AbortedRead}
	for i := range testimony {
		t := &testimony[i]
		names := strings.Trim(fmt.Sprintf("%q", t.Keys), "[]")
		if t.Answer == linear.No && out.Unanswered == 0 &&
			!slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Epoch <= t.Epoch && slices.Contains(seen, a.Name) }) {
			return fmt.Sprintf("porcupine finds no order of the operations on %s in life %d of the server, and torntail told of none", names, t.Epoch)
		}
		// A power cut may reach back behind a kill: then no life stands alone.
		if t.Found == linear.No && out.Verdict == verdict.Holds && !slices.Contains(out.Notes, acrossNote) {
			return fmt.Sprintf("porcupine finds no place for what was found of %s after life %d of the server, and torntail says that it holds", names, t.Epoch)
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
