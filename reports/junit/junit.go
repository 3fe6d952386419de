// Package junit writes results as JUnit XML, which every continuous-integration
// server reads: a test case for each entry of a report. A
// violation is a failure; an unknown is an error, unless somebody asks for a skip, which
// looks as if nothing had happened; what cannot strike is skipped, with the reason.
//
// There are two forms. The usual one is what both widespread schemas accept, that of Ant's
// JUnit task (JUnit.xsd) and that of Jenkins (junit-10.xsd): the elements in Ant's order,
// and no output of single test cases, which Ant's does not know. The other is Maven
// Surefire's (surefire-test-report.xsd): one suite as the root, and the output of each case
// with it.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

type suites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []suite  `xml:"testsuite"`
}

type suite struct {
	Name       string     `xml:"name,attr"`
	Package    string     `xml:"package,attr"`
	ID         int        `xml:"id,attr"`
	Timestamp  string     `xml:"timestamp,attr"` // without a zone, as the schema demands: UTC
	Hostname   string     `xml:"hostname,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
	Out        lines      `xml:"system-out"`
	Err        lines      `xml:"system-err"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testcase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Time    string   `xml:"time,attr"`
	Skipped *verdict `xml:"skipped"`
	Error   *verdict `xml:"error"`
	Failure *verdict `xml:"failure"`
	Out     *lines   `xml:"system-out"` // Surefire's form only
}

// surefire is the other form's root.
type surefire struct {
	XMLName    xml.Name   `xml:"testsuite"`
	Name       string     `xml:"name,attr"`
	Time       string     `xml:"time,attr"`
	Tests      int        `xml:"tests,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Failures   int        `xml:"failures,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testcase `xml:"testcase"`
}

// Words that can be chosen: the form, and what an unknown is.
const (
	Jenkins        = "jenkins"
	Surefire       = "surefire"
	UnknownSkipped = "unknown-skipped"
)

// Words are all of them.
func Words() []string { return []string{Jenkins, Surefire, UnknownSkipped} }

// lines is text with line breaks that a person reading the file can see.
type lines struct {
	Text string `xml:",cdata"`
}

type verdict struct {
	Message string `xml:"message,attr,omitempty"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",cdata"`
}

// Write writes the report, by the words chosen.
func Write(w io.Writer, r *model.Report) error {
	s := suite{
		Name: "torntail", Package: "torntail", Hostname: "localhost",
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Time: seconds(r.ElapsedS),
		Properties: properties(r),
	}
	asSurefire := slices.Contains(r.Choices, Surefire)
	skip := slices.Contains(r.Choices, UnknownSkipped)
	var out strings.Builder
	out.WriteString(r.Head() + "\n")
	if r.Meaning != "" {
		out.WriteString(r.Meaning + "\n")
	}
	out.WriteString("\n")
	for i := range r.Findings {
		f := &r.Findings[i]
		fmt.Fprintf(&out, "known finding %s\n", f)
		if f.Command != "" {
			fmt.Fprintf(&out, "see it: %s\n", f.Command)
		}
	}
	for i := range r.Checks {
		s.add(checked(&r.Checks[i]), skip)
	}
	for _, e := range r.Entries() {
		c := caseOf(e)
		text := inWords(e)
		if c.Failure == nil && len(e.Anomalies) > 0 { // expected, so that no failure names them
			text += fmt.Sprintf("%s: %s\n", e.Verdict, wording.Counts(e.Anomalies, e.Of))
		}
		if said := e.AsExpected(); said != "" {
			text += said + "\n"
		}
		if asSurefire {
			c.Out = &lines{clean(text)}
		}
		s.add(c, skip)
		fmt.Fprintf(&out, "\n%s, %s\n%s", c.Class, c.Name, text)
	}
	if r.Interrupted {
		s.add(testcase{Name: "all that was asked for", Class: "torntail", Time: seconds(0),
			Error: &verdict{Message: "unknown: interrupted before all was tried", Type: "unknown"}}, skip)
	}
	var root any
	if asSurefire {
		about := testcase{Name: "answer", Class: "torntail", Time: seconds(0), Out: &lines{clean(r.Head() + "\n" + r.Meaning + "\n")}}
		root = surefire{Name: s.Name, Time: s.Time, Tests: s.Tests + 1, Errors: s.Errors, Skipped: s.Skipped, Failures: s.Failures,
			Properties: s.Properties, Cases: append([]testcase{about}, s.Cases...)}
	} else {
		s.Out.Text = clean(out.String())
		root = suites{Suites: []suite{s}}
	}
	text, err := xml.MarshalIndent(root, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	}
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}

