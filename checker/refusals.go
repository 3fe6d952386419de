package checker

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
)

func refused(op *history.Op) bool {
	if op.Outcome != history.Failed || op.More == nil || !op.Writes() {
		return false
	}
	return history.RefusesForNow(op.More.Err)
}

// Refusals counts the writes that were refused for now, and says for how long at a stretch
// no write was taken: from the first that was refused to the next that is acknowledged, or
// until ends. first is the place of the one that was refused first.
func Refusals(ops []history.Op, ends time.Duration) (n, first int, longest time.Duration) {
	first = noOp
	for i := range ops {
		if refused(&ops[i]) {
			if n++; first < 0 || ops[i].Return < ops[first].Return {
				first = i
			}
		}
	}
	if n == 0 {
		return 0, noOp, 0
	}
	for from := ops[first].Return; from != history.Never; {
		until, next := history.Never, history.Never
		for i := range ops {
			if op := &ops[i]; op.Acked() && op.Writes() && op.Invoke >= from {
				until = min(until, op.Return)
			}
		}
		for i := range ops {
			if op := &ops[i]; refused(op) && op.Return > until {
				next = min(next, op.Return)
			}
		}
		if until == history.Never {
			until = ends
		}
		longest = max(longest, until-from)
		from = next
	}
	return n, first, longest
}

// refusals judges the writes of an epoch that were refused.
func (j *Judge) refusals(e *epoch) {
	n, first, longest := Refusals(j.h.Ops[e.from:e.to], j.ends(e))
	if n == 0 {
		return
	}
	j.out.RefusedWrites += n
	j.out.RefusedFor = max(j.out.RefusedFor, longest)
	if most := j.c.MaxRefused; most != nil && n > *most {
		j.refusedTooMuch(e, first, fmt.Sprintf("at most %d writes may be refused", *most), n, longest)
	}
	if most := j.c.MaxRefusedFor; most != nil && longest > *most {
		j.refusedTooMuch(e, first, fmt.Sprintf("writes may be refused for %s at most", *most), n, longest)
	}
}

// ends is when an epoch ends; one that does not, with the last reply.
func (j *Judge) ends(e *epoch) time.Duration {
	if e.crashed {
		return e.life.Ended
	}
	last := time.Duration(0)
	for i := range j.h.Ops[e.from:e.to] {
		if at := j.h.Ops[e.from+i].Return; at != history.Never {
			last = max(last, at)
		}
	}
	return last
}

func (j *Judge) refusedTooMuch(e *epoch, first int, rule string, n int, longest time.Duration) {
	op := &j.h.Ops[e.from+first]
	j.found(anomaly.Anomaly{Name: anomaly.Refused, Epoch: e.number, Ops: []int{e.from + first}, Key: op.Key, Rule: rule,
		Story: fmt.Sprintf("%d writes were refused, for %s at a stretch; the first: %s\n%s", n, longest, op.More.Err, j.tell([]int{e.from + first}))})
}
