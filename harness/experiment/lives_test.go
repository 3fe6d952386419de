package experiment

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// TestTheContractOfALife: each life is judged by what ended it and what was set in it, but the
// first, that ends as the experiment says, by the experiment's own contract.
func TestTheContractOfALife(t *testing.T) {
	everysec := history.Event{At: 15, Kind: history.ConfigChange, Text: "appendfsync everysec"}
	for _, c := range []struct {
		name, mode, crash string
		n                 int
		how               history.EventKind
		events            []history.Event
		keeps             contract.Keeps // "": the experiment's own
	}{
		{"the first", "everysec", "power-in-fsync", 0, history.PowerCut, nil, ""},
		{"the first, that ends otherwise", "everysec", "power", 0, history.ProcessKill, nil, contract.KeepsWritten},
		{"the first, that ends in order", "everysec", "power", 0, history.Terminated, nil, contract.KeepsAll},
		{"the first, that ends by itself", "everysec", "power", 0, history.Exited, nil, contract.KeepsWritten},
		{"the second, that ends as the first should", "everysec", "power-in-fsync", 1, history.PowerCut, nil, contract.KeepsSynced},
		{"the second, that ends otherwise", "always", "kill", 1, history.PowerCut, nil, contract.KeepsAll},
		{"what was set in it", "always", "power", 1, history.PowerCut, []history.Event{everysec}, contract.KeepsSynced},
		{"what was set in the first", "always", "power", 1, history.PowerCut, []history.Event{{At: 5, Kind: history.ConfigChange, Text: "appendfsync everysec"}}, contract.KeepsAll},
		{"one that goes on", "always", "power", 1, "", nil, ""},
	} {
		x := &Experiment{Mode: mode(t, c.mode), Crash: MustCrash(c.crash), Personality: "ext4"}
		h := &history.History{Events: c.events, Epochs: []history.Epoch{{Ended: 10, How: history.ProcessKill}, {Began: 11, Ended: 20, How: history.PowerCut}}}
		h.Epochs[c.n].How = c.how
		got := new(judging).lives(x, h)(c.n, &h.Epochs[c.n])
		if c.keeps == "" {
			require.Nil(t, got, c.name)
			continue
		}
		require.NotNil(t, got, c.name)
		require.Equal(t, c.keeps, got.Keeps, c.name)
		require.Less(t, got.SyncSlack, time.Minute, c.name)
	}
}

// TestACutInARecovery: what a start that is cut short does to the log is not of the life before
// it: it cuts the torn tail off, which is all of it here, and the first life's write stays on record.
func TestACutInARecovery(t *testing.T) {
	p, err := plan.Parse("plan 1\nat 205ms: power-cut n1 keep torn 7\nat n1 truncate(*.incr.aof)#1 in-flight: power-cut n1 keep none")
	require.NoError(t, err)
	x := &Experiment{Mode: mode(t, "no"), Crash: PowerLoss(), Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Plan: p}
	x.Workload.Rate, x.Workload.Clients, x.Workload.Ops, x.Workload.ReadRatio, x.Mode.Span = 200, 1, 1, 0, time.Second
	sim := NewSimulator()
	defer sim.Close()
	o, err := sim.Run(x, nil)
	require.NoError(t, err)
	require.Contains(t, o.Why, "the plan struck the server again before it served")
	require.Len(t, o.History.Epochs, 1)
	require.Len(t, o.History.Epochs[0].LogWrites, 1)
	require.Empty(t, o.Blind)
}

