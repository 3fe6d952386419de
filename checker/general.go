package checker

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// maxCuts is how many instants are tried for the cut of keys that need the
// general judge, before the answer is unknown.
const maxCuts = 512

// maxUndecided is how many of these searches may end without an answer before
// the others are not tried: each costs Limits.Timeout.
const maxUndecided = 3

// problem is key n of the epoch as the general judge takes it. The parts of
// transactions take part as operations of their own.
func (j *Judge) problem(e *epoch, n int32) *linear.Problem {
	k := &j.regs.Keys[n]
	p := &linear.Problem{Key: k.Name, Crash: e.life.Ended}
	var kinds []history.Kind
	add := func(op *history.Op) {
		if !slices.Contains(kinds, op.Kind) {
			kinds = append(kinds, op.Kind)
		}
		p.Ops = append(p.Ops, op)
	}
	ops := j.regs.In.Ops
	for i := range ops {
		op := &ops[i]
		switch {
		case op.Outcome == history.Failed:
		case op.Kind != history.Txn:
			if op.Key == k.Name {
				add(op)
			}
		case op.More != nil:
			for i := range op.More.Parts {
				if op.More.Parts[i].Key != k.Name {
					continue
				}
				part := op.More.Parts[i]
				part.Client, part.Invoke, part.Return, part.Outcome = op.Client, op.Invoke, op.Return, op.Outcome
				add(&part)
			}
		}
	}
	before, after := kvOf(e.before, k.Name), kvOf(e.after, k.Name)
	p.Model = modelOf(kinds, before, after)
	if p.Model == nil {
		return nil
	}
	if before != nil {
		p.Initial = p.Model.Load(before)
	}
	if !j.regs.In.HasRecovered {
		return p
	}
	found := ""
	if after != nil {
		found = p.Model.Load(after)
	}
	p.Found = &found
	p.FoundFrom, p.FoundTo = e.life.Ended, e.life.Ended
	p.Ops = unseen(p.Ops, after)
	return p
}

func kvOf(s *history.State, key string) *history.KV {
	if s == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(s.Keys, key, func(kv history.KV, key string) int { return strings.Compare(kv.Key, key) })
	if !ok {
		return nil
	}
	return &s.Keys[i]
}

// modelOf goes by what was seen of the key's type, then by the operations.
func modelOf(kinds []history.Kind, seen ...*history.KV) *linear.Model {
	for _, kv := range seen {
		switch {
		case kv == nil:
		case kv.Type == "set":
			return linear.Set
		case kv.Type == "hash":
			return linear.Hash
		case kv.Type == "zset":
			return linear.Sorted
		case kv.List != nil:
			return linear.List
		default:
			return linear.Register
		}
	}
	return linear.For(kinds)
}

// unseen leaves out writes that nobody acknowledged and whose value nobody saw:
// where reads show all that is there, leaving such a write out changes no
// answer, and it keeps searches short.
func unseen(ops []*history.Op, after *history.KV) []*history.Op {
	seen := map[string]bool{}
	if after != nil {
		seen[after.Value] = true
		for _, v := range after.List {
			seen[v] = true
		}
	}
	for _, op := range ops {
		switch op.Kind {
		case history.Write, history.Delete:
			if op.More != nil && op.More.HasReplaced {
				return ops
			}
		case history.Read:
			seen[op.Value] = true
		case history.ReadHash, history.ReadSorted:
			if op.More != nil {
				for _, v := range op.More.Values {
					seen[v] = true
				}
			}
		case history.HashSet, history.HashRemove, history.SortedAdd, history.SortedRemove:
		default:
			return ops
		}
	}
	return slices.DeleteFunc(ops, func(op *history.Op) bool {
		if op.Outcome != history.Unknown {
			return false
		}
		switch op.Kind {
		case history.Write, history.HashSet:
			return !seen[op.Value]
		case history.SortedAdd:
			return op.More != nil && !seen[op.More.Score]
		}
		return false
	})
}

// needsSearch reports whether key k is for the general judge. Expiry is not in
// its models, so keys that may expire are left to the clusters, which then give
// a necessary condition only.
func needsSearch(k *zones.Key) bool {
	return k.Ambiguous() && k.Deadline == zones.Late
}

// search judges what the clients saw of the keys that clusters do not decide.
// It returns false when one of them is broken.
func (j *Judge) search(e *epoch) bool {
	for n := range j.regs.Keys {
		k := &j.regs.Keys[n]
		if !needsSearch(k) {
			continue
		}
		p := j.problem(e, int32(n))
		if p == nil {
			j.unknown(Types, fmt.Sprintf("key %q has operations of several types of value", k.Name))
			continue
		}
		p.Found = nil
		switch p.Check(j.Options.Limits) {
		case linear.No:
			a := anomaly.Anomaly{Name: anomaly.NonLinearizable, Epoch: e.number, Key: k.Name,
				Rule: fmt.Sprintf("some order of the operations explains every reply (%s)", p.Model.Name)}
			for _, op := range p.Ops {
				a.Ops = append(a.Ops, j.place(op))
			}
			a.Story = j.tell(a.Ops)
			j.found(a)
			return false
		case linear.Unknown:
			j.unknown(Resources, fmt.Sprintf("key %q: no answer within the time and memory given", k.Name))
		}
	}
	return true
}

// place is where an operation is in the history.
func (j *Judge) place(op *history.Op) int {
	i, _ := slices.BinarySearchFunc(j.h.Ops, op.Invoke, func(o history.Op, t time.Duration) int { return int(min(1, max(-1, o.Invoke-t))) })
	for ; i < len(j.h.Ops); i++ {
		if o := &j.h.Ops[i]; o == op || o.Client == op.Client && o.Return == op.Return && o.Kind == history.Txn {
			return i
		}
	}
	return len(j.h.Ops) - 1
}

