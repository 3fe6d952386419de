package html

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// gonum/plot writes colours into its SVG as they were given, and a page that is
// read by day, by night and on paper has three sets of them. So charts are drawn
// in colours that stand for a role, and these are replaced by the page's own CSS
// variables in what plot has written.

// role is a colour that stands for what it is used for.
func role(kind, n uint8) color.Color { return color.RGBA{kind, 0, n, 255} }

var (
	axisColour  = role(2, 0)
	gridColour  = role(3, 0)
	boundColour = role(4, 0)
	bandColour  = role(5, 0)
)

// seriesColour is that of the n-th line of a chart.
func seriesColour(n int) color.Color { return role(1, uint8(n%styles)) }

// seriesDashes tell lines apart where colours do not: on paper, and for people
// who see fewer of them. They are those of the classes in the style sheet.
var seriesDashes = [styles][]vg.Length{nil, {7, 3}, {2, 3}, {9, 3, 2, 3}, {4, 2}, {12, 4}}

var variables = func() *strings.Replacer {
	pairs := []string{"#020000", "var(--soft)", "#030000", "var(--edge)", "#040000", "var(--bound)", "#050000", "var(--fault)"}
	for i := range styles {
		pairs = append(pairs, fmt.Sprintf("#0100%02X", i), fmt.Sprintf("var(--c%d)", i))
	}
	return strings.NewReplacer(pairs...)
}()

var (
	svgRoot   = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	textStyle = regexp.MustCompile(`(<text [^>]*?)\s*style="[^"]*font-family[^"]*"`)
)

// svg draws a plot and makes it part of a page: without a prologue, in the
// page's colours and font, described for who cannot see it.
func svg(p *plot.Plot, width, height int, title, about string) (template.HTML, error) {
	c := vgsvg.New(vg.Length(width), vg.Length(height))
	// Room for the half of the last mark's word that reaches over the axis.
	p.Draw(draw.Crop(draw.New(c), 2, -18, 2, -4))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", err
	}
	text := svgRoot.ReplaceAllString(b.String(), "")
	text = textStyle.ReplaceAllString(variables.Replace(text), "$1")
	head := fmt.Sprintf(`<svg viewBox="0 0 %d %d" role="img" xmlns="http://www.w3.org/2000/svg"><title>%s</title><desc>%s</desc>`, width, height,
		template.HTMLEscapeString(title), template.HTMLEscapeString(about))
	return template.HTML(head + text), nil
}

// newPlot is an empty plot in the page's style.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	size := font.Length(11)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Tick.Color = axisColour, axisColour
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = size, size
		a.Label.TextStyle.Font.Variant, a.Tick.Label.Font.Variant = "Sans", "Sans"
		a.Tick.Length = 3
	}
	p.X.Label.Text, p.Y.Label.Text = x, y
	return p
}

// ticks are marks at the given values with their words.
func ticks(values []float64, words func(float64) string) plot.ConstantTicks {
	list := make(plot.ConstantTicks, len(values))
	for i, v := range values {
		list[i] = plot.Tick{Value: v, Label: words(v)}
	}
	return list
}

// steps are multiples of a nice step from 0 to beyond end.
func stepsTo(end float64) []float64 {
	step := niceStep(end)
	var list []float64
	for i := 0; float64(i)*step < end+step*0.999; i++ {
		list = append(list, float64(i)*step)
	}
	return list
}
