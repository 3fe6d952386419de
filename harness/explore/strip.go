package explore

import (
	"fmt"
	"io"

	"github.com/torntail/torntail/reports/chart"
)

// Sizes of the strip, in its own units.
const (
	stripWidth = 1000
	stripLeft  = 54
	stripTop   = 46
	stripBars  = 120 // height of the tallest bar
	stripMarks = 16  // height of a row of marks
)

// stripKeys are the colours of bars.
var stripKeys = []chart.Key{{Class: "holds", Name: "holds"}, {Class: "excused", Name: "known finding"}, {Class: "violated", Name: "violated"}, {Class: "unknown", Name: "unknown"}}

// WriteStrip draws the map of the run as an SVG file.
func (r *Report) WriteStrip(w io.Writer) error {
	_, err := w.Write(r.strip().File())
	return err
}

// strip draws the map of the run: the moments from left to right, for each a bar
// of its states, coloured by what became of them, and below it marks for
// acknowledgements and returned syncs.
func (r *Report) strip() *chart.Drawing {
	most := 1
	for i := range r.Positions {
		most = max(most, r.Positions[i].States)
	}
	of := ""
	if r.Server != nil {
		of = r.Server.Target + " " + r.Server.Version + ", "
	}
	d := &chart.Drawing{Width: stripLeft + stripWidth + 12, Height: stripTop + stripBars + 2*stripMarks + 24,
		Title: fmt.Sprintf("%s%s on %s, bound %s: crash states at each of %d moments (tallest bar: %d)", of, r.Mode, r.Personality, r.Bound, len(r.Positions), most),
		About: fmt.Sprintf("%d states: %d hold, %d are explained by known findings, %d violate, %d unknown", r.States, r.Holds, r.Excused, r.Violated, r.Unknown)}
	d.Text("head", stripLeft, 14, chart.Start, d.Title)
	d.Legend(stripKeys, stripLeft, 22, d.Width)
	const base = stripTop + stripBars
	step := float64(stripWidth) / float64(max(1, len(r.Positions)))
	for i := range r.Positions {
		p := &r.Positions[i]
		at, top := stripLeft+float64(i)*step, float64(base)
		for _, part := range []struct {
			n     int
			class string
		}{{p.Holds, "holds"}, {p.Excused, "excused"}, {p.Unknown, "unknown"}, {p.Violated, "violated"}} {
			if part.n == 0 {
				continue
			}
			h := max(1, float64(part.n)*stripBars/float64(most))
			top -= h
			title := ""
			if part.class != "holds" { // what a reader points at
				title = fmt.Sprintf("%s: %d of %d states; %s", part.class, part.n, p.States, momentWords(p))
			}
			d.Rect(part.class, at, top, step, h, title)
		}
		if row := markRow(p); row >= 0 {
			y := base + float64(row)*stripMarks + 3
			d.Line("tick", at+step/2, y, at+step/2, y+stripMarks-4, momentWords(p))
		}
	}
	d.Line("axis", stripLeft, base, stripLeft+stripWidth, base, "")
	d.Text("", stripLeft-6, base+13, chart.End, "replies")
	d.Text("", stripLeft-6, base+13+stripMarks, chart.End, "syncs")
	d.Text("", stripLeft, base+2*stripMarks+16, chart.Start, "operations, in the order of the disk's log")
	return d
}

// markRow is the row of marks that a moment belongs to, -1 for none.
func markRow(p *Position) int {
	switch p.Kind {
	case "acknowledgement":
		return 0
	case "return":
		return 1
	}
	return -1
}

// momentWords says what happened at a moment, and when.
func momentWords(p *Position) string {
	switch {
	case p.Ack > 0:
		return fmt.Sprintf("acknowledgement #%d at %.3f ms", p.Ack, p.AtMS)
	case p.Kind == "return":
		return fmt.Sprintf("%s #%d of %s returned at %.3f ms", p.Op, p.Call, p.Path, p.AtMS)
	case p.Op != "":
		return fmt.Sprintf("%s, %s #%d of %s at %.3f ms", p.Kind, p.Op, p.Call, p.Path, p.AtMS)
	}
	return fmt.Sprintf("%s at %.3f ms", p.Kind, p.AtMS)
}
