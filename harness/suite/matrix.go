package suite

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// This file is the section matrix: crash experiments, the product of targets,
// modes, crash kinds, workloads and disks.

func init() { Register(Section{Name: "matrix", Parse: parseMatrix}) }

// settings are what a block of the matrix, or the defaults, set.
type settings struct {
	targets, workloads, profiles []string

	modes         []configuration
	crashes       []*experiment.CrashKind
	personalities []*disk.Personality
	plant, disk   string
	span          time.Duration // 0: the mode's own
	directives    []product.Directive
	expect        *Expectation

	// campaign is what the cells have in common.
	campaign campaign.Campaign
}

// configuration is a mode under a name of the suite's own.
type configuration struct {
	label string
	mode  product.Mode
}

// usual are the settings of a suite that sets nothing.
func usual() *settings {
	w := workloads.Default()
	ext4, _ := disk.PersonalityByName("ext4")
	s := &settings{targets: []string{"engine"}, workloads: []string{w.Name}, profiles: []string{"cloud-ssd"}, disk: "auto",
		personalities: []*disk.Personality{ext4}, campaign: campaign.Campaign{Workload: w}}
	for _, name := range redis.Store.DefaultModes() {
		m, _ := redis.ModeByName(name)
		s.modes = append(s.modes, configuration{name, m})
	}
	return s
}

// usualCrashes are the crash kinds of settings that name none: that of the plan, if there is one.
func (s *settings) usualCrashes() error {
	switch {
	case len(s.crashes) > 0:
	case s.campaign.Plan != nil:
		kind, err := experiment.KindOf(s.campaign.Plan)
		s.crashes = []*experiment.CrashKind{kind}
		return err
	default:
		target := s.targets[0]
		if slices.Contains(s.targets, "engine") {
			target = "engine"
		}
		for _, name := range experiment.DefaultCrashesOf(target) {
			s.crashes = append(s.crashes, experiment.MustCrash(name))
		}
	}
	return nil
}

// parseSettings reads settings on top of the defaults.
func (f *File) parseSettings(n *Node) (*settings, error) {
	s := *f.defaults
	s.expect = nil // File.cell knows what the defaults expect
	c := &s.campaign
	w := &c.Workload
	return &s, n.Read(
		yamlnode.To("targets", &s.targets, targets),
		yamlnode.To("modes", &s.modes, yamlnode.Each("mode", s.configuration)), // reads files for the targets
		yamlnode.To("crashes", &s.crashes, yamlnode.Once("crash kind", yamlnode.By(experiment.CrashByName))),
		yamlnode.To("workloads", &s.workloads, yamlnode.Once("workload", yamlnode.Word("workload", names(workloads.Names(), func(w [2]string) string { return w[0] })))),
		yamlnode.To("personalities", &s.personalities, yamlnode.Once("personality", yamlnode.By(disk.PersonalityByName))),
		yamlnode.To("profiles", &s.profiles, yamlnode.Once("profile", yamlnode.Word("profile", sim.ProfileNames()))),
		yamlnode.To("plan", &c.Plan, parsePlan),
		yamlnode.Field{Name: "plant", Read: func(n *Node) (err error) {
			if s.plant, err = n.Text(); err == nil {
				c.Plants, err = experiment.ParsePlants(s.plant)
			}
			return n.At(err)
		}},
		yamlnode.To("disk", &s.disk, yamlnode.Word("disk", append([]string{"auto"}, machine.DiskWords()...))),
		yamlnode.Field{Name: "contract", Read: func(n *Node) error {
			path, err := n.Path()
			if err == nil {
				c.Contract, err = contract.Load(path)
			}
			return n.At(err)
		}},
		yamlnode.To("span", &s.span, (*Node).Duration),
		yamlnode.To("runs", &c.Runs, yamlnode.Int(1)),
		yamlnode.To("expect", &s.expect, parseExpectation),
		yamlnode.To("clients", &w.Clients, yamlnode.Int(1)),
		yamlnode.To("keys", &w.Keys, yamlnode.Int(1)),
		yamlnode.To("ops", &w.Ops, yamlnode.Int(0)),
		yamlnode.To("pipeline", &w.Pipeline, yamlnode.Int(1)),
		yamlnode.To("value-size", &w.ValueSize, yamlnode.Int(0)),
		yamlnode.To("workers", &c.Workers, yamlnode.Int(0)),
		yamlnode.To("rate", &w.Rate, (*Node).Float),
		yamlnode.To("read-ratio", &w.ReadRatio, (*Node).Float),
		yamlnode.To("directives", &s.directives, directives))
}

