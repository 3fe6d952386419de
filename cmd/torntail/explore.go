package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/explore"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
	"github.com/torntail/torntail/workloads"
)

type exploreCmd struct {
	Target      string        `default:"engine" help:"engine, redis-server, or the path of a server binary; default ${default}." placeholder:"TARGET" group:"What is explored"`
	Backend     string        `help:"block: a real server's run on a real file system; else it follows from the target." placeholder:"NAME" group:"What is explored"`
	FS          string        `name:"fs" default:"${fs}" help:"With --backend block: the file system and its mount options; default ${default}." placeholder:"FS" group:"What is explored"`
	Images      int           `default:"300" help:"With --backend block: how many distinct crash images to judge, of each mode; default ${default}." placeholder:"N" group:"How far"`
	Mode        []string      `help:"Persistence modes (torntail list modes); default: all that write to a disk." placeholder:"LIST" group:"What is explored"`
	Personality []string      `default:"ext4" help:"What the disk promises about a power cut (torntail list personalities); all for each of them; default ${default}." placeholder:"LIST" group:"What is explored"`
	Profile     string        `default:"cloud-ssd" help:"How long things take (torntail list profiles); default ${default}." placeholder:"NAME" group:"What is explored"`
	Workload    string        `default:"mixed" help:"What clients do (torntail list workloads); default ${default}." placeholder:"NAME" group:"What is explored"`
	Beside      bool          `help:"One more client sends every writing command of Redis 7, to keys of all types in database 9." group:"What is explored"`
	Commands    int           `default:"500" help:"Commands in the recorded run; default ${default}." placeholder:"N" group:"What is explored"`
	ValueSize   int           `default:"64" help:"Bytes of a value; default ${default}." placeholder:"N" group:"What is explored"`
	Directive   []string      `help:"A line of redis.conf as NAME=VALUE, on top of the mode's; may be repeated." placeholder:"N=V" sep:"none" group:"What is explored"`
	Conf        string        `help:"A redis.conf to run under; without --mode its own persistence settings are the mode." placeholder:"FILE" group:"What is explored"`
	Plant       string        `help:"Planted bugs to switch on, to see a failure (torntail list plants)." placeholder:"NAMES" group:"What is explored"`
	Seed        uint64        `default:"1" help:"Seed of everything that is drawn; default ${default}." group:"What is explored"`
	Bound       string        `default:"2" help:"Which states are tried at each moment: prefix, triad, 1, 2, 5 or all; default ${default}." placeholder:"BOUND" group:"How far"`
	For         time.Duration `help:"A real server on the fault disk: how long all explorations may take; what they have judged by then is spread over the run. Default 4m." placeholder:"TIME" group:"How far"`
	Double      bool          `help:"Also crash again at every operation of the recoveries." group:"How far"`
	Out         string        `help:"Directory for all reports; default torntail-out/TIME." placeholder:"DIR" group:"Results"`
	JSON        string        `name:"json" help:"Also write the JSON report here; - prints it instead of the text." placeholder:"FILE" group:"Results"`
	Quiet       bool          `help:"Print verdicts only, no progress." group:"Results"`
}

func (c *exploreCmd) Help() string {
	return `Records one run (clients, a rewrite, a snapshot, a change of the configuration, an
orderly end) and judges every crash state that it could have left within the
bound. What it finds is grouped by cause, the smallest example first. The run of
a real server is recorded on the fault disk, and real servers judge its images.
Examples:
  torntail explore
  torntail explore --mode always --personality all --bound 2
  torntail explore --target redis-server --mode everysec --bound 1
  torntail explore --target redis-server --backend block --fs xfs --mode always
  torntail explore --mode always --plant base-rename-without-fsync`
}

func (c *exploreCmd) Run(a *app) error {
	all, notes, err := c.options()
	if err != nil {
		return usage(err)
	}
	for _, n := range notes {
		fmt.Fprintln(a.stderr, n)
	}
	ctx, stop := a.interruptible()
	defer stop()
	started := time.Now()
	flags := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet}
	out, undo, err := flags.directory(started)
	if err != nil {
		return usage(err)
	}
	file := &explore.File{Header: headerOf(explore.Schema, c.Seed, started, c.backend())}
	run, done, err := c.explorer(a, all, out)
	if err != nil {
		undo()
		return err
	}
	defer done()
	reports, broken := run(ctx)
	why := broken
	if file.Interrupted = ctx.Err() != nil; file.Interrupted {
		why, broken = ctx.Err(), nil
	}
	if broken != nil && !slices.ContainsFunc(reports, func(r *explore.Report) bool { return r != nil }) {
		undo()
		return asUsage(broken)
	}
	for i, r := range reports {
		if r == nil {
			if r, err = explore.NotExplored(all[i], why); err != nil {
				return err
			}
		}
		file.Add(r)
	}
	file.Finish(time.Since(started))
	return withFailure(c.report(a, file, out), broken)
}

