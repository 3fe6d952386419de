package campaign

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
)

// A statement that comes a time after a fault which the plan itself puts in
// place must have its turn: nobody else says that the fault began.
func TestTimeAfterOwnFault(t *testing.T) {
	for _, first := range []string{"at ack#20: slow n1 fsync(*) 1ms", "at n1 fsync(*.incr.aof)#5: slow n1 fsync(*) 1ms"} {
		s := experiment.NewSimulator()
		x := shortExperiment(t, "always", 1)
		var err error
		x.Plan, err = plan.Parse("plan 1\n" + first + "\nat +20ms: power-cut n1 keep none")
		require.NoError(t, err)
		o, err := s.Run(x, nil)
		require.NoError(t, err)
		assert.True(t, o.Struck, "%s: %s", first, o.Why)
		s.Close()
	}
}
