package splitbrain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/reports/chart"
)

// Sizes of the timeline, in its own units.
const (
	lineWidth  = 900 // of the time axis
	lineLeft   = 110
	lineTop    = 92
	laneHeight = 30
	laneBar    = 18
	lineFoot   = 40
)

// timelineKeys are the colours; what is lost is longer than the other ticks besides.
var timelineKeys = []chart.Key{
	{Class: "master", Name: "master"}, {Class: "replica", Name: "replica"}, {Class: "fault", Name: "network cut"},
	{Class: "tick", Name: "acknowledged", Shape: chart.Tick}, {Class: "tick lost", Name: "acknowledged and lost", Shape: chart.Tick},
	{Class: "tick unsure", Name: "no answer, or refused", Shape: chart.Tick},
}

// WriteTimeline draws the run as an SVG file: a lane for each server, coloured by
// its role, with its acknowledgements as ticks, and one for each client; the time in
// which a fault of the network was in place is a band; what came of it are lines.
func WriteTimeline(w io.Writer, s *Scenario, o *Outcome, r *Report) error {
	t := newTimeline(s, o)
	t.Title = fmt.Sprintf("%s %s, %s: %d of %d acknowledged writes lost", r.Target, r.Version, cmp.Or(r.Name, r.Partition, "a plan"), r.Lost, r.Acknowledged)
	t.Text("head", lineLeft, 16, chart.Start, t.Title)
	t.Legend(timelineKeys, lineLeft, 26, t.Width)
	t.bands()
	y := float64(lineTop)
	for _, node := range s.Topology.ServerNames() {
		t.server(node, y)
		y += laneHeight
	}
	for i, c := range s.Clients {
		t.client(i, fmt.Sprintf("%s %s", Client(i), c.Side), y)
		y += laneHeight
	}
	t.steps(y)
	t.axis(y)
	_, err := w.Write(t.File())
	return err
}

type timeline struct {
	chart.Drawing
	o        *Outcome
	from, to time.Duration
	lost     map[int]bool
}

func newTimeline(s *Scenario, o *Outcome) *timeline {
	t := &timeline{o: o, from: o.Began, to: max(o.Ended, o.Healed+o.TookToHeal), lost: map[int]bool{}}
	a := replication.Of(o.History, Server(0))
	for i := range a.Lost {
		t.lost[a.Lost[i].Op] = true
	}
	t.Width = lineLeft + lineWidth + 24
	t.Height = float64(lineTop + laneHeight*(s.Topology.Servers+len(s.Clients)) + lineFoot)
	return t
}

// x is where an instant is.
func (t *timeline) x(at time.Duration) float64 {
	at = min(max(at, t.from), t.to)
	return lineLeft + lineWidth*float64(at-t.from)/float64(max(1, t.to-t.from))
}

// bands marks the times in which some link was cut.
func (t *timeline) bands() {
	var since time.Duration = -1
	end := func(at time.Duration) {
		if since >= 0 {
			t.Rect("fault", t.x(since), lineTop-8, max(1, t.x(at)-t.x(since)), t.Height-lineTop-lineFoot+12, "network cut")
		}
		since = -1
	}
	for _, e := range t.o.History.Events {
		switch e.Kind {
		case history.CutOff:
			if since < 0 {
				since = e.At
			}
		case history.Healed:
			end(e.At)
		}
	}
	end(t.to)
}

// server draws a server's roles and acknowledgements.
func (t *timeline) server(node string, y float64) {
	t.Text("", lineLeft-8, y+laneBar-4, chart.End, node)
	t.Rect("edge", lineLeft, y, lineWidth, laneBar, "")
	var at time.Duration
	role := ""
	fill := func(to time.Duration) {
		if role != "" && to > at {
			t.Rect(role, t.x(at), y, t.x(to)-t.x(at), laneBar, node+": "+role)
		}
	}
	for _, turn := range t.o.Turns {
		if turn.Node != node {
			continue
		}
		fill(turn.At)
		at, role = max(turn.At, t.from), "replica"
		switch {
		case turn.Down:
			role = ""
		case turn.Master:
			role = "master"
		}
	}
	fill(t.to)
	t.ticks(y, func(op *history.Op) bool { return op.More.Node == node && op.Acked() })
}

func (t *timeline) client(i int, name string, y float64) {
	t.Text("", lineLeft-8, y+laneBar-4, chart.End, name)
	t.Line("grid", lineLeft, y+laneBar, lineLeft+lineWidth, y+laneBar, "")
	t.ticks(y, func(op *history.Op) bool { return op.Client == i })
}

// ticks draws the operations of a lane as one path for each fate, lost ones last and
// on top.
func (t *timeline) ticks(y float64, of func(*history.Op) bool) {
	var acked, lost, unsure []float64
	for i := range t.o.History.Ops {
		op := &t.o.History.Ops[i]
		switch {
		case op.More == nil || !of(op):
		case t.lost[i]:
			lost = append(lost, t.x(op.Return))
		case op.Acked():
			acked = append(acked, t.x(op.Return))
		default:
			unsure = append(unsure, t.x(op.Invoke))
		}
	}
	t.Ticks("tick", acked, y+2, laneBar-4)
	t.Ticks("tick unsure", unsure, y+2, laneBar-4)
	t.Ticks("tick lost", lost, y-2, laneBar+4)
}

// steps are lines at what happened, with words above.
func (t *timeline) steps(bottom float64) {
	type step struct {
		at   time.Duration
		word string
	}
	var list []step
	if s, ok := replication.StepsOf(t.o.History, Server(0)); ok {
		for _, one := range []step{{s.Cut, "cut"}, {s.Odown, "down"}, {s.Promoted, "promoted"}, {s.Demoted, "demoted"}} {
			if one.at != history.Never {
				list = append(list, one)
			}
		}
		list = append(list, step{t.o.Healed, "heal"})
	}
	if t.o.Converged {
		list = append(list, step{t.o.Healed + t.o.TookToHeal, "converged"})
	}
	slices.SortStableFunc(list, func(a, b step) int { return int(a.at - b.at) })
	shelves := chart.NewShelves(3)
	for _, one := range list {
		x, width := t.x(one.at), chart.TextWidth(one.word)
		left := min(x+3, t.Width-width)
		row, ok := shelves.Place(left, left+width+6)
		y := lineTop - 12 - 13*float64(row)
		t.Line("bound", x, y-8, x, bottom, one.word)
		if ok {
			t.Text("", left, y, chart.Start, one.word)
		}
	}
}

// axis is the time since clients began.
func (t *timeline) axis(y float64) {
	span := t.to - t.from
	unit := time.Second
	for span/unit > 14 {
		unit *= 5
	}
	for at := time.Duration(0); at <= span; at += unit {
		x := t.x(t.from + at)
		t.Line("axis", x, y+2, x, y+8, "")
		t.Text("", x, y+22, chart.Middle, at.String())
	}
}
