package terminal

import (
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Columns of the loss table: crash kind on the left, then figures on the right
// of their column, then the verdict. 80 columns in all.
const (
	crashWidth   = 16
	verdictWidth = 8
)

var figureWidths = []int{8, 6, 6, 7, 7, 7, 7, 7}

const (
	headTop    = "                         acked writes     loss window     documented back by"
	headBottom = "crash             struck total  lost    p50    p99    max  bound itself verdict"
)

// table prints a section for each target, and in it a group for each mode.
func (p *printer) table(results []result.Result) {
	section, group := "", ""
	var shared []string
	modelled := false
	for i := range results {
		r := &results[i]
		if s := wording.Where(r); s != section {
			section, group = s, ""
			shared = wording.SharedDirectives(results[i:])
			p.line("")
			p.wrap("", s)
			if len(shared) > 0 {
				p.directives("every mode", shared)
			}
			p.line("")
			p.line(headTop)
			p.line(headBottom)
		}
		if g := groupOf(r); g != group {
			group = g
			p.directives(r.Mode+wording.Load(results[i:]), wording.Without(r.Directives, shared))
		}
		p.row(r)
		_, promised := r.Bound(result.Documented)
		_, model := r.Bound(result.Modelled)
		modelled = modelled || model && !promised
	}
	if modelled {
		p.line("")
		p.wrap("", "~ nothing is documented: a parameter of the disk model stands there (modelled)")
	}
	for i := range results {
		if w := results[i].LossWindow; w != nil && w.Censored > 0 {
			p.wrap("", ">= the loss reaches back to the first write: a longer run could show more")
			break
		}
	}
	for _, s := range wording.Strengths(results) {
		p.wrap("", s)
	}
	if said := wording.Witness(results); said != "" {
		p.line("")
		p.wrap("", said)
	}
}

func groupOf(r *result.Result) string {
	return r.Mode + "\n" + strings.Join(r.Directives, "\n")
}

// directives prints a name and what it sets.
func (p *printer) directives(name string, directives []string) {
	name = wording.Clean(name, false)
	words := []string{name}
	if len(directives) > 0 {
		// A directive and a name are not broken over lines.
		words = append([]string{name + ":"}, strings.Split(strings.Join(directives, ",\n"), "\n")...)
	}
	for i, l := range fill("", words) {
		if i == 0 {
			p.line(p.paint(bold, name) + p.paint(dim, strings.TrimPrefix(l, name)))
			continue
		}
		p.line(p.paint(dim, l))
	}
}

// row prints one crash kind of a mode, and below it what the figures need.
func (p *printer) row(r *result.Result) {
	name := "  " + wording.Clean(r.Crash, false)
	if columns(name) > crashWidth {
		p.line(name)
		name = ""
	}
	name = pad(name, crashWidth)
	verdict := string(r.Verdict)
	if r.OverDocumented() {
		verdict += ","
	}
	verdict = p.paintVerdict(r.Verdict, verdict)
	if r.Verdict == result.NotApplicable {
		p.notApplicable(r, name, verdict)
		return
	}
	if wording.Verdict(r) == wording.NotServed { // it takes the place of how often the server came back
		last := len(figureWidths) - 1
		p.line(pad(name+strings.Join(cells(r)[:last], ""), Width-len(wording.NotServed)) + p.paintVerdict(r.Verdict, wording.NotServed))
	} else {
		p.line(name + figures(r) + " " + verdict)
	}
	if r.OverDocumented() {
		p.line(strings.Repeat(" ", Width-2-len("over documented bound")) + p.paintVerdict(r.Verdict, "over documented bound"))
	}
	for _, note := range wording.Notes(r) {
		p.wrap("    ", note)
	}
	if len(r.Anomalies) > 0 {
		p.wrap("    ", "seen: "+wording.Counts(r.Anomalies, "run"))
	}
	if r.Why != "" {
		p.wrap("    ", r.Why)
	}
}

func (p *printer) notApplicable(r *result.Result, name, verdict string) {
	used := 0
	for _, w := range figureWidths {
		used += w
	}
	why := wording.Clean(r.Why, false)
	if columns(why) > used-2 {
		p.line(name + strings.Repeat(" ", used) + " " + verdict)
		p.wrap("    ", why)
		return
	}
	p.line(name + pad("  "+why, used) + " " + verdict)
}

func figures(r *result.Result) string { return strings.Join(cells(r), "") }

// cells are the figures of a row, each in the width of its column.
func cells(r *result.Result) []string {
	p50, p99, most := "-", "-", "-"
	if w := r.LossWindow; w != nil {
		p50, p99, most = wording.Window(w, w.P50), wording.Window(w, w.P99), wording.Window(w, w.Max)
	}
	lost := wording.Count(r.Lost)
	if r.NeverServed() {
		lost = "-"
	}
	list := []string{wording.Struck(r), wording.Count(r.Acknowledged), lost, p50, p99, most, wording.Bound(r), wording.ByItself(r)}
	for i, cell := range list {
		list[i] = strings.Repeat(" ", max(1, figureWidths[i]-columns(cell))) + cell
	}
	return list
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}
