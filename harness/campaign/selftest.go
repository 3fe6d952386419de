package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// The self-test shows that torntail can be believed: each planted fault is
// turned on, alone, and must be found by the checker that is there for it; then
// the clean engine must stay silent.

// recipe is how a planted fault is looked for: the experiments that are tried
// in turn until one shows it.
type recipe struct {
	mode        string
	crashes     []string
	workload    string
	personality string
	// directives are the mode's beside its own; rate and span, when not 0, are how often
	// and for how long clients write.
	directives []product.Directive
	rate       float64
	beside     bool // a client beside the workload's
	span       time.Duration
	keys       int // how many, when not 0
	longLife   time.Duration
	// plan, when not nil, draws the plan instead of GeneratePlan.
	plan func(m *product.Mode, d *seeding.Draws) *plan.Plan
	// anomalies are the names that count as found, any of them; nil: the one in
	// the registry.
	anomalies []string
	// window, when not 0, says that the fault breaks no contract and shows in
	// the loss window, which must exceed this.
	window time.Duration
}

// usual is the recipe of a plant that needs no other.
func usual(mode string) recipe {
	return recipe{mode: mode, crashes: []string{"power", "power-in-fsync", "kill"}, workload: "registers", personality: "ext4"}
}

// recipes are those of plants that the usual one cannot show, or shows too seldom.
var recipes = map[string]func(r recipe) recipe{
	"skip-every-50th-fsync":    func(r recipe) recipe { r.crashes = []string{"power"}; return r },
	"group-reply-before-fsync": func(r recipe) recipe { r.crashes = []string{"power-in-fsync"}; return r },
	"reply-before-fsync":       func(r recipe) recipe { r.crashes = []string{"power-in-fsync"}; return r },
	"everysec-never-fsyncs": func(r recipe) recipe {
		r.anomalies = []string{"late-sync", "lost-write"}
		return r
	},
	"everysec-two-seconds": func(r recipe) recipe {
		r.crashes, r.window = []string{"power"}, 1500*time.Millisecond
		return r
	},
	"rdb-rename-before-fsync":   func(r recipe) recipe { r.crashes = []string{"power-in-fsync"}; return r },
	"base-rename-without-fsync": func(r recipe) recipe { r.plan, r.crashes = afterRewrite, []string{"power"}; return r },
	"manifest-before-base":      func(r recipe) recipe { r.plan, r.crashes = atManifest, []string{"power"}; return r },
	"rename-without-dirsync": func(r recipe) recipe {
		// ext4 commits names in order with any fsync; btrfs does not.
		r.plan, r.crashes, r.personality = afterRewrite, []string{"power"}, "btrfs"
		r.anomalies = []string{"lost-write", "unrecoverable", "hole"}
		return r
	},
	"old-incr-never-synced": func(r recipe) recipe {
		r.plan, r.crashes = afterRewrite, []string{"power"}
		r.anomalies = []string{"lost-write", "hole", "unrecoverable"}
		return r
	},
	"idle-tail-never-synced": func(r recipe) recipe { r.crashes, r.rate, r.span = []string{"power"}, 0.6, 20*time.Second; return r },
	"rewrite-counts-as-sync": func(r recipe) recipe {
		r.crashes, r.rate, r.span = []string{"power"}, 0.6, 20*time.Second
		r.directives = []product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}}
		return r
	},
	"rdb-dir-never-synced": func(r recipe) recipe { r.crashes = []string{"power"}; return r },
	"manifest-in-place": func(r recipe) recipe {
		r.plan, r.crashes = atManifestWrite, []string{"kill"}
		r.anomalies = []string{"unrecoverable", "lost-write"}
		return r
	},
	"expiry-not-logged": func(r recipe) recipe {
		r.workload, r.crashes = "mixed", []string{"kill"}
		r.span, r.rate = 5*time.Second, 100
		r.anomalies = []string{"resurrection", "hole"}
		return r
	},
	"update-not-counted": func(r recipe) recipe {
		r.workload, r.crashes = "hashes", []string{"kill"}
		r.anomalies = []string{"lost-write", "resurrection", "phantom", "hole"}
		return r
	},
	"open-transaction-loaded": func(r recipe) recipe { r.workload, r.crashes = "transactions", []string{"tail-cut"}; return r },
	"changes-during-save-forgotten": func(r recipe) recipe {
		r.crashes, r.rate, r.span = []string{"kill"}, 1, 30*time.Second
		r.directives = []product.Directive{{Name: "rdb-key-save-delay", Value: "400000"}}
		return r
	},
	"disk-never-writes-back": func(r recipe) recipe {
		r.mode, r.crashes, r.plan, r.rate, r.span = "no", []string{"power"}, lateCut, 5, time.Minute
		return r
	},
	"always-goes-on":         func(r recipe) recipe { r.plan, r.crashes = failedSync, []string{"power"}; return r },
	"everysec-goes-on":       func(r recipe) recipe { r.plan, r.crashes = failedSync, []string{"power"}; return r },
	"unlink-before-manifest": func(r recipe) recipe { r.plan, r.crashes = atUnlink, []string{"kill"}; return r },
	"truncated-tail-kept":    func(r recipe) recipe { r.plan, r.crashes = tornTwice, []string{"tail-cut"}; return r },
	"rewrite-loses-writes":   func(r recipe) recipe { r.crashes = []string{"kill"}; return r },
	"split-transaction": func(r recipe) recipe {
		r.crashes, r.workload, r.plan = []string{"kill"}, "transactions", atWrite
		return r
	},
	"expiry-logged-behind": func(r recipe) recipe {
		r.workload, r.crashes = "mixed", []string{"kill"}
		r.directives = []product.Directive{{Name: "hz", Value: "1"}}
		r.span, r.rate, r.longLife = 20*time.Second, 20, time.Minute
		r.anomalies = []string{"lost-write", "hole"}
		return r
	},
	"eviction-not-logged": func(r recipe) recipe {
		r.crashes, r.keys = []string{"kill"}, 400
		r.directives = []product.Directive{{Name: "maxmemory", Value: evictingLimit}, {Name: "maxmemory-policy", Value: "allkeys-random"}}
		r.anomalies = []string{"lost-write", "hole", "resurrection"}
		return r
	},
	"script-effects-bare": func(r recipe) recipe {
		r.beside, r.crashes = true, []string{"tail-cut"}
		return r
	},
	"functions-not-rewritten": func(r recipe) recipe {
		r.beside, r.crashes = true, []string{"kill"}
		return r
	},
	"orphan-renames-unfinished": func(r recipe) recipe {
		r.plan, r.crashes = orphaned("BGSAVE", 50*time.Millisecond), []string{"kill"}
		r.directives = slowChild
		return r
	},
	"orphan-installs-base": func(r recipe) recipe {
		r.plan, r.crashes, r.workload = orphaned("BGREWRITEAOF", 200*time.Millisecond), []string{"kill"}, "lists"
		r.directives = slowChild
		return r
	},
	"killed-child-counts": func(r recipe) recipe {
		r.plan, r.crashes, r.rate, r.span = childKilled, []string{"kill"}, 0.3, 60*time.Second
		r.directives = slowChild
		return r
	},
	"deadlines-forgotten":    func(r recipe) recipe { r.crashes, r.workload = []string{"kill"}, "mixed"; return r },
	"deadlines-restarted":    func(r recipe) recipe { r.crashes, r.workload = []string{"kill"}, "mixed"; return r },
	"shutdown-saves-unasked": func(r recipe) recipe { r.crashes = []string{"term"}; return r },
}

