package html

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html/template"
	"math"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/wording"
)

// mostShown is how many failures are shown with their evidence; each of them
// costs some ten kilobytes and a few milliseconds.
const mostShown = 30

// failure is one failure as it is shown.
type failure struct {
	ID, What, Story, Plan, Command string
	Smaller, SmallerCommand        string
	Timeline                       template.HTML
	TimelineNote                   string
	Charts                         []drawing
	Pictures                       []embedded
	Interactive                    string // a document of its own
	Note                           string // what of the evidence could not be read
}

// embedded is a picture inside the page: as an image, in which no script runs
// and no style reaches out, whoever drew it.
type embedded struct {
	Title string
	Src   template.URL
}

func embed(p model.Picture) embedded {
	return embedded{clean(p.Title), template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(p.SVG))}
}

// failures are those of all entries.
func failures(r *model.Report) (list []failure) {
	for _, e := range r.Entries() {
		for j := range e.Failures {
			f := &e.Failures[j]
			what := e.Name()
			if f.Where != "" {
				what += ", " + f.Where
			}
			if f.What != "" {
				what += ": " + f.What
			}
			x := failure{
				ID: fmt.Sprintf("failure%d", len(list)+1), What: clean(what),
				Story: wording.Clean(f.Story, true), Plan: wording.Clean(f.Plan, true), Command: clean(f.Command),
			}
			if f.Smaller != nil {
				x.Smaller, x.SmallerCommand = clean("The same in "+f.Smaller.String()), clean(f.Smaller.ReplayCommand())
			}
			if r.Evidence != nil && f.Dir != "" && len(list) < mostShown {
				e, err := r.Evidence(f.Dir)
				if err != nil {
					x.Note = clean(err.Error())
				} else if e != nil {
					x.show(e)
				}
			}
			list = append(list, x)
		}
	}
	return list
}

func (x *failure) show(e *model.Evidence) {
	for _, p := range e.Pictures {
		x.Pictures = append(x.Pictures, embed(p))
	}
	x.Interactive = string(e.Interactive)
	if e.History == nil || len(e.History.Ops) == 0 {
		return
	}
	if t, note := timeline(e.History); t != nil {
		x.Timeline, x.TimelineNote = template.HTML(t.Inline()), note
	}
	for _, c := range loadOverTime(e.History) {
		x.Charts = append(x.Charts, draw(&c))
	}
}

// parts is into how many parts the time of a run is cut for its charts.
const parts = 60

// loadOverTime draws what clients were answered, and how fast, over a run, with
// its faults as bands.
func loadOverTime(h *history.History) []chart.Chart {
	begin, end := h.Ops[0].Invoke, time.Duration(0)
	for i := range h.Ops {
		end = max(end, h.Ops[i].Invoke)
		if h.Ops[i].Return != history.Never {
			end = max(end, h.Ops[i].Return)
		}
	}
	for i := range h.Events {
		end = max(end, h.Events[i].At)
	}
	width := max((end-begin)/parts, time.Microsecond)
	counts := make([]int, parts+1)
	waits := make([][]time.Duration, parts+1)
	for i := range h.Ops {
		o := &h.Ops[i]
		if o.Return == history.Never || o.Outcome != history.OK {
			continue
		}
		n := min(int((o.Return-begin)/width), parts)
		counts[n]++
		waits[n] = append(waits[n], o.Return-o.Invoke)
	}
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	rate, wait := chart.Series{Name: "acknowledged operations"}, chart.Series{Name: "longest wait for a reply"}
	for n := range counts {
		at := ms(width) * (float64(n) + 0.5)
		rate.Points = append(rate.Points, chart.Point{X: at, Y: math.Round(float64(counts[n]) / width.Seconds())})
		if len(waits[n]) > 0 {
			wait.Points = append(wait.Points, chart.Point{X: at, Y: ms(slices.Max(waits[n]))})
		}
	}
	bands := bandsOf(h, begin, end)
	return []chart.Chart{
		chart.OverTime("Acknowledged operations over the run", "operations/s", func(v float64) string { return wording.Count(int64(v)) }, wording.Round, []chart.Series{rate}, bands),
		chart.OverTime("Longest wait for a reply", "", wording.Latency, wording.Round, []chart.Series{wait}, bands),
	}
}

// bandsOf are the times of a history in which a server was down, and the
// instants at which other faults struck.
func bandsOf(h *history.History, begin, end time.Duration) []chart.Band {
	ms := func(d time.Duration) float64 { return float64(d-begin) / float64(time.Millisecond) }
	var list []chart.Band
	down := map[string]int{} // place in list
	for i := range h.Events {
		e := &h.Events[i]
		switch e.Kind {
		case history.ProcessKill, history.PowerCut, history.Terminated, history.Exited:
			if _, ok := down[e.Node]; !ok {
				down[e.Node] = len(list)
				list = append(list, chart.Band{Name: string(e.Kind), From: ms(e.At), To: ms(end)})
			}
		case history.Ready:
			if n, ok := down[e.Node]; ok {
				list[n].To = ms(e.At)
				delete(down, e.Node)
			}
		case history.CutOff:
			down["cut "+e.Node] = len(list)
			list = append(list, chart.Band{Name: "cut", From: ms(e.At), To: ms(end)})
		case history.Healed:
			for key, n := range down { // any order: all of them end here
				if len(key) > 4 && key[:4] == "cut " {
					list[n].To = ms(e.At)
					delete(down, key)
				}
			}
		}
	}
	return list
}

// hashOf is how a content security policy names a script.
func hashOf(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
