// Package junit writes results as JUnit XML, which every continuous-integration
// server reads: a test case for each configuration, crash kind and workload. A
// violation is a failure; an unknown is an error, never a skip, because a skip
// looks like nothing happened; what cannot strike is skipped, with the reason.
//
// The form is what both widespread schemas accept, that of Ant's JUnit task
// (JUnit.xsd) and that of Jenkins (junit-10.xsd): the elements in Ant's order,
// and no output of single test cases, which Ant's does not know.
package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

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
}

// lines is text with line breaks that a person reading the file can see.
type lines struct {
	Text string `xml:",cdata"`
}

type verdict struct {
	Message string `xml:"message,attr,omitempty"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",cdata"`
}

// Write writes the report.
func Write(w io.Writer, r *result.Report) error {
	s := suite{
		Name: "torntail", Package: "torntail", Hostname: "localhost",
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), Time: seconds(r.ElapsedS),
		Properties: []property{
			{"torntail", oneLine(r.Torntail)}, {"command", oneLine(r.Command)}, {"seed", fmt.Sprint(r.Seed)},
		},
	}
	var out strings.Builder
	out.WriteString(wording.Report(r) + "\n\n" + findings(r.Results))
	for i := range r.Results {
		c := caseOf(&r.Results[i])
		s.add(c)
		fmt.Fprintf(&out, "\n%s, %s\n%s", c.Class, c.Name, figures(&r.Results[i]))
	}
	for i := range r.Claims {
		s.add(claimCase(&r.Claims[i]))
	}
	s.Out.Text = clean(out.String())
	text, err := xml.MarshalIndent(suites{Suites: []suite{s}}, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	}
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}

// add counts a test case.
func (s *suite) add(c testcase) {
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

// claimCase is a claim as a test case.
func claimCase(cl *result.Claim) testcase {
	c := testcase{Name: oneLine(cl.ID + ": " + cl.Quote), Class: "torntail.claims", Time: seconds(0)}
	text := clean(fmt.Sprintf("%s\n%s; %s: %s\nexpected %s, measured %s (%s)\n", cl.Quote, cl.Configuration, cl.Fault, cl.Quantity, cl.Expected, cl.Outcome, cl.Figure))
	switch cl.Verdict {
	case result.NotApplicable:
		c.Skipped = &verdict{Message: oneLine(cl.NotMeasured)}
	case result.Violated:
		c.Failure = &verdict{Message: oneLine(fmt.Sprintf("expected %s: %s (%s)", cl.Expected, cl.Outcome, cl.Figure)), Type: "claim", Text: text}
	case result.Unknown:
		c.Error = &verdict{Message: "not measured: " + oneLine(cl.NotMeasured), Type: "unknown", Text: text}
	}
	return c
}

func seconds(s float64) string { return fmt.Sprintf("%.3f", s) }

func caseOf(r *result.Result) testcase {
	name := r.Crash
	if r.Workload != "" {
		name += ", " + r.Workload
	}
	if r.Personality != "" {
		name += ", " + r.Personality
	}
	// A dot would split the class name into packages: the target's version and
	// path are kept free of it.
	class := strings.ReplaceAll(strings.TrimSpace(r.Target+" "+r.Version), ".", "_")
	c := testcase{Name: oneLine(name), Class: oneLine("torntail." + class + "." + r.Mode), Time: seconds(0)}
	if r.Cell != "" {
		c.Name = oneLine(r.Cell) // a suite's own name, which says in what its cells differ
	}
	switch r.Judged() {
	case result.NotApplicable:
		c.Skipped = &verdict{Message: oneLine(r.Why)}
	case result.Violated:
		c.Failure = &verdict{Message: message(r), Type: anomalies(r), Text: failure(r)}
		if e := r.Expected; e != nil {
			c.Failure.Message = oneLine(fmt.Sprintf("expected %s: %s", e.Text, e.Why))
		}
	case result.Unknown:
		c.Error = &verdict{Message: "unknown: " + oneLine(r.Why), Type: "unknown", Text: clean(figures(r))}
	}
	return c
}

// anomalies are the names of what was seen, as the type of a failure.
func anomalies(r *result.Result) string {
	if len(r.Anomalies) == 0 {
		return string(result.Violated)
	}
	return oneLine(strings.Join(wording.SortedNames(r.Anomalies), " "))
}

func message(r *result.Result) string {
	s := "violated"
	if len(r.Anomalies) > 0 {
		s += ": " + wording.Counts(r.Anomalies)
	}
	return oneLine(s)
}

// failure is the story of each failure that was kept, with its plan and the
// command that shows it again.
func failure(r *result.Result) string {
	var b strings.Builder
	b.WriteString(figures(r))
	for i := range r.Failures {
		f := &r.Failures[i]
		if f.Finding != "" {
			continue
		}
		fmt.Fprintf(&b, "\nseed %d: %s\n", f.Seed, f.Anomaly)
		if f.Story != "" {
			b.WriteString(f.Story + "\n")
		}
		if c := f.ReplayCommand(); c != "" {
			b.WriteString("see it again: " + c + "\n")
		}
		if f.Plan != "" {
			b.WriteString(f.Plan)
		}
		if f.Shrunk != nil {
			fmt.Fprintf(&b, "the same in %s: %s\n%s", f.Shrunk, f.Shrunk.ReplayCommand(), f.Shrunk.Plan)
		}
	}
	return clean(b.String())
}

// figures are what the loss table says of a pair.
func figures(r *result.Result) string {
	if r.Verdict == result.NotApplicable {
		return "n/a: " + r.Why + "\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d of %d crashes struck, %d acknowledged writes, %d lost\n",
		wording.Verdict(r), r.Struck, r.Runs, r.Acknowledged, r.Lost)
	if w := r.LossWindow; w != nil {
		fmt.Fprintf(&b, "loss window p50 %s, p99 %s, max %s; documented bound %s\n",
			wording.Window(w, w.P50), wording.Window(w, w.P99), wording.Window(w, w.Max), wording.Bound(r))
	}
	fmt.Fprintf(&b, "came back by itself %d, repaired %d, refused %d\n", r.Recovery.ByItself, r.Recovery.Repaired, r.Recovery.Refused)
	if r.Why != "" {
		b.WriteString(r.Why + "\n")
	}
	return b.String()
}

func findings(results []result.Result) string {
	var b strings.Builder
	for _, f := range wording.Findings(results) {
		fmt.Fprintf(&b, "known finding %s\n", f)
		if f.Command != "" {
			fmt.Fprintf(&b, "see it: %s\n", f.Command)
		}
	}
	return b.String()
}

// clean leaves out what XML 1.0 cannot hold; the encoder escapes the rest.
func clean(s string) string { return wording.Clean(s, true) }

func oneLine(s string) string { return wording.Clean(strings.Join(strings.Fields(s), " "), false) }
