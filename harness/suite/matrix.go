package suite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
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
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// This file is the section matrix: crash experiments, the product of targets,
// modes, crash kinds, workloads and disks.

func init() { Register(Section{Name: "matrix", Parse: parseMatrix}) }

// settings are what a block of the matrix, or the defaults, set. Pointers that
// are nil leave what was there.
type settings struct {
	targets, crashes, workloads, personalities, profiles []string

	modes  []configuration
	plan   *plan.Plan
	plant  *string
	disk   *string // auto, fuse, host
	own    *contract.File
	span   *time.Duration
	runs   *int
	expect *Expectation

	clients, keys, ops, pipeline, valueSize, workers *int
	rate, readRatio                                  *float64
	directives                                       []product.Directive
}

// configuration is a mode under a name of the suite's own.
type configuration struct {
	label string
	mode  product.Mode
}

var settingNames = []string{"targets", "modes", "crashes", "workloads", "personalities", "profiles", "plan", "plant", "disk", "contract",
	"span", "runs", "expect", "clients", "keys", "ops", "pipeline", "value-size", "workers", "rate", "read-ratio", "directives"}

func parseMatrix(f *File, n *Node) (cells []Cell, err error) {
	for _, block := range n.List() {
		s, err := f.parseSettings(block, f.defaults)
		if err != nil {
			return nil, err
		}
		more, err := f.cross(block, s)
		if err != nil {
			return nil, err
		}
		cells = append(cells, more...)
		if len(cells) > maxCells {
			return nil, block.Wrong("more than %d cells", maxCells)
		}
	}
	return cells, nil
}

// parseSettings reads settings on top of others.
func (f *File) parseSettings(n *Node, on *settings) (*settings, error) {
	fields, err := n.Fields(settingNames...)
	if err != nil {
		return nil, err
	}
	s := &settings{}
	if on != nil {
		*s = *on
		s.expect = nil // File.Expect knows what the defaults expect
	}
	// Later fields may need earlier ones: a configuration file is read for the targets.
	return s, fields.Each(settingNames, func(name string, n *Node) error { return f.setting(s, name, n) })
}

func (f *File) setting(s *settings, name string, n *Node) (err error) {
	switch name {
	case "targets":
		s.targets, err = targets(n)
	case "modes":
		s.modes, err = f.configurations(n, s)
	case "crashes":
		s.crashes, err = n.Words("crash kind", names(experiment.CrashKinds, func(c **experiment.CrashKind) string { return (*c).Name }))
	case "workloads":
		s.workloads, err = n.Words("workload", names(workloads.Names(), func(w *[2]string) string { return w[0] }))
	case "personalities":
		s.personalities, err = n.Words("personality", names(disk.Personalities, func(p **disk.Personality) string { return (*p).Name }))
	case "profiles":
		s.profiles, err = n.Words("profile", sim.ProfileNames())
	case "plan":
		s.plan, err = f.plan(n)
	case "plant":
		var text string
		if text, err = n.Text(); err == nil {
			_, err = experiment.ParsePlants(text)
			err = n.At(err)
		}
		s.plant = &text
	case "disk":
		s.disk, err = pointer(n.Word("disk", append([]string{"auto"}, machine.DiskWords()...)))
	case "contract":
		var path string
		if path, err = n.Text(); err == nil {
			s.own, err = contract.Load(f.Relative(path))
			err = n.At(err)
		}
	case "span":
		s.span, err = pointer(n.Duration())
	case "expect":
		s.expect, err = pointer(parseExpectation(n))
	case "directives":
		s.directives, err = directives(n)
	case "runs":
		s.runs, err = pointer(n.Int(1))
	case "clients":
		s.clients, err = pointer(n.Int(1))
	case "keys":
		s.keys, err = pointer(n.Int(1))
	case "ops":
		s.ops, err = pointer(n.Int(0))
	case "pipeline":
		s.pipeline, err = pointer(n.Int(1))
	case "value-size":
		s.valueSize, err = pointer(n.Int(0))
	case "workers":
		s.workers, err = pointer(n.Int(0))
	case "rate":
		s.rate, err = pointer(n.Float())
	case "read-ratio":
		s.readRatio, err = pointer(n.Float())
	}
	return err
}

func names[T any](list []T, name func(*T) string) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = name(&list[i])
	}
	return out
}

// targets are words that are not checked here: a path may be there on the
// machine that runs the suite only.
func targets(n *Node) (list []string, err error) {
	for _, e := range n.List() {
		t, err := e.Text()
		if err != nil {
			return nil, err
		}
		if t == "" || strings.ContainsAny(t, " \t\n") {
			return nil, e.Wrong("target %q: want engine, redis-server, or the path of a server or a target.yaml", t)
		}
		list = append(list, t)
	}
	if len(list) == 0 {
		return nil, n.Wrong("an empty list, where at least one target is expected")
	}
	return list, nil
}

