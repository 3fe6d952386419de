package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/linear"
)

// Progress is how far a search came that did not end: the longest order of
// operations that explains their replies, and the operation that had to come
// next and fits nowhere in it.
type Progress struct {
	Keys             []string
	Explained, Acked int   // acknowledged operations in that order, and all there are
	Longest          []int // places in History.Ops
	Stuck            int   // place in History.Ops, or -1
	// Untried: the search ended, and had not tried all that a server may have chosen.
	Untried bool
}

// String is the progress as a sentence.
func (p *Progress) String() string {
	keys := "key"
	if len(p.Keys) > 1 {
		keys = "keys"
	}
	names := p.Keys
	more := ""
	if len(names) > 3 {
		names, more = names[:3], fmt.Sprintf(" and %d more", len(p.Keys)-3)
	}
	why := "no answer within the time and memory given"
	if p.Untried {
		why = "no answer without more IDs that the server may have chosen for its entries than are tried"
	}
	return fmt.Sprintf("%s %s%s: %s, %d of %d acknowledged operations explained", keys, strings.Trim(fmt.Sprintf("%q", names), "[]"), more, why, p.Explained, p.Acked)
}

// general judges what the clients saw of the keys that clusters do not decide.
// It returns false when one of them is broken.
func (j *Judge) general(e *epoch) bool {
	var searched []*component
	if len(j.parts) > 0 {
		j.order.Begin(&j.regs)
	}
	for _, c := range j.parts {
		if !j.ordered(e, c) {
			searched = append(searched, c)
		}
	}
	results := j.searchAll(e, searched)
	fine := true
	for i, c := range searched {
		if results[i].Skipped && !fine {
			continue
		}
		if c.whole = results[i]; c.whole.Skipped {
			c.whole = j.ask(c)
		}
		if !j.regs.In.HasRecovered {
			fine = j.answer(e, c, c.whole) && fine
			continue
		}
		if c.whole.Answer == linear.Yes {
			continue
		}
		c.problem.Find = false
		fine = j.answer(e, c, j.ask(c)) && fine
		c.problem.Find = true
	}
	return fine
}

// ordered looks for an order of the operations of c without a search.
func (j *Judge) ordered(e *epoch, c *component) bool {
	if !c.registers || c.twice || c.mixed || !j.order.Find(c.keys) {
		return false
	}
	c.whole, c.kept = linear.Result{Answer: linear.Yes}, j.order.Last
	if !j.regs.In.HasRecovered || j.onlyAsked(c) {
		return true
	}
	j.pose(e, []*component{c})
	c.whole.From, c.whole.To = time.Duration(max(beforeAll, j.order.From)), time.Duration(j.order.To)
	c.whole.Before = make([]bool, len(c.places))
	for _, op := range j.order.Before {
		i, _ := slices.BinarySearch(c.places, e.from+int(op))
		c.whole.Before[i] = true
	}
	return true
}

// pose gives the components their problems. After a crash the question is at once
// whether what was found fits.
func (j *Judge) pose(e *epoch, list []*component) []*linear.Problem {
	j.problems(e, list)
	problems := make([]*linear.Problem, 0, len(list))
	for _, c := range list {
		c.problem.Find, c.problem.FoundFrom, c.problem.FoundTo = j.regs.In.HasRecovered, beforeAll, e.life.Ended
		c.problem.Memory = &j.memory
		problems = append(problems, c.problem)
	}
	return problems
}

// beforeAll is an instant before every operation.
const beforeAll = -1

// answer notes what a search about the clients' replies found.
func (j *Judge) answer(e *epoch, c *component, r linear.Result) bool {
	switch r.Answer {
	case linear.No:
		j.found(j.inexplicable(e, c, r))
		return false
	case linear.Unknown:
		c.undecided = true
		j.gaveUp(c, r)
	}
	return true
}

// gaveUp notes that a search about c did not end.
func (j *Judge) gaveUp(c *component, r linear.Result) {
	if c.registers {
		j.note(partlyOrdered) // they were judged by their clusters
		return
	}
	p := Progress{Keys: c.names(j), Explained: r.Explained, Acked: r.Acked, Stuck: noOp, Untried: r.Untried}
	for _, i := range r.Longest {
		p.Longest = append(p.Longest, c.places[i])
	}
	if r.Stuck >= 0 {
		p.Stuck = c.places[r.Stuck]
	}
	j.out.Progress = append(j.out.Progress, p)
	j.unknown(Resources, p.String())
}

// inexplicable: no order of the operations of c explains every reply.
func (j *Judge) inexplicable(e *epoch, c *component, r linear.Result) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.NonLinearizable, Epoch: e.number, Rule: "some order of the operations explains every reply"}
	if len(c.keys) == 1 {
		a.Key = j.regs.Keys[c.keys[0]].Name
	} else {
		a.Rule = "some order of the operations and transactions explains every reply"
	}
	if j.bare {
		return a
	}
	core, wrong := c.problem.Core(j.Options.Limits)
	for _, i := range core {
		a.Ops = append(a.Ops, c.places[i])
	}
	slices.Sort(a.Ops)
	last := noOp
	if wrong >= 0 {
		last = c.places[wrong]
	}
	a.Story = j.tellWith(a.Ops, last)
	if last >= 0 && len(a.Ops) > 1 {
		a.Story += "\nno order of these explains what client " + fmt.Sprint(j.h.Ops[last].Client) + " was told last"
	}
	return a
}

// registerSteps bounds the search of large components whose keys clusters judge
// one by one.
const registerSteps = 50_000

// limitsFor are the limits of one search about c.
func (j *Judge) limitsFor(c *component) linear.Limits {
	l := j.Options.Limits
	if c.registers && c.ops > mostSearched {
		l.Steps = registerSteps
	}
	return l
}

// ask searches the problem of a component.
func (j *Judge) ask(c *component) linear.Result {
	r := c.problem.Search(j.limitsFor(c))
	j.steps += r.Steps
	return r
}

// fewOps is how many operations are searched one component after another.
const fewOps = 1000

// searchAll searches every component, on all CPUs when there is much to search.
func (j *Judge) searchAll(e *epoch, list []*component) []linear.Result {
	if len(list) == 0 {
		return nil
	}
	ops := 0
	for _, c := range list {
		ops += c.ops
	}
	limits := make([]linear.Limits, len(list))
	for i, c := range list {
		if limits[i] = j.limitsFor(c); ops <= fewOps {
			limits[i].Workers = 1
		}
	}
	results := linear.SearchAll(j.pose(e, list), limits...)
	for i := range results {
		j.steps += results[i].Steps
	}
	return results
}
