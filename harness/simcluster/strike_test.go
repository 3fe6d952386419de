package simcluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
)

// TestWhatASimulatedClusterCannotSuffer: it is refused before the run, not found out
// after it.
func TestWhatASimulatedClusterCannotSuffer(t *testing.T) {
	const why = "the disks of a simulated cluster have no faults; torntail run has, on one server"
	for text, want := range map[string]string{
		"at 2s: full n2 0 for 6s":                     why,
		"at 2s: slow n1 fsync(*.incr.aof) 6s for 6s":  why,
		"at 2s: fail n2 write(*) EIO":                 why,
		"at 2s: stall fsync(*)":                       why,
		"at 2s: readonly n1":                          why,
		"at 2s: corrupt n1 *.aof bit 3":               why,
		"at n1 fsync(*)#3: kill n1":                   why,
		"at 2s: cut n1 -> n2 for until n1 fsync(*)#1": why,
		"at 2s: power-cut all":                        "",
		"at 2s: clock s1 +3s":                         "",
		"at ack#3: cut n1 -> n2,c1":                   "",
		"at 2s: do n1 SHUTDOWN":                       "",
		"at 2s: restart n1":                           "",
	} {
		p, err := plan.Parse("plan 1\n" + text)
		require.NoError(t, err)
		s, err := splitbrain.New(splitbrain.Options{Plan: p})
		require.NoError(t, err)
		c := New()
		err = s.Check(System())
		if want == "" {
			require.NoError(t, err, text)
		} else {
			require.EqualError(t, err, `"`+text+`" cannot strike here: `+want)
			_, _, err = c.Run(s, Options{Seed: 1})
			require.ErrorContains(t, err, want, "nor does it run")
		}
		c.Close()
	}
}

func TestEveryScenarioCanRunInSimulation(t *testing.T) {
	for _, n := range splitbrain.Scenarios {
		s, err := splitbrain.New(n.Options)
		require.NoError(t, err, n.Name)
		require.NoError(t, s.Check(System()), n.Name)
	}
}
