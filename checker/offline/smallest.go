package offline

import (
	"fmt"
	"io"
	"slices"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// Smaller is a part of a history that shows the same anomaly.
type Smaller struct {
	File    *history.File
	Places  []int // of its operations, in the whole history
	Anomaly anomaly.Anomaly
	Exact   bool // there is no smaller part; false when the search was given up

	judge *checker.Judge
}

// smallestOps bounds the search for the smallest part of a history that package
// checker has not judged: how many operations are judged altogether, counted
// each time.
const smallestOps = 20_000_000

// Smallest looks for the smallest part of f that still shows the first anomaly
// of v, its verdict. ok is false when no part shows it by itself.
func Smallest(f *history.File, o Options, v Verdict) (small Smaller, ok bool) {
	name := v.Anomalies[0].Name
	if v.linear {
		judge := &checker.Judge{Options: checker.Options{Limits: o.Limits}}
		s, ok := judge.Minimize(f.History, o.Promise, name)
		if !ok {
			// Failed operations are part of an aborted read, and Minimize has none.
			return leaveOut(f, o, v)
		}
		part := *f
		part.History = s.History
		return Smaller{File: &part, Places: s.Places, Anomaly: s.Anomaly, Exact: s.Exact, judge: judge}, true
	}
	return leaveOut(f, o, v)
}

// leaveOut leaves operations out as long as the anomaly is still there and no
// other comes up: without the operation that wrote it a value would come from
// nowhere, which is not what is looked for. First the halves, then the quarters
// and so on, down to single ones (Zeller's ddmin).
func leaveOut(f *history.File, o Options, v Verdict) (small Smaller, ok bool) {
	name := v.Anomalies[0].Name
	var known []anomaly.Name
	for i := range v.Anomalies {
		known = append(known, v.Anomalies[i].Name)
	}
	if kind := kindOf(f, o.Model); kind != "" && !v.linear {
		o.Model = string(kind) // a part may no longer tell
	}
	spent := 0
	small = Smaller{File: f, Anomaly: v.Anomalies[0], Exact: true}
	shows := func(places []int) (Verdict, bool) {
		spent += len(places)
		out, err := Judge(part(f, places), o)
		if err != nil || out.Verdict != verdict.Violated || out.Anomalies[0].Name != name {
			return out, false
		}
		return out, !slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return !slices.Contains(known, a.Name) })
	}
	// What the anomaly is about is mostly enough, and always a good start.
	all := make([]int, len(f.Ops))
	for i := range all {
		all[i] = i
	}
	left := all
	if _, still := shows(all); !still {
		return small, false // it was seen from outside the operations
	}
	if about := slices.Compact(slices.Sorted(slices.Values(v.Anomalies[0].Ops))); len(about) > 0 {
		if _, still := shows(about); still {
			left = about
		}
	}
	for size := max(1, len(left)/2); ; size = max(1, size/2) {
		smaller := false
		for at := 0; at < len(left); {
			if spent > smallestOps {
				small.Exact = false
				break
			}
			without := slices.Concat(left[:at], left[min(len(left), at+size):])
			if _, still := shows(without); still {
				left, smaller = without, true
				continue
			}
			at += size
		}
		if size == 1 && !smaller || !small.Exact {
			break
		}
	}
	out, still := shows(left)
	if !still {
		return small, false
	}
	small.File, small.Places, small.Anomaly = part(f, left), left, out.Anomalies[0]
	return small, true
}

// part is the history of the operations at places alone.
func part(f *history.File, places []int) *history.File {
	p := *f
	p.History = &history.History{States: f.States, Epochs: f.Epochs, Events: f.Events}
	for id, n := range places {
		op := f.Ops[n]
		op.ID = id
		p.Ops = append(p.Ops, op)
	}
	return &p
}

// Write writes it as a history in torntail's own form.
func (s *Smaller) Write(w io.Writer) error { return history.Encode(w, s.File.History) }

// Picture draws it, as a page of HTML.
func (s *Smaller) Picture(w io.Writer) error {
	if s.judge != nil {
		return s.judge.Picture(w, s.File.History, s.Anomaly)
	}
	if err := draw(w, s); err != nil {
		return fmt.Errorf("picture: %w", err)
	}
	return nil
}
