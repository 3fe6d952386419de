package campaign

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/reports/result"
)

// What torntail says of servers while others want the machine: of sound ones never that
// they broke their contract, and of those with a defect that they did, as on a machine
// with nothing else to do. make prove-load does it at length.

// burden is what else the machine has to do.
type burden struct {
	name   string
	loops  int  // processes that never wait
	writes bool // one writes large files, again and again
}

var burdens = []burden{{"heavy", 16, true}, {"light", 4, false}}

// lay lays the burden on the machine until the test ends.
func (b burden) lay(t *testing.T) {
	for range b.loops {
		companion.Start(t, exec.Command("sh", "-c", "while :; do :; done"))
	}
	if b.writes {
		file := filepath.Join(t.TempDir(), "large")
		companion.Start(t, exec.Command("sh", "-c", `while :; do dd if=/dev/zero of="$0" bs=1M count=256 conv=fsync 2>/dev/null; done`, file))
	}
}

// judged is one experiment, as it stands in the log of a run that was stopped.
type judged struct {
	Burden  string         `json:"burden"`
	What    string         `json:"what"` // sound and the mode, or planted and the bug
	Crash   string         `json:"crash"`
	Seed    uint64         `json:"seed"`
	Struck  bool           `json:"struck"`
	Verdict result.Verdict `json:"verdict"`
	Why     string         `json:"why,omitempty"`
	Waited  time.Duration  `json:"waited,omitempty"` // for a processor, in all
	Plan    string         `json:"plan,omitempty"`
}

// record remembers what was judged, in the file that TORNTAIL_PROGRESS names.
type record struct {
	done map[string]bool
	all  []judged
	file *os.File // nil: only in memory
}

func (r *record) key(j *judged) string {
	return fmt.Sprint(j.Burden, "/", j.What, "/", j.Crash, "/", j.Seed)
}

func openRecord(t *testing.T) *record {
	r := &record{done: map[string]bool{}}
	path := os.Getenv("TORNTAIL_PROGRESS")
	if path == "" {
		return r
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var j judged
		if json.Unmarshal(lines.Bytes(), &j) == nil { // the last line may be torn
			r.take(j)
		}
	}
	r.file = f
	return r
}

func (r *record) take(j judged) {
	r.all, r.done[r.key(&j)] = append(r.all, j), true
	if r.file != nil {
		line, _ := json.Marshal(j)
		r.file.Write(append(line, '\n'))
	}
}

// judge runs the experiments that are not on record yet.
func (r *record) judge(t *testing.T, under burden, what string, b Backend, list []*experiment.Experiment) {
	list = slices.DeleteFunc(list, func(x *experiment.Experiment) bool {
		return r.done[r.key(&judged{Burden: under.name, What: what, Crash: x.Crash.Name, Seed: x.Seed})]
	})
	if len(list) == 0 {
		return
	}
	workers := min(len(list), b.Parallel(&list[0].Mode))
	pool, err := NewPool(b, workers)
	require.NoError(t, err)
	defer pool.Close()
	require.NoError(t, pool.Run(context.Background(), workers, len(list), func(n int) *experiment.Experiment { return list[n] },
		func(x *experiment.Experiment, o *experiment.Outcome) error {
			j := judged{Burden: under.name, What: what, Crash: x.Crash.Name, Seed: x.Seed, Struck: o.Struck, Verdict: o.Verdict, Why: o.Why}
			if o.Distrust != "" {
				j.Why = "torntail itself: " + o.Distrust
			}
			if o.Verdict == result.Violated {
				j.Why, j.Plan = o.Anomalies[0].Name+"\n"+o.Anomalies[0].Story, x.Plan.String()
				for i := range o.History.Epochs {
					for _, w := range o.History.Epochs[i].Waits {
						j.Waited += w.By
					}
				}
			}
			r.take(j)
			return nil
		}))
}

