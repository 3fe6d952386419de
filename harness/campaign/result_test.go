package campaign

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/reports/result"
)

// TestVerdictOfAPair: what makes a pair unknown or violated, and that nothing
// else does. Unknown is never success.
func TestVerdictOfAPair(t *testing.T) {
	good := experiment.Outcome{Struck: true, InPlay: true, Verdict: result.Holds, Acked: 10, Recovery: machine.ByItself, Span: time.Second}
	with := func(change func(o *experiment.Outcome)) experiment.Outcome {
		o := good
		change(&o)
		return o
	}
	idle := with(func(o *experiment.Outcome) { o.InPlay = false })
	missed := with(func(o *experiment.Outcome) { o.Struck, o.Verdict, o.Why = false, result.Unknown, "no fsync came" })
	unjudged := with(func(o *experiment.Outcome) { o.Verdict, o.Why = result.Unknown, "out of time" })
	lying := with(func(o *experiment.Outcome) {
		o.Struck, o.Verdict, o.Distrust = false, result.Unknown, "the cut took nothing"
	})
	broken := with(func(o *experiment.Outcome) {
		o.Verdict, o.Lost, o.Anomalies = result.Violated, 3, []experiment.Anomaly{{Name: "lost-write"}}
	})
	excused := with(func(o *experiment.Outcome) {
		o.Lost, o.Window, o.Excused, o.Findings, o.Anomalies = 9, time.Hour, true, []string{"F3"}, []experiment.Anomaly{{Name: "unrecoverable"}}
	})
	refused := with(func(o *experiment.Outcome) { o.Recovery = machine.RefusedToStart })
	drowned := with(func(o *experiment.Outcome) {
		o.Recovery, o.Excused, o.Findings = machine.RefusedToStart, true, []string{"F3"}
	})
	for _, c := range []struct {
		name   string
		runs   []experiment.Outcome
		times  int // each of runs so often
		wanted int
		ctx    error
		want   result.Verdict
		why    string
	}{
		{"all hold", []experiment.Outcome{good}, 200, 200, nil, result.Holds, ""},
		{"no run", nil, 0, 200, nil, result.Unknown, "no crash struck"},
		{"no crash struck", []experiment.Outcome{missed}, 600, 200, nil, result.Unknown, "no crash struck: no fsync came"},
		{"too few struck", []experiment.Outcome{good, missed, missed}, 199, 200, nil, result.Unknown, "only 199 of 200 crashes asked for struck in 597 runs"},
		{"where time was given instead, some are enough", []experiment.Outcome{good, missed}, 10, 0, nil, result.Holds, ""},
		{"half had something to lose", []experiment.Outcome{good, idle}, 100, 200, nil, result.Holds, ""},
		{"fewer than half had something to lose", []experiment.Outcome{good, idle, idle}, 100, 300, nil, result.Unknown, "only 100 of 300 crashes had anything to lose"},
		{"one in a hundred could not be judged", append(repeat(good, 99), unjudged), 1, 100, nil, result.Holds, "1 of 100 crashes could not be judged: out of time"},
		{"fifteen in a hundred", append(repeat(good, 85), repeat(unjudged, 15)...), 1, 100, nil, result.Holds, "15 of 100 crashes could not be judged: out of time"},
		{"sixteen in a hundred", append(repeat(good, 84), repeat(unjudged, 16)...), 1, 100, nil, result.Unknown, "16 of 100 crashes could not be judged"},
		{"served after none", []experiment.Outcome{refused}, 20, 20, nil, result.Unknown, "not served: all 200 writes out of reach"},
		{"served after some", append(repeat(refused, 19), good), 1, 20, nil, result.Holds, ""},
		{"not served, and excused", []experiment.Outcome{drowned}, 20, 20, nil, result.Unknown, "not served: all 200 writes out of reach"},
		{"one violation among many", append(repeat(good, 199), broken), 1, 200, nil, result.Violated, ""},
		{"a violation is not hidden by unknowns", []experiment.Outcome{unjudged, broken}, 1, 2, nil, result.Violated, ""},
		{"torntail's own fault beats everything", append(repeat(broken, 5), lying), 1, 5, nil, result.Unknown, "torntail itself is at fault: the cut took nothing"},
		{"interrupted", []experiment.Outcome{good}, 100, 200, context.Canceled, result.Unknown, "interrupted"},
		{"a finding excuses", []experiment.Outcome{good, excused}, 100, 200, nil, result.Holds, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r result.Result
			tally := tally{Result: &r}
			for range c.times {
				for i := range c.runs {
					tally.add(&c.runs[i])
				}
			}
			tally.finish(c.wanted, c.ctx)
			require.Equal(t, c.want, r.Verdict, r.Why)
			require.Contains(t, r.Why, c.why)
		})
	}
}

func repeat(o experiment.Outcome, n int) (list []experiment.Outcome) {
	for range n {
		list = append(list, o)
	}
	return list
}

// TestExcusedRunsAreInNoOtherFigure: a run that a finding explains whole counts
// as struck and acknowledged, and in its finding.
func TestExcusedRunsAreInNoOtherFigure(t *testing.T) {
	var r result.Result
	tally := tally{Result: &r}
	tally.add(&experiment.Outcome{Struck: true, InPlay: true, Verdict: result.Holds, Acked: 10, Lost: 2, Window: time.Second, Recovery: machine.ByItself})
	tally.add(&experiment.Outcome{Struck: true, InPlay: true, Verdict: result.Holds, Acked: 10, Lost: 9, Window: time.Hour, Recovery: machine.RefusedToStart,
		Excused: true, Findings: []string{"F3"}, Anomalies: []experiment.Anomaly{{Name: "unrecoverable"}}})
	tally.add(&experiment.Outcome{Struck: true, InPlay: true, Verdict: result.Holds, Acked: 10, Lost: 9, Window: time.Hour, Recovery: machine.Repaired,
		Excused: true, Damaged: true, Findings: []string{"F4"}, Anomalies: []experiment.Anomaly{{Name: "phantom"}}})
	tally.finish(3, nil)
	require.Equal(t, 3, r.Struck)
	require.Equal(t, 1, r.Compared, "of the others nothing was compared with what is promised")
	require.Equal(t, &result.Damage{Crashes: 1}, r.Damage)
	require.Equal(t, int64(30), r.Acknowledged)
	require.Equal(t, int64(2), r.Lost)
	require.Equal(t, 1000.0, r.LossWindow.Max)
	require.Empty(t, r.Anomalies)
	require.Equal(t, map[string]int{"F3": 1, "F4": 1}, r.Findings)
	require.Equal(t, result.Recovery{ByItself: 1, Repaired: 1, Refused: 1}, r.Recovery)
}

// TestFiguresOfNothing: where nothing struck there is no rate, and what holds without a
// crash that could not be judged says nothing more.
func TestFiguresOfNothing(t *testing.T) {
	r := result.Result{}
	nothing := tally{Result: &r}
	nothing.add(&experiment.Outcome{Verdict: result.Unknown, Why: "no fsync came"})
	nothing.finish(1, nil)
	require.Zero(t, r.Rate)
	r = result.Result{}
	one := tally{Result: &r}
	one.add(&experiment.Outcome{Struck: true, InPlay: true, Verdict: result.Holds, Acked: 10, Recovery: machine.ByItself, Span: time.Second})
	one.finish(1, nil)
	require.Equal(t, result.Holds, r.Verdict)
	require.Empty(t, r.Why)
	require.InDelta(t, 10, r.Rate, 1e-9)
}
