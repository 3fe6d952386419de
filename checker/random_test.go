package checker

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/checker/zones"
)

// histories is how many random histories each comparison tries: 2,000, with -short
// 800, or what the environment says (make fuzz: 100,000).
func histories(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("TORNTAIL_HISTORIES"))
	if err != nil {
		if testing.Short() {
			return 800
		}
		return 2000
	}
	t.Logf("%d histories", n)
	return n
}

// shape says what a random history is made of.
type shape struct {
	ops, keys int
	kinds     []history.Kind
	// lie is the chance that a reply or the recovered state is made up.
	lie float64
	// replaced: writes return what they replaced.
	replaced bool
	// readingTxns: transactions read their keys before they write them.
	readingTxns bool
}

// dice draws from rapid as rand.Rand draws, so that what fails is shrunk: each
// number is as likely as any other, of which rapid's own ranges prefer small ones.
type dice struct{ t *rapid.T }

// below are the numbers from 0 on.
var below = func() (list [1024]int) {
	for i := range list {
		list[i] = i
	}
	return list
}()

func (d dice) IntN(n int) int { return rapid.SampledFrom(below[:n]).Draw(d.t, "") }

// Int64N draws one of a thousand numbers below n.
func (d dice) Int64N(n int64) int64 { return n * int64(d.IntN(1000)) / 1000 }
func (d dice) Perm(n int) []int     { return rapid.Permutation(below[:n]).Draw(d.t, "") }

// Float64 shrinks to almost 1: what happens with some chance does not.
func (d dice) Float64() float64 { return float64(1023-d.IntN(1024)) / 1024 }

// made is a random history that really happened (each operation took effect at
// a random instant between invocation and return), but for the lies.
type made struct {
	ops   []history.Op
	crash time.Duration
	found map[string]string
}

func (s shape) make(rng dice) made {
	m := made{crash: time.Duration(10 + rng.IntN(30))}
	span := int(m.crash)
	n := 2 + rng.IntN(s.ops-1)
	effect := make([]float64, n)
	for i := range n {
		op := history.Op{Client: i, Kind: s.kinds[rng.IntN(len(s.kinds))], Key: s.key(rng)}
		op.Invoke = time.Duration(rng.IntN(span))
		op.Return = min(op.Invoke+time.Duration(rng.IntN(1+span/(2+rng.IntN(4)))), m.crash)
		op.Outcome = history.OK
		m.ops = append(m.ops, op)
	}
	slices.SortStableFunc(m.ops, func(a, b history.Op) int { return int(a.Invoke - b.Invoke) })
	order := make([]int, n)
	for i := range m.ops {
		op := &m.ops[i]
		op.ID = i
		order[i] = i
		effect[i] = float64(op.Invoke) + rng.Float64()*float64(op.Return-op.Invoke)
		if rng.IntN(6) == 0 {
			op.Outcome, op.Return = history.Unknown, history.Never
			effect[i] = float64(op.Invoke) + rng.Float64()*1.5*float64(m.crash-op.Invoke)
		}
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case effect[a] < effect[b]:
			return -1
		case effect[a] > effect[b]:
			return 1
		}
		return a - b
	})
	state := map[string]string{}
	var states []map[string]string
	for _, i := range order {
		states = append(states, maps.Clone(state))
		if effect[i] > float64(m.crash) {
			continue
		}
		s.run(rng, &m.ops[i], state)
	}
	states = append(states, state)
	m.found = maps.Clone(states[rng.IntN(len(states))])
	switch {
	case rng.Float64() < s.lie:
		s.lieAboutState(rng, &m)
	case rng.Float64() < 4*s.lie:
		// Each key as it was at a time of its own: mostly a hole.
		m.found = map[string]string{}
		for k := range s.keys {
			key := "k" + strconv.Itoa(k)
			if v, there := states[rng.IntN(len(states))][key]; there {
				m.found[key] = v
			}
		}
	}
	return m
}

func (s shape) key(rng dice) string { return "k" + strconv.Itoa(rng.IntN(s.keys)) }

