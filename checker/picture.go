package checker

import (
	"io"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// Picture writes porcupine's picture of an anomaly: a page of HTML with the
// operations of the keys it is about, in the epoch it happened in, and as the
// last one what was read after the crash. Hand it a history that Minimize has
// made small: a browser shows a few hundred operations at most.
func (j *Judge) Picture(w io.Writer, h *history.History, a anomaly.Anomaly) error {
	e := j.lifeOf(h, a.Epoch)
	j.h = h
	in := zones.Input{Ops: h.Ops[e.from:e.to], Crash: zones.Late}
	if e.before != nil {
		in.Initial, in.InitialAt = e.before.Keys, int64(min(e.before.Began, e.before.At))
	}
	if e.crashed {
		in.Crash = int64(e.life.Ended)
		if in.HasRecovered = e.after != nil; in.HasRecovered {
			in.Recovered = e.after.Keys
		}
	}
	j.regs.Build(in)
	j.e = e
	about := keysOf(h, a)
	var problems []*linear.Problem
	for _, c := range j.components(e, true) {
		if len(about) > 0 && !slices.ContainsFunc(c.names(j), func(name string) bool { return slices.Contains(about, name) }) {
			continue
		}
		p := c.problem
		p.Find, p.FoundFrom, p.FoundTo = in.HasRecovered, foundAt(h, a, e), e.life.Ended
		problems = append(problems, p)
	}
	j.h, j.e = nil, nil
	return linear.Picture(w, problems, j.Options.Limits)
}

// foundAt is the earliest instant of the read after the crash that makes sense
// in the picture: when the last of the anomaly's operations was invoked. In a
// hole that is the survivor, and the lost operation then shows as what is in the way.
func foundAt(h *history.History, a anomaly.Anomaly, e *epoch) (at time.Duration) {
	for _, op := range a.Ops {
		if op >= e.from && op < e.to {
			at = max(at, h.Ops[op].Invoke)
		}
	}
	return at
}

// keysOf are the keys that an anomaly is about.
func keysOf(h *history.History, a anomaly.Anomaly) []string {
	var keys []string
	if a.Key != "" {
		keys = append(keys, a.Key)
	}
	for _, n := range a.Ops {
		op := &h.Ops[n]
		if op.Kind != history.Txn {
			if keys = append(keys, op.Key); op.Kind == history.ListMove && op.More != nil {
				keys = append(keys, op.More.To)
			}
		} else if op.More != nil {
			for p := range op.More.Parts {
				keys = append(keys, op.More.Parts[p].Key)
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}
