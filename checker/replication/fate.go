package replication

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
)

// Fates hold the attribution by offsets against the data that is there after
// convergence. Every write must have a key of its own, so that a key says whether
// its one write survived; nothing is ever overwritten.
//
// The two are independent: one is arithmetic on what servers said while the network
// was cut, the other is what is left. Where they disagree nothing is smoothed over:
// a loss that the offsets do not explain is Unattributed, a loss that the data
// refute is Refuted.
type Fates struct {
	Survived     int   // acknowledged and there
	Lost         []int // acknowledged and gone: places in History.Ops
	Unattributed []int // of these, those of which the offsets do not say why
	Refuted      []int // lost by the offsets, and there all the same

	UnknownSurvived int   // no acknowledgement, or too few replicas, and there
	UnknownGone     int   // the same, and gone
	FailedThere     []int // refused, and there all the same
	Phantoms        []string
	Anomalies       []anomaly.Anomaly
}

// Fate compares a with the converged state of the last master in h; ok is false when
// there is none.
func Fate(h *history.History, a *Account, master string) (f Fates, ok bool) {
	var state *history.State
	for i := range h.States {
		if s := &h.States[i]; s.Converged && s.Node == master {
			state = s
		}
	}
	if state == nil {
		return f, false
	}
	there := func(key string) bool {
		i := sort.Search(len(state.Keys), func(i int) bool { return state.Keys[i].Key >= key })
		return i < len(state.Keys) && state.Keys[i].Key == key
	}
	attributed := make(map[int]bool, len(a.Lost))
	for i := range a.Lost {
		attributed[a.Lost[i].Op] = true
	}
	written := make(map[string]bool, len(h.Ops))
	for i := range h.Ops {
		op := &h.Ops[i]
		if !op.Writes() {
			continue
		}
		written[op.Key] = true
		is := there(op.Key)
		switch {
		case op.Outcome == history.Failed && is:
			f.FailedThere = append(f.FailedThere, i)
			f.report(anomaly.Refused, op, i, "a write that is refused is not executed", fmt.Sprintf("%s refused %q (%s), and it is there", op.More.Node, op.Key, op.More.Err))
		case op.Outcome == history.Failed:
		case !op.Acked() && is:
			f.UnknownSurvived++
		case !op.Acked():
			f.UnknownGone++
		case is && attributed[i]:
			f.Refuted = append(f.Refuted, i)
		case is:
			f.Survived++
		default:
			f.Lost = append(f.Lost, i)
			if !attributed[i] {
				f.Unattributed = append(f.Unattributed, i)
			}
		}
	}
	for i := range state.Keys {
		if key := state.Keys[i].Key; !written[key] {
			f.Phantoms = append(f.Phantoms, key)
			f.report(anomaly.Phantom, &history.Op{Key: key}, -1, "what is there was written", fmt.Sprintf("%s holds %q, which no client wrote", master, key))
		}
	}
	return f, true
}

func (f *Fates) report(name anomaly.Name, op *history.Op, i int, rule, story string) {
	a := anomaly.Anomaly{Name: name, Key: op.Key, Rule: rule, Story: story}
	if i >= 0 {
		a.Ops = []int{i}
	}
	f.Anomalies = append(f.Anomalies, a)
}

// Exposure is how long clients went on with a master that was cut off, and what that
// cost them. A fraction of all writes says little: it follows from how long the rest
// of the run was.
type Exposure struct {
	Group   string
	Clients int
	Acked   int
	Lost    int
	// For is the time, summed over the clients, from the cut to the last
	// acknowledgement that the client got from the old master after it.
	For time.Duration
}

// PerSecond is the writes lost for each second that one client was exposed; 0 when
// none was.
func (e Exposure) PerSecond() float64 {
	if e.For <= 0 {
		return 0
	}
	return float64(e.Lost) / e.For.Seconds()
}

// Exposures adds up by groups of clients, in the order in which groups lists them:
// groups[c] is that of client c.
func Exposures(h *history.History, a *Account, master string, groups []string) []Exposure {
	var list []Exposure
	place := map[string]int{}
	of := make([]int, len(groups))
	for c, g := range groups {
		i, known := place[g]
		if !known {
			i = len(list)
			place[g] = i
			list = append(list, Exposure{Group: g})
		}
		of[c] = i
		list[i].Clients++
	}
	lost := make(map[int]bool, len(a.Lost))
	for i := range a.Lost {
		lost[a.Lost[i].Op] = true
	}
	all := terms(h, master)
	last := make([]time.Duration, len(groups)) // of each client: exposed so far, in all terms
	for t := range all {
		cut := all[t].cut
		if cut == history.Never || all[t].heir < 0 {
			continue
		}
		for c := range groups {
			until := cut
			for i := range h.Ops {
				op := &h.Ops[i]
				if op.Client == c && op.Acked() && op.Writes() && op.More != nil && op.More.Node == all[t].node && op.Return > until && !again(all, t, op.Return) {
					until = op.Return
				}
			}
			last[c] += until - cut
		}
	}
	for c := range groups {
		list[of[c]].For += last[c]
	}
	for i := range h.Ops {
		op := &h.Ops[i]
		if !op.Acked() || !op.Writes() || op.Client >= len(groups) {
			continue
		}
		e := &list[of[op.Client]]
		e.Acked++
		if lost[i] {
			e.Lost++
		}
	}
	return list
}

// again reports whether the node of a term has begun another one by then.
func again(all []term, t int, at time.Duration) bool {
	return slices.ContainsFunc(all[t+1:], func(later term) bool { return later.node == all[t].node && later.from <= at })
}

// promotedAgain is again for a term that did not begin with a return from the dead.
func promotedAgain(all []term, t int, at time.Duration) bool {
	return slices.ContainsFunc(all[t+1:], func(later term) bool {
		return later.node == all[t].node && later.from <= at && !later.returned
	})
}

// Steps are the instants of a cut of the first master and of what follows from it;
// Never for one that did not come.
type Steps struct {
	Cut      time.Duration // on the history's clock
	Odown    time.Duration // the Sentinels agreed that it is down
	Promoted time.Duration // another server became master
	LastAck  time.Duration // the old master's last acknowledgement; the cut's when there is none after it
	Demoted  time.Duration // the old master was seen as a replica
}

// StepsOf finds the steps of the first failover that a fault caused; ok is false when
// no master was cut off.
func StepsOf(h *history.History, master string) (s Steps, ok bool) {
	all := terms(h, master)
	for t := range all {
		if all[t].cut == history.Never {
			continue
		}
		s = Steps{Cut: all[t].cut, Odown: all[t].odown, Promoted: history.Never, LastAck: all[t].cut, Demoted: history.Never}
		heir := all[t].heir
		for heir >= 0 && all[heir].returned { // nobody has promoted that one
			heir = all[heir].heir
		}
		if heir >= 0 {
			s.Promoted = all[heir].from
		}
		for i := range h.Events {
			if e := &h.Events[i]; e.Kind == history.RoleSeen && e.Node == all[t].node && e.Text == "slave" && e.At >= s.Cut && e.At < s.Demoted && !promotedAgain(all, t, e.At) {
				s.Demoted = e.At
			}
		}
		for i := range h.Ops {
			op := &h.Ops[i]
			if op.Acked() && op.Writes() && op.More != nil && op.More.Node == all[t].node && op.Return > s.LastAck && op.Return <= s.Demoted && !promotedAgain(all, t, op.Return) {
				s.LastAck = op.Return
			}
		}
		return s, true
	}
	return s, false
}