// directives are lines of redis.conf.
func directives(n *Node) (list []product.Directive, err error) {
	lines, err := n.Directives()
	for _, l := range lines {
		list = append(list, product.Directive{Name: l[0], Value: l[1]})
	}
	return list, err
}

// configurations are modes by name, or mappings that change one or read a redis.conf.
func (f *File) configurations(n *Node, s *settings) (list []configuration, err error) {
	modes := names(product.Modes, func(m *product.Mode) string { return m.Name })
	for _, e := range n.List() {
		if !e.IsMapping() {
			name, err := e.Word("mode", modes)
			if err != nil {
				return nil, err
			}
			m, err := product.ModeByName(name)
			if err != nil {
				return nil, e.At(err)
			}
			list = append(list, configuration{name, m})
			continue
		}
		fields, err := e.Fields("name", "mode", "conf", "directives")
		if err != nil {
			return nil, err
		}
		c, err := f.configuration(e, fields, modes, s)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, n.Wrong("an empty list, where at least one mode is expected")
	}
	return list, nil
}

func (f *File) configuration(n *Node, fields map[string]*Node, modes []string, s *settings) (c configuration, err error) {
	if fields["name"] == nil || fields["mode"] == nil && fields["conf"] == nil {
		return c, n.Wrong("a configuration of its own needs a name, and a mode or a conf")
	}
	if c.label, err = fields["name"].Text(); err != nil {
		return c, err
	}
	if c.label == "" || strings.ContainsAny(c.label, "/ \t\n") {
		return c, fields["name"].Wrong("name %q: want a word without blanks and slashes", c.label)
	}
	if m := fields["mode"]; m != nil {
		name, err := m.Word("mode", modes)
		if err != nil {
			return c, err
		}
		if c.mode, err = product.ModeByName(name); err != nil {
			return c, m.At(err)
		}
	}
	if n := fields["conf"]; n != nil {
		path, err := n.Text()
		if err != nil {
			return c, err
		}
		foreign := false
		for _, t := range s.targets {
			foreign = foreign || t != "engine"
		}
		conf, err := product.ReadConf(f.Relative(path), foreign, product.Own)
		if err != nil {
			return c, n.At(err)
		}
		if fields["mode"] != nil {
			c.mode, _ = conf.On(c.mode)
		} else if c.mode, err = conf.Mode(); err != nil {
			return c, n.At(err)
		}
	}
	if d := fields["directives"]; d != nil {
		more, err := directives(d)
		if err != nil {
			return c, err
		}
		c.mode = c.mode.With(more)
	}
	return c, nil
}

// plan is a plan as text, or in a file.
func (f *File) plan(n *Node) (*plan.Plan, error) {
	text, err := n.Text()
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "plan ") {
		data, err := os.ReadFile(f.Relative(text))
		if err != nil {
			return nil, n.Wrong("neither a plan (first line \"plan 1\") nor a file: %v", err)
		}
		p, err := plan.Parse(string(data))
		if err != nil {
			return nil, n.Wrong("%s: %v", text, err)
		}
		return p, nil
	}
	p, err := plan.Parse(text)
	return p, n.At(err)
}

// or is a list, or what stands for one that is not there.
func or(list []string, otherwise ...string) []string {
	if len(list) == 0 {
		return otherwise
	}
	return list
}

// cross makes the cells of a block.
func (f *File) cross(n *Node, s *settings) (cells []Cell, err error) {
	modes := s.modes
	if len(modes) == 0 {
		for _, name := range product.DefaultModes {
			m, err := product.ModeByName(name)
			if err != nil {
				return nil, err
			}
			modes = append(modes, configuration{name, m})
		}
	}
	size := 1
	for _, k := range []int{len(s.targets), len(modes), len(s.crashes), len(s.workloads), len(s.personalities), len(s.profiles)} {
		if size *= max(k, 1); size > maxCells {
			return nil, n.Wrong("more than %d cells", maxCells)
		}
	}
	for _, target := range or(s.targets, "engine") {
		for _, m := range modes {
			for _, crash := range or(s.crashes, experiment.DefaultCrashes...) {
				for _, w := range or(s.workloads, workloads.Default().Name) {
					for _, p := range or(s.personalities, "ext4") {
						for _, profile := range or(s.profiles, "cloud-ssd") {
							c, err := f.crashCell(n, s, target, m, crash, w, p, profile)
							if err != nil {
								return nil, err
							}
							cells = append(cells, c)
						}
					}
				}
			}
		}
	}
	return cells, nil
}

