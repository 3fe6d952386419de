package campaign

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// lookalikes are planted faults that do what a known finding does, without its cause.
var lookalikes = []struct {
	plant, finding string
	mode           string
	personality    string
	from           time.Duration // the power is cut then or later; 0: as the plan says, or soon after a rewrite
	plan           func(m *product.Mode, d *seeding.Draws) *plan.Plan
}{
	{"disk-ignores-fsync", "F1", "everysec+rdb", "posix", 5 * time.Second, nil}, // the root was synced with the first snapshot
	{"disk-ignores-fsync", "F2", "always", "ext4", 100 * time.Millisecond, nil}, // what reads NUL bytes had been synced
	{"old-incr-never-synced", "F3", "everysec", "ext4", 0, nil},
	{"disk-ignores-fsync", "F4", "everysec", "ext4", time.Second, nil},
	{"rename-without-dirsync", "F6", "rdb", "posix", 5 * time.Second, nil},
	{"rdb-dir-never-synced", "F6", "rdb", "posix", 5 * time.Second, nil},
	{"rename-without-dirsync", "F5", "always", "btrfs", 0, nil},
	{"reply-before-fsync", "F7", "always", "ext4", 0, failedThenRewritten}, // the file of the failed sync is gone
	{"everysec-never-fsyncs", "F9", "everysec", "ext4", 0, inFirstDirSync}, // the sync of the snapshot's name is under way
	{"base-rename-without-fsync", "F10", "hybrid", "ext4", 0, nil},         // the base is broken
	// What follows names the cause of a violation and excuses nothing; a wrong name misleads all the same.
	{"split-transaction", "F12", "always", "ext4", 0, says("at 300ms: kill n1\nat +300ms: kill n1\nat +300ms: kill n1")},
	{"disk-ignores-fsync", "F13", "always", "ext4", 0, says("at 300ms: kill n1\nat +500ms: power-cut n1 keep none")},                                                                      // all that was loaded had been synced
	{"disk-ignores-fsync", "F14", "everysec", "ext4", 0, says("at 300ms: full n1 100 for 300ms\nat 2.9s: power-cut n1 keep none")},                                                        // there was space since
	{"disk-ignores-fsync", "F7", "everysec", "btrfs", 0, failedThenRewritten},                                                                                                             // so is that of a failed sync on a disk whose memory forgets
	{"disk-ignores-fsync", "F13", "always", "ext4", 0, says("at 300ms: do n1 BGREWRITEAOF\nat 700ms: kill n1\nat +300ms: power-cut n1 keep none")},                                        // the old log had been synced
	{"disk-ignores-fsync", "F14", "everysec", "ext4", 0, says("at 300ms: full n1 100 for 300ms\nat n1 write(*.incr.aof)#1 after 2.5s in-flight: power-cut n1 keep none")},                 // there was space since, and a write is in flight
	{"disk-ignores-fsync", "F16", "hybrid", "ext4-journal", 0, says("at 300ms: fail n1 fsync(*.incr.aof) EIO for 1 calls\nat 1.5s: do n1 BGREWRITEAOF\nat 2.9s: power-cut n1 keep none")}, // that file is gone
	{"disk-ignores-fsync", "F18", "everysec", "ext4", 0, says("at 300ms: fail n1 open(.) EIO for 1 calls\nat 400ms: do n1 BGSAVE\nat 2.9s: power-cut n1 keep none")},                      // another directory
	{"disk-ignores-fsync", "F19", "everysec", "ext4", 0, says("at 300ms: full n1 100 for 300ms\nat 1.5s: do n1 BGREWRITEAOF\nat 2.9s: power-cut n1 keep none")},                           // there was space before the rewrite
	{"disk-ignores-fsync", "F15", "everysec", "ext4", 0, says("at 300ms: full n1 2000 for 300ms\nat 2.9s: power-cut n1 keep none")},                                                       // a log that is appended to
	{"disk-ignores-fsync", "F16", "hybrid", "ext4-journal", 0, says("at 300ms: do n1 BGREWRITEAOF\nat 1.5s: power-cut n1 keep none")},                                                     // no sync has failed
	{"disk-ignores-fsync", "F18", "everysec", "ext4", 0, says("at 300ms: fail n1 dirsync(.) EIO for 1 calls\nat 400ms: do n1 BGSAVE\nat 2.9s: power-cut n1 keep none")},                   // another directory
}

// says is a plan that is the same for every experiment.
func says(text string) func(*product.Mode, *seeding.Draws) *plan.Plan {
	return func(*product.Mode, *seeding.Draws) *plan.Plan {
		p, err := plan.Parse("plan 1\n" + text + "\n")
		if err != nil {
			panic(err)
		}
		return p
	}
}

// failedThenRewritten has a sync of the log fail, and cuts the power when a rewrite has long
// put another file in its place.
func failedThenRewritten(m *product.Mode, d *seeding.Draws) *plan.Plan {
	p := failedSync(m, d)
	at := p.Statements[0].At.Time
	rewrite := experiment.At(at+m.Span/4, &plan.Do{Node: experiment.Server, Args: []string{"BGREWRITEAOF"}})
	cut := experiment.At(at+m.Span, experiment.PowerCut(d))
	p.Statements = []plan.Statement{p.Statements[0], rewrite, cut}
	return p
}

// inFirstDirSync cuts the power while the sync of the first snapshot's directory is in flight.
func inFirstDirSync(m *product.Mode, d *seeding.Draws) *plan.Plan {
	cut := experiment.At(0, experiment.PowerCut(d))
	cut.At = plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: plan.CallPattern{Op: "dirsync", Glob: "."}, N: 1, Place: disk.PlaceInFlight}
	save := experiment.At(m.Span*9/10, &plan.Do{Node: experiment.Server, Args: []string{"BGSAVE"}})
	return &plan.Plan{Statements: []plan.Statement{save, cut}}
}