// run lets an operation take effect and gives it its reply, or a lie.
func (s shape) run(rng dice, op *history.Op, state map[string]string) {
	unique := strconv.Itoa(op.ID + 1)
	lies := rng.Float64() < s.lie
	switch op.Kind {
	case history.Read:
		s.reads(rng, op, state, lies)
	case history.ReadList:
		v := state[op.Key]
		if lies {
			v, _, _ = strings.Cut(v, ",")
		}
		op.More = &history.More{}
		if v != "" {
			op.More.Values = strings.Split(v, ",")
		}
	case history.Write:
		op.Value = unique
		if s.replaced {
			old, there := state[op.Key]
			op.More = &history.More{HasReplaced: true, Replaced: old}
			op.Absent = !there
			if lies && there {
				op.More.Replaced = strconv.Itoa(1 + rng.IntN(s.ops))
			}
		}
		state[op.Key] = unique
	case history.Delete:
		delete(state, op.Key)
	case history.Append:
		op.Value = unique
		state[op.Key] = strings.TrimPrefix(state[op.Key]+","+unique, ",")
		if rng.IntN(2) == 0 {
			op.More = &history.More{Result: strconv.Itoa(strings.Count(state[op.Key], ",") + 1)}
		}
	case history.Incr:
		op.Value = strconv.Itoa(1 + rng.IntN(3))
		next, _ := slowStep(state, op, false)
		state[op.Key] = next[op.Key]
		op.More = &history.More{Result: state[op.Key]}
		if lies {
			op.More.Result = strconv.Itoa(rng.IntN(9))
		}
	case history.Txn:
		op.Key = ""
		op.More = &history.More{}
		for k := range s.keys {
			if rng.IntN(2) == 0 {
				continue
			}
			key := "k" + strconv.Itoa(k)
			if s.readingTxns {
				part := history.Op{Kind: history.Read, Key: key}
				s.reads(rng, &part, state, lies)
				op.More.Parts = append(op.More.Parts, part)
			}
			if !s.readingTxns || rng.IntN(3) > 0 {
				op.More.Parts = append(op.More.Parts, history.Op{Kind: history.Write, Key: key, Value: unique})
			}
		}
		if len(op.More.Parts) == 0 {
			op.More.Parts = []history.Op{{Kind: history.Write, Key: "k0", Value: unique}}
		}
		for _, p := range op.More.Parts {
			if p.Kind == history.Write {
				state[p.Key] = p.Value
			}
		}
	}
}

func (s shape) reads(rng dice, op *history.Op, state map[string]string, lies bool) {
	v, there := state[op.Key]
	if lies {
		v, there = strconv.Itoa(1+rng.IntN(s.ops)), true
	}
	op.Value, op.Absent = v, !there
}

func (s shape) lieAboutState(rng dice, m *made) {
	key := s.key(rng)
	if rng.IntN(2) == 0 {
		delete(m.found, key)
		return
	}
	for _, i := range rng.Perm(len(m.ops)) {
		if op := &m.ops[i]; op.Key == key && op.Kind == history.Write {
			m.found[key] = op.Value
			return
		} else if op.Kind == history.Txn && op.More != nil {
			for _, p := range op.More.Parts {
				if p.Key == key && p.Kind == history.Write {
					m.found[key] = p.Value
					return
				}
			}
		} else if op.Key == key && op.Kind == history.Append && op.Value != "" {
			m.found[key] = strings.TrimPrefix(m.found[key]+","+op.Value, ",")
			return
		} else if op.Key == key && op.Kind == history.Incr && op.Value != "" {
			m.found[key] = strconv.Itoa(1 + rng.IntN(9))
			return
		}
	}
}

// withoutUnrun drops operations that took effect after the crash or never and
// so have no value: a pending write needs none of its own to be judged.
func withoutUnrun(m made) made {
	m.ops = slices.DeleteFunc(m.ops, func(op history.Op) bool {
		switch op.Kind {
		case history.Write, history.Append, history.Incr:
			return op.Value == ""
		case history.Txn, history.ReadList:
			return op.More == nil
		}
		return false
	})
	for i := range m.ops {
		m.ops[i].ID = i
	}
	return m
}

func TestZonesAgreeWithPorcupine(t *testing.T) {
	s := shape{ops: 9, keys: 1, kinds: []history.Kind{history.Read, history.Write}, lie: 0.08}
	seen := map[bool]int{}
	var r zones.Registers
	checks(t, histories(t), func(t *rapid.T) {
		m := withoutUnrun(s.make(dice{t}))
		_, holds, decided := r.Linearizable(m.ops)
		require.True(t, decided)
		p := linear.Problem{Keys: []linear.Key{{Name: "k0"}}, Crash: history.Never}
		for i := range m.ops {
			p.Ops = append(p.Ops, &m.ops[i])
		}
		want := p.ByPorcupine(linear.Limits{})
		require.NotEqual(t, linear.Unknown, want)
		require.Equal(t, want == linear.Yes, holds, "%s", dump(m))
		seen[holds]++
	})
	bothSeen(t, seen)
}

