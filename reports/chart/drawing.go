package chart

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// CSS is how drawings look: the palette, as custom properties on the root, by day,
// by night and on paper, and the classes of what is drawn. A page that holds
// drawings puts it into its style; a drawing that is a file has it inside.
//
//go:embed chart.css
var CSS string

// Drawing is an SVG image under way. Lengths are in its own units, which are
// pixels when it is shown as wide as it is; x grows to the right, y downwards.
// What is no number is left out, whoever computed it, and text is escaped.
type Drawing struct {
	Width, Height float64
	Class         string // beside "chart", for scripts
	Title         string // what it shows, in a few words
	About         string // the same for who cannot see it, with the figures
	// Steps: the arrow keys go from mark to mark, so that it can have the focus.
	Steps bool

	b []byte
}

// Anchor says which part of a text stands at its x.
type Anchor string

const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// num is a length without digits that nobody sees.
func num(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// escape makes text fit for XML: markup is text, and what XML cannot hold shows as \xHH.
func escape(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], string(r)):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
	}
	return b.String()
}

// titled is the end of an element: with words that show when it is pointed at, or
// without.
func titled(element, title string) string {
	if title == "" {
		return "/>\n"
	}
	return "><title>" + escape(title) + "</title></" + element + ">\n"
}

// Rect draws a rectangle. title shows when it is pointed at; "" is none.
func (d *Drawing) Rect(class string, x, y, width, height float64, title string) {
	if finite(x, y, width, height) && width >= 0 && height >= 0 {
		d.b = fmt.Appendf(d.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"%s`, class, num(x), num(y), num(width), num(height), titled("rect", title))
	}
}

// Line draws a straight line.
func (d *Drawing) Line(class string, x0, y0, x1, y1 float64, title string) {
	if finite(x0, y0, x1, y1) {
		d.b = fmt.Appendf(d.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"%s`, class, num(x0), num(y0), num(x1), num(y1), titled("line", title))
	}
}

// Dot draws a filled circle.
func (d *Drawing) Dot(class string, x, y, radius float64, title string) {
	if finite(x, y, radius) && radius > 0 {
		d.b = fmt.Appendf(d.b, `<circle class="%s" cx="%s" cy="%s" r="%s"%s`, class, num(x), num(y), num(radius), titled("circle", title))
	}
}

// Text writes text, y being its base line.
func (d *Drawing) Text(class string, x, y float64, at Anchor, text string) {
	if !finite(x, y) || text == "" {
		return
	}
	if class != "" {
		class = ` class="` + class + `"`
	}
	if at != Start {
		class += ` text-anchor="` + string(at) + `"`
	}
	d.b = fmt.Appendf(d.b, "<text%s x=\"%s\" y=\"%s\">%s</text>\n", class, num(x), num(y), escape(text))
}

// Ticks draws vertical strokes of one height at many places as one path, which is
// what a thousand operations can be drawn as.
func (d *Drawing) Ticks(class string, xs []float64, y, height float64) {
	var path []byte
	for _, x := range xs {
		if finite(x, y, height) {
			path = fmt.Appendf(path, "M%s %sv%s", num(x), num(y), num(height))
		}
	}
	if path != nil {
		d.b = fmt.Appendf(d.b, "<path class=\"%s\" d=\"%s\"/>\n", class, path)
	}
}

// Path draws lines from point to point; step goes to the right before it goes up
// or down.
func (d *Drawing) Path(class string, points []Point, step bool) {
	var path []byte
	last := 0.0
	for _, p := range points {
		switch {
		case !finite(p.X, p.Y):
			continue
		case path == nil:
			path = fmt.Appendf(path, "M%s %s", num(p.X), num(p.Y))
		case step:
			path = fmt.Appendf(path, "H%s", num(p.X))
			if p.Y != last {
				path = fmt.Appendf(path, "V%s", num(p.Y))
			}
		default:
			path = fmt.Appendf(path, "L%s %s", num(p.X), num(p.Y))
		}
		last = p.Y
	}
	if path != nil {
		d.b = fmt.Appendf(d.b, "<path class=\"%s\" d=\"%s\"/>\n", class, path)
	}
}

// Inline is the drawing as a part of a page that has CSS in its style.
func (d *Drawing) Inline() string {
	class := strings.TrimSpace("chart " + d.Class)
	how := `role="img"`
	if d.Steps {
		how = `role="group" tabindex="0" aria-label="` + escape(d.Title) + `; the arrow keys go from mark to mark"`
	}
	// As wide as its text needs to be read, and no wider than it looks well; what a
	// page has no room for is scrolled to.
	return fmt.Sprintf(`<svg class="%s" viewBox="0 0 %s %s" style="min-width:%spx;max-width:%spx" %s xmlns="http://www.w3.org/2000/svg">`, class,
		num(d.Width), num(d.Height), num(math.Round(0.8*d.Width)), num(math.Round(1.5*d.Width)), how) +
		"\n<title>" + escape(d.Title) + "</title>\n" + d.about() + string(d.b) + "</svg>"
}

func (d *Drawing) about() string {
	if d.About == "" {
		return ""
	}
	return "<desc>" + escape(d.About) + "</desc>\n"
}

// File is the drawing as an image of its own, which follows the reader's choice
// of light or dark, too.
func (d *Drawing) File() []byte {
	head := fmt.Sprintf(`<svg class="chart" width="%s" height="%s" viewBox="0 0 %s %s" role="img" xmlns="http://www.w3.org/2000/svg">`, num(d.Width), num(d.Height), num(d.Width), num(d.Height))
	return []byte(head + "\n<title>" + escape(d.Title) + "</title>\n" + d.about() + "<style>\n" + CSS + "</style>\n" +
		`<rect class="ground" width="100%" height="100%"/>` + "\n" + string(d.b) + "</svg>\n")
}

// textSize is that of words in drawings, and average what a character takes of it
// in width, a little more than in most fonts.
const (
	textSize = 12
	average  = 0.61
)

// TextWidth is about how wide a text is.
func TextWidth(s string) float64 { return average * textSize * float64(len([]rune(s))) }

// Shelves keep words that are written beside each other from covering each other:
// rows that are filled from left to right.
type Shelves struct{ taken []float64 }

// NewShelves are so many rows.
func NewShelves(rows int) *Shelves {
	s := &Shelves{taken: make([]float64, rows)}
	for i := range s.taken {
		s.taken[i] = math.Inf(-1)
	}
	return s
}

// Place is the first row, from 0, that has room from one x to another; false when
// none has. Words come in the order of where they begin.
func (s *Shelves) Place(from, to float64) (row int, ok bool) {
	for row := range s.taken {
		if from >= s.taken[row] {
			s.taken[row] = to
			return row, true
		}
	}
	return 0, false
}

// Key is an entry of a legend: the class of a line or a fill, and what it stands for.
type Key struct {
	Class, Name string
	Shape       Shape
}

// Shape is how a legend shows a class.
type Shape int

const (
	Box    Shape = iota // filled
	Stroke              // a line
	Tick                // a short upright stroke
)

// Legend writes keys from (x, y) on in as many lines as they need to stay left of
// right, and returns the y after the last.
func (d *Drawing) Legend(keys []Key, x, y, right float64) float64 {
	at := x
	for _, k := range keys {
		width := map[Shape]float64{Box: 12, Stroke: 26, Tick: 4}[k.Shape]
		if whole := width + 5 + TextWidth(k.Name); at > x && at+whole > right {
			at, y = x, y+18
		}
		switch k.Shape {
		case Box:
			d.Rect(k.Class, at, y+1, width, 11, "")
		case Stroke:
			d.Line(k.Class, at, y+7, at+width, y+7, "")
		case Tick:
			d.Line(k.Class, at+2, y, at+2, y+13, "")
		}
		d.Text("", at+width+5, y+11, Start, k.Name)
		at += width + 5 + TextWidth(k.Name) + 16
	}
	if len(keys) > 0 {
		y += 18
	}
	return y
}
