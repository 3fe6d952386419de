package offline

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/history"
)

// A picture has a lane for each client and a box for each operation, from its
// invocation to its return. Instants are drawn at even distances, in order.
const (
	laneHeight, laneTop = 56, 24
	stepWidth, left     = 150, 90
)

type drawing struct {
	Title, Rule, Story string
	Width, Height      int
	Lanes              []lane
	Boxes              []box
}

type lane struct {
	Name string
	Y    int
}

type box struct {
	X, Y, Width int
	Text, Full  string
	Class       string
}

// draw writes the picture of a few operations.
func draw(w io.Writer, s *Smaller) error {
	ops := s.File.Ops
	var times []int64
	var clients []int
	for i := range ops {
		times = append(times, int64(ops[i].Invoke))
		if ops[i].Return != history.Never {
			times = append(times, int64(ops[i].Return))
		}
		clients = append(clients, ops[i].Client)
	}
	slices.Sort(times)
	times = slices.Compact(times)
	slices.Sort(clients)
	clients = slices.Compact(clients)
	d := drawing{Title: string(s.Anomaly.Name), Rule: s.Anomaly.Rule, Story: s.Anomaly.Story,
		Width: left + (len(times)+1)*stepWidth, Height: laneTop + len(clients)*laneHeight}
	at := func(t int64) int {
		n, _ := slices.BinarySearch(times, t)
		return left + n*stepWidth
	}
	for i, c := range clients {
		d.Lanes = append(d.Lanes, lane{Name: clientName(c), Y: laneTop + i*laneHeight})
	}
	for i := range ops {
		op := &ops[i]
		row, _ := slices.BinarySearch(clients, op.Client)
		b := box{X: at(int64(op.Invoke)), Y: laneTop + row*laneHeight, Full: checker.Tell(op), Text: brief(op)}
		end := d.Width
		if op.Return != history.Never {
			end = at(int64(op.Return)) + stepWidth/2
		}
		b.Width = max(stepWidth/2, end-b.X)
		b.Class = op.Outcome.String()
		if n := slices.Index(s.Anomaly.Ops, i); n >= 0 {
			b.Class += " shown"
			if t := fmt.Sprintf("T%d: ", n+1); strings.Contains(s.Anomaly.Story, t) {
				b.Text = t + b.Text // as the story calls it
			}
		}
		d.Boxes = append(d.Boxes, b)
	}
	slices.SortStableFunc(d.Boxes, func(a, b box) int { return cmp.Compare(a.X, b.X) })
	return page.Execute(w, &d)
}

var page = template.Must(template.New("picture").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>
<style>
body { font: 14px system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff }
svg { max-width: none } div { overflow-x: auto } pre { white-space: pre-wrap }
rect { fill: #dbe7f6; stroke: #5b7ea8 } rect.unknown { fill: #f3ecd2; stroke: #a89a5b } rect.failed { fill: #eee; stroke: #999 }
rect.shown { stroke: #b3261e; stroke-width: 3 } text { font: 12px ui-monospace, monospace } line { stroke: #ccc }
</style></head><body>
<h1>{{.Title}}</h1><p>{{.Rule}}</p>
<div><svg width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}" role="img">
{{range .Lanes}}<line x1="0" y1="{{.Y}}" x2="{{$.Width}}" y2="{{.Y}}"/><text x="4" y="{{.Y}}" dy="24">{{.Name}}</text>
{{end}}{{range .Boxes}}<g><title>{{.Full}}</title><rect class="{{.Class}}" x="{{.X}}" y="{{.Y}}" width="{{.Width}}" height="36" rx="4" transform="translate(0 8)"/><svg x="{{.X}}" y="{{.Y}}" width="{{.Width}}" height="52"><text x="6" y="31">{{.Text}}</text></svg></g>
{{end}}</svg></div>
<pre>{{.Story}}</pre>
</body></html>
`))
