package splitbrain

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
)

// Sizes of the timeline, in pixels.
const (
	lineWidth  = 1060 // of the time axis
	lineLeft   = 90
	lineTop    = 96
	laneHeight = 30
	laneBar    = 18
	lineFoot   = 46
)

// Colours that people with the common kinds of colour blindness tell apart; what is
// lost is red, and longer than the other ticks besides.
const (
	colourMaster  = "#0072b2"
	colourReplica = "#c9d3da"
	colourDown    = "#ffffff"
	colourCut     = "#f0e442"
	colourAck     = "#00332a"
	colourLost    = "#d50000"
	colourUnsure  = "#e69f00"
)

// WriteTimeline draws the run as SVG: a lane for each server, coloured by its role,
// with its acknowledgements as ticks, and one for each client; the time in which a
// fault of the network was in place is a band; what came of it are lines.
func WriteTimeline(w io.Writer, s *Scenario, o *Outcome, r *Report) error {
	t := newTimeline(s, o)
	t.frame(r)
	t.bands()
	y := lineTop
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
	t.add(`</svg>`)
	_, err := w.Write(t.b)
	return err
}

type timeline struct {
	s        *Scenario
	o        *Outcome
	from, to time.Duration
	height   int
	lost     map[int]bool
	b        []byte
}

func newTimeline(s *Scenario, o *Outcome) *timeline {
	t := &timeline{s: s, o: o, from: o.Began, to: max(o.Ended, o.Healed+o.TookToHeal), lost: map[int]bool{}}
	a := replication.Of(o.History, Server(0))
	for i := range a.Lost {
		t.lost[a.Lost[i].Op] = true
	}
	t.height = lineTop + laneHeight*(s.Topology.Servers+len(s.Clients)) + lineFoot
	return t
}

func (t *timeline) add(format string, a ...any) { t.b = fmt.Appendf(t.b, format+"\n", a...) }

// x is where an instant is, in pixels.
func (t *timeline) x(at time.Duration) float64 {
	at = min(max(at, t.from), t.to)
	return lineLeft + lineWidth*float64(at-t.from)/float64(max(1, t.to-t.from))
}

func (t *timeline) frame(r *Report) {
	title := fmt.Sprintf("%s %s, %s: %d of %d acknowledged writes lost", r.Target, r.Version, or(or(r.Name, r.Partition), "a plan"), r.Lost, r.Acknowledged)
	t.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`, lineLeft+lineWidth+24, t.height)
	t.add(`<title>%s</title>`, escaped(title))
	t.add(`<rect width="100%%" height="100%%" fill="white"/>`)
	t.add(`<text x="%d" y="20" font-size="15">%s</text>`, lineLeft, escaped(title))
	x := lineLeft
	for _, k := range []struct {
		colour, word string
		tick         bool
	}{{colourMaster, "master", false}, {colourReplica, "replica", false}, {colourCut, "network cut", false},
		{colourAck, "acknowledged", true}, {colourLost, "acknowledged and lost", true}, {colourUnsure, "no answer, or refused", true}} {
		width := 12
		if k.tick {
			width = 2
		}
		t.add(`<rect x="%d" y="32" width="%d" height="12" fill="%s" stroke="#888" stroke-width="%s"/><text x="%d" y="42">%s</text>`,
			x, width, k.colour, map[bool]string{true: "0", false: "0.5"}[k.tick], x+width+5, k.word)
		x += 36 + width + 7*len(k.word)
	}
}

// bands marks the times in which some link was cut.
func (t *timeline) bands() {
	var since time.Duration = -1
	end := func(at time.Duration) {
		if since >= 0 {
			t.add(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.45"/>`, t.x(since), lineTop-8, max(1, t.x(at)-t.x(since)),
				t.height-lineTop-lineFoot+12, colourCut)
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
func (t *timeline) server(node string, y int) {
	t.add(`<text x="%d" y="%d" text-anchor="end">%s</text>`, lineLeft-8, y+laneBar-4, node)
	t.add(`<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`, lineLeft, y, lineWidth, laneBar, colourDown)
	var at time.Duration
	colour := ""
	fill := func(to time.Duration) {
		if colour != "" && to > at {
			t.add(`<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s" fill-opacity="0.8"/>`, t.x(at), y, t.x(to)-t.x(at), laneBar, colour)
		}
	}
	for _, turn := range t.o.Turns {
		if turn.Node != node {
			continue
		}
		fill(turn.At)
		at, colour = max(turn.At, t.from), colourReplica
		if turn.Master {
			colour = colourMaster
		}
	}
	fill(t.to)
	t.ticks(y, func(op *history.Op) bool { return op.More.Node == node && op.Acked() })
}

func (t *timeline) client(i int, name string, y int) {
	t.add(`<text x="%d" y="%d" text-anchor="end" font-size="11">%s</text>`, lineLeft-8, y+laneBar-4, name)
	t.add(`<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#ddd"/>`, lineLeft, lineLeft+lineWidth, y+laneBar, y+laneBar)
	t.ticks(y, func(op *history.Op) bool { return op.Client == i })
}

// ticks draws the operations of a lane as one path for each fate, lost ones last and
// on top.
func (t *timeline) ticks(y int, of func(*history.Op) bool) {
	paths := map[string][]byte{}
	for i := range t.o.History.Ops {
		op := &t.o.History.Ops[i]
		if op.More == nil || !of(op) {
			continue
		}
		colour, at, above := colourAck, op.Return, 0
		switch {
		case t.lost[i]:
			colour, above = colourLost, 4
		case !op.Acked():
			colour, at = colourUnsure, op.Invoke
		}
		paths[colour] = fmt.Appendf(paths[colour], "M%.1f %dv%d", t.x(at), y-above+2, laneBar-4+2*above)
	}
	for _, colour := range []string{colourAck, colourUnsure, colourLost} {
		if p := paths[colour]; p != nil {
			t.add(`<path d="%s" stroke="%s" stroke-width="0.7" fill="none"/>`, p, colour)
		}
	}
}

// steps are lines at what happened, with words above.
func (t *timeline) steps(bottom int) {
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
	var taken [3]float64 // up to where a row of words is written
	for _, one := range list {
		x, row := t.x(one.at), 0
		for row < len(taken)-1 && x < taken[row] {
			row++
		}
		taken[row] = x + 8*float64(len(one.word)) + 8
		y := lineTop - 12 - 13*row
		anchor, dx := "start", 3.0
		if x > lineLeft+lineWidth-60 {
			anchor, dx = "end", -3
		}
		t.add(`<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#444" stroke-dasharray="4 3"/><text x="%.1f" y="%d" text-anchor="%s">%s</text>`, x, x, y-8, bottom, x+dx, y, anchor, one.word)
	}
}

// axis is the time since clients began.
func (t *timeline) axis(y int) {
	span := t.to - t.from
	unit := time.Second
	for span/unit > 14 {
		unit *= 5
	}
	for at := time.Duration(0); at <= span; at += unit {
		x := t.x(t.from + at)
		t.add(`<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="#444"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x, x, y+2, y+8, x, y+22, at)
	}
}
