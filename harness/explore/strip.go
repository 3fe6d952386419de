package explore

import (
	"fmt"
	"html"
	"io"
)

// Sizes of the strip, in pixels.
const (
	stripWidth  = 1200
	stripBars   = 120 // height of the tallest bar
	stripMarks  = 14  // height of a row of marks
	stripMargin = 44
)

// Colours that people with the common kinds of colour blindness tell apart.
const (
	colourHolds    = "#0072b2"
	colourExcused  = "#e69f00"
	colourViolated = "#d55e00"
	colourUnknown  = "#999999"
)

// WriteStrip draws the map of the run as SVG: the moments from left to right,
// for each a bar of its states, coloured by what became of them, and below it
// marks for acknowledgements and returned syncs.
func (r *Report) WriteStrip(w io.Writer) error {
	most := 1
	for i := range r.Positions {
		most = max(most, r.Positions[i].States)
	}
	step := float64(stripWidth) / float64(max(1, len(r.Positions)))
	height := stripBars + 2*stripMarks + 2*stripMargin
	b := []byte(nil)
	add := func(format string, a ...any) { b = fmt.Appendf(b, format+"\n", a...) }
	add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`, stripWidth+2*stripMargin, height)
	of := ""
	if r.Server != nil {
		of = html.EscapeString(r.Server.Target+" "+r.Server.Version) + ", "
	}
	add(`<title>%s%s on %s: %d crash states at %d moments</title>`, of, r.Mode, r.Personality, r.States, len(r.Positions))
	add(`<rect width="100%%" height="100%%" fill="white"/>`)
	add(`<text x="%d" y="16">%s%s on %s, bound %s: crash states at each of %d moments (tallest bar: %d)</text>`, stripMargin, of, r.Mode, r.Personality, r.Bound, len(r.Positions), most)
	x := stripMargin
	for _, k := range []struct{ colour, word string }{{colourHolds, "holds"}, {colourExcused, "known finding"}, {colourViolated, "violated"}, {colourUnknown, "unknown"}} {
		add(`<rect x="%d" y="24" width="10" height="10" fill="%s"/><text x="%d" y="33">%s</text>`, x, k.colour, x+14, k.word)
		x += 120
	}
	base := float64(stripMargin + stripBars)
	for i := range r.Positions {
		p := &r.Positions[i]
		at := float64(stripMargin) + float64(i)*step
		top := base
		for _, part := range []struct {
			n      int
			colour string
		}{{p.Holds, colourHolds}, {p.Excused, colourExcused}, {p.Unknown, colourUnknown}, {p.Violated, colourViolated}} {
			if part.n == 0 {
				continue
			}
			h := max(1, float64(part.n)*stripBars/float64(most))
			top -= h
			add(`<rect x="%.2f" y="%.2f" width="%.2f" height="%.2f" fill="%s"/>`, at, top, step, h, part.colour)
		}
		row := -1
		switch p.Kind {
		case "acknowledgement":
			row = 0
		case "return":
			row = 1
		}
		if row >= 0 {
			y := stripMargin + stripBars + row*stripMarks + 3
			add(`<line x1="%.2f" x2="%.2f" y1="%d" y2="%d" stroke="black" stroke-width="%.2f"><title>%s</title></line>`,
				at+step/2, at+step/2, y, y+stripMarks-4, min(1, step/2), markTitle(p))
		}
	}
	add(`<text x="2" y="%d" font-size="9">replies</text>`, stripMargin+stripBars+stripMarks-3)
	add(`<text x="2" y="%d" font-size="9">syncs</text>`, stripMargin+stripBars+2*stripMarks-3)
	add(`<text x="%d" y="%d">operations, in the order of the disk's log</text>`, stripMargin, height-stripMargin/2)
	add(`</svg>`)
	_, err := w.Write(b)
	return err
}

func markTitle(p *Position) string {
	if p.Ack > 0 {
		return fmt.Sprintf("acknowledgement #%d at %.3f ms", p.Ack, p.AtMS)
	}
	return fmt.Sprintf("%s #%d of %s returned at %.3f ms", p.Op, p.Call, p.Path, p.AtMS)
}
