// Package html writes results as one self-contained page: no network, nothing
// but itself. It says the verdict first, then what policies cost where that was
// measured, the loss table, how the losses are distributed, and each failure
// with its timeline and the command that shows it again. It reads in a browser,
// light or dark, and on paper; its folding parts open with the keyboard.
//
// The page's one script (page.js) only folds and points: its hash is in the
// page's content security policy, so that nothing else runs, whatever a key is
// called. The page is well-formed XML as well, so that a test can read it
// strictly.
package html

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

//go:embed page.tmpl
var pageText string

//go:embed page.js
var pageScript string

// script is the page's script, in a frame that lets it be read as XML, too.
var script = "//<![CDATA[\n" + pageScript + "//]]>\n"

var page = template.Must(template.New("page").Parse(pageText))

// view is what the template shows. All text in it is plain; the template
// escapes it.
type view struct {
	Title, Verdict, Headline, Meaning string
	Meta                              []pair
	Policy                            template.HTMLAttr // content security policy
	Script                            template.JS
	Costs                             *costs
	Sections                          []section
	Pictures                          []embedded
	Text                              string // what the terminal shows, where there is no table
	Claims                            []claim
	Failures                          []failure
	Findings                          []finding
}

type pair struct{ Name, Value string }

// section is one target: what was tried, its table and its charts.
type section struct {
	Where  string
	Shared string // directives that every mode sets
	Groups []group
	Charts []chart
}

// group is one mode.
type group struct {
	Mode       string
	Directives string
	Rows       []row
}

type row struct {
	Crash, Struck, Acked, Lost, P50, P99, Max, Bound, ByItself string
	Verdict, Class, Note                                       string
	NotApplicable                                              bool
}

type finding struct{ Title, Text, Command string }

// WriteWith writes the page with the evidence that find finds, and with pictures
// that belong to the run as a whole, such as a map of crash states.
func WriteWith(w io.Writer, r *result.Report, find Finder, pictures ...Picture) error {
	v := view{
		Script:  pageScriptJS(),
		Meaning: clean(wording.Report(r)),
		Meta: []pair{
			{"Command", clean(r.Command)},
			{"Seed", fmt.Sprint(r.Seed)},
			{"Started", r.Started.UTC().Format("2006-01-02 15:04:05 UTC")},
			{"Took", wording.Duration(r.ElapsedS * 1000)},
			{"Machine", clean(fmt.Sprintf("%s/%s, %d CPUs %s %s", r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Kernel, r.Machine.FileSystem))},
			{"torntail", clean(r.Torntail)},
		},
	}
	var err error
	if v.Costs, err = costsOf(r); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	if v.Sections, err = sections(r.Results); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	if v.Failures, err = failures(r.Results, find); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	v.Policy = policy(v.Failures)
	for _, p := range pictures {
		v.Pictures = append(v.Pictures, embed(p))
	}
	v.Verdict, v.Headline = headline(r.Results)
	if len(r.Results) == 0 && len(r.Claims) > 0 {
		v.Verdict, v.Headline = claimsHeadline(r.Claims)
		v.Meaning = ""
	}
	v.Claims = claimsOf(r.Claims)
	v.Title = "torntail: " + v.Headline
	for _, f := range wording.Findings(r.Results) {
		v.Findings = append(v.Findings, finding{clean(f.String()), clean(f.Text), clean(f.Command)})
	}
	var b strings.Builder
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
}

func pageScriptJS() template.JS { return template.JS(script) }

// clean is text from outside without what XML cannot hold, on one line.
func clean(s string) string { return wording.Clean(strings.Join(strings.Fields(s), " "), false) }