func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = name(v)
	}
	return out
}

// targets reads words that are not checked here: a path may be there on the machine that
// runs the suite only.
var targets = yamlnode.Each("target", func(n *Node) (string, error) {
	t, err := n.Text()
	for _, version := range result.Versions(t) {
		if err == nil && (version == "" || strings.ContainsAny(version, " \t\n")) {
			err = n.Wrong("target %q: want engine, redis-server, or the path of a server or a target.yaml; or several that follow each other on the same files, such as redis-7.0 then redis-8.0", t)
		}
	}
	return t, err
})

// directives are lines of redis.conf.
func directives(n *Node) (list []product.Directive, err error) {
	lines, err := n.Directives()
	for _, l := range lines {
		list = append(list, product.Directive{Name: l[0], Value: l[1]})
	}
	return list, err
}

// store is the kind of server that the targets are; that of the first, and check says so
// of one of another kind.
func (s *settings) store() product.Store { return target.StoreOf(s.targets[0]) }

// mode reads the name of one.
func (s *settings) mode(n *Node) (product.Mode, error) {
	name, err := yamlnode.Word("mode", names(s.store().Modes(), func(m product.Mode) string { return m.Name }))(n)
	if err != nil {
		return product.Mode{}, err
	}
	return product.ModeByName(s.store(), name)
}

// configuration is a mode by name, or a mapping that changes one or reads a redis.conf.
func (s *settings) configuration(n *Node) (c configuration, err error) {
	if !n.IsMapping() {
		c.mode, err = s.mode(n)
		c.label = c.mode.Name
		return c, err
	}
	var conf *product.Conf
	var more []product.Directive
	if err := n.Read(
		yamlnode.Field{Name: "name", Must: ownConfiguration, Read: func(n *Node) error {
			if c.label, err = n.Text(); err == nil && (c.label == "" || strings.ContainsAny(c.label, "/ \t\n")) {
				return n.Wrong("name %q: want a word without blanks and slashes", c.label)
			}
			return err
		}},
		yamlnode.To("mode", &c.mode, s.mode),
		yamlnode.To("conf", &conf, func(n *Node) (*product.Conf, error) {
			path, err := n.Path()
			if err != nil {
				return nil, err
			}
			conf, err := s.store().ReadConf(path, slices.ContainsFunc(s.targets, func(t string) bool { return t != "engine" }))
			if err == nil && c.mode.Name == "" {
				c.mode = conf.Mode
				return nil, nil
			}
			return conf, n.At(err)
		}),
		yamlnode.To("directives", &more, directives)); err != nil {
		return c, err
	}
	if c.mode.Name == "" {
		return c, n.Wrong(ownConfiguration)
	}
	if conf != nil {
		c.mode, _ = conf.On(c.mode)
	}
	c.mode = c.mode.With(more)
	return c, nil
}

const ownConfiguration = "a configuration of its own needs a name, and a mode or a conf"

// parsePlan is a plan as text, or in a file.
func parsePlan(n *Node) (*plan.Plan, error) {
	text, err := n.Text()
	if err != nil {
		return nil, err
	}
	p, err := campaign.ReadPlan(text, n.Relative(text))
	return p, n.At(err)
}

// parseMatrix makes the cells of a block.
func parseMatrix(f *File, n *Node) (cells []Cell, err error) {
	s, err := f.parseSettings(n)
	if err != nil {
		return nil, err
	}
	if err := s.usualCrashes(); err != nil {
		return nil, n.At(err)
	}
	all, err := combinations(n, len(s.targets), len(s.modes), len(s.crashes), len(s.workloads), len(s.personalities), len(s.profiles))
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		r := &crashRunner{target: s.targets[i[0]], label: s.modes[i[1]].label, disk: s.disk, campaign: s.campaign}
		c := &r.campaign
		c.Crashes, c.Workload.Name, c.Personality, c.Profile = s.crashes[i[2]:i[2]+1], s.workloads[i[3]], s.personalities[i[4]].Name, s.profiles[i[5]]
		m := s.modes[i[1]].mode.With(s.directives)
		if s.span > 0 {
			m = m.Spanning(s.span)
		}
		if c.Plan != nil {
			if m, err = experiment.Reaching(m, c.Plan); err != nil {
				return nil, n.At(err)
			}
		}
		c.Modes = []product.Mode{m}
		if err := r.check(s.plant); err != nil {
			return nil, n.At(err)
		}
		at := map[string]string{"target": r.target, "mode": r.label, "crash": c.Crashes[0].Name, "workload": c.Workload.Name,
			"personality": c.Personality, "profile": c.Profile, "plant": s.plant}
		parts := []string{targetName(r.target), r.label, c.Crashes[0].Name, c.Workload.Name, c.Personality}
		if c.Profile != "cloud-ssd" {
			parts = append(parts, c.Profile)
		}
		if s.plant != "" {
			parts = append(parts, s.plant)
		}
		cells = append(cells, f.cell(r, at, s.expect, parts...))
	}
	return cells, nil
}