// of counts the verdicts of what begins so and was judged under a burden, and why it is
// not known.
func (r *record) of(under burden, what string) (struck, violated, unknown int, why map[string]int) {
	why = map[string]int{}
	for i := range r.all {
		j := &r.all[i]
		if j.Burden != under.name || !strings.HasPrefix(j.What, what) || !j.Struck {
			continue
		}
		struck++
		switch j.Verdict {
		case result.Violated:
			violated++
		case result.Unknown:
			unknown++
			why[kindOf(j.Why)]++
		}
	}
	return struck, violated, unknown, why
}

func plantByName(t *testing.T, name string) experiment.Plant {
	all := experiment.AllPlants()
	i := slices.IndexFunc(all, func(p experiment.Plant) bool { return p.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i]
}

// violated reports whether that experiment was, under a burden.
func (r *record) violated(under burden, what string, x *experiment.Experiment) bool {
	key := r.key(&judged{Burden: under.name, What: what, Crash: x.Crash.Name, Seed: x.Seed})
	return slices.ContainsFunc(r.all, func(j judged) bool { return r.key(&j) == key && j.Verdict == result.Violated })
}

// soundModes are settings that differ in what they promise.
func soundModes(t *testing.T) (modes []product.Mode) {
	for _, name := range []string{"always", "everysec", "no", "rdb", "hybrid", "hybrid-always", "everysec+rdb"} {
		m, err := redis.ModeByName(name)
		require.NoError(t, err)
		modes = append(modes, m.InRealTime())
	}
	m, err := redis.ModeByName("everysec")
	require.NoError(t, err)
	return append(modes, m.With([]product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}}).InRealTime())
}

// TestSoundServersUnderLoad: no crash of redis-server, however busy the machine, is told
// as a broken contract, and of few it cannot be told. TORNTAIL_CRASHES is how many; a
// sample is light.
func TestSoundServersUnderLoad(t *testing.T) {
	const sample = 16
	n := wanted(t, "TORNTAIL_CRASHES", sample)
	b := RealServer(newRig(t), "")
	c := campaignOf(t, 11, 1, modeNames(), crashNames())
	c.Profile = "nvme"
	modes, under := soundModes(t), burdens
	if n == sample {
		modes, under = modes[:2], burdens[1:]
	}
	rec := openRecord(t)
	for _, under := range under {
		t.Run(under.name, func(t *testing.T) {
			under.lay(t)
			most := map[string]float64{"heavy": 0.30, "light": 0.10}[under.name]
			for i := range modes {
				m := &modes[i]
				var list []*experiment.Experiment
				for k := 0; len(list)*len(modes)*len(burdens) < n; k++ {
					crash := c.Crashes[k%len(c.Crashes)]
					if b.lacks(m, crash) == "" {
						list = append(list, c.on(b, c.Experiment(m, crash, uint64(k))))
					}
				}
				rec.judge(t, under, fmt.Sprint("sound ", m.Name, " ", i), b, list)
			}
			struck, violated, unknown, why := rec.of(under, "sound ")
			t.Logf("%s: %d crashes struck, %d violated, %d unknown %v", under.name, struck, violated, unknown, why)
			for i := range rec.all {
				if j := &rec.all[i]; j.Burden == under.name && strings.HasPrefix(j.What, "sound ") && j.Verdict == result.Violated {
					t.Errorf("%s %s seed %d, waited %s: %s\n%s", j.What, j.Crash, j.Seed, j.Waited, j.Why, j.Plan)
				}
			}
			require.Positive(t, struck)
			if n >= 1000 { // of a few crashes a share says nothing
				require.LessOrEqual(t, float64(unknown), most*float64(struck))
			}
		})
	}
}

// defects are planted bugs of the engine, and one of a disk, that crashes of a real process
// show; of those that several crash kinds may show, the kind.
var defects = []struct{ plant, crash string }{
	{plant: "disk-ignores-third-fsync", crash: "power"},
	{plant: "reply-before-fsync"},
	{plant: "group-reply-before-fsync"},
	{plant: "everysec-never-fsyncs", crash: "power"},
	{plant: "rdb-rename-without-fsync", crash: "power"},
	{plant: "base-rename-without-fsync"},
	{plant: "manifest-before-base"},
	{plant: "manifest-in-place"},
	{plant: "rename-without-dirsync"},
	{plant: "unlink-before-manifest"},
	{plant: "rewrite-loses-writes"},
	{plant: "split-transaction"},
}

