package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/policies"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/workloads"
)

type policiesCmd struct {
	Target      string        `help:"redis-server, engine, or the path of a server binary; default: redis-server where it and FUSE are there, else engine." placeholder:"TARGET" group:"What is tested"`
	Mode        []string      `help:"Settings to compare (torntail list modes); default always,everysec,no,rdb,hybrid." placeholder:"LIST" group:"What is tested"`
	Setting     []string      `help:"One more setting: a mode and directives on top of it, as 'MODE; NAME=VALUE; ...'; may be repeated." placeholder:"TEXT" sep:"none" group:"What is tested"`
	Conf        string        `help:"One more setting: what a redis.conf says." placeholder:"FILE" group:"What is tested"`
	Personality string        `default:"ext4" help:"What the fault disk promises about a power cut; default ${default}." placeholder:"NAME" group:"What is tested"`
	Profile     string        `default:"cloud-ssd" help:"How long its syncs take while losses are measured; default ${default}." placeholder:"NAME" group:"What is tested"`
	Dir         string        `help:"Where costs are measured: a directory on the disk in question; default: the working directory." placeholder:"DIR" group:"Costs"`
	Clients     int           `default:"50" help:"Connections; default ${default}." group:"Costs"`
	Rate        float64       `help:"Operations a second to offer (open loop: what is late counts as late); 0: as fast as replies come." placeholder:"OPS" group:"Costs"`
	Pipeline    int           `default:"1" help:"Commands a client sends at once." group:"Costs"`
	ValueSize   int           `default:"100" help:"Bytes of a value; default ${default}." group:"Costs"`
	ReadRatio   float64       `help:"Share of reads; default 0." placeholder:"SHARE" group:"Costs"`
	Keys        int           `default:"10000" help:"Number of keys; default ${default}." group:"Costs"`
	Rounds      int           `default:"3" help:"How often each setting has its turn; default ${default}." group:"Costs"`
	Round       time.Duration `default:"1s" help:"How long one turn lasts; default ${default}." group:"Costs"`
	Restart     int           `default:"100000" help:"Writes before the restart that is timed; 0: none." placeholder:"N" group:"Costs"`
	Crash       []string      `help:"Situations to lose in (torntail list crashes); default kill,power,power-slow-fsync,power-in-rewrite, with --conf those that its settings risk." placeholder:"LIST" group:"Losses"`
	Runs        int           `help:"Crashes that must strike in each; 0: 200 in simulation, 20 on real servers." placeholder:"N" group:"Losses"`
	Seed        uint64        `default:"1" help:"Seed of everything that is drawn." group:"Losses"`
	MaxLoss     string        `help:"How far back a crash may reach, such as 1s or 0: ends with advice." placeholder:"TIME" group:"Advice"`
	MinRate     float64       `help:"Operations a second that are needed: ends with advice." placeholder:"OPS" group:"Advice"`
	outputFlags `group:"Results"`
}

func (c *policiesCmd) Help() string {
	return `What persistence settings cost, and what they can lose, side by side. Costs are measured on
the file system of --dir and on the fault disk, in turns; losses in crash experiments as
torntail run makes them. Examples:

  torntail policies
  torntail policies --target redis-server --max-loss 1s --min-rate 20000
  torntail policies --dir /var/lib/redis --pipeline 16 --setting 'everysec; no-appendfsync-on-rewrite=yes'`
}

// Defaults of policies.
var (
	policyModes   = []string{"always", "everysec", "no", "rdb", "hybrid"}
	policyCrashes = []string{"kill", "power", "power-slow-fsync", "power-in-rewrite"}
)

const policyRealRuns = 20

// setting is one thing that is compared: a preset, or one with more directives,
// which reports call by what was asked for.
type setting struct {
	label string
	mode  product.Mode
}

