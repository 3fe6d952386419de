package checker

import (
	"fmt"
	"maps"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// slow judges a history of a few operations by trying every order: the judge
// of the judges. It shares nothing with them. A state is a map from key to
// value; an operation may come next when none that is still to come returned
// before it was invoked.
type slow struct {
	ops   []history.Op
	crash time.Duration
	// found is what was recovered; nil: do not ask.
	found map[string]string
	memo  map[string]bool
	// prefixes are the sets of operations, as bits, after which the state was
	// found and from which the history could go on to its end.
	prefixes map[uint32]bool
}

type slowAnswer struct {
	linearizable bool
	consistent   bool
	certain      []int // acknowledged writes that are in no prefix
	possible     []int // acknowledged writes that some prefix lacks
}

func judgeSlowly(ops []history.Op, crash time.Duration, found map[string]string) slowAnswer {
	s := &slow{ops: ops, crash: crash, found: found, memo: map[string]bool{}, prefixes: map[uint32]bool{}}
	var a slowAnswer
	a.linearizable = s.search(0, map[string]string{})
	if found == nil {
		return a
	}
	a.consistent = len(s.prefixes) > 0
	for i := range ops {
		if ops[i].Outcome != history.OK || !ops[i].Writes() {
			continue
		}
		in, out := false, false
		for mask := range s.prefixes { // any order: it looks at all of them
			if mask&(1<<i) != 0 {
				in = true
			} else {
				out = true
			}
		}
		if !in && a.consistent {
			a.certain = append(a.certain, i)
		}
		if out {
			a.possible = append(a.possible, i)
		}
	}
	return a
}

func (s *slow) returned(i int) time.Duration {
	if s.ops[i].Outcome != history.OK {
		return history.Never // it may take effect last, which is the same as never
	}
	return min(s.ops[i].Return, s.crash)
}

// search reports whether the acknowledged operations outside done can all
// still be put in order. It visits every reachable set and state.
func (s *slow) search(done uint32, state map[string]string) bool {
	id := fmt.Sprint(done, state)
	if ok, seen := s.memo[id]; seen {
		return ok
	}
	complete := true
	for i := range s.ops {
		if s.ops[i].Outcome == history.OK && done&(1<<i) == 0 {
			complete = false
		}
	}
	ok := complete
	for i := range s.ops {
		if done&(1<<i) != 0 || s.ops[i].Outcome == history.Failed {
			continue
		}
		early := true
		for k := range s.ops {
			if k != i && done&(1<<k) == 0 && s.ops[k].Outcome == history.OK && s.returned(k) < s.ops[i].Invoke {
				early = false
			}
		}
		if !early {
			continue
		}
		if next, fits := slowStep(state, &s.ops[i], s.ops[i].Outcome == history.OK); fits {
			ok = s.search(done|1<<i, next) || ok
		}
	}
	if ok && s.found != nil && maps.Equal(state, s.found) {
		s.prefixes[done] = true
	}
	s.memo[id] = ok
	return ok
}

// slowStep applies an operation. Lists are their elements joined by commas.
func slowStep(state map[string]string, op *history.Op, acked bool) (map[string]string, bool) {
	next := maps.Clone(state)
	switch op.Kind {
	case history.Read:
		v, there := state[op.Key]
		return next, !acked || there != op.Absent && v == op.Value
	case history.ReadList:
		return next, !acked || state[op.Key] == strings.Join(op.More.Values, ",")
	case history.Write:
		if m := op.More; m != nil && m.HasReplaced && acked {
			if v, there := state[op.Key]; there == op.Absent || v != m.Replaced {
				return next, false
			}
		}
		next[op.Key] = op.Value
	case history.Delete:
		delete(next, op.Key)
	case history.Append:
		if v := state[op.Key]; v != "" {
			next[op.Key] = v + "," + op.Value
		} else {
			next[op.Key] = op.Value
		}
		if acked && op.More != nil && op.More.Result != strconv.Itoa(strings.Count(next[op.Key], ",")+1) {
			return next, false
		}
	case history.Incr:
		n, _ := strconv.Atoi(state[op.Key])
		by, _ := strconv.Atoi(op.Value)
		next[op.Key] = strconv.Itoa(n + by)
		return next, !acked || op.More.Result == next[op.Key]
	case history.Txn:
		for i := range op.More.Parts {
			fits := false
			if next, fits = slowStep(next, &op.More.Parts[i], acked); !fits {
				return next, false
			}
		}
	}
	return next, true
}

// stateOfMap is a recovered state as the history has it.
func stateOfMap(found map[string]string, lists bool, at time.Duration) history.State {
	st := history.State{Began: at, At: at, Epoch: 1}
	for k, v := range found { // any order: sorted below
		kv := history.KV{Key: k, Value: v}
		if lists {
			kv.Value, kv.List = "", strings.Split(v, ",")
		}
		st.Keys = append(st.Keys, kv)
	}
	sort.Slice(st.Keys, func(i, j int) bool { return st.Keys[i].Key < st.Keys[j].Key })
	return st
}