// options checks the flags: one exploration for each mode and personality, or on a real
// file system for each mode.
func (c *exploreCmd) options() ([]*explore.Options, []string, error) {
	backend, err := backendOf(c.Target, c.Backend)
	if err != nil {
		return nil, nil, err
	}
	blocks := backend == plan.Block
	if err := checkFS(c.FS, blocks); err != nil {
		return nil, nil, err
	}
	fs, err := blocklog.ParseFS(c.FS)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case blocks && (c.Plant != "" || c.Double):
		return nil, nil, errors.New("--plant and --double do not go with --backend block")
	case c.For < 0 || c.For > 0 && (blocks || c.Target == "engine"):
		return nil, nil, errors.New("--for is for a real server on the fault disk, and 1s or more: the engine's images are all judged, and --images says how many with --backend block")
	case c.Images < 1:
		return nil, nil, errors.New("--images takes 1 or more")
	}
	real := c.Target != "engine"
	if real && c.Double {
		return nil, nil, errors.New("--double: recoveries of a real server are not recorded, so that they cannot be crashed again; want --target engine")
	}
	w := workloads.Default()
	w.Name, w.ValueSize, w.Beside = c.Workload, c.ValueSize, c.Beside
	if err := known("--workload", w.Name, workloadNames()); err != nil {
		return nil, nil, err
	}
	if err := w.Check(); err != nil {
		return nil, nil, err
	}
	if c.Commands < 1 || c.Commands > 100000 {
		return nil, nil, fmt.Errorf("--commands %d: want 1 to 100000", c.Commands)
	}
	if err := known("--profile", c.Profile, profileNames()); err != nil {
		return nil, nil, err
	}
	if err := known("--bound", c.Bound, namesOf(explore.Bounds, func(b *explore.Bound) string { return b.Name })); err != nil {
		return nil, nil, err
	}
	bound, err := explore.BoundByName(c.Bound)
	if err != nil {
		return nil, nil, err
	}
	planted, err := plants(c.Plant)
	if err != nil {
		return nil, nil, err
	}
	if real && planted.Engine != 0 {
		return nil, nil, fmt.Errorf("--plant %s: bugs are planted in the embedded engine, and in the disk; want --target engine", c.Plant)
	}
	if planted.ReopenUncrashed || planted.ClientLies {
		return nil, nil, fmt.Errorf("--plant %s: an exploration restarts no server and counts no replies, so that it cannot have this fault", c.Plant)
	}
	store := target.StoreOf(c.Target)
	if err := canHave(store, w); err != nil {
		return nil, nil, err
	}
	more, err := directives(store, c.Directive)
	if err != nil {
		return nil, nil, err
	}
	modes, notes, err := modesUnder(store, c.Conf, real, !real, c.Mode, modesOnDisk(store))
	if err != nil {
		return nil, nil, err
	}
	personalities := c.Personality
	switch {
	case blocks:
		bound, personalities = explore.Sample, []string{fs.String()}
	case slices.Equal(personalities, []string{"all"}):
		personalities = personalityNames()
	}
	var all []*explore.Options
	for _, p := range personalities {
		if !blocks {
			if err := known("--personality", p, personalityNames()); err != nil {
				return nil, nil, err
			}
		}
		for _, m := range modes {
			m = m.With(more)
			if p, err := store.Policy(&m); err == nil && p.Evicts && real {
				return nil, nil, redis.ErrEvicts
			}
			all = append(all, &explore.Options{Mode: m, Personality: p, Profile: c.Profile, Workload: w, Commands: c.Commands,
				Seed: c.Seed, Plants: planted, Bound: bound, Double: c.Double})
		}
	}
	return all, notes, nil
}

// modesOnDisk are the modes that have something for a crash to take.
func modesOnDisk(s product.Store) (names []string) {
	for _, m := range s.Modes() {
		if m.AOF || m.RDB {
			names = append(names, m.Name)
		}
	}
	return names
}

// backend is where the run is recorded.
func (c *exploreCmd) backend() string {
	b, _ := backendOf(c.Target, c.Backend) // it has been checked
	return string(b)
}

// explorer prepares the target and returns what explores it.
func (c *exploreCmd) explorer(a *app, all []*explore.Options, out string) (run func(context.Context) ([]*explore.Report, error), done func(), err error) {
	if c.Target == "engine" {
		return func(ctx context.Context) ([]*explore.Report, error) { return c.explore(ctx, all, out) }, func() {}, nil
	}
	place := ""
	if c.backend() == string(plan.Block) {
		fs, _ := blocklog.ParseFS(c.FS) // it has been checked
		place = experiment.RealFS(fs)
	}
	rig, v, err := openRig(c.Target, place)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range all {
		o.Mode = rig.Store.On(o.Mode)
		if why := rig.LacksMode(&o.Mode); why != "" {
			rig.Close()
			return nil, nil, usage(fmt.Errorf("--mode %s: %s", o.Mode.Name, why))
		}
	}
	return func(ctx context.Context) ([]*explore.Report, error) { return c.exploreReal(ctx, rig, v, all, out) },
		func() { rig.Close() }, nil
}

