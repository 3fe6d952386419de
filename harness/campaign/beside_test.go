package campaign

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/spec"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/workloads"
)

var updateBeside = flag.Bool("update-beside", false, "write the states that the client beside leaves into workloads/beside.txt")

// played is the states that the client's commands leave on a machine's server.
func played(t *testing.T, m machine.Machine, mode product.Mode) (states []string) {
	require.NoError(t, m.Reset(&machine.Setup{Mode: &mode, Personality: "ext4", Profile: "cloud-ssd", Seed: 1}))
	require.NoError(t, m.Drive(context.Background(), func() error {
		if err := m.Start(context.Background()); err != nil {
			return err
		}
		conn, err := workloads.Dial(m.Env(), m.Addr())
		if err != nil {
			return err
		}
		defer conn.Close()
		states, err = workloads.PlayBeside(conn, 10*time.Second)
		return err
	}))
	return states
}

// The states that the client beside is judged by are those that its commands leave, and
// the log that they leave has no byte that a power cut may put there.
func TestStatesBeside(t *testing.T) {
	m := machine.NewSimulated()
	defer m.Close()
	mode, err := redis.ModeByName("always")
	require.NoError(t, err)
	states := played(t, m, mode)
	require.NoError(t, m.Files(func(fsys vfs.FS) {
		require.Empty(t, mode.Store.Stray(fsys))
		log, err := vfs.ReadFile(fsys, redis.AOFDir+"/appendonly.aof.1.incr.aof")
		require.NoError(t, err)
		require.Greater(t, len(log), 4000, "the log of all commands")
	}))
	if *updateBeside {
		const file = "../../workloads/beside.txt"
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		var out strings.Builder
		for line := range strings.Lines(string(text)) {
			_, commands, _ := strings.Cut(line, "\t")
			fmt.Fprintf(&out, "%s\t%s", states[0], commands)
			states = states[1:]
		}
		require.NoError(t, os.WriteFile(file, []byte(out.String()), 0o644))
		return
	}
	require.Equal(t, workloads.BesideStates(), states)
}

// notBeside are writing commands that the client does not send.
var notBeside = map[string]string{
	"flushall": "the workload's keys are not its own", "migrate": "it needs another server", "restore-asking": "it is a cluster's",
	"pfdebug": "it is a test's own",
}

// The client sends every command that writes, and scripts that do.
func TestEveryWritingCommandIsSentBeside(t *testing.T) {
	sent := workloads.BesideCommands()
	check := func(c *spec.Command) {
		if slices.Contains(c.Flags, "write") && notBeside[c.Name] == "" {
			assert.True(t, slices.Contains(sent, c.Name), "%s is not sent", c.Name)
		}
	}
	for _, c := range spec.Commands() {
		if len(c.Sub) == 0 {
			check(c)
		}
		for _, sub := range c.Sub {
			check(sub)
		}
	}
}

// The correct engine is not called violated when a client beside the workload writes keys
// of all types, under every mode and crash kind; and what comes back of its keys was there.
func TestNoFalseAlarmBeside(t *testing.T) {
	c := campaignOf(t, 7, 1, modeNames(), crashNames())
	c.Workload.Beside = true
	list := pairs(c)
	sim := experiment.NewSimulator()
	defer sim.Close()
	states := map[string]bool{}
	struck := 0
	for n := range seeds(t, len(list)) {
		p := list[n%len(list)]
		x := c.Experiment(&c.Modes[p[0]], c.Crashes[p[1]], uint64(n))
		out, err := sim.Run(x, nil)
		require.NoError(t, err)
		if out.Struck {
			struck++
		}
		for _, s := range out.History.States {
			states[s.Beside] = true
		}
		require.False(t, alarmed(x, out), "%s, %s, %d: %v", c.Modes[p[0]].Name, c.Crashes[p[1]].Name, n, out.Anomalies)
	}
	t.Logf("%d struck, %d states of %d came back", struck, len(states), len(workloads.BesideStates()))
	require.Greater(t, struck, len(list)/2)
	require.Greater(t, len(states), 30, "the client is seen at many of its steps")
}

// A bug that only some types meet is found through the client.
func TestAPlantIsFoundBeside(t *testing.T) {
	for _, name := range []string{"update-not-counted", "deadlines-forgotten"} {
		t.Run(name, func(t *testing.T) {
			bug, ok := bugs.ByName(name)
			require.True(t, ok)
			c := campaignOf(t, 7, 1, []string{"everysec", "rdb"}, []string{"kill", "power"})
			c.Workload.Beside = true
			sim := experiment.NewSimulator()
			defer sim.Close()
			for n := range 400 {
				p := pairs(c)[n%len(pairs(c))]
				x := c.Experiment(&c.Modes[p[0]], c.Crashes[p[1]], uint64(n))
				x.Plants.Engine = bug.Bit
				out, err := sim.Run(x, nil)
				require.NoError(t, err)
				for _, a := range out.Anomalies {
					if strings.Contains(a.Story, "the client beside") {
						return
					}
				}
			}
			t.Fatal("not found in 400 experiments")
		})
	}
}