// TestNoFindingHidesAPlant: of the runs with a plant that looks like a finding, some are
// violated, and none is counted under it. (Of F8 see the facts' own tests: the engine's log
// is never one file. Of F11 see TestNoneKeepsNothingElse.)
func TestNoFindingHidesAPlant(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	for _, l := range lookalikes {
		c := campaignOf(t, 1, 1, []string{l.mode}, []string{"power"})
		c.Personality = l.personality
		m := &c.Modes[0]
		counts := map[string]int{}
		plants, err := experiment.ParsePlants(l.plant)
		require.NoError(t, err)
		for n := range 60 {
			x := c.Experiment(m, c.Crashes[0], uint64(n))
			d := seeding.NewDraws(x.Seed)
			switch {
			case l.plan != nil:
				x.Plan, x.Asked, x.Workload.ValueSize = l.plan(m, d), true, 900 // more than the page that the next write brings back
				x.Mode, err = experiment.Reaching(*m, x.Plan)
				require.NoError(t, err)
				x.Crash, err = experiment.KindOf(x.Plan)
				require.NoError(t, err)
				if l.plant == "split-transaction" {
					x.Workload.Name = "transactions"
				}
			case l.from == 0:
				x.Plan = afterRewrite(m, d)
			default:
				x.Plan = &plan.Plan{Statements: []plan.Statement{experiment.At(d.Between(l.from, m.Span), experiment.PowerCut(d))}}
			}
			x.Plants = plants
			o, err := s.Run(x, nil)
			require.NoError(t, err)
			if len(o.Unstruck) > 0 { // the plan's rewrite met a server that was down: the cause is there
				counts["left out"]++
				continue
			}
			counts[string(o.Verdict)]++
			for _, f := range o.Findings {
				counts[f]++
			}
		}
		t.Logf("%s, which looks like %s: %v", l.plant, l.finding, counts)
		assert.Positive(t, counts["violated"], "%s in mode %s", l.plant, l.mode)
		assert.Less(t, counts["left out"], 20)
		assert.Zero(t, counts[l.finding], "%s in mode %s is counted under %s", l.plant, l.mode, l.finding)
	}
}

// TestTheWindowOfNoEndsWithTheWriteBack: under no a power cut may take what the disk need
// not have written by itself, and not more.
func TestTheWindowOfNoEndsWithTheWriteBack(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	for _, plant := range []string{"", "disk-never-writes-back"} {
		plants, err := experiment.ParsePlants(plant)
		require.NoError(t, err)
		r := recipes["disk-never-writes-back"](usual("no"))
		c := campaignOf(t, 1, 1, []string{"no"}, r.crashes)
		m := r.in(c.Modes[0])
		longest, violated := time.Duration(0), 0
		for n := range 30 {
			x := c.Experiment(&m, c.Crashes[0], uint64(n))
			x.Plants, x.Plan = plants, lateCut(&m, seeding.NewDraws(x.Seed))
			o, err := s.Run(x, nil)
			require.NoError(t, err)
			longest = max(longest, o.Window)
			if o.Verdict == result.Violated {
				violated++
				require.Equal(t, "lost-write", o.Anomalies[0].Name)
				require.Contains(t, o.Anomalies[0].Story, "acknowledged writes are gone, back to")
			}
		}
		t.Logf("%q: %d of 30 violated, longest window %s", plant, violated, longest)
		if plant == "" {
			require.Zero(t, violated)
			require.Greater(t, longest, 30*time.Second, "it is reached")
			continue
		}
		require.Greater(t, violated, 5) // in others the cut came too soon, or kept some of it
	}
}

// TestFailedSyncOfASoundServer: a server that stops, or refuses writes, after a sync that
// failed has not gone on. What it loses by it is judged like any other loss.
func TestFailedSyncOfASoundServer(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	c := campaignOf(t, 1, 1, []string{"always", "everysec", "hybrid"}, []string{"power"})
	for i := range c.Modes {
		stopped := 0
		for n := range 20 {
			x := c.Experiment(&c.Modes[i], c.Crashes[0], uint64(n))
			x.Plan = failedSync(&c.Modes[i], seeding.NewDraws(x.Seed))
			o, err := s.Run(x, nil)
			require.NoError(t, err)
			for _, a := range o.Anomalies {
				require.NotEqual(t, "refused", a.Name, "%s, %d: %s", c.Modes[i].Name, n, a.Story)
			}
			if len(o.OwnEnds) > 0 && o.OwnEnds[0].How == result.EndRight {
				stopped++
			}
		}
		if c.Modes[i].Sync {
			require.Equal(t, 20, stopped)
		}
	}
}

// TestSeldomTimer: what the server does by its timer comes as late as that allows.
func TestSeldomTimer(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	c := campaignOf(t, 1, 1, []string{"everysec", "rdb", "hybrid", "everysec+rdb"}, []string{"power", "kill"})
	for n := range 120 {
		m := c.Modes[n%4].With([]product.Directive{{Name: "hz", Value: "1"}})
		if n%8 >= 4 {
			m.Rate, m.Span = 0.6, 20*time.Second
		}
		x := c.Experiment(&m, c.Crashes[n/4%2], uint64(n))
		o, err := s.Run(x, nil)
		require.NoError(t, err)
		require.NotEqual(t, result.Violated, o.Verdict, "%s, %d: %v", m.Name, n, o.Anomalies)
	}
}
