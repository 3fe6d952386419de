package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
)

// Each component allows the cut at some instants, like each key that clusters
// decide: those at which a read of all its keys can have found what was found.
// An order that the search finds allows a whole stretch of them, and the search
// goes on in what is left on either side, so that in the end all of them are known.

// maxSpans is how many stretches of time are asked for one component; what is then
// left is not known to allow the cut.
const maxSpans = 200

// cutOf narrows the cut to what the components allow as well, and counts the
// losses of all keys. false: no cut is left.
func (j *Judge) cutOf(e *epoch, cut *durability.Cut) bool {
	if len(j.parts) == 0 {
		return true
	}
	if j.anywhere {
		return !slices.ContainsFunc(j.parts, func(c *component) bool { return c.whole.Answer == linear.No })
	}
	spans := j.prefix.Spans(beforeAll)
	for _, c := range j.parts {
		if j.onlyAsked(c) {
			if c.whole.Answer == linear.No {
				return false
			}
			continue
		}
		if spans = j.allowed(e, c, spans); len(spans) == 0 {
			return false
		}
	}
	skip := j.answered(func(c *component) bool {
		return !(c.undecided && c.registers) && !j.onlyAsked(c) // otherwise its clusters count
	})
	*cut = *j.prefix.Narrow(spans, skip)
	for _, c := range j.parts {
		if !(c.undecided && c.registers) && !j.onlyAsked(c) {
			j.lose(c, spans, cut)
		}
	}
	return true
}

// answered are the keys of the components that by says, by their places in
// Registers.Keys. It is valid until the next call.
func (j *Judge) answered(by func(*component) bool) []bool {
	j.skip = append(j.skip[:0], make([]bool, len(j.regs.Keys))...)
	for _, c := range j.parts {
		if !by(c) {
			continue
		}
		for _, n := range c.keys {
			j.skip[n] = true
		}
	}
	return j.skip
}

// onlyAsked reports whether a component is only asked whether what was found
// fits at all: where in time it fits, and what is lost, its clusters say, as
// they do for a single key. So much is there of it that the search would take long.
func (j *Judge) onlyAsked(c *component) bool {
	return c.registers && c.ops > mostSearched
}

