package terminal

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Columns of the loss table: crash kind on the left, then figures on the right
// of their column, then the verdict. 80 columns in all; where the terminal has more, verdicts
// have all their words.
const (
	crashWidth   = 21
	verdictWidth = 8
	wideVerdict  = len("holds, over documented bound")
)

var figureWidths = []int{7, 6, 6, 6, 6, 6, 6, 7}

const (
	headTop    = "                            acked writes loss window documented back by"
	headBottom = "crash                 struck total  lost   p50   p99   max bound itself verdict"
)

// table prints a section for each target, and in it a group for each mode. explained: with what
// its words mean and what its verdicts prove.
func (p *printer) table(results []result.Result, explained bool) {
	section, group := "", ""
	var shared []string
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
	}
	if !explained {
		return
	}
	if len(results) > 0 {
		p.legend(losses.Terms())
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

// mostDirectives are shown of a mode: a redis.conf may have hundreds.
const mostDirectives = 10

// directives prints a name and what it sets.
func (p *printer) directives(name string, directives []string) {
	name = wording.Clean(name, false)
	words := []string{name}
	if n := len(directives) - mostDirectives; n > 0 {
		directives = append(slices.Clone(directives[:mostDirectives]), fmt.Sprintf("and %d more in the reports", n))
	}
	if len(directives) > 0 {
		// A directive and a name are not broken over lines.
		words = append([]string{name + ":"}, strings.Split(strings.Join(directives, ",\n"), "\n")...)
	}
	for i, l := range p.fill("", words) {
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
	verdict := p.paintVerdict(r.Verdict, string(r.Verdict))
	over := r.OverDocumented()
	if over && p.width >= columns(headBottom)-len("verdict")+wideVerdict {
		verdict, over = p.paintVerdict(r.Verdict, wording.Verdict(r)), false
	}
	if r.Verdict == result.NotApplicable {
		p.notApplicable(r, name, verdict)
		return
	}
	if wording.Verdict(r) == wording.NotServed { // it takes the place of how often the server came back
		last := len(figureWidths) - 1
		p.line(pad(name+inColumns(figureWords(r)[:last]), Width-len(wording.NotServed)) + p.paintVerdict(r.Verdict, wording.NotServed))
	} else {
		p.line(name + inColumns(figureWords(r)) + " " + verdict)
	}
	p.expected(r)
	if over {
		p.line("    " + p.paintVerdict(r.Verdict, wording.Verdict(r)))
	}
	for _, note := range wording.Notes(r) {
		p.wrap("    ", note)
	}
	if seen := wording.Counts(r.Anomalies, "run"); seen != "" && !p.told[seen] {
		p.wrap("    ", "seen: "+seen)
	}
	if r.Why != "" && !p.told[r.Why] {
		p.wrap("    ", r.Why)
	}
}

// expected says what a suite says of a row, beside the verdict on its contract: nothing where
// it came as it should.
func (p *printer) expected(r *result.Result) {
	e := model.Entry{Verdict: r.Verdict, Why: r.Why, Expected: r.Expected, Anomalies: r.Anomalies, Of: "run"}
	text := e.AsExpected()
	if text == "" || text == "as expected" && r.Verdict == result.Holds {
		return
	}
	if what, why, ok := strings.Cut(text, ": "); ok && p.told[why] {
		text = what
	}
	for _, l := range p.fill("    ", strings.Fields(text)) {
		p.line(p.paintVerdict(r.Expected.As, l))
	}
}

func (p *printer) notApplicable(r *result.Result, name, verdict string) {
	used := 0
	for _, w := range figureWidths {
		used += w
	}
	why := wording.Clean(r.Why, false)
	name = strings.TrimRight(name, " ")
	at := min(crashWidth+2, crashWidth+used-columns(why)) // two columns behind a name, where there is room
	if at < columns(name)+2 {
		p.line(pad(name, crashWidth+used) + " " + verdict)
		p.wrap("    ", why)
		return
	}
	p.line(pad(pad(name, at)+why, crashWidth+used) + " " + verdict)
}

// figureWords are the figures of a row.
func figureWords(r *result.Result) []string {
	p50, p99, most := "-", "-", "-"
	if w := r.LossWindow; w != nil {
		p50, p99, most = wording.Window(w, w.P50), wording.Window(w, w.P99), wording.Window(w, w.Max)
	}
	lost := wording.Count(r.Lost)
	if r.NeverServed() {
		lost = "-"
	}
	return []string{wording.Struck(r), wording.Count(r.Acknowledged), lost, p50, p99, most, wording.Bound(r), wording.ByItself(r)}
}

// inColumns puts each word on the right of its column. One that is too wide takes its room
// from those behind it, as far as they have any.
func inColumns(words []string) string {
	line, end := "", 0
	for i, word := range words {
		end += figureWidths[i]
		line += strings.Repeat(" ", max(1, end-columns(line)-columns(word))) + word
	}
	return line
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}
