package offline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// What can be wrong with a queue of which only the totals count; the names are
// those of Jepsen's checker total-queue.
const (
	lostElement       anomaly.Name = "lost-element"
	unexpectedElement anomaly.Name = "unexpected-element"
	duplicatedElement anomaly.Name = "duplicated-element"
)

// totalQueue judges a queue by its totals, in any order: what went in came out,
// and nothing else. It means something only when the queue was drained at the
// end. Elements whose :enqueue got no answer may have come out ("recovered").
func totalQueue(h *history.History) Verdict {
	type element struct {
		acked, maybe, refused, out int
		ops                        []int
	}
	elements := map[string]*element{} // by key and value
	var order []string
	of := func(op *history.Op, value string, place int) *element {
		id := fmt.Sprintf("%d:%s%s", len(op.Key), op.Key, value)
		e := elements[id]
		if e == nil {
			e = &element{}
			elements[id] = e
			order = append(order, id)
		}
		e.ops = append(e.ops, place)
		return e
	}
	v := Verdict{As: "total-queue: what goes in comes out, in any order"}
	taken, unanswered, recovered := 0, 0, 0
	for i := range h.Ops {
		op := &h.Ops[i]
		switch {
		case op.Kind == history.Append || op.Kind == history.Push:
			e := of(op, op.Value, i)
			switch op.Outcome {
			case history.OK:
				e.acked++
			case history.Unknown:
				e.maybe++
			case history.Failed:
				e.refused++
			}
		case op.Kind == history.Pop && op.Outcome == history.OK:
			taken++
			if !op.Absent {
				of(op, op.More.Result, i).out++
			}
		case op.Kind == history.Pop && op.Outcome == history.Unknown:
			unanswered++
		}
	}
	counts := map[anomaly.Name]int{}
	add := func(name anomaly.Name, e *element, rule, found string) {
		if counts[name]++; counts[name] > shown {
			return
		}
		a := anomaly.Anomaly{Name: name, Key: h.Ops[e.ops[0]].Key, Ops: e.ops, Rule: rule}
		var b strings.Builder
		for _, n := range e.ops {
			b.WriteString(checker.Tell(&h.Ops[n]) + "\n")
		}
		a.Story = b.String() + found
		v.Anomalies = append(v.Anomalies, a)
	}
	var lost []*element
	missing := 0
	for _, id := range order {
		e := elements[id]
		switch {
		case e.out > 0 && e.acked+e.maybe == 0:
			found := "nobody put it in"
			if e.refused > 0 {
				found = "it was put in by an operation that failed: either the store did what it refused, or the client calls an unknown outcome a failure"
			}
			add(unexpectedElement, e, "an element that comes out went in", found)
		case e.out > e.acked+e.maybe:
			add(duplicatedElement, e, "an element comes out once",
				fmt.Sprintf("it went in at most %s and came out %d times", times(e.acked+e.maybe), e.out))
		case e.out < e.acked:
			missing += e.acked - e.out
			lost = append(lost, e)
		default:
			recovered += e.out - min(e.out, e.acked)
		}
	}
	if missing > unanswered { // a dequeue without an answer may have taken one each
		for _, e := range lost {
			add(lostElement, e, "an element that went in comes out", fmt.Sprintf("it went in %s and came out %s", times(e.acked), times(e.out)))
		}
		if unanswered > 0 {
			v.Notes = append(v.Notes, fmt.Sprintf("%d dequeues got no answer: at least %d of the %d missing elements are lost", unanswered, missing-unanswered, missing))
		}
	}
	for name, n := range counts { // any order: sorted below
		if n > shown {
			v.Notes = append(v.Notes, fmt.Sprintf("%s: %d in all, the first %d are shown", name, n, shown))
		}
	}
	slices.Sort(v.Notes)
	if recovered > 0 {
		v.Notes = append(v.Notes, fmt.Sprintf("of %d that came out the enqueue got no answer", recovered))
	}
	switch {
	case len(v.Anomalies) > 0:
		v.Verdict = verdict.Violated
		v.Why = fmt.Sprintf("%s: %s", v.Anomalies[0].Name, v.Anomalies[0].Rule)
	case missing > 0:
		v.Verdict = verdict.Unknown
		v.Why = fmt.Sprintf("%d elements did not come out, and %d dequeues got no answer and may have taken them", missing, unanswered)
	case taken == 0:
		v.Verdict, v.Why = verdict.Unknown, "nothing was taken out: want a :drain, or dequeues, at the end"
	default:
		v.Verdict = verdict.Holds
	}
	return v
}

// shown is how many anomalies of one name carry evidence.
const shown = 8

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
