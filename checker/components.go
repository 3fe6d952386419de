package checker

import (
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// component is one key that clusters do not decide, or several keys that
// transactions and moves from list to list tie together: what happens to one
// of them has its place in one order with what happens to the others.
type component struct {
	keys    []int32 // places in Registers.Keys
	ops     int     // how many operations there are on them
	problem *linear.Problem
	places  []int // of the problem's operations in the history
	// registers: each of its keys is a register or a list that clusters would
	// decide if it stood alone.
	registers bool
	// twice: a transaction touches a key twice, of which the clusters do not know
	// that nothing comes between. told: somebody was told something other than that
	// he had written. mixed: a transaction reads, or a write returned what it replaced.
	twice, told, mixed bool
	// whole is the answer to the question whether what was found fits anywhere;
	// only after a crash.
	whole linear.Result
	// orders are orders in which what was found fits somewhere.
	orders []linear.Result
	// kept: what was found fits behind all that clients were told.
	kept bool
	// undecided: a search about it did not end.
	undecided bool
	fruitless int64 // steps of searches for losses that came to no answer
	listed    bool  // see eachOp
}

func (c *component) names(j *Judge) []string {
	var names []string
	for _, n := range c.keys {
		names = append(names, j.regs.Keys[n].Name)
	}
	return names
}

// acked is how many of its operations were acknowledged, once it has its problem.
func (c *component) acked() int {
	n := 0
	for _, op := range c.problem.Ops {
		if op.Outcome == history.OK {
			n++
		}
	}
	return n
}

// components groups the keys of the epoch, and returns what clusters do not
// decide (or all, for a picture, with their problems), in order of the first key.
func (j *Judge) components(e *epoch, all bool) []*component {
	keys := j.regs.Keys
	t := &j.ties
	t.begin(len(keys))
	for i := range keys {
		k := &keys[i]
		if j.bare && k.Gaps && k.DecidedButForGaps() {
			continue // the smallest part is judged again with care
		}
		t.hard[i] = all || k.Searched()
	}
	j.eachTie(t.tie)
	for i := range keys {
		r := t.root(int32(i))
		t.hard[r] = t.hard[r] || t.hard[i]
	}
	var list []*component
	for i := range keys {
		r := t.root(int32(i))
		if !t.hard[r] {
			continue
		}
		c := t.of[r]
		if c == nil { // the root is the first of its keys
			c = &component{registers: true}
			list = append(list, c)
		}
		t.of[i] = c
		c.keys = append(c.keys, int32(i))
		c.registers = c.registers && !keys[i].Ambiguous() && keys[i].Deadline == zones.Late && !keys[i].Outlived
		c.mixed = c.mixed || keys[i].Replaces || keys[i].Chain
		c.told = c.told || keys[i].Replaces
	}
	if len(list) > 0 {
		j.survey(list)
	}
	if all {
		j.problems(e, list)
	}
	return list
}

// ties are the keys of an epoch as operations tie them together.
type ties struct {
	up   []int32      // of each key another one that it is tied to, towards the first of them
	hard []bool       // it takes a search, or it is tied to others; by the first of them once all are tied
	of   []*component // of each key
}

func (t *ties) begin(keys int) {
	t.up = slices.Grow(t.up[:0], keys)[:keys]
	for i := range t.up {
		t.up[i] = int32(i)
	}
	t.hard = append(t.hard[:0], make([]bool, keys)...)
	t.of = append(t.of[:0], make([]*component, keys)...)
}

func (t *ties) root(n int32) int32 {
	for t.up[n] != n {
		t.up[n] = t.up[t.up[n]]
		n = t.up[n]
	}
	return n
}

func (t *ties) tie(a, b int32) {
	t.hard[a], t.hard[b] = true, true
	a, b = t.root(a), t.root(b)
	t.up[max(a, b)] = min(a, b)
}

// eachOp calls f for every operation that may have taken effect, with its
// component, when that is one of list.
func (j *Judge) eachOp(list []*component, f func(c *component, i int, op *history.Op)) {
	for _, c := range list {
		c.listed = true
	}
	for i := range j.regs.In.Ops {
		op := &j.regs.In.Ops[i]
		n := j.regs.KeyOf[i]
		if op.Kind == history.Txn && op.Outcome != history.Failed && op.More != nil && len(op.More.Parts) > 0 {
			n = j.regs.Number(op.More.Parts[0].Key)
		}
		if n < 0 {
			continue
		}
		if c := j.ties.of[n]; c != nil && c.listed {
			f(c, i, op)
		}
	}
	for _, c := range list {
		c.listed = false
	}
}

// survey looks through the operations of the components.
func (j *Judge) survey(list []*component) {
	j.eachOp(list, func(c *component, _ int, op *history.Op) {
		c.ops++
		if op.Kind != history.Txn {
			c.told = c.told || op.Outcome == history.OK && !op.Writes()
			return
		}
		parts := op.More.Parts
		for i := range parts {
			if !parts[i].Writes() {
				c.mixed = true
				c.told = c.told || op.Outcome == history.OK
			}
			for k := range i {
				c.twice = c.twice || parts[i].Key == parts[k].Key && (parts[i].Writes() && parts[k].Writes() || op.Outcome != history.OK)
			}
		}
	})
}

// eachTie calls tie for keys that one operation ties together, and with the
// same key twice for one that a transaction touches more than once.
func (j *Judge) eachTie(tie func(a, b int32)) {
	for i := range j.regs.In.Ops {
		op := &j.regs.In.Ops[i]
		if op.Outcome == history.Failed || op.More == nil {
			continue
		}
		switch op.Kind {
		case history.ListMove:
			tie(j.regs.Number(op.Key), j.regs.Number(op.More.To))
		case history.Txn:
			parts := op.More.Parts
			for k := range parts {
				p := &parts[k]
				first := j.regs.Number(parts[0].Key)
				if len(parts) > 1 {
					tie(first, j.regs.Number(p.Key))
				}
				if p.Kind == history.ListMove && p.More != nil {
					tie(first, j.regs.Number(p.More.To))
				}
			}
		}
	}
}

// problems gives each component its problem, in one pass over the operations.
func (j *Judge) problems(e *epoch, list []*component) {
	for _, c := range list {
		c.problem = &linear.Problem{Crash: e.life.Ended, Ops: make([]*history.Op, 0, c.ops)}
		c.places = make([]int, 0, c.ops)
		for _, n := range c.keys {
			c.problem.Keys = append(c.problem.Keys, j.keyOf(e, n))
		}
	}
	j.eachOp(list, func(c *component, i int, op *history.Op) {
		c.problem.Ops = append(c.problem.Ops, op)
		c.places = append(c.places, e.from+i)
	})
}

// keyOf is key n of the epoch as the search takes it.
func (j *Judge) keyOf(e *epoch, n int32) linear.Key {
	k := &j.regs.Keys[n]
	key := linear.Key{Name: k.Name, String: k.AppendsToString(), Either: k.Strings && k.Lists}
	if kv := kvOf(e.before, k.Name); kv != nil {
		key.Initial = linear.Load(kv, e.before)
		if kv.Deadline == 0 {
			key.InitialFor = max(0, e.before.At-e.before.Began)
		}
	}
	if j.regs.In.HasRecovered {
		key.Found = linear.FoundIn(kvOf(e.after, k.Name), e.after)
	}
	return key
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
