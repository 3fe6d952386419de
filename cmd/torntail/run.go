package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/guest"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/shrink"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
	"github.com/torntail/torntail/workloads"
)

// workloadFlags say what the clients do.
type workloadFlags struct {
	Workload  string  `default:"registers" help:"What clients do (torntail list workloads); default ${default}." placeholder:"NAME"`
	Clients   int     `default:"4" help:"Number of clients."`
	Rate      float64 `help:"Operations a second of all clients together; 0: what the mode needs." placeholder:"OPS"`
	Pipeline  int     `default:"1" help:"Commands a client sends at once."`
	ValueSize int     `default:"64" help:"Bytes of a value."`
	ReadRatio float64 `default:"0.25" help:"Share of reads."`
	Keys      int     `default:"16" help:"Number of keys."`
	Beside    bool    `help:"One more client sends every writing command of Redis 7, to keys of all types in database 9; what comes back of them must have been there."`
	Ops       int     `help:"Operations of all clients in one experiment, at most; 0: no limit." placeholder:"N"`
}

func (f *workloadFlags) spec() (workloads.Spec, error) {
	w := workloads.Default()
	w.Name, w.Clients, w.Rate, w.Pipeline = f.Workload, f.Clients, f.Rate, f.Pipeline
	w.ValueSize, w.ReadRatio, w.Keys, w.Ops, w.Beside = f.ValueSize, f.ReadRatio, f.Keys, f.Ops, f.Beside
	if err := known("--workload", w.Name, workloadNames()); err != nil {
		return w, err
	}
	return w, w.Check()
}

// canHave says that a store lacks what a workload sends, if so.
func canHave(s product.Store, w workloads.Spec) error {
	if lacks := w.Lacks(s); lacks != "" {
		return fmt.Errorf("--workload %s: %s of %s", w.Name, lacks, s.Name())
	}
	return nil
}

type runCmd struct {
	targetFlags   `group:"What is tested"`
	workloadFlags `group:"What clients do"`
	Then          []string      `help:"Another version that starts on what the first has left after its crash; one more starts on what that has rewritten." placeholder:"TARGETS" group:"What is tested"`
	Disposable    bool          `help:"With --target HOST:PORT, an empty server that runs already on this machine: its data may be written to." group:"What is tested"`
	Mode          []string      `help:"Persistence modes (torntail list modes); default always,everysec,no,rdb,hybrid,none." placeholder:"LIST" group:"Which experiments"`
	Crash         []string      `help:"Crash kinds (torntail list crashes); default kill,power,power-in-fsync, of real servers also term, or that of --plan." placeholder:"LIST" group:"Which experiments"`
	Directive     []string      `help:"A line of redis.conf as NAME=VALUE, on top of the mode's; may be repeated." placeholder:"N=V" sep:"none" group:"Which experiments"`
	Conf          string        `help:"A redis.conf to run under; without --mode its own persistence settings are the mode." placeholder:"FILE" group:"Which experiments"`
	Contract      string        `help:"Your own contract: what must survive, in YAML." placeholder:"FILE" group:"Which experiments"`
	Runs          int           `help:"Crashes that must strike, for each pair of mode and crash kind; 0: 200 in simulation, 60 on real servers." placeholder:"N" group:"Which experiments"`
	For           time.Duration `help:"Run so long instead, divided fairly between the pairs." placeholder:"TIME" group:"Which experiments"`
	Span          time.Duration `help:"How long clients write in one experiment; 0: what the mode needs." placeholder:"TIME" group:"Which experiments"`
	Seed          uint64        `default:"1" help:"Seed of everything that is drawn." group:"Which experiments"`
	Plan          string        `help:"A fault plan, as text or file, instead of generated ones." placeholder:"PLAN" group:"Which experiments"`
	Plant         string        `help:"Planted bugs to switch on, to see a failure (torntail list plants)." placeholder:"NAMES" group:"Which experiments"`
	Until         string        `help:"Let each pair be as soon as it has shown this: lost>0, window>1s, violated>0, F2>0, ..." placeholder:"COND" group:"Which experiments"`
	Workers       int           `help:"Experiments side by side; 0: what suits the target." placeholder:"N" group:"Which experiments"`
	Keep          int           `name:"keep-failures" default:"3" help:"Failures to save, for each pair; default ${default}." placeholder:"N" group:"Results"`
	Shrink        bool          `default:"true" negatable:"" help:"Shrink the first failure of each pair (in simulation)." group:"Results"`
	outputFlags   `group:"Results"`
}

