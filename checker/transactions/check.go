package transactions

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// defaultLimit is how many findings of a name carry evidence.
const defaultLimit = 8

// check is one judgement on its way.
type check struct {
	x *index
	o Options
	// lists or registers, whichever the history has.
	lists     *lists
	registers *registers

	found  map[anomaly.Name][]Finding
	counts map[anomaly.Name]int

	// Scratch of the internal reads: what a transaction knows of each key, and
	// which of its own values it has read.
	known  map[Value]Value
	states []listState
	own    map[[2]Value]bool

	undecided []string
	// steps is how many edges the searches may still look at.
	steps int
}

// Check judges h. An error means that h is not a history that can be judged: a
// value is written twice, times run backwards, lists and registers are mixed.
// The time it takes is linear in the operations and in the elements read, but for
// sorting; the search for a G-single inside a large component is given up after a
// fixed number of steps, and Result.Undecided says so.
func Check(h *History, o Options) (*Result, error) {
	models, err := expected(o.Expect)
	if err != nil {
		return nil, err
	}
	x, err := newIndex(h)
	if err != nil {
		return nil, err
	}
	if o.Limit <= 0 {
		o.Limit = defaultLimit
	}
	c := &check{x: x, o: o, found: map[anomaly.Name][]Finding{}, counts: map[anomaly.Name]int{}, steps: searchSteps,
		known: map[Value]Value{}, own: map[[2]Value]bool{}}
	if h.Lists {
		c.lists = newLists(x)
		c.listReads()
	} else {
		c.registers = newRegisters(x, &o)
		c.registerReads()
		for _, k := range c.registers.undecided[:min(len(c.registers.undecided), defaultLimit)] {
			c.undecided = append(c.undecided, fmt.Sprintf("the order of versions of key %s by real time: more than %d transactions used it at once", h.Names.Text(x.keys[k].name), maxAtOnce))
		}
	}
	c.lostUpdates()
	c.graph(models)
	c.noOrder(models)
	return c.result(models), nil
}

// graph looks for cycles. Process and real-time edges are only there when a model
// cares for them: otherwise they would join components and hide worse names.
func (c *check) graph(models []Model) {
	x := c.x
	a := arcs{nodes: int32(len(x.h.Txns))}
	if c.lists != nil {
		c.lists.edges(&a)
	} else {
		c.registers.edges(&a)
	}
	most := byData
	for _, m := range models {
		most = max(most, m.variant())
	}
	if most >= byProcess {
		x.processOrder(&a)
	}
	if most >= byRealTime {
		x.realTime(&a)
	}
	c.cycles(a.graph(int32(len(x.h.Txns))), most)
}

// report adds a finding; evidence is only made for the first few of a name.
func (c *check) report(n anomaly.Name, evidence func() Finding) {
	if c.counts[n]++; c.counts[n] > c.o.Limit {
		return
	}
	f := evidence()
	f.Name, f.Rule = n, rule(n)
	c.found[n] = append(c.found[n], f)
}

func (c *check) result(models []Model) *Result {
	r := &Result{Undecided: c.undecided}
	for _, n := range Anomalies() {
		if c.counts[n] == 0 {
			continue
		}
		r.Counts = append(r.Counts, Count{n, c.counts[n]})
		slices.SortStableFunc(c.found[n], func(a, b Finding) int { return slices.Min(a.Txns) - slices.Min(b.Txns) })
		r.Findings = append(r.Findings, c.found[n]...)
	}
	r.judge(models)
	if r.Verdict == verdict.Violated {
		return r
	}
	switch {
	case len(c.undecided) > 0:
		r.Verdict, r.Why = verdict.Unknown, "a search was given up: "+strings.Join(c.undecided, "; ")
	case !slices.ContainsFunc(c.x.h.Txns, func(t Txn) bool { return t.Outcome == history.OK }):
		r.Verdict, r.Why = verdict.Unknown, "no transaction committed"
	}
	return r
}

// judge sets the verdict by what was found.
func (r *Result) judge(models []Model) {
	names := make([]anomaly.Name, len(r.Counts))
	for i, c := range r.Counts {
		names[i] = c.Name
	}
	r.Not, r.AlsoNot = boundary(names)
	var bad []string
	for _, c := range r.Counts {
		for _, m := range models {
			if m.Forbids(c.Name) {
				bad = append(bad, fmt.Sprintf("%s (%d)", c.Name, c.N))
				break
			}
		}
	}
	words := make([]string, len(models))
	for i, m := range models {
		words[i] = string(m)
	}
	model := strings.Join(words, " and ")
	if len(bad) == 0 {
		r.Verdict, r.Why = verdict.Holds, "nothing was found that "+model+" forbids"
		return
	}
	r.Verdict, r.Why = verdict.Violated, model+" forbids "+strings.Join(bad, ", ")
}
