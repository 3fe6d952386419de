package model

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

func report(verdicts ...result.Verdict) *Report {
	s := Section{Labels: []string{"mode"}}
	for _, v := range verdicts {
		s.Entries = append(s.Entries, Entry{Labels: []string{"always"}, Verdict: v})
	}
	return &Report{Sections: []Section{s}}
}

func TestHeadAndExitAgree(t *testing.T) {
	for _, c := range []struct {
		r    *Report
		head string
		exit int
	}{
		{report(result.Holds, result.Holds, result.NotApplicable), "holds: all 2 contracts were kept", result.ExitHolds},
		{report(result.Holds, result.Violated, result.Unknown), "violated: 1 of 3 contracts was broken", result.ExitViolated},
		{report(result.Holds, result.Unknown), "unknown: nothing is proved about 1 of 2 contracts", result.ExitUnknown},
		{report(result.NotApplicable), "unknown: nothing was run", result.ExitUnknown},
		{report(), "unknown: nothing was run", result.ExitUnknown},
	} {
		require.Equal(t, c.head, c.r.Head())
		require.Equal(t, c.exit, c.r.Exit(false), c.head)
	}
}

func TestInterruptedIsUnknownUnlessViolated(t *testing.T) {
	r := report(result.Holds)
	r.Interrupted = true
	require.Equal(t, result.ExitUnknown, r.Exit(false))
	require.Equal(t, "unknown: interrupted before all was tried", r.Head())
	r = report(result.Holds, result.Violated)
	r.Interrupted = true
	require.Equal(t, result.ExitViolated, r.Exit(false))
}

func TestWhatIsExpectedCounts(t *testing.T) {
	r := report(result.Violated)
	r.Sections[0].Entries[0].Expected = &result.Expected{Text: "violated", As: result.Holds}
	require.Equal(t, result.ExitHolds, r.Exit(false))
}

func TestFiguresWithoutVerdictsProveNothing(t *testing.T) {
	r := report(result.Holds)
	r.Sections[0].Unjudged = true
	require.Equal(t, result.ExitUnknown, r.Exit(false))
	require.Equal(t, "unknown: nothing was run", r.Head())
}

func TestFindingsAreGatheredOnceInTheOrderOfTheCatalogue(t *testing.T) {
	r := &Report{Sections: []Section{{Entries: []Entry{
		{Labels: []string{"no"}, Seen: []Seen{{Name: "zz", Times: 1}, {Name: "F2", Times: 3}, {Name: "F1", Times: 0}}},
		{Labels: []string{"always"}, Seen: []Seen{{Name: "F2", Times: 2, Command: "torntail replay x"}, {Name: "aa", Times: 1}, {Name: "F3", Times: 1}}},
		{Labels: []string{"no"}, Seen: []Seen{{Name: "F2", Times: 1, Command: "torntail replay y"}}},
	}}}}
	r.Gather([]result.Finding{{Name: "F3", Title: "three"}, {Name: "F2", Title: "two", Text: "why"}, {Name: "F1"}})
	var got []string
	for i := range r.Findings {
		got = append(got, r.Findings[i].String())
	}
	require.Equal(t, []string{"F3: three: 1 run (always)", "F2: two: 6 runs (no, always)", "aa: 1 run (always)", "zz: 1 run (no)"}, got)
	require.Equal(t, "torntail replay x", r.Findings[1].Command)
	require.Equal(t, "why", r.Findings[1].Text)
}