// searchCut looks for a cut that the keys for the general judge allow as well,
// among those that the others allow. Each such key allows closed intervals that
// begin and end where one of its operations does, so that trying these instants
// is enough. It narrows cut to what it finds; false: no cut, a hole.
func (j *Judge) searchCut(e *epoch, cut *durability.Cut) bool {
	var problems []*linear.Problem
	for n := range j.regs.Keys {
		if needsSearch(&j.regs.Keys[n]) {
			if p := j.problem(e, int32(n)); p != nil {
				problems = append(problems, p)
			}
		}
	}
	if len(problems) == 0 {
		return true
	}
	if j.anywhere {
		return j.reachable(problems, e)
	}
	times := []int64{cut.Latest}
	add := func(t int64) {
		if t >= cut.Earliest && t < cut.Latest && j.prefix.Allows(t) {
			times = append(times, t)
		}
	}
	add(cut.Earliest)
	for _, p := range problems {
		for _, op := range p.Ops {
			add(int64(op.Invoke))
			add(int64(op.Return))
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	for _, p := range problems {
		var some bool
		if times, some = j.narrow(p, times); !some {
			return false
		}
	}
	late, answer := j.firstCut(problems, times, true)
	switch answer {
	case linear.Unknown:
		j.unknown(Resources, "no cut found within the time and memory given")
		return true
	case linear.No:
		return false
	}
	if early, answer := j.firstCut(problems, times, false); answer == linear.Yes {
		cut.Earliest = early
	}
	cut.Latest = late
	j.loseGeneral(cut, problems, times)
	return true
}

// reachable only asks whether each key, taken by itself, can have held what was
// found at some time.
func (j *Judge) reachable(problems []*linear.Problem, e *epoch) bool {
	for _, p := range problems {
		p.FoundFrom, p.FoundTo = -1, e.life.Ended
		switch p.Check(j.Options.Limits) {
		case linear.No:
			return false
		case linear.Unknown:
			j.unknown(Resources, "no answer within the time and memory given")
		}
	}
	return true
}

// narrow leaves of times those from the first to the last that p allows. That
// the read lies somewhere in a stretch of time can only become harder as the
// stretch shrinks, so both ends are found by halving. An answer that is not
// known leaves the times in. false: p allows none.
func (j *Judge) narrow(p *linear.Problem, times []int64) ([]int64, bool) {
	if len(times) == 0 {
		return nil, false
	}
	within := func(from, to int) bool {
		p.FoundFrom, p.FoundTo = time.Duration(times[from]), time.Duration(times[to])
		return p.Check(j.Options.Limits) != linear.No
	}
	last := len(times) - 1
	p.FoundFrom, p.FoundTo = time.Duration(times[0]), time.Duration(times[last])
	switch p.Check(j.Options.Limits) {
	case linear.No:
		return nil, false
	case linear.Unknown:
		return times, true // what is asked next would not be answered either
	}
	beyond := sort.Search(last, func(i int) bool { return !within(i+1, last) })
	first := sort.Search(beyond, func(i int) bool { return within(0, i) })
	return times[first : beyond+1], true
}

// firstCut is the latest (or earliest) of times that all problems allow.
func (j *Judge) firstCut(problems []*linear.Problem, times []int64, latest bool) (int64, linear.Answer) {
	undecided := 0
	for i := range times {
		if i == maxCuts || undecided == maxUndecided {
			return 0, linear.Unknown
		}
		t := times[i]
		if latest {
			t = times[len(times)-1-i]
		}
		for _, p := range problems {
			p.FoundFrom, p.FoundTo = time.Duration(t), time.Duration(t)
		}
		switch answer, _ := linear.CheckAll(problems, j.Options.Limits); answer {
		case linear.Yes:
			return t, linear.Yes
		case linear.Unknown:
			undecided++
		}
	}
	if undecided > 0 {
		return 0, linear.Unknown
	}
	return 0, linear.No
}

// loseGeneral counts the losses of keys of other types than registers and
// lists. An operation that returned before the latest cut can be inside and one
// invoked after it cannot; for those around it the search is asked.
func (j *Judge) loseGeneral(cut *durability.Cut, problems []*linear.Problem, times []int64) {
	for _, p := range problems {
		if k := j.regs.Find(p.Key); !k.General && !k.Repeated {
			continue // its clusters have counted
		}
		for _, op := range p.Ops {
			if op.Outcome != history.OK || !op.Writes() {
				continue
			}
			if int64(op.Return) >= cut.Earliest {
				cut.Possible++
				cut.FirstPossible = min(cut.FirstPossible, int64(op.Return))
			}
			if int64(op.Return) < cut.Latest || int64(op.Invoke) <= cut.Latest && canBeInside(p, op, times, j.Options.Limits) {
				continue
			}
			cut.Certain = append(cut.Certain, int32(j.place(op)-j.from))
			cut.FirstCertain = min(cut.FirstCertain, int64(op.Return))
		}
	}
	if j.regs.HasTransactions() {
		// A transaction may have been counted by its other keys already.
		slices.Sort(cut.Certain)
		cut.Certain = slices.Compact(cut.Certain)
		cut.Possible = min(cut.Possible, len(j.acks))
	}
}

// canBeInside reports whether op can lie before the cut; an unknown answer counts as yes.
func canBeInside(p *linear.Problem, op *history.Op, times []int64, l linear.Limits) bool {
	p.Inside = op
	defer func() { p.Inside = nil }()
	for _, t := range slices.Backward(times) {
		if t < int64(op.Invoke) {
			return false
		}
		p.FoundFrom, p.FoundTo = time.Duration(t), time.Duration(t)
		if p.Check(l) != linear.No {
			return true
		}
	}
	return false
}
