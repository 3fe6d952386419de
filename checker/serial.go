package checker

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/durability"
)

const partlyOrdered = "the order of some keys' versions is not known: transactions were judged by what is"

// serial judges transactions over several keys by the versions they say they
// read and replaced. It returns false when no order of them explains the replies.
func (j *Judge) serial(e *epoch) bool {
	decided := false
	if j.regs.KnowsVersions() {
		res := j.graph.Check(&j.regs, false)
		if !res.Consistent {
			a := anomaly.Anomaly{Name: anomaly.NonLinearizable, Epoch: e.number,
				Rule: "some order of the transactions explains every reply"}
			a.Ops = j.places(e, res.Cycle)
			a.Story = j.tell(a.Ops) + "\neach of these must come before the next, and the last before the first"
			j.found(a)
			return false
		}
		decided = res.Decided
	}
	j.leaveToClusters(decided)
	return true
}

// mostSearched is how many operations of registers and lists, which transactions
// tie together, are searched even where their clusters decide.
const mostSearched = 100

// leaveToClusters takes from the components those that need no search: large
// ones that only write, or whose order of versions is known throughout.
func (j *Judge) leaveToClusters(decided bool) {
	ops := 0
	for _, c := range j.parts {
		if !c.registers || c.twice {
			decided = false // the graph only counts losses when it counts all
		}
		ops += c.ops
	}
	if ops <= j.mostSearched() {
		return
	}
	j.parts = slices.DeleteFunc(j.parts, func(c *component) bool { return c.registers && !c.twice && (decided || !c.told) })
}

func (j *Judge) mostSearched() int {
	if j.noSmall {
		return 0
	}
	return mostSearched
}

// serialCut judges the recovered state together with the transactions.
func (j *Judge) serialCut(e *epoch, cut *durability.Cut) bool {
	j.unkept = noOp
	if !j.regs.KnowsVersions() {
		return true
	}
	res := j.graph.Check(&j.regs, true)
	if !res.Consistent {
		a := anomaly.Anomaly{Name: anomaly.Hole, Epoch: e.number, Rule: prefixRule}
		a.Ops = j.places(e, res.Cycle)
		var b strings.Builder
		b.WriteString(j.tell(a.Ops))
		fmt.Fprintf(&b, "\nat %s: %s\n", e.life.Ended, crashWords(e.life.How))
		b.WriteString("the recovered state has some of these and lacks others that came before them")
		a.Story = b.String()
		j.found(a)
		return false
	}
	if !res.Decided || len(j.parts) > 0 {
		return true
	}
	j.unkept = res.Unkept
	for _, op := range res.Lost {
		if !slices.Contains(cut.Certain, op) {
			cut.Certain = append(cut.Certain, op)
			cut.FirstCertain = min(cut.FirstCertain, int64(j.regs.In.Ops[op].Return))
		}
	}
	if res.Placed {
		cut.Possible, cut.FirstPossible = res.Possible, res.FirstPossible
	}
	return true
}

// places are operations of the epoch as places in the history, in order.
func (j *Judge) places(e *epoch, ops []int32) []int {
	var all []int
	for _, op := range ops {
		all = append(all, e.from+int(op))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