// headline is the page's verdict, the strongest of all, and a line about it.
func headline(results []result.Result) (class, text string) {
	count := map[result.Verdict]int{}
	for i := range results {
		count[results[i].Judged()]++
	}
	judged := count[result.Holds] + count[result.Violated] + count[result.Unknown]
	switch {
	case count[result.Violated] > 0:
		return "violated", fmt.Sprintf("violated: %d of %d contracts were broken", count[result.Violated], judged)
	case count[result.Unknown] > 0:
		return "unknown", fmt.Sprintf("unknown: nothing is proved about %d of %d contracts", count[result.Unknown], judged)
	case judged == 0:
		return "unknown", "unknown: nothing was run"
	}
	return "holds", fmt.Sprintf("holds: all %d contracts were kept", judged)
}

func sections(results []result.Result) ([]section, error) {
	var list []section
	where, mode := "", ""
	var shared []string
	for i := range results {
		r := &results[i]
		if w := wording.Where(r); w != where || len(list) == 0 {
			where, mode = w, ""
			shared = wording.SharedDirectives(results[i:])
			list = append(list, section{Where: clean(w), Shared: clean(strings.Join(shared, ", "))})
		}
		s := &list[len(list)-1]
		if m := r.Mode + "\n" + strings.Join(r.Directives, "\n"); m != mode {
			mode = m
			s.Groups = append(s.Groups, group{Mode: clean(r.Mode + wording.Load(results[i:])), Directives: clean(strings.Join(wording.Without(r.Directives, shared), ", "))})
		}
		g := &s.Groups[len(s.Groups)-1]
		g.Rows = append(g.Rows, rowOf(r))
	}
	for i := range list {
		var err error
		if list[i].Charts, err = charts(list[i].Where, results); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// classes are the style of each verdict.
var classes = map[result.Verdict]string{
	result.Holds: "holds", result.Violated: "violated", result.Unknown: "unknown", result.NotApplicable: "na",
}

func rowOf(r *result.Result) row {
	x := row{
		Crash: clean(r.Crash), Verdict: wording.Verdict(r), Class: classes[r.Verdict],
		NotApplicable: r.Verdict == result.NotApplicable, Note: clean(r.Why),
	}
	if x.NotApplicable {
		return x
	}
	x.Struck, x.Acked, x.Lost = wording.Struck(r), fmt.Sprint(r.Acknowledged), fmt.Sprint(r.Lost)
	x.P50, x.P99, x.Max = "-", "-", "-"
	if w := r.LossWindow; w != nil {
		x.P50, x.P99, x.Max = wording.Window(w, w.P50), wording.Window(w, w.P99), wording.Window(w, w.Max)
	}
	x.Bound, x.ByItself = wording.Bound(r), wording.Share(r.Recovery.ByItself, r.Struck)
	var notes []string
	if e := r.Expected; e != nil {
		note := "expected: " + e.Text
		if e.Issue != "" {
			note += " (" + e.Issue + ")"
		}
		if e.Why != "" {
			note += "; " + e.Why
		}
		notes = append(notes, note)
		x.Class = classes[e.As]
	}
	if len(r.Anomalies) > 0 {
		notes = append(notes, "seen: "+wording.Counts(r.Anomalies))
	}
	if r.Recovery.Repaired > 0 || r.Recovery.Refused > 0 {
		notes = append(notes, fmt.Sprintf("came back by itself %d, repaired %d, refused %d", r.Recovery.ByItself, r.Recovery.Repaired, r.Recovery.Refused))
	}
	if r.Why != "" {
		notes = append(notes, r.Why)
	}
	x.Note = clean(strings.Join(notes, "; "))
	return x
}

// innerScript is a script of a page that is embedded whole.
var innerScript = regexp.MustCompile(`(?s)<script[^>]*>(.*?)</script>`)

// policy is the page's content security policy: its own script and those of the
// pages in it, by their hashes, and nothing from anywhere.
func policy(failures []failure) template.HTMLAttr {
	scripts := hashOf(script)
	frames := "'none'"
	for i := range failures {
		for _, m := range innerScript.FindAllStringSubmatch(failures[i].Interactive, -1) {
			scripts += " " + hashOf(m[1])
			frames = "'self'"
		}
	}
	return template.HTMLAttr(fmt.Sprintf(`content="default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src %s; frame-src %s"`, scripts, frames))
}
