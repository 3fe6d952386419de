package explore

import (
	"fmt"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/machine"
)

// compareShare: one image of so many is started on again from cold.
const compareShare = 10

// mostRepaired is how many images whose recovery changed a file are all started
// on from cold, because what a recovery writes shows only at the next start;
// of those beyond, as of the others, a share.
const mostRepaired = 100

// compare starts on some of the images again, in a world of their own and read
// by a client: what came back in the bare environment must come back there.
// Then that server has a second life.
func (e *explorer) compare(m *experiment.Moment, c disk.Choice, hash uint64, r *recovered) {
	changed := r.Truncated || r.How == machine.Repaired
	if changed {
		e.repaired++
	}
	if !(changed && e.repaired <= mostRepaired) && hash%compareShare != 0 {
		return
	}
	m.Disk().Image(&e.second, c)
	e.out.Compared++
	if e.second.Hash() != hash {
		e.out.doubt("%s, %q: made from its neighbour the image is not what it is when it is made from nothing", m.At, c)
		return
	}
	got, second, err := e.cold.Recover(&e.second, m.At)
	if err != nil {
		e.out.doubt("%s, %q: the cold start: %v", m.At, c, err)
		return
	}
	if why := got.Differs(&r.Recovered); why != "" {
		e.out.doubt("%s, %q: the bare and the cold start disagree about %s", m.At, c, why)
		return
	}
	e.secondLife(m.Number, c, second)
}

// secondLife makes a group of recoveries that leave something behind on which
// the next start fails.
func (e *explorer) secondLife(moment int, c disk.Choice, second image.SecondLife) {
	if second.Wrong == "" {
		return
	}
	for _, g := range e.groups {
		if g.second != "" {
			g.states++
			return
		}
	}
	g := &group{key: "second life", asIs: true, choice: c, states: 1, moment: moment, second: second.Wrong, file: second.Cut, truncated: second.Truncated,
		anomaly: experiment.Anomaly{Name: string(anomaly.Unrecoverable), Story: second.Wrong}}
	e.groups = append(e.groups, g)
}

func (r *Report) doubt(format string, a ...any) {
	if r.distrust == "" {
		r.distrust = fmt.Sprintf(format, a...)
	}
}

// describe measures what the recorded run held.
func (e *explorer) describe(h *history.History) {
	e.out.Commands, e.out.Acknowledged = len(h.Ops), acknowledged(h)
	e.out.Calls, e.out.Rewrites, e.out.Snapshots = len(e.calls), e.rewrites, e.snapshots
	for _, w := range e.appends {
		if w.off/page != (w.off+w.len-1)/page && w.off%page != 0 {
			e.out.Crossings++
		}
	}
	for _, w := range e.working {
		n := 0
		for i := range h.Ops {
			if o := &h.Ops[i]; o.Acked() && o.Writes() && o.Return > w.From && o.Return <= w.To {
				n++
			}
		}
		e.out.InRewrite = max(e.out.InRewrite, n)
	}
}

const page = 4096

// appended is a write to an incr file.
type appended struct{ off, len int64 }
