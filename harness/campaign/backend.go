package campaign

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
)

// Backend is where a campaign's experiments run and what they run.
type Backend struct {
	Target, Version string
	Origin          string // the package that the target comes from and its hash; "": none
	Name            string // of the place, as reports and saved failures have it
	Place
}

// Place is a kind of machine for experiments: what can strike there, how many fit
// beside each other, and how a mode and a drawn plan are made to suit it. Another
// kind of disk is another Place.
type Place interface {
	// System is what a plan strikes there; its name is the place's.
	System() plan.System
	// Rig is what its machines share; nil in simulation.
	Rig() *machine.Rig
	// NewRunner makes a runner with a machine of its own.
	NewRunner() (*experiment.Runner, error)
	// Parallel is how many experiments of a mode may run side by side.
	Parallel(m *product.Mode) int
	// Together says of a mode whether its pairs may run beside other pairs.
	Together(m *product.Mode) bool
	// Runs is Campaign.Runs for a campaign that does not say.
	Runs() int
	// Suit makes a mode's span bearable.
	Suit(m product.Mode) product.Mode
	// LacksMode is why the target cannot run in a mode, Lacks why a crash kind
	// cannot strike; "" when it can.
	LacksMode(m *product.Mode) string
	Lacks(k *experiment.CrashKind) string
	// Adapt makes a drawn plan one that can strike.
	Adapt(p *plan.Plan, seed uint64) *plan.Plan
}

// lacks is why a pair has nothing to strike, or nothing to strike with; "" when
// it can be run.
func (b *Backend) lacks(m *product.Mode, k *experiment.CrashKind) string {
	for _, why := range []string{b.LacksMode(m), k.Needs(m), b.Lacks(k)} {
		if why != "" {
			return why
		}
	}
	return ""
}

// RunOnce runs a single experiment; its outcome keeps its history.
func (b Backend) RunOnce(ctx context.Context, x *experiment.Experiment) (*experiment.Outcome, error) {
	r, err := b.NewRunner()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if rig := b.Rig(); rig != nil {
		its := *x
		its.Mode = rig.Store.On(x.Mode)
		x = &its
	}
	return r.Run(ctx, x)
}

// DiskIsOurs reports whether its disks are torntail's own, with one of the models of
// faults/disk.
func (b *Backend) DiskIsOurs() bool { return machine.DiskIsOurs(b.System()) }

// Simulation is the embedded engine in the simulated world.
func Simulation() Backend {
	return backend("engine", "as redis "+engine.RedisVersion, simulation{})
}

func backend(target, version string, at Place) Backend {
	return Backend{Target: target, Version: version, Name: at.System().Name(), Place: at}
}

type simulation struct{}

func (simulation) System() plan.System { return (*machine.Simulated)(nil) }
func (simulation) Rig() *machine.Rig   { return nil }
func (simulation) NewRunner() (*experiment.Runner, error) {
	return experiment.NewRunner(machine.NewSimulated()), nil
}
func (simulation) Parallel(*product.Mode) int              { return runtime.GOMAXPROCS(0) }
func (simulation) Together(*product.Mode) bool             { return false }
func (simulation) Runs() int                               { return 200 }
func (simulation) Suit(m product.Mode) product.Mode        { return m }
func (simulation) LacksMode(*product.Mode) string          { return "" }
func (simulation) Lacks(*experiment.CrashKind) string      { return "" }
func (simulation) Adapt(p *plan.Plan, _ uint64) *plan.Plan { return p }

// RealServer is a real server on the disks of a rig.
func RealServer(r *machine.Rig, version string) Backend {
	on := real{r, r.Machine()}
	var at Place = on
	if _, blocks := on.on.(*machine.OnBlocks); blocks {
		at = onBlocks{on}
	} else if _, seen := plan.System(on.on).(plan.Calls); !seen {
		at = unseen{on}
	}
	b := backend(r.Called(), version, at)
	b.Origin = r.Origin
	return b
}

// real is a real server on the fault disk.
type real struct {
	rig *machine.Rig
	on  machine.Machine // a prototype
}

// realRuns is how many crashes of a pair must strike on real servers, whose
// time is real too: of the default modes and crash kinds 11 pairs are power
// cuts, which makes 660 of them in about three minutes.
const realRuns = 60

