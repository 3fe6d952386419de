package junit

import (
	"encoding/xml"
	"flag"
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
	require.NoError(t, Write(&b, losses.Report(r, reporttest.Catalogue())))
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