// targetName is what a target is called in the names of cells.
func targetName(target string) string {
	var names []string
	for _, version := range result.Versions(target) {
		names = append(names, strings.TrimSuffix(filepath.Base(version), ".yaml"))
	}
	return strings.Join(names, "-then-")
}

// crashRunner runs the crash experiments of one cell.
type crashRunner struct {
	target, label, disk string
	campaign            campaign.Campaign // of one mode and one crash kind
}

// check reports what cannot be run; plant is what is planted.
func (r *crashRunner) check(plant string) error {
	c, backend := &r.campaign, plan.Process
	of := c.Modes[0].Store
	if store := target.StoreOf(r.target); store.Name() != of.Name() {
		return fmt.Errorf("target %s is %s, and has no mode of %s: want a block for each kind, with its modes", r.target, store.Name(), of.Name())
	}
	if lacks := c.Workload.Lacks(of); lacks != "" {
		return fmt.Errorf("workload %s: %s of %s", c.Workload.Name, lacks, of.Name())
	}
	if r.target == "engine" {
		backend = plan.Sim
		if _, err := redis.Config(&c.Modes[0]); err != nil {
			return err
		}
	} else if _, err := of.Policy(&c.Modes[0]); err != nil {
		return err
	} else if c.Plants.Engine != 0 {
		return fmt.Errorf("plant %s: planted bugs of the engine cannot be in %s", plant, r.target)
	}
	if err := c.Workload.Check(); err != nil || c.Plan == nil {
		return err
	}
	if err := c.Plan.Check(machine.System(backend), []string{experiment.Server}); err != nil {
		return err
	}
	return experiment.CheckCommands(c.Plan, of, c.Workload)
}

func (r *crashRunner) Blank() Outcome {
	c := &r.campaign
	res := &result.Result{Target: r.target, Backend: string(plan.Process), Mode: r.label, Crash: c.Crashes[0].Name, Workload: c.Workload.Name, Personality: c.Personality}
	if r.target == "engine" {
		res.Backend = string(plan.Sim)
	}
	for _, d := range c.Modes[0].Directives {
		res.Directives = append(res.Directives, d.String())
	}
	return Outcome{Result: res}
}

// Beside implements beside: paced experiments on real servers wait most of the time.
func (r *crashRunner) Beside(o *Options) int {
	b, err := o.Open(r.target, r.disk)
	m := &r.campaign.Modes[0]
	if err != nil || r.campaign.Workers > 0 || !b.Together(m) {
		return 0
	}
	if o.Workers > 0 {
		return o.Workers
	}
	return b.Parallel(m)
}

func (r *crashRunner) Run(ctx context.Context, j *Job) (*Outcome, error) {
	b, err := j.Open(r.target, r.disk)
	if err != nil {
		return nil, err
	}
	c := r.campaign
	c.Seed, c.Keep, c.Slots = j.Seed, j.Keep, j.Slots
	if !b.DiskIsOurs() {
		c.Personality = experiment.HostDisk
	}
	if c.Workers == 0 {
		c.Workers = j.Workers
	}
	if c.Runs == 0 {
		c.Runs = j.Runs
		if !j.Until.IsZero() {
			c.For = max(time.Until(j.Until), time.Millisecond)
		}
	}
	c.Save = saved.Into(j.Failures, j.Torntail, b)
	c.Progress = func(p campaign.Progress) { j.Tell(p.Done, p.Total) }
	results, err := c.Run(ctx, b)
	results[0].Mode = r.label
	return &Outcome{Result: &results[0]}, err
}
