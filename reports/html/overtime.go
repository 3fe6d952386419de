package html

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot/plotter"

	"github.com/torntail/torntail/reports/wording"
)

// series is one line of a chart over time.
type series struct {
	name   string
	points plotter.XYs // milliseconds, value
}

// band is a stretch of time in which a fault was in force.
type band struct {
	name     string
	from, to float64 // milliseconds
}

// overTime draws lines over time, with faults as bands behind them.
func overTime(title, what string, words func(float64) string, lines []series, bands []band) (chart, error) {
	c := chart{Title: title}
	p := newPlot("time", what)
	most, end, begin := 0.0, 0.0, 0.0
	first := true
	for _, l := range lines {
		for _, pt := range l.points {
			if first {
				begin, first = pt.X, false
			}
			most, end, begin = max(most, pt.Y), max(end, pt.X), min(begin, pt.X)
		}
	}
	if most == 0 {
		most = 1
	}
	ys := stepsTo(most)
	most = ys[len(ys)-1]
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, most, ticks(ys, words)
	p.X.Min, p.X.Max = begin, max(end, begin+1)
	var xs []float64
	for _, v := range stepsTo(p.X.Max - begin) {
		if begin+v <= p.X.Max {
			xs = append(xs, begin+v)
		}
	}
	p.X.Tick.Marker = ticks(xs, func(v float64) string { return wording.Round(v - begin) })
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = gridColour, nil
	p.Add(grid)
	var about []string
	for _, b := range bands {
		from, to := max(b.from, p.X.Min), min(max(b.to, b.from+(p.X.Max-p.X.Min)/200), p.X.Max)
		if from > to {
			continue
		}
		area, err := plotter.NewPolygon(plotter.XYs{{X: from, Y: 0}, {X: to, Y: 0}, {X: to, Y: most}, {X: from, Y: most}})
		if err != nil {
			return c, err
		}
		area.Color, area.LineStyle.Width = bandColour, 0
		p.Add(area)
		if err := name(p, plotter.XYLabels{XYs: plotter.XYs{{X: from, Y: 0.94 * most}}, Labels: []string{b.name}}); err != nil {
			return c, err
		}
		about = append(about, fmt.Sprintf("%s from %s to %s", b.name, wording.Duration(b.from-begin), wording.Duration(b.to-begin)))
	}
	for _, l := range lines {
		if len(l.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(l.points)
		if err != nil {
			return c, err
		}
		style := len(c.Legend) % styles
		line.Color, line.Width, line.Dashes = seriesColour(style), 1.75, seriesDashes[style]
		p.Add(line)
		c.Legend = append(c.Legend, entry{l.name, style})
		top := 0.0
		for _, pt := range l.points {
			top = max(top, pt.Y)
		}
		about = append(about, fmt.Sprintf("%s: at most %s", l.name, words(top)))
	}
	var err error
	c.SVG, err = svg(p, chartWidth, chartHeight, title, strings.Join(about, "; "))
	return c, err
}
