package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
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
}

func (f *workloadFlags) spec() (workloads.Spec, error) {
	w := workloads.Default()
	w.Name, w.Clients, w.Rate, w.Pipeline = f.Workload, f.Clients, f.Rate, f.Pipeline
	w.ValueSize, w.ReadRatio, w.Keys = f.ValueSize, f.ReadRatio, f.Keys
	if err := known("--workload", w.Name, workloadNames()); err != nil {
		return w, err
	}
	return w, w.Check()
}

type runCmd struct {
	targetFlags   `group:"What is tested"`
	workloadFlags `group:"What clients do"`
	Mode          []string      `help:"Persistence modes (torntail list modes); default always,everysec,no,rdb,hybrid,none." placeholder:"LIST" group:"Which experiments"`
	Crash         []string      `help:"Crash kinds (torntail list crashes); default kill,power,power-in-fsync." placeholder:"LIST" group:"Which experiments"`
	Directive     []string      `help:"A line of redis.conf as NAME=VALUE, on top of the mode's; may be repeated." placeholder:"N=V" sep:"none" group:"Which experiments"`
	Contract      string        `help:"Your own contract: what must survive, in YAML." placeholder:"FILE" group:"Which experiments"`
	Runs          int           `help:"Crashes that must strike, for each pair of mode and crash kind; 0: 200 in simulation, 60 on real servers." placeholder:"N" group:"Which experiments"`
	For           time.Duration `help:"Run so long instead, divided fairly between the pairs." placeholder:"TIME" group:"Which experiments"`
	Span          time.Duration `help:"How long clients write in one experiment; 0: what the mode needs." placeholder:"TIME" group:"Which experiments"`
	Seed          uint64        `default:"1" help:"Seed of everything that is drawn." group:"Which experiments"`
	Plan          string        `help:"A fault plan, as text or file, instead of generated ones." placeholder:"PLAN" group:"Which experiments"`
	Plant         string        `help:"Planted bugs to switch on, to see a failure (torntail list plants)." placeholder:"NAMES" group:"Which experiments"`
	Workers       int           `help:"Experiments side by side; 0: what suits the target." placeholder:"N" group:"Which experiments"`
	Keep          int           `name:"keep-failures" default:"3" help:"Failures to save, for each pair; default ${default}." placeholder:"N" group:"Results"`
	outputFlags   `group:"Results"`
}

func (c *runCmd) Help() string {
	return `Examples:
  torntail run
  torntail run --target redis-server
  torntail run --mode everysec --crash power --runs 1000 --profile hdd
  torntail run --mode always --plant skip-every-50th-fsync`
}

func (c *runCmd) Run(a *app) error {
	campaign, err := c.campaign()
	if err != nil {
		return usage(err)
	}
	ctx, stop := a.interruptible()
	defer stop()
	started := time.Now()
	out, undo, err := c.directory(started)
	if err != nil {
		return usage(err)
	}
	backend, done, err := openTarget(c.Target)
	if err != nil {
		undo()
		return err
	}
	defer done()
	campaign.Save = func(x *harness.Experiment, o *harness.Outcome) (string, error) {
		dir := filepath.Join(out, "failures", fmt.Sprintf("%s-%s-%d", x.Mode.Name, x.Crash, x.Seed))
		return dir, harness.Save(dir, version, backend, x, o)
	}
	if c.Verbose {
		for _, m := range campaign.Modes {
			fmt.Fprintf(a.stderr, "%-14s %s\n", m.Name, joinDirectives(m.Directives))
		}
	}
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		campaign.Progress = func(p harness.Progress) {
			state := terminal.State{What: p.What, Done: p.Done, Total: p.Total, Violations: p.Violations, Unknown: p.Unknown}
			if c.For > 0 {
				state.Total, state.For = 0, c.For
			}
			progress.Update(state)
		}
	}
	results, err := campaign.Run(ctx, backend)
	progress.Finish()
	if err != nil {
		undo()
		return asUsage(err)
	}
	return c.report(a, &result.Report{
		Schema: result.Schema, Torntail: version, Command: result.CommandLine(append([]string{"torntail"}, os.Args[1:]...)),
		Seed: c.Seed, Started: started.UTC(), ElapsedS: time.Since(started).Seconds(),
		Machine: machine(backend.Name), Results: results,
	}, out)
}

// campaign checks the flags and makes a campaign of them.
func (c *runCmd) campaign() (*harness.Campaign, error) {
	w, err := c.spec()
	if err != nil {
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
	k := &harness.Campaign{Workload: w, Personality: c.Personality, Profile: c.Profile, Seed: c.Seed,
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
	if err := c.pairs(k); err != nil {
		return nil, err
	}
	if c.Plan != "" {
		if k.Plan, err = c.plan(); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// pairs fills in the modes and crash kinds.
func (c *runCmd) pairs(k *harness.Campaign) error {
	more, err := directives(c.Directive)
	if err != nil {
		return err
	}
	names := c.Mode
	if len(names) == 0 {
		names = harness.DefaultModes
	}
	for _, name := range names {
		m, err := mode(name)
		if err != nil {
			return err
		}
		if c.Span > 0 {
			m = m.Spanning(c.Span)
		}
		k.Modes = append(k.Modes, m.With(more))
	}
	names = c.Crash
	if len(names) == 0 {
		names = harness.DefaultCrashes
	}
	for _, name := range names {
		kind, err := crash(name)
		if err != nil {
			return err
		}
		k.Crashes = append(k.Crashes, kind)
	}
	return nil
}

// plan reads a plan that is given as text, or as the name of a file.
func (c *runCmd) plan() (*plan.Plan, error) {
	name, text := "--plan", c.Plan
	if !strings.HasPrefix(strings.TrimSpace(text), "plan ") {
		data, err := os.ReadFile(text)
		if err != nil {
			return nil, fmt.Errorf("--plan: neither a plan (first line \"plan 1\") nor a file: %w", err)
		}
		name, text = text, string(data)
	}
	p, err := plan.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	backend, err := backendOf(c.Target, c.Backend)
	if err != nil {
		return nil, err
	}
	if err := p.Check(backend, []string{harness.Server}); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

func joinDirectives(list []harness.Directive) string {
	words := make([]string, len(list))
	for i, d := range list {
		words[i] = d.String()
	}
	return strings.Join(words, "; ")
}