// evictingLimit is a limit of memory with room for about a hundred of the workload's keys,
// beside what the engine is reckoned to take with its clients (engine/infomemory.go).
const evictingLimit = "975kb"

// afterRewrite cuts the power within 200 ms of the start of a rewrite: its end is
// noticed by the server's cron, which comes by every 100 ms.
func afterRewrite(m *product.Mode, d *seeding.Draws) *plan.Plan {
	t := d.Between(m.Period, m.Span)
	return &plan.Plan{Statements: []plan.Statement{
		experiment.At(t, &plan.Do{Node: experiment.Server, Args: []string{"BGREWRITEAOF"}}),
		{At: plan.Instant{Kind: plan.AtAfter, Time: d.Between(0, 200*time.Millisecond)}, Action: experiment.PowerCut(d)},
	}}
}

// slowChild has a child take 20 ms for each key.
var slowChild = []product.Directive{{Name: "rdb-key-save-delay", Value: "20000"}}

// orphaned kills the server alone while a child of it works.
func orphaned(command string, within time.Duration) func(*product.Mode, *seeding.Draws) *plan.Plan {
	return func(m *product.Mode, d *seeding.Draws) *plan.Plan {
		return &plan.Plan{Statements: []plan.Statement{
			experiment.At(d.Between(m.Period, m.Span), &plan.Do{Node: experiment.Server, Args: []string{command}}),
			{At: plan.Instant{Kind: plan.AtAfter, Time: d.Between(0, within)}, Action: &plan.Kill{Node: experiment.Server}},
		}}
	}
}