func (c *runCmd) Help() string {
	return `Examples:
  torntail run
  torntail run --target redis-server
  torntail run --target redis-7.0 --then redis-8.0 --mode hybrid
  torntail run --mode everysec --crash power --runs 1000 --profile hdd
  torntail run --mode always --plant skip-every-50th-fsync`
}

func (c *runCmd) Run(a *app) error {
	if guest.Is(c.Target) {
		return c.visit(a)
	}
	if c.Disposable {
		return usage(errors.New("--disposable is said of a server that runs already: --target HOST:PORT"))
	}
	c.Target = result.Then(append([]string{c.Target}, c.Then...)...)
	k, notes, err := c.campaign()
	if err != nil {
		return usage(err)
	}
	for _, n := range notes {
		fmt.Fprintln(a.stderr, n)
	}
	ctx, stop := a.interruptible()
	defer stop()
	started := time.Now()
	out, undo, err := c.directory(started)
	if err != nil {
		return usage(err)
	}
	backend, done, err := openTarget(c.Target, c.place())
	if err != nil {
		undo()
		return err
	}
	defer done()
	k.Save = saved.Into(filepath.Join(out, "failures"), version, backend)
	if c.Verbose {
		for _, m := range k.Modes {
			fmt.Fprintf(a.stderr, "%-14s %s\n", m.Name, joinDirectives(m.Directives))
		}
	}
	if err := c.firstLook(ctx, a, k, backend); err != nil {
		undo()
		return asUsage(err)
	}
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		k.Progress = func(p campaign.Progress) {
			state := terminal.State{What: p.What, Done: p.Done, Total: p.Total, Violations: p.Violations, Unknown: p.Unknown, Of: "run"}
			if c.For > 0 {
				state.Total, state.For = 0, c.For
			}
			progress.Update(state)
		}
	}
	results, err := k.Run(ctx, backend)
	progress.Finish()
	known := slices.ContainsFunc(results, func(r result.Result) bool { return r.Runs > 0 })
	if err != nil && !known {
		undo()
		return asUsage(err)
	}
	broken := err // what is known so far is reported all the same
	if broken == nil && c.Shrink && c.Target == "engine" && ctx.Err() == nil {
		if err := shrink.Results(results, version, nil); err != nil {
			return err
		}
	}
	if k.Until != nil {
		c.until = k.Until.Text()
	}
	err = c.report(a, &result.Report{
		Schema: result.Schema, Torntail: version, Command: result.CommandLine(append([]string{"torntail"}, os.Args[1:]...)),
		Seed: c.Seed, Started: started.UTC(), ElapsedS: time.Since(started).Seconds(),
		Machine: thisMachine(backend.Name), Results: results,
	}, out)
	if k.Until != nil {
		err = notMet(err, k.Until.Met > 0)
	}
	return withFailure(err, lostOutside(broken, results))
}

// Whoever asks for many crashes in simulation has a first table after a few of them, beside the
// progress: from firstFrom crashes of each pair on, after firstRuns.
const (
	firstFrom = 100
	firstRuns = 5
)