// crashCell is one cell of a block.
func (f *File) crashCell(n *Node, s *settings, target string, c configuration, crash, workload, personality, profile string) (cell Cell, err error) {
	r := &crashRunner{target: target, label: c.label, mode: c.mode.With(s.directives), personality: personality, profile: profile,
		plan: s.plan, own: s.own, disk: "auto", runs: value(s.runs), workers: value(s.workers)}
	if r.crash, err = experiment.CrashByName(crash); err != nil {
		return cell, n.At(err)
	}
	if s.span != nil {
		r.mode = r.mode.Spanning(*s.span)
	}
	if target == "engine" {
		if err := r.mode.Check(); err != nil {
			return cell, n.At(err)
		}
	}
	if s.disk != nil {
		r.disk = *s.disk
	}
	if s.plant != nil {
		if r.plants, err = experiment.ParsePlants(*s.plant); err != nil {
			return cell, n.At(err)
		}
		if target != "engine" && r.plants.Engine != 0 {
			return cell, n.Wrong("plant %s: planted bugs of the engine cannot be in %s", *s.plant, target)
		}
	}
	r.workload = workloads.Default()
	w := &r.workload
	w.Name = workload
	for _, set := range []struct {
		to   *int
		from *int
	}{{&w.Clients, s.clients}, {&w.Keys, s.keys}, {&w.Ops, s.ops}, {&w.Pipeline, s.pipeline}, {&w.ValueSize, s.valueSize}} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
	if s.rate != nil {
		w.Rate = *s.rate
	}
	if s.readRatio != nil {
		w.ReadRatio = *s.readRatio
	}
	if err := w.Check(); err != nil {
		return cell, n.At(err)
	}
	if s.plan != nil {
		backend := plan.Process
		if target == "engine" {
			backend = plan.Sim
		}
		if err := s.plan.Check(machine.System(backend), []string{experiment.Server}); err != nil {
			return cell, n.At(err)
		}
	}
	at := map[string]string{"target": target, "mode": c.label, "crash": crash, "workload": workload, "personality": personality, "profile": profile}
	if s.plant != nil {
		at["plant"] = *s.plant
	}
	parts := []string{targetName(target), c.label, crash, workload, personality}
	if profile != "cloud-ssd" {
		parts = append(parts, profile)
	}
	if s.plant != nil && *s.plant != "" {
		parts = append(parts, *s.plant)
	}
	cell.Name = f.unique(strings.Join(parts, "/"))
	at["cell"] = cell.Name
	cell.Runner, cell.Expect = r, f.Expect(at, s.expect)
	return cell, nil
}

// unique is a name for a cell: with a number if another has it already.
func (f *File) unique(name string) string {
	numbered := name
	for k := 2; f.names[numbered]; k++ {
		numbered = fmt.Sprintf("%s#%d", name, k)
	}
	f.names[numbered] = true
	return numbered
}

// targetName is what a target is called in the names of cells.
func targetName(target string) string {
	return strings.TrimSuffix(filepath.Base(target), ".yaml")
}

// pointer is to a value that may be wrong.
func pointer[T any](v T, err error) (*T, error) { return &v, err }

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// crashRunner runs the crash experiments of one cell.
type crashRunner struct {
	target, label        string
	mode                 product.Mode
	crash                *experiment.CrashKind
	workload             workloads.Spec
	personality, profile string
	plan                 *plan.Plan
	plants               experiment.Plants
	own                  *contract.File
	disk                 string
	runs, workers        int
}

func (r *crashRunner) Blank() Outcome {
	res := &result.Result{Target: r.target, Backend: string(plan.Process), Mode: r.label, Crash: r.crash.Name, Workload: r.workload.Name, Personality: r.personality}
	if r.target == "engine" {
		res.Backend = string(plan.Sim)
	}
	for _, d := range r.mode.Directives {
		res.Directives = append(res.Directives, d.String())
	}
	return Outcome{Result: res}
}

func (r *crashRunner) Run(ctx context.Context, j *Job) (*Outcome, error) {
	b, err := j.Open(r.target, r.disk)
	if err != nil {
		return nil, err
	}
	c := &campaign.Campaign{
		Modes: []product.Mode{r.mode}, Crashes: []*experiment.CrashKind{r.crash}, Workload: r.workload,
		Personality: r.personality, Profile: r.profile, Seed: j.Seed, Runs: r.runs, Workers: r.workers,
		Plan: r.plan, Plants: r.plants, Contract: r.own, Keep: j.Keep,
	}
	if !b.DiskIsOurs() {
		c.Personality = experiment.HostDisk
	}
	if c.Workers == 0 {
		c.Workers = j.Workers
	}
	if c.Runs == 0 {
		c.Runs = j.Runs
	}
	if !j.Until.IsZero() && r.runs == 0 {
		c.For = max(time.Until(j.Until), time.Millisecond)
	}
	c.Save = func(x *experiment.Experiment, o *experiment.Outcome) (string, error) {
		dir := filepath.Join(j.Dir, fmt.Sprintf("%s-%s-%d", x.Mode.Name, x.Crash, x.Seed))
		return dir, saved.Save(dir, j.Torntail, b, x, o)
	}
	if j.Progress != nil {
		c.Progress = func(p campaign.Progress) { j.Progress(p.Done, p.Total, p.Violations, p.Unknown) }
	}
	results, err := c.Run(ctx, b)
	if err != nil {
		return nil, err
	}
	results[0].Mode = r.label
	return &Outcome{Result: &results[0]}, nil
}
