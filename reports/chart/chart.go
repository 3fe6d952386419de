// Package chart draws what reports show: lines and points in a coordinate system,
// and whatever else is drawn of rectangles, lines and words. All drawings of
// torntail are made here, so that they share their look: one palette that follows
// the reader's choice of light or dark and is told apart without colours, too;
// words of a size that can be read on a telephone; and a title and a description
// for who cannot see them.
//
// It has its own few hundred lines because what a report needs is small, and the
// plotting libraries bring their own fonts, colours and formats.
package chart

import "math"

// Point is a value over another.
type Point struct{ X, Y float64 }

// Styles is how many lines of a chart are told apart.
const Styles = 6

// Chart is figures in a coordinate system.
type Chart struct {
	Title string
	About string   // the figures in words
	Notes []string // what a reader should know, below it

	X, Y   Axis
	Series []Series
	Bands  []Band
	Bounds []Bound
}

// Series is one line, or points that belong together.
type Series struct {
	Name   string
	Points []Point
	Step   bool    // the value stays until the next
	Dots   bool    // the points are marked
	Apart  bool    // and not connected
	Ranges []Range // of each point; nil: none
	Label  string  // stands beside the last point, in place of an entry of the legend
}

// Range is the least and the most of what a point stands for.
type Range struct{ Low, High float64 }

// Band is a stretch of the x axis in which something was in force.
type Band struct {
	Name     string
	From, To float64
}

// Bound is a value on the x axis to compare with.
type Bound struct {
	Name string
	At   float64
}

// Measures, in the drawing's units. A chart is as wide as a telephone shows without
// making its words smaller.
const (
	chartWidth = 380
	plotHeight = 170
	marginTop  = 10
	marginSide = 12
)

// Draw lays the chart out.
func (c *Chart) Draw() *Drawing {
	d := &Drawing{Width: chartWidth, Title: c.Title, About: c.About}
	top := float64(marginTop)
	if c.Y.Label != "" {
		d.Text("", 2, top+10, Start, c.Y.Label)
		top += 20
	}
	rows := boundRows(c)
	top += 14 * float64(rows)
	left := marginSide + c.yWords()
	x := scale{&c.X, left, chartWidth - marginSide - c.lastHalf()}
	y := scale{&c.Y, top + plotHeight, top}
	c.grid(d, x, y)
	c.bands(d, x, y)
	c.bounds(d, x, y, rows)
	var keys []Key
	labels := []box{}
	for i := range c.Series {
		s := &c.Series[i]
		c.series(d, s, i, x, y, &labels)
		if s.Label == "" && s.Name != "" {
			keys = append(keys, Key{Class: lineClass(i), Name: s.Name, Shape: Stroke})
		}
	}
	bottom := y.from + 20
	if c.X.Label != "" {
		bottom += 14
		d.Text("", (x.from+x.to)/2, bottom, Middle, c.X.Label)
	}
	d.Height = d.Legend(keys, 2, bottom+10, chartWidth-2) + 2
	return d
}

func lineClass(i int) string { return "line l" + num(float64(i%Styles)) }
func fillClass(i int) string { return "f" + num(float64(i%Styles)) }

// marks are the values that are marked.
func (a *Axis) marks() []float64 {
	if a.Ticks != nil || a.Names != nil {
		return a.Ticks
	}
	var list []float64
	for _, v := range Steps(a.Max - a.Min) {
		if a.Min+v <= a.Max {
			list = append(list, a.Min+v)
		}
	}
	return list
}

func (a *Axis) words(v float64) string {
	if a.Words == nil {
		return num(v)
	}
	return a.Words(v)
}

// yWords is the room that the y axis's words need.
func (c *Chart) yWords() float64 {
	most := 0.0
	for _, v := range c.Y.marks() {
		most = max(most, TextWidth(c.Y.words(v)))
	}
	return most
}

// lastHalf is the room for the half of the last mark's word that stands beyond the
// axis.
func (c *Chart) lastHalf() float64 {
	if marks := c.X.marks(); len(marks) > 0 {
		return TextWidth(c.X.words(marks[len(marks)-1])) / 2
	}
	return 0
}