// exploreFor is how long the explorations of a real server take of which nobody says.
const exploreFor = 4 * time.Minute

// exploreReal runs the explorations of a real server one after the other: each
// has all of the machine.
func (c *exploreCmd) exploreReal(ctx context.Context, rig *machine.Rig, serverVersion string, all []*explore.Options, out string) ([]*explore.Report, error) {
	progress := c.progress()
	defer progress.Finish()
	reports := make([]*explore.Report, len(all))
	violated, end := 0, time.Now().Add(cmp.Or(c.For, exploreFor))
	for i, o := range all {
		which := fmt.Sprintf("%d of %d, %s on %s", i+1, len(all), o.Mode.Name, o.Personality)
		state := terminal.State{What: which + ": recording", Violations: violated, For: cmp.Or(c.For, exploreFor), Unit: "images"}
		o.Server = &explore.Server{Rig: rig, Target: c.Target, Version: serverVersion, Images: c.Images, Progress: func(done, all int) {
			state.What = which
			if state.Done = done; c.backend() == string(plan.Block) {
				state.Total, state.For = all, 0
			} else {
				state.More = fmt.Sprintf("of %d", all)
			}
			progress.Update(state)
		}}
		if c.backend() == string(plan.Block) {
			state.For = 0
		} else {
			o.Server.Until = time.Now().Add(max(0, time.Until(end)) / time.Duration(len(all)-i)) // its fair share of what is left
		}
		progress.Update(state)
		r, err := explore.Run(ctx, o)
		if r != nil {
			if reports[i] = r; r.Verdict == result.Violated {
				violated++
			}
			err = cmp.Or(err, keep(r, o, out, campaign.RealServer(rig, serverVersion)))
		}
		if err != nil {
			return reports, err
		}
	}
	return reports, nil
}

// progress shows how far the explorations are; nil shows nothing.
func (c *exploreCmd) progress() *terminal.Progress {
	if c.Quiet {
		return nil
	}
	return terminal.NewProgress(os.Stderr)
}

// explore runs the explorations side by side, and keeps what they found; nil stands for
// those that judged nothing, as in exploreReal.
func (c *exploreCmd) explore(ctx context.Context, all []*explore.Options, out string) ([]*explore.Report, error) {
	progress := c.progress()
	defer progress.Finish()
	reports := make([]*explore.Report, len(all))
	done := make(chan int)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	go func() {
		n, violated := 0, 0
		for i := range done {
			n++
			if reports[i].Verdict == result.Violated {
				violated++
			}
			progress.Update(terminal.State{What: reports[i].Mode + " on " + reports[i].Personality, Done: n, Total: len(all), Violations: violated})
		}
	}()
	for i, o := range all {
		g.Go(func() error {
			r, err := explore.Run(ctx, o)
			if reports[i] = r; r != nil {
				err = cmp.Or(err, keep(r, o, out, campaign.Simulation()))
			}
			if err != nil {
				return err
			}
			done <- i
			return nil
		})
	}
	err := g.Wait()
	close(done)
	return reports, err
}

// keep saves an exploration's examples and draws its map.
func keep(r *explore.Report, o *explore.Options, out string, b campaign.Backend) error {
	if err := r.Save(o, filepath.Join(out, "failures"), version, b); err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(out, fmt.Sprintf("map-%s-%s.svg", r.Mode, r.Personality)), r.WriteStrip)
}

// report writes and prints what was found.
func (c *exploreCmd) report(a *app, file *explore.File, out string) error {
	flags := outputFlags{JSON: c.JSON}
	w, err := flags.json(a, file, out, exploreFile)
	if err != nil {
		return err
	}
	for _, r := range file.Reports {
		if c.Quiet {
			fmt.Fprintf(w, "%s on %s: %s\n", r.Mode, r.Personality, r.Verdict)
			continue
		}
		r.Write(w, func(story string) string { return wording.Clean(story, true) })
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%d states, %d distinct images in %.1f s: %.0f states a second\n", file.States, file.Images, file.ElapsedS, file.Rate)
	fmt.Fprintf(w, "reports in %s\n", out)
	if file.Interrupted {
		fmt.Fprintln(w, "interrupted before all explorations were done: what was not explored is unknown")
	}
	m, err := flags.reports(w, foundStates{file}, out)
	if err != nil {
		return err
	}
	return exit(m)
}
