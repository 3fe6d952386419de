package chart

import (
	"fmt"
	"strings"
)

// OverTime draws lines over time, in milliseconds, with what was in force as bands
// behind them. what names the values, value and time word them.
func OverTime(title, what string, value, time func(float64) string, lines []Series, bands []Band) Chart {
	c := Chart{Title: title, Bands: bands}
	most, begin, end := 0.0, 0.0, 0.0
	first := true
	var about []string
	for _, l := range lines {
		if len(l.Points) == 0 {
			continue
		}
		top := 0.0
		for _, p := range l.Points {
			if first {
				begin, first = p.X, false
			}
			top, begin, end = max(top, p.Y), min(begin, p.X), max(end, p.X)
		}
		most = max(most, top)
		about = append(about, fmt.Sprintf("%s: at most %s", l.Name, value(top)))
		c.Series = append(c.Series, l)
	}
	if most <= 0 {
		most = 1
	}
	ys := Steps(most)
	c.Y = Axis{Label: what, Max: ys[len(ys)-1], Ticks: ys, Words: value}
	c.X = Axis{Label: "time", Min: begin, Max: max(end, begin+1), Words: func(v float64) string { return time(v - begin) }}
	for _, b := range bands {
		about = append(about, fmt.Sprintf("%s from %s to %s", b.Name, time(b.From-begin), time(b.To-begin)))
	}
	c.About = strings.Join(about, "; ")
	return c
}
