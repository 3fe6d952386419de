package campaign

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
)

// pauseThenKill is a pause whose process is killed before it ends, and a second life
// of the server in which its end comes.
const pauseThenKill = "at ack#20: pause n1 for 300ms\nat +50ms: kill n1\nat +700ms: kill n1"

// recorded counts how often a statement is on record.
func recorded(h *history.History, text string) (n int) {
	for _, e := range h.Events {
		if e.Kind == history.FaultStruck && e.Text == text {
			n++
		}
	}
	return n
}

// TestAPauseWhoseProcessWasKilledStrikesOnce: its end has nothing left to do, in
// simulation and on a real server, and is neither another strike nor an error.
func TestAPauseWhoseProcessWasKilledStrikesOnce(t *testing.T) {
	check := func(t *testing.T, o *experiment.Outcome, report []plan.StatementReport, err error) {
		require.NoError(t, err)
		require.Empty(t, o.Why)
		require.Equal(t, 1, recorded(o.History, "at ack#20: pause n1 for 300ms"))
		require.Len(t, o.History.Epochs, 2, "the second life lasted until after the end of the pause")
		for _, s := range report {
			require.True(t, s.Struck, s.Text)
			require.Equal(t, plan.Ended, s.State, s.Text)
		}
	}
	t.Run("sim", func(t *testing.T) {
		s := experiment.NewSimulator()
		defer s.Close()
		o, err := s.Run(realExperiment(t, "everysec", "kill", pauseThenKill), nil)
		check(t, o, s.Given.Report(), err)
	})
	t.Run("process", func(t *testing.T) {
		s := experiment.NewRunner(newRig(t).Machine())
		o, err := s.Run(context.Background(), realExperiment(t, "everysec", "kill", pauseThenKill))
		check(t, o, s.Given.Report(), err)
	})
}

// TestAPauseThatEndsIsOnRecord is the other side: a pause that ends by itself.
func TestAPauseThatEndsIsOnRecord(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	o, err := s.Run(realExperiment(t, "everysec", "kill", "at ack#20: pause n1 for 300ms\nat +700ms: kill n1"), nil)
	require.NoError(t, err)
	require.Equal(t, 2, recorded(o.History, "at ack#20: pause n1 for 300ms"), "its beginning and its end")
}

// TestWhatOneServerCannotSuffer: what has no effect on one server is refused before
// the run, in each backend.
func TestWhatOneServerCannotSuffer(t *testing.T) {
	for _, c := range []struct {
		on   plan.Backend
		text string
		want string
	}{
		{plan.Sim, "cut n1 -> c1", "an experiment with one server has no links between nodes; torntail splitbrain has"},
		{plan.Sim, "heal", "an experiment with one server has no links between nodes; torntail splitbrain has"},
		{plan.Sim, "fail syncfs(*) EIO", "no simulated server makes that call"},
		{plan.Process, "fail syncfs(*) EIO", "Linux answers sync_file_range(2) and syncfs(2) on FUSE itself"},
		{plan.Process, "clock n1 +1s", "a real process reads the machine's own clock"},
		{plan.ProcessHost, "power-cut n1", "the host's own disk cannot lose what it was not told to keep; it needs --disk fuse"},
		{plan.ProcessHost, "corrupt n1 *.aof bit 1", "the host's own disk cannot lose what it was not told to keep; it needs --disk fuse"},
		{plan.ProcessHost, "full n1 0", "calls on the host's own disk are out of reach; it needs --disk fuse"},
		{plan.Block, "stall fsync(block/*)", "the file system is the kernel's own; of its disk, requests can fail, be slow or be short"},
		{plan.Block, "fail fsync(*) EIO", "the block backend sees blocks, not calls: write(block/*), write(block/aof) and fsync(block/*) are the disk's requests"},
	} {
		s, err := plan.ParseStatement("at 1s: " + c.text)
		require.NoError(t, err)
		require.EqualError(t, s.Check(machine.System(c.on), nil), `"`+s.String()+`" cannot strike here: `+c.want)
	}
	require.Nil(t, machine.System("moon"))
}