// firstLook prints the table of the first crashes of each pair. These are run again with all
// others, so that the result depends on the seed alone.
func (c *runCmd) firstLook(ctx context.Context, a *app, k *campaign.Campaign, b campaign.Backend) error {
	runs := k.Runs
	if runs == 0 {
		runs = b.Runs()
	}
	if c.Quiet || c.Target != "engine" || runs < firstFrom || k.For > 0 || k.Plan != nil || k.Until != nil {
		return nil
	}
	first := *k
	first.Runs, first.Save, first.Keep = firstRuns, nil, 0
	results, err := first.Run(ctx, b)
	if err != nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "First look, after %s of each pair; %d follow.\n\n", wording.Times(firstRuns, "crash"), runs)
	return terminal.Write(a.stderr, &result.Report{Torntail: version, Seed: c.Seed, Results: results},
		terminal.Options{Color: coloured(a.stderr), Width: widthOf(a.stderr), Findings: finding.Catalogue(target.Findings()), Brief: true})
}

// campaign checks the flags and makes a campaign of them; notes are what a user
// should know before it begins.
func (c *runCmd) campaign() (k *campaign.Campaign, notes []string, err error) {
	k, err = c.settings()
	if err != nil {
		return nil, nil, err
	}
	if notes, err = c.pairs(k); err != nil {
		return nil, nil, err
	}
	if c.Plan != "" {
		if err := c.follow(k); err != nil {
			return nil, nil, fmt.Errorf("--plan: %w", err)
		}
	}
	return k, notes, nil
}