// bothSeen: a comparison of which one side never occurs compares nothing.
func bothSeen(t *testing.T, seen map[bool]int) {
	t.Helper()
	total := seen[true] + seen[false]
	require.Greater(t, seen[true], total/30, "too few good histories")
	require.Greater(t, seen[false], total/30, "too few bad histories")
	t.Logf("%d good, %d bad", seen[true], seen[false])
}

// compare judges random histories with the whole judge and with the slow one.
func compare(t *testing.T, s shape, losses, possible bool) {
	seen := map[bool]int{}
	j := Judge{Options: unhurried}
	checks(t, histories(t), func(t *rapid.T) {
		m := withoutUnrun(s.make(dice{t}))
		want := judgeSlowly(m.ops, m.crash, m.found)
		out := j.Judge(m.history(s), contract.Clients())
		good := want.linearizable && want.consistent
		if out.Assumption == Enough {
			out.Verdict = verdict.Holds
		}
		require.NotEqual(t, verdict.Unknown, out.Verdict, "%s\n%s", out.Why, dump(m))
		require.Equal(t, good, out.Verdict == verdict.Holds, "%s\n%s", out.Why, dump(m))
		seen[good]++
		if !good {
			return
		}
		if losses {
			require.Equal(t, len(want.certain), out.Lost, "certainly lost %v\n%s", want.certain, dump(m))
		}
		if possible {
			require.Equal(t, len(want.possible), out.PossiblyLost, "possibly lost %v\n%s", want.possible, dump(m))
		} else {
			require.GreaterOrEqual(t, out.PossiblyLost, len(want.certain), "%s", dump(m))
		}
	})
	bothSeen(t, seen)
}

// history is what was made of a shape, with its crash and what was found.
func (m *made) history(s shape) *history.History {
	return &history.History{Ops: m.ops,
		Epochs: []history.Epoch{{Ended: m.crash, How: history.PowerCut, DiskSeen: true}},
		States: []history.State{stateOfMap(m.found, slices.Contains(s.kinds, history.Append), m.crash)}}
}

func dump(m made) string {
	var b strings.Builder
	for i := range m.ops {
		fmt.Fprintf(&b, "%d: %s\n", i, Tell(&m.ops[i]))
	}
	fmt.Fprintf(&b, "crash at %s, found %v", m.crash, m.found)
	return b.String()
}

func TestPrefixAgreesWithExhaustiveEnumeration(t *testing.T) {
	rw := []history.Kind{history.Read, history.Write, history.Write}
	compare(t, shape{ops: 7, keys: 3, kinds: rw, lie: 0.16}, true, true)
}

func TestPrefixWithDeletesAgreesWithExhaustiveEnumeration(t *testing.T) {
	kinds := []history.Kind{history.Read, history.Write, history.Write, history.Delete}
	compare(t, shape{ops: 7, keys: 2, kinds: kinds, lie: 0.18}, false, false)
}

func TestPrefixWithDeletesAndNoReadsAgreesOnLosses(t *testing.T) {
	kinds := []history.Kind{history.Write, history.Write, history.Delete}
	compare(t, shape{ops: 7, keys: 3, kinds: kinds, lie: 0.7}, true, true)
}

func TestListsAgreeWithExhaustiveEnumeration(t *testing.T) {
	kinds := []history.Kind{history.Append, history.Append, history.ReadList}
	compare(t, shape{ops: 7, keys: 2, kinds: kinds, lie: 0.35}, true, true)
}

func TestCountersAgreeWithExhaustiveEnumeration(t *testing.T) {
	compare(t, shape{ops: 6, keys: 2, kinds: []history.Kind{history.Incr}, lie: 0.1}, true, false)
}

func TestWritingTransactionsAgreeWithBruteForce(t *testing.T) {
	kinds := []history.Kind{history.Txn, history.Txn, history.Write}
	compare(t, shape{ops: 7, keys: 3, kinds: kinds, lie: 0.3}, true, false)
}

func TestReadingTransactionsAgreeWithBruteForce(t *testing.T) {
	compare(t, shape{ops: 6, keys: 3, kinds: []history.Kind{history.Txn}, lie: 0.08, readingTxns: true}, true, true)
}

func TestWritesThatReturnWhatTheyReplacedAgreeWithBruteForce(t *testing.T) {
	kinds := []history.Kind{history.Read, history.Write, history.Write}
	compare(t, shape{ops: 7, keys: 3, kinds: kinds, lie: 0.12, replaced: true}, true, true)
}