// triesEach is how many runs are tried for each that is to show a planted bug.
const triesEach = 30

// showings is how often a run must show a planted bug without a load to count as one that
// does: what a real server does in a second run of the same plan is not quite the same,
// and what shows it now and then does so under a load.
const showings = 3

// TestDefectsUnderLoad: of the runs of servers with a planted bug that show it on a machine
// with nothing else to do, most show it on a busy one. TORNTAIL_DEFECTS is how many runs
// are to show each without a load; without it the test is not run.
func TestDefectsUnderLoad(t *testing.T) {
	n := wanted(t, "TORNTAIL_DEFECTS", 0)
	if n == 0 {
		t.Skip("takes an hour: make prove-load")
	}
	self := filepath.Join(t.TempDir(), "torntail")
	out, err := exec.Command("go", "build", "-o", self, "../../cmd/torntail").CombinedOutput()
	require.NoError(t, err, "%s", out)
	rec := openRecord(t)
	alone := burden{name: "alone"}
	shown := map[string][]*experiment.Experiment{}
	// place is where a planted bug is: the server, or the disk of redis-server.
	place := func(t *testing.T, p experiment.Plant) Backend {
		var plants experiment.Plants
		if p.Set(&plants); plants.Engine == 0 {
			return RealServer(newRig(t), "")
		}
		server := filepath.Join(t.TempDir(), "redis-server")
		script := fmt.Sprintf("#!/bin/sh\nexec %s server \"$@\" --plant %s\n", self, p.Name)
		require.NoError(t, os.WriteFile(server, []byte(script), 0o755))
		rig, err := machine.NewRig(redis.Store, server, machine.FaultDisks)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, rig.Close()) })
		return RealServer(rig, "")
	}
	draw := func(t *testing.T, p experiment.Plant, crash string, b Backend, from int) (list []*experiment.Experiment) {
		r := recipeFor(p)
		if crash != "" {
			r.crashes = []string{crash}
		}
		m, err := redis.ModeByName(r.mode)
		require.NoError(t, err)
		m = m.InRealTime()
		m = r.in(m)
		var plants experiment.Plants
		p.Set(&plants)
		plants.Engine = 0 // the server has it
		for k := range n {
			x := r.experiment(&m, plants, 13, from+k)
			x.Profile, x.Plan = "nvme", b.Adapt(x.Plan, x.Seed)
			list = append(list, x)
		}
		return list
	}
	for _, under := range append([]burden{alone}, burdens...) {
		t.Run(under.name, func(t *testing.T) {
			under.lay(t)
			total, found := 0, 0
			for _, d := range defects {
				p, name := plantByName(t, d.plant), d.plant
				b := place(t, p)
				tried, here := 0, 0
				if under.name == alone.name {
					for ; tried < triesEach*n && len(shown[name]) < n; tried += n {
						list := draw(t, p, d.crash, b, tried)
						for again := range showings {
							what := fmt.Sprintf("planted %s %d", name, again)
							rec.judge(t, under, what, b, slices.Clone(list))
							list = slices.DeleteFunc(list, func(x *experiment.Experiment) bool { return !rec.violated(under, what, x) })
						}
						shown[name] = append(shown[name], list...)
					}
					here = len(shown[name])
					assert.Positive(t, here, "%s is not found at all", name)
				} else {
					tried = len(shown[name])
					rec.judge(t, under, "planted "+name, b, slices.Clone(shown[name]))
					for _, x := range shown[name] {
						if rec.violated(under, "planted "+name, x) {
							here++
						}
					}
				}
				_, _, unknown, why := rec.of(under, "planted "+name)
				t.Logf("%s %s: %d of %d runs violated, %d unknown %v", under.name, name, here, tried, unknown, why)
				total, found = total+tried, found+here
			}
			t.Logf("%s: %d of %d", under.name, found, total)
			if least, ok := map[string]float64{"heavy": 0.60, "light": 0.85}[under.name]; ok {
				require.GreaterOrEqual(t, float64(found), least*float64(total))
			}
		})
	}
}