// childKilled kills a snapshot child alone, and the server later.
func childKilled(m *product.Mode, d *seeding.Draws) *plan.Plan {
	return &plan.Plan{Statements: []plan.Statement{
		experiment.At(d.Between(m.Period, m.Span/2), &plan.Do{Node: experiment.Server, Args: []string{"BGSAVE"}}),
		{At: plan.Instant{Kind: plan.AtAfter, Time: d.Between(0, 50*time.Millisecond)}, Action: &plan.KillChild{Node: experiment.Server}},
		{At: plan.Instant{Kind: plan.AtAfter, Time: d.Between(5*time.Second, 15*time.Second)}, Action: &plan.Kill{Node: experiment.Server}},
	}}
}

// lateCut cuts the power about when, or after, what was written first must have been written back.
func lateCut(m *product.Mode, d *seeding.Draws) *plan.Plan {
	return &plan.Plan{Statements: []plan.Statement{experiment.At(d.Between(m.Span/2, m.Span), experiment.PowerCut(d))}}
}

// atManifest cuts the power as a rewrite has renamed the manifest at its end.
func atManifest(m *product.Mode, d *seeding.Draws) *plan.Plan {
	t := d.Between(m.Period, m.Span)
	cut := experiment.At(0, experiment.PowerCut(d))
	cut.At = plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: plan.CallPattern{Op: "rename", Glob: "*.manifest"}, N: 2, Time: t, Place: 2}
	return &plan.Plan{Statements: []plan.Statement{experiment.At(t, &plan.Do{Node: experiment.Server, Args: []string{"BGREWRITEAOF"}}), cut}}
}

// atManifestWrite kills the server as it has opened or written the manifest of a rewrite.
func atManifestWrite(m *product.Mode, d *seeding.Draws) *plan.Plan {
	t := d.Between(m.Period, m.Span)
	kill := experiment.At(0, &plan.Kill{Node: experiment.Server})
	kill.At = plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: plan.CallPattern{Op: "write", Glob: "*.manifest"}, N: 1 + d.Below(3), Time: t, Place: disk.PlaceEnter}
	return &plan.Plan{Statements: []plan.Statement{experiment.At(t, &plan.Do{Node: experiment.Server, Args: []string{"BGREWRITEAOF"}}), kill}}
}

// failedSync has a sync of the log fail, and cuts the power later.
func failedSync(m *product.Mode, d *seeding.Draws) *plan.Plan {
	t := d.Between(m.Period, m.Span/2)
	fail := &plan.Fail{Target: plan.Target{Call: plan.CallPattern{Op: "fsync", Glob: "*.incr.aof"}}, Err: syscall.EIO}
	once := experiment.At(t, fail)
	once.Span = plan.Span{Kind: plan.SpanCalls, Calls: 1}
	return &plan.Plan{Statements: []plan.Statement{once, experiment.At(t+m.Span/2, experiment.PowerCut(d))}}
}

// atUnlink kills the server as it has removed a file at the end of a rewrite.
func atUnlink(m *product.Mode, d *seeding.Draws) *plan.Plan {
	t := d.Between(m.Period, m.Span)
	kill := experiment.At(0, &plan.Kill{Node: experiment.Server})
	kill.At = plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: plan.CallPattern{Op: "unlink", Glob: "*"}, N: 1 + d.Below(2), Time: t, Place: 2}
	return &plan.Plan{Statements: []plan.Statement{experiment.At(t, &plan.Do{Node: experiment.Server, Args: []string{"BGREWRITEAOF"}}), kill}}
}

// atWrite kills the server as a write to the log has returned.
func atWrite(m *product.Mode, d *seeding.Draws) *plan.Plan {
	kill := experiment.At(0, &plan.Kill{Node: experiment.Server})
	kill.At = plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: plan.CallPattern{Op: "write", Glob: "*.incr.aof"}, N: 1 + d.Below(2),
		Time: d.Between(m.Period, m.Span), Place: 2}
	return &plan.Plan{Statements: []plan.Statement{kill}}
}