func (c *Chart) grid(d *Drawing, x, y scale) {
	below := math.Inf(1)
	for _, v := range c.Y.marks() {
		at := y.at(v)
		d.Line("grid", x.from, at, x.to, at, "")
		if at <= below-textSize { // else it would cover the one before
			d.Text("", x.from-6, at+4, End, c.Y.words(v))
			below = at
		}
	}
	d.Line("axis", x.from, y.from, x.to, y.from, "")
	taken := math.Inf(-1)
	mark := func(at float64, words string) {
		d.Line("axis", at, y.from, at, y.from+4, "")
		if half := TextWidth(words) / 2; at-half > taken {
			d.Text("", at, y.from+17, Middle, words)
			taken = at + half + 4
		}
	}
	for i, name := range c.X.Names {
		mark(x.at(float64(i)), name)
	}
	for _, v := range c.X.marks() {
		mark(x.at(v), c.X.words(v))
	}
}

func (c *Chart) bands(d *Drawing, x, y scale) {
	shelves := NewShelves(3)
	for _, b := range c.Bands {
		from, to := max(b.From, c.X.Min), min(b.To, c.X.Max)
		if from > to {
			continue
		}
		left := x.at(from)
		d.Rect("fault", left, y.to, max(2, x.at(to)-left), y.from-y.to, b.Name)
		width := TextWidth(b.Name)
		at := min(left+3, x.to-width)
		if row, ok := shelves.Place(at, at+width+6); ok {
			d.Text("", at, y.to+12+13*float64(row), Start, b.Name)
		}
	}
}

// most rows of names of bounds above a chart.
const mostBoundRows = 3

// boundAt is where the name of a bound stands, in order of the bounds.
func (c *Chart) boundAt(x scale, b Bound) (from, to float64) {
	width := TextWidth(b.Name)
	from = min(max(x.at(b.At)-width/2, 2), chartWidth-2-width)
	return from, from + width + 6
}

// boundRows is how many rows the names of bounds need.
func boundRows(c *Chart) int {
	if len(c.Bounds) == 0 {
		return 0
	}
	x := scale{&c.X, marginSide + c.yWords(), chartWidth - marginSide - c.lastHalf()}
	shelves, most := NewShelves(mostBoundRows), 0
	for _, b := range c.Bounds {
		if row, ok := shelves.Place(c.boundAt(x, b)); ok {
			most = max(most, row)
		}
	}
	return most + 1
}

func (c *Chart) bounds(d *Drawing, x, y scale, rows int) {
	shelves := NewShelves(mostBoundRows)
	for _, b := range c.Bounds {
		from, to := c.boundAt(x, b)
		row, ok := shelves.Place(from, to)
		if !ok {
			row = rows // its line's title has it
		}
		above := y.to - 3 - 14*float64(row)
		d.Line("bound", x.at(b.At), y.from, x.at(b.At), min(above+2, y.to), b.Name)
		if ok {
			d.Text("", from, above, Start, b.Name)
		}
	}
}

// box is where a label stands.
type box struct{ x0, x1, y float64 }

func (c *Chart) series(d *Drawing, s *Series, i int, x, y scale, labels *[]box) {
	points := make([]Point, len(s.Points))
	for j, p := range s.Points {
		points[j] = Point{x.at(p.X), y.at(p.Y)}
	}
	for j, r := range s.Ranges {
		if j < len(points) {
			d.Line(lineClass(i)+" whole", points[j].X, y.at(r.Low), points[j].X, y.at(r.High), "")
		}
	}
	if !s.Apart {
		d.Path(lineClass(i), points, s.Step)
	}
	for j, p := range points {
		if s.Dots {
			d.Dot(fillClass(i), p.X, p.Y, 4.5, s.Name)
		}
		if s.Label == "" || j != len(points)-1 {
			continue
		}
		at := box{x0: p.X + 8, y: p.Y + 4}
		if p.X > (x.from+x.to)/2 {
			at.x0 = p.X - 8 - TextWidth(s.Label)
		}
		at.x1 = at.x0 + TextWidth(s.Label)
		for moved := true; moved; { // down until it covers no other
			moved = false
			for _, o := range *labels {
				if at.x0 < o.x1 && o.x0 < at.x1 && math.Abs(at.y-o.y) < textSize {
					at.y, moved = o.y+textSize, true
				}
			}
		}
		*labels = append(*labels, at)
		d.Text("name", at.x0, at.y, Start, s.Label)
	}
}
