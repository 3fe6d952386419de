package suite

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/torntail/torntail/reports/result"
)

// What comes of an expectation, for every verdict.
func TestExpectations(t *testing.T) {
	second, none := time.Second, int64(0)
	holds := func(window float64, lost int64) *result.Result {
		return &result.Result{Verdict: result.Holds, LostMax: lost, LossWindow: &result.LossWindow{Max: window}}
	}
	violated := func(names ...string) *result.Result {
		r := &result.Result{Verdict: result.Violated, Runs: 9, Anomalies: map[string]int{}}
		for _, n := range names {
			r.Anomalies[n] = 2
		}
		return r
	}
	caused := func(unnamed int, names ...string) *result.Result {
		r := violated("unrecoverable")
		r.Causes = &result.Causes{Named: map[string]int{}, Unnamed: unnamed}
		for _, n := range names {
			r.Causes.Named[n] = 1
		}
		return r
	}
	f10 := Expectation{ButFor: []string{"F10"}}
	unknown := &result.Result{Verdict: result.Unknown, Why: "because"}
	na := &result.Result{Verdict: result.NotApplicable, Why: "nothing to strike"}
	known := Expectation{Violated: true, Anomalies: []string{"lost-write"}, Issue: "http://x/1"}
	for _, c := range []struct {
		name string
		e    Expectation
		r    *result.Result
		as   result.Verdict
		why  string
	}{
		{"holds", Expectation{}, holds(0, 0), result.Holds, ""},
		{"holds and does not", Expectation{}, violated("lost-write"), result.Violated, "violated: lost-write in 2 of 9 runs"},
		{"holds, nothing proved", Expectation{}, unknown, result.Unknown, "because"},
		{"holds, n/a", Expectation{}, na, result.NotApplicable, "nothing to strike"},
		{"refuted", Expectation{Violated: true}, violated("hole"), result.Holds, ""},
		{"refuted and holds", Expectation{Violated: true}, holds(0, 0), result.Violated, "it holds"},
		{"refuted, nothing proved", Expectation{Violated: true}, unknown, result.Unknown, "because"},
		{"known", known, violated("lost-write"), result.Holds, ""},
		{"known and something else", known, violated("lost-write", "hole"), result.Violated, "violated in another way: hole"},
		{"known and gone", known, holds(0, 0), result.Violated, "it holds: the violation has stopped; close http://x/1 and expect that it holds"},
		{"known, n/a", known, na, result.NotApplicable, "nothing to strike"},
		{"window", Expectation{MaxWindow: &second}, holds(1000, 5), result.Holds, ""},
		{"window exceeded", Expectation{MaxWindow: &second}, holds(1001, 5), result.Violated, "the loss window reached 1001 ms"},
		{"window, violated", Expectation{MaxWindow: &second}, violated("hole"), result.Violated, "violated: hole in 2 of 9 runs"},
		{"window, none measured", Expectation{MaxWindow: &second}, &result.Result{Verdict: result.Holds}, result.Unknown, "no loss window was measured"},
		{"but for one finding", f10, caused(0, "F10"), result.Holds, ""},
		{"but for one finding, which is not seen", f10, holds(5, 0), result.Holds, ""},
		{"but for one finding, and another", f10, caused(0, "F10", "F9"), result.Violated, "violated by F9"},
		{"but for one finding, and one without a name", f10, caused(1, "F10"), result.Violated, "violated: unrecoverable in 2 of 9 runs"},
		{"but for one finding, and none has a name", f10, violated("hole"), result.Violated, "violated: hole in 2 of 9 runs"},
		{"lost", Expectation{MaxLost: &none}, holds(0, 0), result.Holds, ""},
		{"lost too much", Expectation{MaxLost: &none}, holds(5, 1), result.Violated, "1 writes were lost in a crash"},
	} {
		x := c.e.Judge(c.r)
		assert.Equal(t, c.as, x.As, c.name)
		assert.Equal(t, c.why, x.Why, c.name)
		assert.Equal(t, c.e.String(), x.Text, c.name)
	}
}