func (c *policiesCmd) Run(a *app) error {
	settings, err := c.settings()
	if err != nil {
		return usage(err)
	}
	k, err := c.campaign(settings)
	if err != nil {
		return usage(err)
	}
	m, limits, err := c.measurement()
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
	backend, done, err := openTarget(c.Target, "")
	if err != nil {
		undo()
		return err
	}
	defer done()
	server, release, err := measured(c.Target)
	if err != nil {
		undo()
		return err
	}
	defer release()
	m.Server = server
	for _, s := range settings {
		mode := s.mode
		mode.Name = s.label
		if p, err := mode.Store.Policy(&mode); err == nil && p.Evicts {
			undo()
			return usage(fmt.Errorf("%s: %w", s.label, redis.ErrEvicts))
		}
		m.Modes = append(m.Modes, mode)
		if c.Verbose {
			fmt.Fprintf(a.stderr, "%-14s %s\n", s.label, joinDirectives(mode.Directives))
		}
	}
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		m.Tell = func(what string, done, total int) {
			progress.Update(terminal.State{What: what, Done: done, Total: total, Unit: "turns"})
		}
	}
	costs, broken := m.Run(ctx)
	progress.Finish()
	var first *policies.FirstError
	refused := errors.As(broken, &first) && !takenAway(broken) && errors.As(broken, new(*process.StartError))
	if broken != nil && (costs == nil || refused) {
		undo()
		if ctx.Err() != nil {
			fmt.Fprintln(a.stderr, "torntail: interrupted before anything was measured")
			return status(result.ExitUnknown)
		}
		return asUsage(broken)
	}
	k.Save = saved.Into(filepath.Join(out, "failures"), version, backend)
	// Without costs no losses are looked for: their rows say why.
	going, give := context.WithCancelCause(ctx)
	defer give(nil)
	if broken != nil {
		give(broken)
	}
	results, err := c.losses(going, give, k, settings, backend)
	if broken == nil {
		broken = err
	}
	costs.MaxLossMS, costs.MinRate, costs.NotTested = limits, c.MinRate, untested(k.Crashes)
	if broken == nil && ctx.Err() == nil {
		policies.Advise(costs, results)
	}
	machine := thisMachine(backend.Name)
	machine.FileSystem = costs.Host.FileSystem
	err = c.report(a, &result.Report{
		Schema: result.Schema, Torntail: version, Command: result.CommandLine(append([]string{"torntail"}, os.Args[1:]...)),
		Seed: c.Seed, Started: started.UTC(), ElapsedS: time.Since(started).Seconds(),
		Machine: machine, Results: results, Policies: costs,
	}, out)
	if ctx.Err() != nil {
		broken = nil // by the interrupt
	}
	return withFailure(err, lostOutside(broken, results))
}

// losses runs the crash experiments: those of presets together, and each
// setting of the user's own by itself, since the contract is its preset's. When it
// cannot go on, it gives up the others, whose results say why.
func (c *policiesCmd) losses(ctx context.Context, give context.CancelCauseFunc, k *campaign.Campaign, settings []setting, b campaign.Backend) (all []result.Result, broken error) {
	if k.Runs == 0 && b.Name != "sim" {
		k.Runs = policyRealRuns
	}
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		k.Progress = func(p campaign.Progress) {
			progress.Update(terminal.State{What: p.What, Done: p.Done, Total: p.Total, Violations: p.Violations, Unknown: p.Unknown, Of: "run"})
		}
		defer progress.Finish()
	}
	for len(settings) > 0 {
		n := 1
		for n < len(settings) && settings[n].label == settings[n].mode.Name && settings[0].label == settings[0].mode.Name {
			n++
		}
		k.Modes = nil
		for _, s := range settings[:n] {
			k.Modes = append(k.Modes, s.mode)
		}
		results, err := k.Run(ctx, b)
		if err != nil && broken == nil {
			broken = err
			give(err)
		}
		for i := range results {
			if n == 1 {
				results[i].Mode = settings[0].label
			}
		}
		all = append(all, results...)
		settings = settings[n:]
	}
	return all, broken
}

// settings are those of --mode and --setting. It settles the target as well.
func (c *policiesCmd) settings() ([]setting, error) {
	if c.Target == "" {
		c.Target = "engine"
		if _, err := exec.LookPath("redis-server"); err == nil && fusefs.Available() == nil {
			c.Target = "redis-server"
		}
	}
	if _, err := backendOf(c.Target, ""); err != nil {
		return nil, err
	}
	names := c.Mode
	if len(names) == 0 {
		names = policyModes
	}
	var list []setting
	for _, n := range names {
		m, err := mode(redis.Store, n)
		if err != nil {
			return nil, err
		}
		list = append(list, setting{n, m})
	}
	for _, text := range c.Setting {
		parts := strings.Split(text, ";")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		m, err := mode(redis.Store, parts[0])
		if err != nil {
			return nil, fmt.Errorf("--setting %q: %w", text, err)
		}
		more, err := directives(redis.Store, parts[1:])
		if err != nil {
			return nil, fmt.Errorf("--setting %q: want 'MODE; NAME=VALUE; ...': %w", text, err)
		}
		list = append(list, setting{strings.Join(parts, "; "), m.With(more)})
	}
	if c.Conf != "" {
		under, notes, err := modesUnder(redis.Store, c.Conf, c.Target != "engine", false, nil, nil)
		if err != nil {
			return nil, err
		}
		for _, n := range notes {
			fmt.Fprintln(os.Stderr, n)
		}
		list = append(list, setting{filepath.Base(c.Conf), under[0]})
	}
	for i := range list {
		for j := range i {
			if list[i].label == list[j].label {
				return nil, fmt.Errorf("the setting %q was given twice", list[i].label)
			}
		}
	}
	return list, nil
}

