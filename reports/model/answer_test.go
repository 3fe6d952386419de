package model

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// expecting is a report of a suite: of each entry the verdict on its contract and what that
// counts as.
func expecting(pairs ...result.Verdict) *Report {
	r := report()
	r.Suite = "nightly"
	for i := 0; i < len(pairs); i += 2 {
		e := Entry{Labels: []string{"always"}, Title: "engine/always", Verdict: pairs[i], Anomalies: map[string]int{}}
		e.Expected = &result.Expected{Text: "holds", As: pairs[i+1], Why: "it came otherwise"}
		r.Sections[0].Entries = append(r.Sections[0].Entries, e)
	}
	return r
}

// TestASuiteThatFailsSaysSo: what was expected is another question than what contracts say, and
// the answer is that on the suite.
func TestASuiteThatFailsSaysSo(t *testing.T) {
	missing := func(required bool) *Report {
		r := expecting(result.Holds, result.Holds)
		b := result.Baseline{File: "base.json", Missing: true, Required: required}
		r.Checks = []Check{{Name: "compared with the baseline", Verdict: b.Verdict(), Why: b.Why()}}
		return r
	}
	worse := expecting(result.Holds, result.Holds)
	b := result.Baseline{File: "base.json", Summary: "1 pairs, 3 figures compared: 1 worse.", Worse: []string{"always, power: loss window"}}
	worse.Checks = []Check{{Name: "compared with the baseline", Verdict: b.Verdict(), Why: b.Why(), Details: b.Worse}}
	for _, c := range []struct {
		r      *Report
		head   string
		exit   int
		points int
	}{
		{expecting(result.Holds, result.Holds), "as expected: suite nightly: 1 cell: 1 as expected", 0, 0},
		{expecting(result.Holds, result.Violated, result.Holds, result.Holds), "not as expected: suite nightly: 2 cells: 1 not as expected, 1 as expected", 1, 1},
		{expecting(result.Violated, result.Holds), "as expected: suite nightly: 1 cell: 1 as expected", 0, 0},
		{expecting(result.Holds, result.Unknown, result.NotApplicable, result.NotApplicable), "unknown: suite nightly: 2 cells: 1 unknown, 0 as expected, 1 n/a", 3, 1},
		{missing(false), "as expected: suite nightly: 1 cell: 1 as expected; no baseline yet at base.json (--update-baseline makes one)", 0, 0},
		{missing(true), "not as expected: suite nightly: 1 cell: 1 as expected; no baseline at base.json, which the suite requires", 1, 1},
		{worse, "not as expected: suite nightly: 1 cell: 1 as expected; 1 pairs, 3 figures compared: 1 worse.", 1, 1},
	} {
		require.Equal(t, c.head, c.r.Head())
		require.Equal(t, c.exit, c.r.Exit(false), c.head)
		require.Len(t, c.r.Points(), c.points, c.head)
	}
	require.Equal(t, "1 pairs, 3 figures compared: 1 worse.; always, power: loss window", worse.Points()[0].Why)
}

// TestWhatIsWrongComesWithItsReasonAndItsExample: violated ones first, and the number is that of
// the failure among all.
func TestWhatIsWrongComesWithItsReasonAndItsExample(t *testing.T) {
	r := report(result.Unknown, result.Violated, result.Holds, result.Violated)
	e := r.Sections[0].Entries
	e[0].Why = "too little was at stake"
	e[1].Anomalies, e[1].Failures = map[string]int{"lost-write": 2, "hole": 1}, []Failure{{Command: "a"}, {Command: "b"}}
	e[3].Anomalies, e[3].Failures = map[string]int{"my-own": 1}, []Failure{{Command: "c"}}
	p := r.Points()
	require.Len(t, p, 3)
	require.Equal(t, "lost-write in 2 runs, hole in 1 run", p[0].Why)
	require.Equal(t, "lost-write: a write that its client was told is done was gone after the recovery; "+
		"hole: a later write survived and an earlier one did not, so that no moment of the past is what came back", p[0].Means)
	require.Equal(t, "a", p[0].Failure.Command)
	require.Equal(t, 1, p[0].More)
	require.Equal(t, 2, p[1].At)
	require.Empty(t, p[1].Means, "a name that nobody knows means nothing")
	require.Equal(t, result.Unknown, p[2].Verdict)
	require.Equal(t, "too little was at stake", p[2].Why)
}

// TestTheVerdictOnAContractAndOnAnExpectationAreTwo: each is said as what it is.
func TestTheVerdictOnAContractAndOnAnExpectationAreTwo(t *testing.T) {
	e := Entry{Verdict: result.Holds, Expected: &result.Expected{Text: "violated", As: result.Violated, Why: "it holds"}}
	require.Equal(t, "holds", e.VerdictWords())
	require.Equal(t, "NOT as expected: expected violated; it holds", e.AsExpected())
	e = Entry{Verdict: result.Violated, Expected: &result.Expected{Text: "known violation", Issue: "#7", As: result.Holds}}
	require.Equal(t, "violated", e.VerdictWords())
	require.Equal(t, "as expected: known violation, #7", e.AsExpected())
	require.Empty(t, (&Entry{Verdict: result.Holds}).AsExpected())
}
