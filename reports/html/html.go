// Package html writes reports as one self-contained page: no network, nothing
// but itself. It says the verdict first, then each section's table and charts,
// and each failure with its timeline and the command that shows it again. It reads
// in a browser, light or dark, and on paper; its folding parts open with the
// keyboard.
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

	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/model"
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
	Points                            []point
	Checks                            []pair // those that found nothing wrong, or were not made
	Meta                              []pair
	Policy                            template.HTMLAttr // content security policy
	Charts                            template.CSS      // the look of drawings
	Script                            template.JS
	Sections                          []section
	Pictures                          []embedded
	Failures                          []failure
	Findings                          []finding
}

type pair struct{ Name, Value string }

// point is something that did not come as it should.
type point struct {
	Heading               string // of the first of its kind
	Class, Mark           string
	Name, Why, Means      string
	Command, Again, Where string // Where: the part of the page with the evidence
}

type finding struct{ Title, Text, Command string }

// drawing is a chart with what is said below it.
type drawing struct {
	Title string
	SVG   template.HTML
	Notes []string
}

// Write writes the page, with the evidence of its failures.
func Write(w io.Writer, r *model.Report) error {
	v := view{
		Script: template.JS(script), Charts: template.CSS(chart.CSS), Meaning: clean(r.Meaning),
		Verdict: string(r.Verdict()), Headline: clean(r.Head()), Meta: meta(&r.Header),
	}
	v.Title = "torntail: " + v.Headline
	v.Points = points(r)
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Verdict == result.Holds || c.Verdict == result.NotApplicable {
			v.Checks = append(v.Checks, pair{clean(c.Name), clean(c.Why)})
		}
	}
	for i := range r.Sections {
		v.Sections = append(v.Sections, sectionOf(&r.Sections[i]))
	}
	v.Failures = failures(r)
	v.Policy = policy(v.Failures)
	for _, p := range r.Pictures {
		v.Pictures = append(v.Pictures, embed(p))
	}
	for i := range r.Findings {
		f := &r.Findings[i]
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

// pointsShown is how many are listed before the tables; these have them all.
const pointsShown = 50

func points(r *model.Report) (list []point) {
	of := result.Verdict("")
	for i, x := range r.Points() {
		if i == pointsShown {
			break
		}
		p := point{Class: classes[x.Verdict], Mark: marks[x.Verdict], Name: clean(x.Name), Why: clean(x.Why), Means: clean(x.Means)}
		if x.Verdict != of {
			of = x.Verdict
			switch {
			case of == result.Unknown:
				p.Heading = "Unknown"
			case r.Suite != "":
				p.Heading = "Not as expected"
			default:
				p.Heading = "Violated"
			}
		}
		if f := x.Failure; f != nil {
			p.Command, p.Again, p.Where = clean(f.Command), "See it again", fmt.Sprintf("failure%d", x.At+1)
			if f.Smaller != nil {
				p.Command, p.Again = clean(f.Smaller.ReplayCommand()), clean("See it again, in "+f.Smaller.String())
			}
		}
		list = append(list, p)
	}
	return list
}

// marks say a verdict beside its colour and its word.
var marks = map[result.Verdict]string{
	result.Holds: "\u2713", result.Violated: "\u2717", result.Unknown: "?", result.NotApplicable: "\u2013",
}

// meta is what the header knows.
func meta(h *result.Header) []pair {
	list := []pair{{"Command", clean(h.Command)}, {"Seed", fmt.Sprint(h.Seed)}}
	if !h.Started.IsZero() {
		list = append(list, pair{"Started", h.Started.UTC().Format("2006-01-02 15:04:05 UTC")})
	}
	if h.ElapsedS > 0 {
		list = append(list, pair{"Took", wording.Duration(h.ElapsedS * 1000)})
	}
	if h.Machine != (result.Machine{}) {
		list = append(list, pair{"Machine", clean(wording.Machine(h.Machine))})
	}
	return append(list, pair{"torntail", clean(h.Torntail)})
}

// clean is text from outside without what XML cannot hold, on one line.
func clean(s string) string { return wording.Clean(strings.Join(strings.Fields(s), " "), false) }

// draw is a chart as a part of the page.
func draw(c *chart.Chart) drawing {
	d := drawing{Title: clean(c.Title), SVG: template.HTML(c.Draw().Inline())}
	for _, n := range c.Notes {
		d.Notes = append(d.Notes, clean(n))
	}
	return d
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