// tornTwice tears the tail, lets the server come back and go on, and kills it again.
func tornTwice(m *product.Mode, d *seeding.Draws) *plan.Plan {
	crash, _ := experiment.CrashByName("tail-cut")
	p := &plan.Plan{Statements: crash.Strike(m, d.Between(m.Period, m.Span/2), d)}
	p.Statements = append(p.Statements, plan.Statement{
		At: plan.Instant{Kind: plan.AtAfter, Time: 200 * time.Millisecond}, Action: &plan.Kill{Node: experiment.Server}})
	return p
}

// SelftestLine is what became of one plant.
type SelftestLine struct {
	Plant   experiment.Plant
	Found   bool   // in each round
	Tries   int    // the median of the rounds
	Most    int    // of any round
	Anomaly string // as it was reported, or the verdict with its reason
	By      string // which checker or audit raised it
	Mode    string
	Crash   string
}

// maxTries bounds the experiments for one plant.
const maxTries = 4000

// Selftest looks for every planted fault so many times, each time with other experiments,
// and calls each with what became of
// it, in order; then it runs clean experiments and reports the first alarm.
func Selftest(ctx context.Context, seed uint64, rounds, clean int, each func(SelftestLine)) (cleanRuns int, alarm string, err error) {
	s := experiment.NewSimulator()
	defer s.Close()
	for _, p := range experiment.AllPlants() {
		if ctx.Err() != nil {
			return 0, "", ctx.Err()
		}
		line, err := lookOften(ctx, s, p, seed, rounds)
		if err != nil {
			return 0, "", err
		}
		each(line)
	}
	return silent(ctx, seed, clean)
}

// recipeFor is how a plant is looked for.
func recipeFor(p experiment.Plant) recipe {
	mode, anomaly := "always", p.Must
	if bug, ok := bugs.ByName(p.Name); ok {
		mode = bug.Breaks[0]
	}
	r := usual(mode)
	r.anomalies = []string{anomaly}
	if f := recipes[p.Name]; f != nil {
		r = f(r)
	}
	return r
}

// in is a mode as the recipe wants it.
func (r *recipe) in(m product.Mode) product.Mode {
	m = m.With(r.directives)
	if r.rate > 0 {
		m.Rate = r.rate
	}
	if r.span > 0 {
		m.Span = r.span
	}
	return m
}

// experiment is the nth that looks for plants.
func (r *recipe) experiment(m *product.Mode, plants experiment.Plants, seed uint64, n int) *experiment.Experiment {
	x := &experiment.Experiment{Mode: *m, Crash: experiment.MustCrash(r.crashes[n%len(r.crashes)]), Workload: workloads.Default(), Personality: r.personality,
		Profile: "cloud-ssd", Seed: seeding.Derive(seed, uint64(n)), Plants: plants, Witness: plants.HastyJudge}
	x.Workload.Name, x.Workload.Rate, x.Workload.Beside = r.workload, m.Rate, r.beside
	x.Workload.LongLife = r.longLife
	if r.keys > 0 {
		x.Workload.Keys = r.keys
	}
	if r.plan != nil {
		x.Plan = r.plan(m, seeding.NewDraws(x.Seed))
	} else {
		x.Plan = experiment.GeneratePlan(m, x.Crash, x.Seed)
	}
	return x
}

// lookOften looks for one plant in rounds, until one does not find it.
func lookOften(ctx context.Context, s *experiment.Simulator, p experiment.Plant, seed uint64, rounds int) (line SelftestLine, err error) {
	var tries []int
	for n := range rounds {
		if line, err = lookFor(ctx, s, p, seed+uint64(n)); err != nil || !line.Found {
			return line, err
		}
		tries = append(tries, line.Tries)
	}
	slices.Sort(tries)
	line.Tries, line.Most = tries[len(tries)/2], tries[len(tries)-1]
	return line, nil
}

// lookFor runs experiments with one plant until it is found.
func lookFor(ctx context.Context, s *experiment.Simulator, p experiment.Plant, seed uint64) (SelftestLine, error) {
	r := recipeFor(p)
	line := SelftestLine{Plant: p, Mode: r.mode}
	m, err := redis.ModeByName(r.mode)
	if err != nil {
		return line, err
	}
	m = r.in(m)
	var plants experiment.Plants
	p.Set(&plants)
	seed = seeding.Derive(seed, hashName(p.Name))
	for n := range maxTries {
		if ctx.Err() != nil {
			return line, ctx.Err()
		}
		x := r.experiment(&m, plants, seed, n)
		o, err := s.Run(x, nil)
		if err != nil {
			return line, err
		}
		line.Tries, line.Crash = n+1, x.Crash.Name
		if line.Anomaly, line.By = r.found(p, o); line.Anomaly != "" {
			line.Found = true
			return line, nil
		}
	}
	return line, nil
}

