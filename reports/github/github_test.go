package github

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

func write(t *testing.T, r *result.Report) []string {
	var b strings.Builder
	require.NoError(t, Write(&b, losses.Report(r, reporttest.Catalogue())))
	if b.Len() == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

func TestAnnotations(t *testing.T) {
	require.Empty(t, write(t, reporttest.Usual()), "nothing to say of what holds")
	lines := write(t, reporttest.Failing())
	require.Len(t, lines, 4)
	require.Equal(t, "::error title=torntail%3A always%2C power (engine)::violated: lost-write in 4 runs, hole in 1 run"+
		"%0Aclient 2 was told that k7=c2-14 is there; after the restart k7 is c1-9, and nothing wrote k7 in between"+
		"%0Asee it again: torntail replay torntail-out/x/failures/always-power-1", lines[0])
	require.True(t, strings.HasPrefix(lines[1], "::warning title=torntail%3A everysec%2C power (engine)::unknown, nothing is proved: in 43 of 200"), lines[1])
}

// TestNothingBecomesACommand: text from outside stays inside its own line.
func TestNothingBecomesACommand(t *testing.T) {
	r := reporttest.Hostile()
	r.Results[0].Mode, r.Results[0].Failures[0].Story = "x\n::error::mine", "a\r\n::add-mask::b%0A::stop-commands::c"
	lines := write(t, r)
	require.Len(t, lines, 1)
	require.True(t, strings.HasPrefix(lines[0], "::error title=torntail%3A x %3A%3Aerror%3A%3Amine"), lines[0])
	require.NotContains(t, lines[0], "\r")
	require.Contains(t, lines[0], "%250A::stop-commands", "a percent sign is escaped, or it would be read as a line break")
}

func TestGitHubShowsTenOfAKind(t *testing.T) {
	r := reporttest.Failing()
	for range 20 {
		r.Results = append(r.Results, r.Results[0])
	}
	lines := write(t, r)
	require.Len(t, lines, 13)
	require.Contains(t, lines[12], "more of them")
}

func TestClaims(t *testing.T) {
	r := reporttest.Report()
	r.Claims = []result.Claim{{ID: "P1", Quote: "always loses nothing", Expected: "holds", Outcome: "refuted", Figure: "3 lost", Verdict: result.Violated},
		{ID: "P2", Quote: "q", NotMeasured: "no FUSE", Verdict: result.Unknown}}
	require.Equal(t, []string{"::error title=torntail%3A claim P1::always loses nothing: expected holds, came out as refuted: 3 lost",
		"::warning title=torntail%3A claim P2::q: not measured: no FUSE"}, write(t, r))
}
