package experiment

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/result"
)

// Of a violation the first that went wrong counts, and no finding beside it.
func TestWhatAnOutcomeShows(t *testing.T) {
	two := []Anomaly{{Name: "lost-write"}, {Name: "hole"}}
	for _, c := range []struct {
		o    Outcome
		name string
		want bool
	}{
		{Outcome{Verdict: result.Violated, Anomalies: two}, "lost-write", true},
		{Outcome{Verdict: result.Violated, Anomalies: two[:1]}, "lost-write", true},
		{Outcome{Verdict: result.Violated, Anomalies: two}, "hole", false},
		{Outcome{Verdict: result.Violated}, "lost-write", false},
		{Outcome{Verdict: result.Violated, Anomalies: two, Seen: Seen{}, Findings: []string{"F2"}}, "F2", false},
		{Outcome{Verdict: result.Holds, Findings: []string{"F2"}}, "F2", true},
		{Outcome{Verdict: result.Holds, Anomalies: two}, "lost-write", false},
	} {
		require.Equal(t, c.want, c.o.Shows(c.name), "%s of %+v", c.name, c.o)
	}
}

// What may be wanted again is a run that was violated, and one that shows a finding.
func TestWhatIsKept(t *testing.T) {
	require.True(t, (&Outcome{Verdict: result.Violated}).ToKeep())
	require.True(t, (&Outcome{Verdict: result.Holds, Findings: []string{"F2"}}).ToKeep())
	require.False(t, (&Outcome{Verdict: result.Holds}).ToKeep())
	require.False(t, (&Outcome{Verdict: result.Unknown}).ToKeep())
}

// A history in which no server lived has nothing that another state could have come of.
func TestNoLifeNoOtherOutcome(t *testing.T) {
	_, err := (&Outcome{History: &history.History{}}).With(&Recovered{}, &Experiment{}, 0)
	require.ErrorContains(t, err, "no life of the server")
}
