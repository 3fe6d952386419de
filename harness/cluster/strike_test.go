package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
)

func TestEveryScenarioCanRunOnRealServers(t *testing.T) {
	for _, n := range splitbrain.Scenarios {
		s, err := splitbrain.New(n.Options)
		require.NoError(t, err, n.Name)
		require.NoError(t, s.Check(splitbrain.System((*OnFaultDisks)(nil))), n.Name)
	}
}

// TestWhatAClusterCannotSuffer: it is refused before the run.
func TestWhatAClusterCannotSuffer(t *testing.T) {
	const onHost = "the servers are on the host's own disk, whose calls nobody sees: they have disks of their own where there is FUSE, under torntail splitbrain and topology"
	for _, c := range []struct {
		on         plan.System
		text, want string
	}{
		{splitbrain.System((*Cluster)(nil)), "at 1s: power-cut n1", "the servers are on the host's own disk, which cannot lose what it was not told to keep: they have disks of their own where there is FUSE, under torntail splitbrain and topology"},
		{strike{&Control{c: new(Cluster)}}, "at 1s: full n1 0", onHost},
		{strike{&Control{c: &Cluster{onFaultDisks: true}}}, "at 1s: full n1 0", ""},
		{strike{&Control{c: &Cluster{onFaultDisks: true}}}, "at 1s: power-cut n1", ""},
		{strike{&Control{c: &Cluster{onFaultDisks: true}}}, "at n1 fsync(*)#1: kill n1", "nobody watches the disk calls of a cluster that stays: torntail splitbrain does"},
		{splitbrain.System((*Cluster)(nil)), "at 1s: full n1 0", onHost},
		{splitbrain.System((*OnFaultDisks)(nil)), "at 1s: power-cut n1,n2", ""},
		{splitbrain.System((*OnFaultDisks)(nil)), "at n1 fsync(*)#1: kill n1", ""},
		{System(), "at 1s: clock n1 +1s", "a real process reads the machine's own clock"},
		{ControlSystem(), "at ack#3: kill n1", "no client of torntail's counts acknowledged writes"},
		{System(), "at ack#3: kill n1", ""},
		{ControlSystem(), "at 1s: cut n1 -> n2", ""},
		{ControlSystem(), "at 1s: do n1 PING", ""},
	} {
		s, err := plan.ParseStatement(c.text)
		require.NoError(t, err)
		if err = s.Check(c.on, nil); c.want == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, `"`+c.text+`" cannot strike here: `+c.want)
		}
	}
}