// settings is the campaign without its pairs and its plan.
func (c *runCmd) settings() (*campaign.Campaign, error) {
	w, err := c.spec()
	if err != nil {
		return nil, err
	}
	if err := canHave(target.StoreOf(c.Target), w); err != nil {
		return nil, err
	}
	if c.Runs < 0 {
		return nil, fmt.Errorf("--runs %d: want 1 or more, or 0 for what suits the target", c.Runs)
	}
	if c.For < 0 || c.Span < 0 || c.Workers < 0 || c.Keep < 0 {
		return nil, errors.New("--for, --span, --workers and --keep-failures take 0 or more")
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	k := &campaign.Campaign{Workload: w, Personality: c.Personality, Profile: c.Profile, Seed: c.Seed,
		Runs: c.Runs, For: c.For, Workers: c.Workers, Keep: c.Keep}
	if k.Plants, err = plants(c.Plant); err != nil {
		return nil, err
	}
	if c.Target != "engine" && k.Plants.Engine != 0 {
		return nil, fmt.Errorf("--plant %s: planted bugs of the engine cannot be in %s; those of the disk, the harness and the clients can (torntail list plants)",
			c.Plant, c.Target)
	}
	if k.Contract, err = loadContract(c.Contract); err != nil {
		return nil, fmt.Errorf("--contract: %w", err)
	}
	if !machine.DiskIsOurs(machine.DiskCalled(c.Disk).System) {
		k.Personality = experiment.HostDisk
		if k.Plants.Disk != 0 || k.Plants.ReopenUncrashed {
			return nil, fmt.Errorf("--plant %s: there is no fault disk to plant it in with --disk %s", c.Plant, c.Disk)
		}
	}
	if c.Backend == string(plan.Block) {
		k.Personality = c.place()
		if k.Plants.ReopenUncrashed {
			return nil, fmt.Errorf("--plant %s: the block backend has no uncrashed disk to reopen", c.Plant)
		}
	}
	if c.Until != "" {
		if k.Until, err = campaign.ParseUntil(c.Until); err != nil {
			return nil, fmt.Errorf("--until: %w", err)
		}
	}
	return k, nil
}

// pairs fills in the modes and crash kinds.
func (c *runCmd) pairs(k *campaign.Campaign) (notes []string, err error) {
	if k.Modes, notes, err = c.modes(); err != nil {
		return nil, err
	}
	more, err := directives(target.StoreOf(c.Target), c.Directive)
	if err != nil {
		return nil, err
	}
	for i, m := range k.Modes {
		if c.Span > 0 {
			m = m.Spanning(c.Span)
		}
		k.Modes[i] = m.With(more)
		if err := bearable(&k.Modes[i], c.Target); err != nil {
			return nil, err
		}
	}
	k.Crashes, err = crashKinds(c.Crash, experiment.DefaultCrashesOf(c.Target))
	return notes, err
}

// bearable says what of a mode's directives cannot be carried out on a target.
func bearable(m *product.Mode, target string) error {
	if target == "engine" {
		_, err := redis.Config(m)
		return err
	}
	_, err := m.Store.Policy(m)
	return err
}

// modes are those of --mode and --conf, and what is to be said of the latter:
// which of its lines torntail overrides.
func (c *runCmd) modes() (list []product.Mode, notes []string, err error) {
	store := target.StoreOf(c.Target)
	return modesUnder(store, c.Conf, c.Target != "engine", true, c.Mode, store.DefaultModes())
}

// modesUnder are the modes that are named, on top of a configuration file if there is one, or
// what the file itself amounts to; of neither, others. evictions: the command can tell evicted
// keys from lost ones.
func modesUnder(store product.Store, file string, foreign, evictions bool, names, others []string) (list []product.Mode, notes []string, err error) {
	var conf *product.Conf
	if file != "" {
		if conf, err = store.ReadConf(file, foreign); err != nil {
			return nil, nil, fmt.Errorf("--conf: %w", err)
		}
		if conf.Evicts != "" && !evictions {
			return nil, nil, fmt.Errorf("--conf: %s: %w", conf.Evicts, redis.ErrEvicts)
		}
		for _, line := range conf.Overridden {
			notes = append(notes, fmt.Sprintf("%s: overridden, torntail decides on %s itself", line, line.Name))
		}
		if len(names) == 0 {
			return []product.Mode{conf.Mode}, append(notes, fmt.Sprintf("%s: keeps its data as mode %s does", file, conf.Mode.Name)), nil
		}
	}
	if len(names) == 0 {
		names = others
	}
	for _, name := range names {
		m, err := mode(store, name)
		if err != nil {
			return nil, nil, err
		}
		if conf != nil {
			var lost []product.Directive
			m, lost = conf.On(m)
			for _, d := range lost {
				notes = append(notes, fmt.Sprintf("%s: %s: overridden, mode %s says %s", file, d, m.Name, product.Directive{Name: d.Name, Value: m.Get(d.Name)}))
			}
		}
		list = append(list, m)
	}
	return list, notes, nil
}

// follow makes a campaign one of --plan, which may be text or the name of a file: without
// --crash its crash is the plan's, without --span it reaches to the plan's end.
func (c *runCmd) follow(k *campaign.Campaign) (err error) {
	if k.Plan, err = c.plan(); err != nil {
		return err
	}
	if err := experiment.CheckCommands(k.Plan, target.StoreOf(c.Target), k.Workload); err != nil {
		return err
	}
	if len(c.Crash) == 0 {
		kind, err := experiment.KindOf(k.Plan)
		if err != nil {
			return err
		}
		k.Crashes = []*experiment.CrashKind{kind}
	}
	for i := range k.Modes {
		if k.Modes[i], err = experiment.Reaching(k.Modes[i], k.Plan); err != nil {
			return err
		}
	}
	return nil
}

// plan reads --plan.
func (c *runCmd) plan() (*plan.Plan, error) {
	p, err := campaign.ReadPlan(c.Plan, c.Plan)
	if err != nil {
		return nil, err
	}
	backend, err := backendOf(c.Target, c.Backend)
	if err != nil {
		return nil, err
	}
	on := machine.System(backend)
	if backend == plan.Process {
		on = machine.DiskCalled(c.Disk).System
	}
	if err := p.Check(on, []string{experiment.Server}); err != nil {
		return nil, err
	}
	return p, nil
}

func joinDirectives(list []product.Directive) string {
	words := make([]string, len(list))
	for i, d := range list {
		words[i] = d.String()
	}
	return strings.Join(words, "; ")
}