// found reports whether an outcome shows the plant, and by which part.
func (r *recipe) found(p experiment.Plant, o *experiment.Outcome) (anomaly, by string) {
	if r.window > 0 {
		if o.Struck && o.Window > r.window {
			return fmt.Sprintf("loss window %s", o.Window.Round(time.Millisecond)), "loss window"
		}
		return "", ""
	}
	if o.Distrust != "" && slices.Contains(r.anomalies, "unknown") {
		if o.Witness.Disagrees != "" {
			return "unknown", "porcupine"
		}
		return "unknown", "audit"
	}
	if o.Verdict != result.Violated {
		return "", ""
	}
	for _, a := range o.Anomalies {
		if slices.Contains(r.anomalies, a.Name) {
			return a.Name, checkerOf[a.Name]
		}
	}
	return "", ""
}

// checkerOf names the part that raises an anomaly.
var checkerOf = map[string]string{
	"lost-write": "durability", "hole": "prefix consistency", "torn-transaction": "prefix consistency",
	"phantom": "prefix consistency", "resurrection": "prefix consistency", "unrecoverable": "restart",
	"exited":    "the end of the process",
	"late-sync": "contract clause (c)", "refused": "write probe", "stale-read": "linearizability",
	"non-linearizable": "linearizability", "silent-truncation": "durability",
}

// silent runs the clean engine in every mode under every crash kind.
func silent(ctx context.Context, seed uint64, total int) (runs int, alarm string, err error) {
	var pairs []*experiment.Experiment
	modes := redis.Store.Modes()
	for i := range modes {
		for j := range experiment.CrashKinds {
			if experiment.CrashKinds[j].Needs(&modes[i]) == "" {
				w := workloads.Default()
				w.Rate = modes[i].Rate
				pairs = append(pairs, &experiment.Experiment{Mode: modes[i], Crash: experiment.CrashKinds[j], Workload: w, Personality: "ext4", Profile: "cloud-ssd"})
			}
		}
	}
	b := Simulation()
	workers := b.Parallel(nil)
	pool, err := NewPool(b, workers)
	if err != nil {
		return 0, "", err
	}
	defer pool.Close()
	err = pool.Run(ctx, workers, total, func(n int) *experiment.Experiment {
		x := *pairs[n%len(pairs)]
		x.Seed = seeding.Derive(seed, hashName("clean"), uint64(n))
		x.Plan = experiment.GeneratePlan(&x.Mode, x.Crash, x.Seed)
		return &x
	}, func(x *experiment.Experiment, o *experiment.Outcome) error {
		runs++
		if o.Verdict == result.Violated && alarm == "" {
			alarm = strings.TrimSpace(fmt.Sprintf("%s, %s, seed %d: %s\n%s", x.Mode.Name, x.Crash, x.Seed, o.Anomalies[0].Name, o.Anomalies[0].Story))
		}
		return nil
	})
	return runs, alarm, err
}

// SamplePowerCuts runs an experiment so many times, as torntail run does, with a
// power cut at an instant that is drawn each time. It returns how many of the
// runs violate the contract, and which was the first; 0 when none does.
func SamplePowerCuts(ctx context.Context, x *experiment.Experiment, tries int) (found, first int, err error) {
	s := experiment.NewSimulator()
	defer s.Close()
	crash, err := experiment.CrashByName("power")
	if err != nil {
		return 0, 0, err
	}
	for n := 1; n <= tries; n++ {
		if ctx.Err() != nil {
			return found, first, ctx.Err()
		}
		one := *x
		one.Crash, one.Seed, one.Workload.Rate = crash, seeding.Derive(x.Seed, uint64(n)), x.Mode.Rate
		one.Plan = experiment.GeneratePlan(&one.Mode, crash, one.Seed)
		o, err := s.Run(&one, nil)
		if err != nil {
			return found, first, err
		}
		if o.Verdict != result.Violated {
			continue
		}
		if found++; first == 0 {
			first = n
		}
	}
	return found, first, nil
}