func (r real) System() plan.System { return r.on }
func (r real) Rig() *machine.Rig   { return r.rig }
func (r real) NewRunner() (*experiment.Runner, error) {
	return experiment.NewRunner(r.rig.Machine()), nil
}
func (real) Together(m *product.Mode) bool      { return m.Rate > 0 }
func (real) Runs() int                          { return realRuns }
func (r real) Suit(m product.Mode) product.Mode { return r.rig.Store.On(m.InRealTime()) }
func (r real) LacksMode(m *product.Mode) string {
	for i, version := range r.rig.Versions() {
		its := m
		if i > 0 {
			on := version.Store.On(*m)
			its = &on
		}
		if why := version.LacksMode(its); why != "" {
			if i > 0 {
				why = version.Called() + ": " + why
			}
			return why
		}
	}
	return ""
}
func (real) Lacks(*experiment.CrashKind) string      { return "" }
func (real) Adapt(p *plan.Plan, _ uint64) *plan.Plan { return p }

// Parallel is how many real servers may run at once. Closed loops compete for
// the CPU. Paced runs wait most of the time: 30 of them for each CPU make 2,400
// operations a second, which take a quarter of it with the server, its clients
// and its disk, and leave room for the starts.
func (real) Parallel(m *product.Mode) int {
	if m.Rate == 0 {
		return 2 * runtime.GOMAXPROCS(0)
	}
	return 30 * runtime.GOMAXPROCS(0)
}

// unseen is a real server on a disk whose calls nobody sees, and which loses nothing,
// such as the host's own.
type unseen struct{ real }

// Lacks implements Place.
func (unseen) Lacks(k *experiment.CrashKind) string {
	switch {
	case k.Power:
		return "power cuts need the fault disk (--disk fuse)"
	case k.When != experiment.AnyTime, k.AtRest:
		return "calls are in reach on the fault disk only (--disk fuse)"
	}
	return ""
}

// Adapt makes what would strike at a disk call strike at a time: within the width of the
// rewrite that the call would have been part of.
func (unseen) Adapt(p *plan.Plan, seed uint64) *plan.Plan {
	return adapted(p, seed, func(s *plan.Statement, d *seeding.Draws) {
		if s.At.Kind == plan.AtCall {
			s.At = atTimeOf(s.At, d)
		}
	})
}

// adapted is a copy of a plan in which f has changed each statement.
func adapted(p *plan.Plan, seed uint64, f func(s *plan.Statement, d *seeding.Draws)) *plan.Plan {
	d := seeding.NewDraws(seeding.Derive(seed, 8))
	out := &plan.Plan{Statements: slices.Clone(p.Statements)}
	for i := range out.Statements {
		f(&out.Statements[i], d)
	}
	return out
}

// atTimeOf is a time within the width of the rewrite that a call would have been part of.
func atTimeOf(i plan.Instant, d *seeding.Draws) plan.Instant {
	return plan.Instant{Kind: plan.AtTime, Time: i.Time + d.Between(0, experiment.RewriteWidth).Round(10*time.Microsecond)}
}

// onBlocks is a real server on a real file system over a logged disk.
type onBlocks struct{ real }

const (
	// blockRuns is how many crashes of a pair must strike: file systems are
	// mounted, written and mounted again for each.
	blockRuns = 20
	// blockTogether is how many paced servers run for each CPU, each with a mounted
	// file system of its own.
	blockTogether = 8
)

func (onBlocks) Runs() int { return blockRuns }

// Parallel implements Place.
func (onBlocks) Parallel(m *product.Mode) int {
	if m.Rate == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return blockTogether * runtime.GOMAXPROCS(0)
}

// Lacks implements Place.
func (onBlocks) Lacks(k *experiment.CrashKind) string {
	switch {
	case k.AtRest:
		return "files at rest are in reach on the fault disk only"
	case k.When == experiment.AfterError, k.When == experiment.InRecovery:
		return "which call fails cannot be chosen on a real file system (--plan 'plan 1 ... fail write(block/*) EIO' fails those of its disk)"
	case k.When == experiment.SlowSync:
		return "whose flush was slow cannot be told apart on a real file system (--plan 'plan 1 ... slow fsync(block/*) 2s' slows all)"
	}
	return ""
}

// Adapt makes calls requests of the disk: a sync is a flush, a write a write of blocks.
// Other calls are replaced by a time within the width of the rewrite that they would
// have been part of.
func (onBlocks) Adapt(p *plan.Plan, seed uint64) *plan.Plan {
	return adapted(p, seed, func(s *plan.Statement, d *seeding.Draws) {
		s.Action = plan.OnFiles(s.Action, machine.AnyBlock)
		switch {
		case s.At.Kind != plan.AtCall:
		case s.At.Call.Op == "fsync", s.At.Call.Op == "write":
			s.At.Call.Glob = machine.AnyBlock
		default:
			s.At = atTimeOf(s.At, d)
		}
	})
}