// allowed are the instants among spans at which c allows the cut.
func (j *Judge) allowed(e *epoch, c *component, spans []durability.Span) []durability.Span {
	if c.whole.Answer == linear.Unknown || c.undecided {
		c.undecided = true
		if !c.registers {
			j.gaveUp(c, c.whole)
		}
		return spans
	}
	if c.whole.Answer == linear.No {
		return nil
	}
	// The order found first says something about all spans.
	c.orders = append(c.orders, c.whole)
	var all []durability.Span
	add := func(from, to int64) { all = append(all, durability.Span{From: from, To: to}) }
	asked := 0
	var ask func(from, to int64)
	ask = func(from, to int64) {
		if from > to {
			return
		}
		for _, r := range c.orders { // what is known already
			if a, b := max(from, int64(r.From)), min(to, int64(r.To)); a <= b {
				add(a, b)
				ask(from, a-1)
				ask(b+1, to)
				return
			}
		}
		if asked++; asked > maxSpans && !c.undecided {
			c.undecided = true
			j.gaveUp(c, linear.Result{Explained: c.acked(), Acked: c.acked(), Stuck: -1})
		}
		if c.undecided {
			add(from, to)
			return
		}
		c.problem.FoundFrom, c.problem.FoundTo = time.Duration(from), time.Duration(to)
		r := j.ask(c)
		switch r.Answer {
		case linear.Yes:
			c.orders = append(c.orders, r)
			ask(from, to)
		case linear.Unknown:
			c.undecided = true
			j.gaveUp(c, r)
			add(from, to)
		}
	}
	for _, s := range spans {
		ask(s.From, min(s.To, int64(e.life.Ended)))
	}
	slices.SortFunc(all, func(a, b durability.Span) int { return int(min(1, max(-1, a.From-b.From))) })
	merged := all[:0]
	for _, s := range all {
		if n := len(merged); n > 0 && s.From <= merged[n-1].To+1 {
			merged[n-1].To = max(merged[n-1].To, s.To)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// lose counts the losses of a component: an acknowledged write is certainly lost
// when it lies before the cut in no order, and possibly lost when it lies behind
// it in some. The orders that were found answer for most of them.
func (j *Judge) lose(c *component, spans []durability.Span, cut *durability.Cut) {
	p := c.problem
	n := len(p.Ops)
	inside, outside := make([]bool, n), make([]bool, n)
	for i := range c.orders {
		j.mark(c, &c.orders[i], spans, inside, outside)
	}
	earliest, latest := spans[0].From, spans[len(spans)-1].To
	for i, op := range p.Ops {
		if op.Outcome != history.OK || !op.Writes() {
			continue
		}
		switch {
		case int64(op.Invoke) > latest:
			inside[i], outside[i] = false, true
		case min(int64(op.Return), int64(p.Crash)) < earliest:
			inside[i], outside[i] = true, false
		case c.fruitless > mostFruitless:
			outside[i] = true // nobody knows
		default:
			before, after := j.sides(c, i, earliest, latest)
			if !inside[i] && !after {
				p.Inside = op
				j.askWhere(c, spans, inside, outside)
				p.Inside = nil
			}
			if !outside[i] && !before {
				p.Outside = op
				j.askWhere(c, spans, inside, outside)
				p.Outside = nil
			}
		}
		if outside[i] {
			cut.Possible++
			cut.FirstPossible = min(cut.FirstPossible, int64(op.Return))
		}
		if !inside[i] && !c.undecided {
			cut.Certain = append(cut.Certain, int32(c.places[i]-j.from))
			cut.FirstCertain = min(cut.FirstCertain, int64(op.Return))
		}
	}
}

// sides says on which side of every cut from earliest to latest operation i of c
// lies for sure, where its clusters tell.
func (j *Judge) sides(c *component, i int, earliest, latest int64) (before, after bool) {
	if !c.registers || !j.regs.HasTransactions() {
		return false, false
	}
	return j.prefix.Sides(int32(c.places[i]-j.from), earliest, latest)
}

// askWhere looks for an order that puts the operation asked for on the side
// asked for, with the cut in one of spans.
func (j *Judge) askWhere(c *component, spans []durability.Span, inside, outside []bool) {
	p := c.problem
	for _, s := range spans {
		p.FoundFrom, p.FoundTo = time.Duration(s.From), time.Duration(s.To)
		switch r := j.ask(c); r.Answer {
		case linear.Yes:
			j.mark(c, &r, spans, inside, outside)
			return
		case linear.Unknown:
			if c.fruitless += r.Steps; !c.undecided {
				c.undecided = true
				j.gaveUp(c, r)
			}
			return
		}
	}
}

// mostFruitless is how many steps of searches without an answer are taken for the losses of
// one component.
const mostFruitless = 5_000_000

// mark notes on which side of the cut an order has each operation, when its cut
// can lie in one of spans.
func (j *Judge) mark(c *component, r *linear.Result, spans []durability.Span, inside, outside []bool) {
	if !slices.ContainsFunc(spans, func(s durability.Span) bool { return s.From <= int64(r.To) && s.To >= int64(r.From) }) {
		return
	}
	for i, before := range r.Before {
		if before {
			inside[i] = true
		} else {
			outside[i] = true
		}
	}
}

// noCut tells why no cut is left once the components have been asked.
func (j *Judge) noCut(e *epoch, cut *durability.Cut) anomaly.Anomaly {
	for _, c := range j.parts {
		if c.whole.Answer != linear.No {
			continue
		}
		for _, n := range c.keys {
			if a, is := j.otherDeadline(e, n); is {
				return a
			}
		}
		if torn := j.tornIn(c); torn >= 0 {
			return j.torn(e, int32(torn-j.from))
		}
		a := j.hole(e, cut)
		a.Ops, a.Key = nil, j.regs.Keys[c.keys[0]].Name
		if j.bare {
			return a
		}
		core, _ := c.problem.Core(j.Options.Limits)
		for _, i := range core {
			a.Ops = append(a.Ops, c.places[i])
		}
		slices.Sort(a.Ops)
		a.Story = j.story(e, j.tell(a.Ops), c.keys)
		return a
	}
	a := j.hole(e, cut)
	var keys []int32
	for _, c := range j.parts {
		keys = append(keys, c.keys...)
		// What came first of what is missing, and last of what is there.
		for _, op := range j.edges(c) {
			if !slices.Contains(a.Ops, op) {
				a.Ops = append(a.Ops, op)
			}
		}
	}
	slices.Sort(a.Ops)
	for _, n := range []int32{cut.LowKey, cut.HighKey} {
		if n >= 0 && !slices.Contains(keys, n) {
			keys = append(keys, n)
		}
	}
	a.Key = j.regs.Keys[keys[0]].Name
	a.Story = j.story(e, j.tell(a.Ops), keys)
	return a
}

// edges are the acknowledged writes of a component on either side of where it
// allows the cut: the last that is there, and the first that is not.
func (j *Judge) edges(c *component) []int {
	var ops []int
	for i := range c.orders {
		r := &c.orders[i]
		last, first := noOp, noOp
		for k, op := range c.problem.Ops {
			if op.Outcome != history.OK || !op.Writes() {
				continue
			}
			if r.Before[k] && (last < 0 || op.Invoke > c.problem.Ops[last].Invoke) {
				last = k
			}
			if !r.Before[k] && (first < 0 || op.Return < c.problem.Ops[first].Return) {
				first = k
			}
		}
		for _, k := range []int{last, first} {
			if k >= 0 {
				ops = append(ops, c.places[k])
			}
		}
		break
	}
	return ops
}

// mostStoryKeys is of how many keys a story says what was read.
const mostStoryKeys = 6

// story is what happened, the crash, and what was read of some keys afterwards.
func (j *Judge) story(e *epoch, text string, keys []int32) string {
	var b strings.Builder
	if text != "" {
		b.WriteString(text + "\n")
	}
	fmt.Fprintf(&b, "at %s: %s\n", e.life.Ended, crashWords(e.life.How))
	for i, n := range keys {
		if i == mostStoryKeys {
			fmt.Fprintf(&b, "... and %d more keys\n", len(keys)-i)
			break
		}
		b.WriteString(j.recovered(&j.regs.Keys[n]))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// tornIn is the transaction (a place in the history) that makes what was found
// of a component inexplicable: taken apart, it would be explained. -1: none is.
func (j *Judge) tornIn(c *component) int {
	p := c.problem
	p.FoundFrom, p.FoundTo = beforeAll, p.Crash
	defer func() { p.Split = nil }()
	p.Split = func(*history.Op) bool { return true }
	if j.ask(c).Answer != linear.Yes {
		return noOp
	}
	for i, op := range p.Ops {
		if op.Kind != history.Txn {
			continue
		}
		p.Split = func(o *history.Op) bool { return o == op }
		if j.ask(c).Answer == linear.Yes {
			return c.places[i]
		}
	}
	// It takes several: the first that is written is named.
	for i, op := range p.Ops {
		if op.Kind == history.Txn && op.Writes() {
			return c.places[i]
		}
	}
	return noOp
}