// measurement checks the flags about costs.
func (c *policiesCmd) measurement() (*policies.Measurement, *float64, error) {
	o := result.Offered{Clients: c.Clients, Pipeline: c.Pipeline, ValueSize: c.ValueSize, ReadRatio: c.ReadRatio, Keys: c.Keys, Rate: c.Rate}
	m := &policies.Measurement{Dir: c.Dir, Load: o, Rounds: c.Rounds, Round: c.Round, RestartWrites: c.Restart}
	if err := m.Check(); err != nil {
		return nil, nil, err
	}
	if c.Dir == "" {
		m.Dir = "."
	} else if where := policies.PlaceOf(c.Dir); where.Why != "" {
		return nil, nil, fmt.Errorf("--dir %s; give a directory on a disk", where.Why)
	}
	if c.MinRate < 0 {
		return nil, nil, fmt.Errorf("--min-rate %v: want operations a second", c.MinRate)
	}
	if c.MaxLoss == "" {
		return m, nil, nil
	}
	limit, err := time.ParseDuration(c.MaxLoss)
	if c.MaxLoss == "0" {
		limit, err = 0, nil
	}
	if err != nil || limit < 0 {
		return nil, nil, fmt.Errorf("--max-loss %q: want a time, such as 1s, 250ms or 0", c.MaxLoss)
	}
	ms := float64(limit) / float64(time.Millisecond)
	return m, &ms, nil
}

// campaign is the crash experiments without their modes.
func (c *policiesCmd) campaign(settings []setting) (*campaign.Campaign, error) {
	if c.Runs < 0 {
		return nil, fmt.Errorf("--runs %d: want 1 or more, or 0 for what suits the target", c.Runs)
	}
	if err := known("--personality", c.Personality, personalityNames()); err != nil {
		return nil, err
	}
	if err := known("--profile", c.Profile, profileNames()); err != nil {
		return nil, err
	}
	k := &campaign.Campaign{Workload: workloads.Default(), Personality: c.Personality, Profile: c.Profile, Seed: c.Seed, Runs: c.Runs, Keep: 3}
	var err error
	usual := policyCrashes
	if c.Conf != "" {
		usual = risks(settings[len(settings)-1].mode)
	}
	k.Crashes, err = crashKinds(c.Crash, usual)
	return k, err
}

// risks are the crash kinds that can take something from a configuration: those of the parts
// that it uses.
func risks(m product.Mode) []string {
	list := []string{"kill", "power"}
	log := m.Get("appendonly") == "yes"
	syncs := log && m.Get("appendfsync") != "no"
	if syncs {
		list = append(list, "power-in-fsync", "power-slow-fsync")
	}
	if log && m.Get("appendfsync") == "everysec" {
		list = append(list, "power-after-silence") // what the last second's sync owes when nobody writes any more
	}
	if save := m.Get("save"); save != "" && save != `""` || log && m.Get("auto-aof-rewrite-percentage") != "0" {
		list = append(list, "power-in-rewrite")
	}
	if log && m.Get("aof-load-truncated") != "no" {
		list = append(list, "tail-cut")
	}
	return list
}

// untested are the crash kinds that were not run, and what no crash of one server shows.
func untested(ran []*experiment.CrashKind) (list []string) {
	for _, k := range experiment.CrashKinds {
		if !slices.Contains(ran, k) {
			list = append(list, fmt.Sprintf("%s (--crash %s)", k.About, k.Name))
		}
	}
	return append(list, "replicas, failover and partitions (torntail splitbrain)", "what another version makes of the files (torntail run --then)")
}

// measured is the server whose costs are: of the engine a program of its own.
func measured(name string) (server machine.Opener, release func(), err error) {
	if name != "engine" {
		s, err := findServer(name)
		if err != nil {
			return nil, nil, err
		}
		return s.Rig, func() {}, nil
	}
	binary, release, err := policies.Engine()
	return machine.Serving(redis.Store, binary), release, err
}