// TestKindsThatWantMoreThanACrash strike what they are about, and see it: in each mode that
// keeps something most of their crashes count, and a server that has the bug of a kind shows it.
func TestKindsThatWantMoreThanACrash(t *testing.T) {
	sim := NewSimulator()
	defer sim.Close()
	for _, c := range []struct {
		kind, mode, plant string
		shows             string // a finding, or an anomaly of the plant
	}{
		{"power-after-silence", "everysec", "", ""},
		{"power-after-silence", "everysec", "idle-tail-never-synced", "late-sync"},
		{"power-in-recovery", "always", "", ""},
		{"power-in-recovery", "rdb", "", ""},
		{"power-after-error", "everysec", "", "F7"},
		{"power-after-error", "always", "always-goes-on", "refused"},
		{"power-after-error", "rdb", "", ""},
		{"power-full-disk", "hybrid", "", "F15"},
		{"power-full-disk", "rdb", "", ""},
	} {
		m, k := mode(t, c.mode), MustCrash(c.kind)
		require.Empty(t, k.Needs(&m))
		none := mode(t, "none")
		require.NotEmpty(t, k.Needs(&none))
		plants, err := ParsePlants(c.plant)
		require.NoError(t, err)
		struck, shown := 0, false
		for seed := range uint64(60) {
			p := GeneratePlan(&m, k, seed)
			w := workloads.Default()
			w.Rate = m.Rate
			o, err := sim.Run(&Experiment{Mode: m, Crash: k, Workload: k.Clients(w, p), Personality: "ext4", Profile: "cloud-ssd", Seed: seed, Plan: p, Plants: plants}, nil)
			require.NoError(t, err)
			if o.Struck {
				struck++
				require.True(t, o.InPlay || k.When != AfterSilence, "%s", p)
			}
			shown = shown || slices.Contains(o.Findings, c.shows) || o.Verdict == result.Violated && slices.ContainsFunc(o.Anomalies, func(a Anomaly) bool { return a.Name == c.shows })
			require.False(t, c.plant == "" && o.Verdict == result.Violated && len(o.Findings) == 0, "seed %d: %s of %s", seed, c.kind, c.mode)
		}
		require.Greater(t, struck, 25, "%s of %s", c.kind, c.mode)
		require.True(t, shown || c.shows == "", "%s of %s shows %s", c.kind, c.mode, c.shows)
	}
}

// TestAnEmptyLogThatIsLeft: a log that nothing was written to when a rewrite went on to the
// next is left all the same, and the server does not hear of its sync.
func TestAnEmptyLogThatIsLeft(t *testing.T) {
	p, err := plan.Parse("plan 1\nat 10ms: fail fsync(*.1.incr.aof) EIO for 1 calls\nat 20ms: do n1 BGREWRITEAOF\nat 3s: kill n1")
	require.NoError(t, err)
	x := &Experiment{Mode: mode(t, "everysec"), Crash: MustCrash("kill"), Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Plan: p}
	x.Workload.Phases = []workloads.Phase{{For: 200 * time.Millisecond, Rate: workloads.Silent}, {For: time.Hour, Rate: 20}}
	sim := NewSimulator()
	defer sim.Close()
	o, err := sim.Run(x, nil)
	require.NoError(t, err)
	failed := slices.IndexFunc(o.History.Epochs[0].LogSyncs, func(s history.DiskSync) bool { return s.Failed })
	require.GreaterOrEqual(t, failed, 0)
	require.True(t, o.History.Epochs[0].LogSyncs[failed].Left)
	require.Equal(t, result.Holds, o.Verdict, "%v", o.Anomalies)
}

// TestALimitOfMemoryIsNoRefusal: a server that has come back to more than it may have refuses a
// write, as it is told to.
func TestALimitOfMemoryIsNoRefusal(t *testing.T) {
	x := &Experiment{Mode: mode(t, "always")}
	const oom = "OOM command not allowed when used memory > 'maxmemory'."
	require.False(t, outOfMemory(x, oom))
	x.Mode = x.Mode.With([]product.Directive{{Name: "maxmemory", Value: "960kb"}})
	require.True(t, outOfMemory(x, oom))
	require.False(t, outOfMemory(x, "MISCONF Errors writing to the AOF file: No space left on device"))
}

// TestWriteBackCountsFromTheWrite: what the disk refused for longer than the kernel takes to write
// back had not been given to the kernel; what had been must be there.
func TestWriteBackCountsFromTheWrite(t *testing.T) {
	sim := NewSimulator()
	defer sim.Close()
	for text, want := range map[string]result.Verdict{
		"at 5s: fail write(*.incr.aof) ENOSPC for 43s\nat 49s: power-cut n1 keep none": result.Holds,
		"at 49s: power-cut n1 keep none":                                               result.Violated, // with a disk that never writes back
	} {
		p, err := plan.Parse("plan 1\n" + text)
		require.NoError(t, err)
		x := &Experiment{Mode: mode(t, "no"), Crash: PowerLoss(), Workload: workloads.Default(), Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Plan: p}
		if want == result.Violated {
			x.Plants, err = ParsePlants("disk-never-writes-back")
			require.NoError(t, err)
		}
		x.Workload.Rate, x.Mode.Span = 4, 50*time.Second
		o, err := sim.Run(x, nil)
		require.NoError(t, err)
		require.Equal(t, want, o.Verdict, "%s: %v %s", text, o.Anomalies, o.Why)
	}
}
