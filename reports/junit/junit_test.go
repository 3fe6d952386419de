package junit

import (
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

var update = flag.Bool("update", false, "write the golden files")

var samples = map[string]*result.Report{
	"usual": reporttest.Usual(), "failing": reporttest.Failing(), "hostile": reporttest.Hostile(), "nothing": reporttest.Report(),
}

func write(t *testing.T, r *result.Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, Write(&b, losses.Report(r, result.KnownFindings())))
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, r := range samples {
		got := write(t, r)
		path := filepath.Join("testdata", name+".xml")
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: -golden +now:\n%s", name, diff)
		}
	}
}

// TestVerdictsBecomeElements: an unknown is an error and never a skip; the
// suite counts what its cases hold.
func TestVerdictsBecomeElements(t *testing.T) {
	for verdict, want := range map[result.Verdict]string{
		result.Holds: "", result.Violated: "failure", result.Unknown: "error", result.NotApplicable: "skipped",
	} {
		r := reporttest.Cell("always", nil, "power")
		r.Verdict = verdict
		var got suites
		require.NoError(t, xml.Unmarshal([]byte(write(t, reporttest.Report(r))), &got))
		s, c := got.Suites[0], got.Suites[0].Cases[0]
		require.Equal(t, want == "failure", c.Failure != nil, verdict)
		require.Equal(t, want == "error", c.Error != nil, verdict)
		require.Equal(t, want == "skipped", c.Skipped != nil, verdict)
		require.Equal(t, 1, s.Tests)
		require.Equal(t, want == "failure", s.Failures == 1)
		require.Equal(t, want == "error", s.Errors == 1)
		require.Equal(t, want == "skipped", s.Skipped == 1)
	}
}

func TestFailureTextTellsTheStoryAndHowToSeeItAgain(t *testing.T) {
	got := write(t, reporttest.Failing())
	require.Contains(t, got, "client 2 was told that k7=c2-14 is there")
	require.Contains(t, got, "torntail replay torntail-out/x/failures/always-power-1")
}

// TestSchema holds the document against the rules of the Ant schema that our
// types could break: order of elements, and attributes that it requires.
func TestSchema(t *testing.T) {
	children := map[string][]string{ // in order
		"testsuites": {"testsuite"},
		"testsuite":  {"properties", "testcase", "system-out", "system-err"},
		"properties": {"property"},
		"testcase":   {"skipped", "error", "failure"},
		"property":   {}, "skipped": {}, "error": {}, "failure": {}, "system-out": {}, "system-err": {},
	}
	required := map[string][]string{
		"testsuite": {"name", "package", "id", "timestamp", "hostname", "tests", "failures", "errors", "time"},
		"testcase":  {"name", "classname", "time"}, "property": {"name", "value"},
	}
	for name, r := range samples {
		d := xml.NewDecoder(strings.NewReader(write(t, r)))
		type open struct {
			name string
			at   int
		}
		stack := []open{}
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err, name)
			switch e := token.(type) {
			case xml.StartElement:
				if len(stack) > 0 {
					top := &stack[len(stack)-1]
					at := indexOf(children[top.name], e.Name.Local)
					require.GreaterOrEqual(t, at, top.at, "%s: %s in %s", name, e.Name.Local, top.name)
					top.at = at
				}
				var attributes []string
				for _, a := range e.Attr {
					attributes = append(attributes, a.Name.Local)
				}
				for _, a := range required[e.Name.Local] {
					require.Contains(t, attributes, a, e.Name.Local)
				}
				stack = append(stack, open{name: e.Name.Local})
			case xml.EndElement:
				stack = stack[:len(stack)-1]
			}
		}
	}
}

func indexOf(list []string, s string) int {
	for i, x := range list {
		if x == s {
			return i
		}
	}
	return -1
}