// properties say what was run: the same again needs no more.
func properties(r *model.Report) []property {
	list := []property{{"torntail", oneLine(r.Torntail)}, {"command", oneLine(r.Command)}, {"seed", fmt.Sprint(r.Seed)}, {"answer", oneLine(r.Head())}}
	if r.Suite != "" {
		list = append(list, property{"suite", oneLine(r.Suite)})
	}
	for _, e := range r.Entries() {
		for _, p := range []property{{"target", oneLine(e.Target)}, {"version", oneLine(e.Version)}} {
			if p.Value != "" && !slices.Contains(list, p) {
				list = append(list, p)
			}
		}
	}
	return list
}

// checked is a check of everything together as a test case.
func checked(k *model.Check) testcase {
	c := testcase{Name: oneLine(k.Name), Class: "torntail", Time: seconds(0)}
	text := clean(strings.Join(k.Details, "\n"))
	switch k.Verdict {
	case result.Violated:
		c.Failure = &verdict{Message: oneLine(k.Why), Type: string(result.Violated), Text: text}
	case result.Unknown:
		c.Error = &verdict{Message: oneLine(k.Why), Type: "unknown", Text: text}
	case result.NotApplicable:
		c.Skipped = &verdict{Message: oneLine(k.Why)}
	}
	return c
}

// add counts a test case. skip: an unknown is a skip.
func (s *suite) add(c testcase, skip bool) {
	if skip && c.Error != nil {
		c.Skipped, c.Error = &verdict{Message: c.Error.Message}, nil
	}
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func caseOf(e *model.Entry) testcase {
	c := testcase{Name: oneLine(e.Title), Class: oneLine("torntail." + e.Suite), Time: seconds(e.TookS)}
	switch e.Judged() {
	case result.NotApplicable:
		c.Skipped = &verdict{Message: oneLine(e.Why)}
	case result.Violated:
		c.Failure = &verdict{Message: oneLine(message(e)), Type: anomalies(e), Text: failure(e)}
	case result.Unknown:
		c.Error = &verdict{Message: "unknown: " + oneLine(e.Why), Type: "unknown", Text: clean(inWords(e))}
	}
	return c
}

// anomalies are the names of what was seen, as the type of a failure.
func anomalies(e *model.Entry) string {
	if len(e.Anomalies) == 0 {
		return string(result.Violated)
	}
	return oneLine(strings.Join(wording.SortedNames(e.Anomalies), " "))
}

func message(e *model.Entry) string {
	switch {
	case e.Expected != nil:
		return fmt.Sprintf("expected %s: %s", e.Expected.Text, e.Expected.Why)
	case len(e.Anomalies) > 0:
		return "violated: " + wording.Counts(e.Anomalies, e.Of)
	case e.Why != "":
		return "violated: " + e.Why
	}
	return "violated"
}

// failure is the story of each failure that was kept, with its plan and the
// command that shows it again.
func failure(e *model.Entry) string {
	var b strings.Builder
	for _, l := range e.InWords {
		b.WriteString(l + "\n")
	}
	for i := range e.Failures {
		f := &e.Failures[i]
		what := f.What
		if f.Where != "" {
			what = f.Where + ": " + what
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(what + "\n")
		if f.Story != "" {
			b.WriteString(strings.TrimRight(f.Story, "\n") + "\n")
		}
		if f.Command != "" {
			b.WriteString("see it again: " + f.Command + "\n")
		}
		b.WriteString(f.Plan)
		if f.Smaller != nil {
			fmt.Fprintf(&b, "the same in %s: %s\n%s", f.Smaller, f.Smaller.ReplayCommand(), f.Smaller.Plan)
		}
	}
	return clean(b.String())
}

// inWords is what is said of an entry.
func inWords(e *model.Entry) string {
	var b strings.Builder
	for _, l := range e.InWords {
		b.WriteString(l + "\n")
	}
	if e.Report != "" {
		b.WriteString(strings.TrimRight(e.Report, "\n") + "\n")
	}
	return b.String()
}

// clean leaves out what XML 1.0 cannot hold; the encoder escapes the rest.
func clean(s string) string { return wording.Clean(s, true) }

func oneLine(s string) string { return wording.Clean(strings.Join(strings.Fields(s), " "), false) }
