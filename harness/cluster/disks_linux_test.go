package cluster

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
)

// TestFaultsOfDisksBesideThoseOfTheNetwork: on real servers, each of which has a fault disk
// of its own, as in simulation.
func TestFaultsOfDisksBesideThoseOfTheNetwork(t *testing.T) {
	needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	for _, c := range []struct {
		name, text, mode string
		check            func(t *testing.T, r *splitbrain.Report, out *splitbrain.Outcome)
	}{
		{"the whole rack loses its power", "at 1s: power-cut all keep none\nat +50ms: restart n1\nat +0s: restart n2\nat +0s: restart n3\nat +0s: restart s1\nat +0s: restart s2\nat +0s: restart s3", "no",
			func(t *testing.T, r *splitbrain.Report, out *splitbrain.Outcome) {
				require.True(t, out.Converged, out.Why)
				require.NotZero(t, r.LostBy["the master restarted without it"])
				require.Zero(t, r.Unattributed+r.Refuted+r.AOFDiffer)
			}},
		{"and keeps all, where it syncs always", "at 1s: power-cut all keep none\nat +50ms: restart n1\nat +0s: restart n2\nat +0s: restart n3\nat +0s: restart s1\nat +0s: restart s2\nat +0s: restart s3", "always",
			func(t *testing.T, r *splitbrain.Report, out *splitbrain.Outcome) {
				require.True(t, out.Converged, out.Why)
				require.Zero(t, r.Lost+r.Unattributed)
			}},
		{"a full disk, a call as an instant, and an empty directory", "at 500ms: full n3 0\nat n2 fsync(*.incr.aof)#30: kill s3\nat 1s: kill n2\nat +10ms: wipe n2\nat +10ms: restart n2", "always",
			func(t *testing.T, r *splitbrain.Report, out *splitbrain.Outcome) {
				require.True(t, out.Converged, out.Why)
				require.Contains(t, r.Itself, "n3", "a replica that cannot write ends")
				require.Equal(t, []string{"s3"}, r.LeftDown)
				require.Zero(t, r.Lost)
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := plan.Parse("plan 1\n" + c.text)
			require.NoError(t, err)
			var s *splitbrain.Scenario
			var out *splitbrain.Outcome
			// On a busy machine six servers take their time to start, and the clients' is over.
			for _, span := range []time.Duration{2 * time.Second, 8 * time.Second, 30 * time.Second} {
				s, err = splitbrain.New(splitbrain.Options{Plan: p, Mode: c.mode, Span: span, Places: map[splitbrain.Side]int{splitbrain.Everywhere: 3},
					Sentinel: []splitbrain.Directive{{Name: "down-after-milliseconds", Value: "60000"}}}) // there nobody is to look dead
				require.NoError(t, err)
				require.NoError(t, s.Check(System()))
				out, err = Run(t.Context(), s, Options{Seed: 1})
				require.NoError(t, err)
				if !slices.ContainsFunc(out.Statements, func(st plan.StatementReport) bool { return !st.Struck }) {
					break
				}
			}
			for _, st := range out.Statements {
				require.True(t, st.Struck, "%s: %s", st.Text, st.Why)
			}
			c.check(t, splitbrain.Judge(s, out), out)
		})
	}
}
