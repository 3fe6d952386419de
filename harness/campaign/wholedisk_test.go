package campaign

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
)

// A full disk and a read-only one strike and end again; the server serves on.
func TestWholeDiskFaultsStrike(t *testing.T) {
	for _, first := range []string{"at ack#20: full n1 0 for 20ms", "at ack#20: readonly n1 for 20ms"} {
		s := experiment.NewSimulator()
		x := shortExperiment(t, "everysec", 1)
		var err error
		x.Plan, err = plan.Parse("plan 1\n" + first + "\nat +60ms: power-cut n1 keep none")
		require.NoError(t, err)
		o, err := s.Run(x, nil)
		require.NoError(t, err)
		assert.True(t, o.Struck, "%s: %s", first, o.Why)
		struck := false
		for _, e := range o.History.Events {
			struck = struck || e.Kind == history.FaultStruck && strings.Contains(e.Text, strings.Fields(first)[2])
		}
		assert.True(t, struck, "%s: no event says so", first)
		s.Close()
	}
}
