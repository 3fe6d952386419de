package junit

import (
	"encoding/xml"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

// rules are what a schema says of the elements that we write: those that one may hold, in
// order, with how many, and its attributes. Written down from the schemas that the servers use:
// Ant's JUnit.xsd, junit-10.xsd of Jenkins's xUnit plugin and surefire-test-report-3.0.xsd.
type rules map[string]element

type element struct {
	children   []string                  // in order; one that ends in "?" is there once at most
	any        bool                      // in any order
	choice     []string                  // of which one at most is there
	attributes map[string]*regexp.Regexp // those that may be there
	required   []string
}

var (
	text    = regexp.MustCompile(`(?s)^.*$`)
	token   = regexp.MustCompile(`^\S+( \S+)*$|^$`)
	number  = regexp.MustCompile(`^[0-9]+$`)
	decimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	instant = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$`)
)

func attributes(pattern *regexp.Regexp, names ...string) map[string]*regexp.Regexp {
	m := map[string]*regexp.Regexp{}
	for _, n := range names {
		m[n] = pattern
	}
	return m
}

func with(m map[string]*regexp.Regexp, more map[string]*regexp.Regexp) map[string]*regexp.Regexp {
	for k, v := range more { // any order: into a map
		m[k] = v
	}
	return m
}

var schemas = map[string]rules{
	"ant": {
		"":           {children: []string{"testsuites?"}},
		"testsuites": {children: []string{"testsuite"}},
		"testsuite": {children: []string{"properties?", "testcase", "system-out?", "system-err?"},
			attributes: with(with(with(attributes(token, "name", "package", "hostname"), attributes(number, "id", "tests", "failures", "errors", "skipped")), attributes(decimal, "time")), attributes(instant, "timestamp")),
			required:   []string{"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "time"}},
		"properties": {children: []string{"property"}},
		"property":   {attributes: attributes(text, "name", "value"), required: []string{"name", "value"}},
		"testcase": {children: []string{"skipped?", "error?", "failure?"}, choice: []string{"skipped", "error", "failure"},
			attributes: with(attributes(token, "name", "classname"), attributes(decimal, "time")), required: []string{"name", "classname", "time"}},
		"skipped":    {attributes: attributes(text, "message")},
		"error":      {attributes: attributes(text, "message", "type"), required: []string{"type"}},
		"failure":    {attributes: attributes(text, "message", "type"), required: []string{"type"}},
		"system-out": {}, "system-err": {},
	},
	"jenkins": {
		"":           {children: []string{"testsuites?"}},
		"testsuites": {children: []string{"testsuite"}},
		"testsuite": {any: true, children: []string{"testsuite", "properties", "testcase", "system-out", "system-err"},
			attributes: attributes(text, "name", "tests", "failures", "errors", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url", "version"),
			required:   []string{"name"}},
		"properties": {children: []string{"property"}},
		"property":   {attributes: attributes(text, "name", "value"), required: []string{"name"}},
		"testcase": {any: true, children: []string{"skipped", "error", "failure", "system-out", "system-err"},
			attributes: attributes(text, "name", "time", "classname", "group"), required: []string{"name"}},
		"skipped":    {attributes: attributes(text, "message", "type")},
		"error":      {attributes: attributes(text, "message", "type")},
		"failure":    {attributes: attributes(text, "message", "type")},
		"system-out": {}, "system-err": {},
	},
	"surefire": {
		"": {children: []string{"testsuite?"}},
		"testsuite": {children: []string{"properties?", "testcase"},
			attributes: with(attributes(text, "name", "group", "version"), with(attributes(decimal, "time"), attributes(number, "tests", "errors", "skipped", "failures"))),
			required:   []string{"name", "time", "tests", "errors", "skipped", "failures"}},
		"properties": {children: []string{"property"}},
		"property":   {attributes: attributes(text, "name", "value"), required: []string{"name", "value"}},
		"testcase": {any: true, children: []string{"failure", "rerunFailure", "flakyFailure", "skipped?", "error?", "rerunError", "flakyError", "system-out?", "system-err?"},
			attributes: with(attributes(text, "name", "classname", "group"), attributes(decimal, "time")), required: []string{"name", "time"}},
		"failure":    {attributes: attributes(text, "message", "type"), required: []string{"type"}},
		"error":      {attributes: attributes(text, "message", "type"), required: []string{"type"}},
		"skipped":    {attributes: attributes(text, "message")},
		"system-out": {}, "system-err": {},
	},
}

// broken is the first rule of a schema that a document breaks; "" when it is valid.
func broken(s rules, text string) string {
	type open struct {
		name string
		at   int
		seen map[string]int
	}
	stack := []*open{{seen: map[string]int{}}}
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		t, err := d.Token()
		if err == io.EOF {
			return ""
		}
		if err != nil {
			return err.Error()
		}
		switch e := t.(type) {
		case xml.StartElement:
			name, top := e.Name.Local, stack[len(stack)-1]
			rule, known := s[name]
			in := s[top.name]
			at := slices.IndexFunc(in.children, func(c string) bool { return strings.TrimSuffix(c, "?") == name })
			top.seen[name]++
			switch {
			case !known || at < 0:
				return name + " in " + top.name
			case !in.any && at < top.at:
				return name + " too late in " + top.name
			case strings.HasSuffix(in.children[at], "?") && top.seen[name] > 1:
				return name + " twice in " + top.name
			case slices.Contains(in.choice, name) && len(top.seen) > 1:
				return "more than one of a choice in " + top.name
			}
			top.at = at
			have := map[string]bool{}
			for _, a := range e.Attr {
				pattern := rule.attributes[a.Name.Local]
				if pattern == nil || !pattern.MatchString(a.Value) {
					return name + " " + a.Name.Local + "=" + a.Value
				}
				have[a.Name.Local] = true
			}
			for _, r := range rule.required {
				if !have[r] {
					return name + " without " + r
				}
			}
			stack = append(stack, &open{name: name, seen: map[string]int{}})
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		}
	}
}

// suited are reports with every kind of case: a suite that failed, with a baseline that is
// missing, required or not, and one that it is worse than.
func suited() map[string]*result.Report {
	list := map[string]*result.Report{}
	for name, r := range samples { // any order: into a map
		list[name] = r
	}
	for name, b := range map[string]*result.Baseline{
		"missing": {File: "b.json", Missing: true}, "required": {File: "b.json", Missing: true, Required: true},
		"worse": {File: "b.json", Summary: "worse", Worse: []string{"a <b>"}}, "unproved": {File: "b.json", Unproved: []string{"c"}},
	} {
		r := reporttest.Failing()
		r.Suite = &result.Suite{Name: "night <ly>", Baseline: b}
		for i := range r.Results {
			as := []result.Verdict{result.Holds, result.Violated, result.Unknown, result.NotApplicable}[i%4]
			r.Results[i].Cell, r.Results[i].ElapsedS = "cell", 1.25
			r.Results[i].Expected = &result.Expected{Text: "holds", As: as, Why: "a ]]> b"}
		}
		list[name] = r
	}
	return list
}

func TestSchemas(t *testing.T) {
	for name, r := range suited() { // any order: each is a check of its own
		for _, words := range [][]string{nil, {Jenkins}, {UnknownSkipped}, {Surefire}, {Surefire, UnknownSkipped}} {
			m := losses.Report(r, reporttest.Catalogue())
			m.Choices, m.Interrupted = words, name == "failing"
			got := document(t, m)
			forms := []string{"ant", "jenkins"}
			if slices.Contains(words, Surefire) {
				forms = []string{"surefire"}
			}
			for _, form := range forms {
				require.Empty(t, broken(schemas[form], got), "%s %v against %s", name, words, form)
			}
			for _, other := range []string{"ant", "surefire"} {
				if !slices.Contains(forms, other) {
					require.NotEmpty(t, broken(schemas[other], got), "a rule that nothing breaks")
				}
			}
		}
	}
}

func document(t *testing.T, m *model.Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, Write(&b, m))
	return b.String()
}

func TestUnknownIsAnErrorUnlessAskedOtherwise(t *testing.T) {
	u := reporttest.Cell("always", nil, "power")
	u.Verdict, u.Why, u.ElapsedS = result.Unknown, "no reason", 2.5
	m := losses.Report(reporttest.Report(u), nil)
	require.Contains(t, document(t, m), `failures="0" errors="1" skipped="0"`)
	require.Contains(t, document(t, m), `time="2.500"`)
	m.Choices = []string{UnknownSkipped}
	require.Contains(t, document(t, m), `failures="0" errors="0" skipped="1"`)
	require.Contains(t, document(t, m), `<skipped message="unknown: no reason">`)
}

// TestPropertiesSayWhatWasRun: target, version and seed.
func TestPropertiesSayWhatWasRun(t *testing.T) {
	got := document(t, losses.Report(reporttest.Failing(), nil))
	for _, want := range []string{`name="target" value="engine"`, `name="target" value="redis-server"`, `name="version" value="7.0.15"`, `name="seed" value="1"`,
		`name="answer" value="violated: 1 of 5 contracts was broken"`} {
		require.Contains(t, got, want)
	}
}

func TestASuiteThatFailsForItsBaselineHasAFailure(t *testing.T) {
	for name, want := range map[string]string{
		"missing":  `<skipped message="no baseline yet at b.json`,
		"required": `<failure message="no baseline at b.json, which the suite requires"`,
		"worse":    `<failure message="worse" type="violated"><![CDATA[a <b>]]>`,
		"unproved": `<error`,
	} {
		got := document(t, losses.Report(suited()[name], nil))
		_, c, ok := strings.Cut(got, `<testcase name="compared with the baseline"`)
		require.True(t, ok, name)
		c, _, _ = strings.Cut(c, "</testcase>")
		require.Contains(t, c, want, name)
	}
}
