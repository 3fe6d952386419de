package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

type replayCmd struct {
	Dir       string   `arg:"" help:"The directory of a saved failure, as printed in a report." placeholder:"DIR"`
	Directive []string `help:"Override a directive, NAME=VALUE, to try a remedy." placeholder:"N=V" sep:"none"`
	Target    string   `help:"The server to run, where it was a path: a saved failure starts no program that it names." placeholder:"TARGET"`
	Then      []string `help:"With --target: the versions that start after it." placeholder:"TARGETS"`
	Trace     string   `help:"Write every event of the simulated world here." placeholder:"FILE"`
}

func (c *replayCmd) Help() string {
	return `In simulation the failure is run again exactly, and the hash of its trace says so; with a
real server its plan is run again, or, of an exploration, the server is started once more on the
saved crash image. Examples:

  torntail replay torntail-out/20260102-030405/failures/everysec-power-17
  torntail replay DIR --directive appendfsync=always`
}

func (c *replayCmd) Run(a *app) error {
	if splitbrain.Is(c.Dir) {
		return c.splitbrain(a)
	}
	saved, err := saved.Load(c.Dir)
	if err != nil {
		return usage(err)
	}
	if saved.Target, err = c.target(saved.Target); err != nil {
		return usage(err)
	}
	store, err := target.StoreByName(saved.Store)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	override, err := directives(store, c.Directive)
	if err != nil {
		return usage(err)
	}
	changed := slices.ContainsFunc(override, func(d product.Directive) bool { return !slices.Contains(saved.Directives, d) })
	if err := saved.Trust(override); err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	x, err := saved.Experiment(override)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	if _, err := backendOf(saved.Target, backendFlag(saved.Backend)); err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	o, err := c.runOnce(a, x, saved)
	if err != nil {
		return err
	}
	return asOnFile(a, saved, o, changed)
}

// target is what is run: what the file names, if it may be named there, or --target.
func (c *replayCmd) target(saved string) (string, error) {
	if c.Target != "" {
		c.Target = result.Then(append([]string{c.Target}, c.Then...)...)
	}
	switch was, is := len(result.Versions(saved)), len(result.Versions(c.Target)); {
	case len(c.Then) > 0 && c.Target == "":
		return "", errors.New("--then goes with --target")
	case c.Target != "" && was != is:
		return "", fmt.Errorf("--target %s: %s was run on %d versions (%s), and not %d", c.Target, c.Dir, was, saved, is)
	case (saved == "engine") != (c.Target == "engine") && c.Target != "":
		return "", fmt.Errorf("--target %s: %s was run on %s", c.Target, c.Dir, saved)
	case c.Target != "":
		return c.Target, nil
	case !result.Named(saved):
		return "", fmt.Errorf("%s was run on %s: a saved failure starts no program that it names; say which with --target", c.Dir, saved)
	}
	return saved, nil
}

func (c *replayCmd) runOnce(a *app, x *experiment.Experiment, saved *saved.Saved) (*experiment.Outcome, error) {
	if saved.Backend == string(plan.Sim) && saved.HasImage() {
		if c.Trace != "" {
			return nil, usage(errors.New("--trace: the server is started on the saved image, and there is no run to trace"))
		}
		return saved.Start(context.Background(), nil, x)
	}
	if saved.Backend != "sim" {
		if c.Trace != "" {
			return nil, usage(errors.New("--trace: only the simulated world has a trace"))
		}
		return runReal(a, x, saved)
	}
	s := experiment.NewSimulator()
	defer s.Close()
	if c.Trace == "" {
		o, err := s.Run(x, nil)
		return o, asUsage(err)
	}
	f, err := os.Create(filepath.Clean(c.Trace))
	if err != nil {
		return nil, usage(fmt.Errorf("--trace: %w", err))
	}
	o, err := s.Run(x, f)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return o, asUsage(err)
}

// diskOf is what --disk was for a backend, and backendFlag what --backend was.
func diskOf(saved *saved.Saved) string {
	if saved.Backend == string(plan.Block) {
		return saved.Personality
	}
	if k := machine.KindOf(plan.Backend(saved.Backend)); k != nil {
		return k.Word
	}
	return ""
}

func backendFlag(backend string) string {
	if k := machine.KindOf(plan.Backend(backend)); k != nil && k.Word != "" {
		return string(plan.Process)
	}
	return backend
}

// runReal runs the plan with a real server once more.
func runReal(a *app, x *experiment.Experiment, saved *saved.Saved) (*experiment.Outcome, error) {
	if saved.HasImage() {
		return startReal(a, x, saved)
	}
	b, done, err := openTarget(saved.Target, diskOf(saved))
	if err != nil {
		return nil, err
	}
	defer done()
	ctx, stop := a.interruptible()
	defer stop()
	o, err := b.RunOnce(ctx, x)
	if err != nil && ctx.Err() != nil {
		return &experiment.Outcome{Verdict: result.Unknown, Why: "interrupted"}, nil
	}
	return o, asUsage(err)
}

// startReal starts a real server once more on a saved crash image.
func startReal(a *app, x *experiment.Experiment, saved *saved.Saved) (*experiment.Outcome, error) {
	rig, _, err := openRig(saved.Target, "")
	if err != nil {
		return nil, err
	}
	defer rig.Close()
	ctx, stop := a.interruptible()
	defer stop()
	o, err := saved.Start(ctx, rig, x)
	if err != nil && ctx.Err() != nil {
		return &experiment.Outcome{Verdict: result.Unknown, Why: "interrupted"}, nil
	}
	return o, err
}

// asOnFile prints what came of the replay and how it compares with what is on file.
func asOnFile(a *app, saved *saved.Saved, o *experiment.Outcome, changed bool) error {
	want := saved.Anomaly
	if saved.Verdict != result.Violated && saved.Finding != "" {
		want = saved.Finding // what excused the anomaly
	}
	got := show(a, o, want)
	trace := strconv.FormatUint(o.Trace, 16)
	switch {
	case o.Trace == 0:
	case changed:
		fmt.Fprintf(a.stdout, "trace %s (directives were changed, so it is another run)\n", trace)
	case trace == saved.Trace:
		fmt.Fprintf(a.stdout, "trace %s, the same as on file\n", trace)
	default:
		fmt.Fprintf(a.stdout, "trace %s, but %s is on file (made by torntail %s, this is %s)\n", trace, saved.Trace, saved.Torntail, version)
		return status(result.ExitUnknown)
	}
	switch {
	case got == want && want != "":
		fmt.Fprintf(a.stdout, "%s: the same as on file\n", want)
		return status(result.ExitViolated)
	case o.Verdict == result.Unknown:
		return a.verdict(o.Verdict, o.Why)
	case got != "":
		fmt.Fprintf(a.stdout, "%s, where %s is on file\n", got, want)
		if changed {
			return status(result.ExitViolated)
		}
		return status(result.ExitUnknown)
	}
	fmt.Fprintf(a.stdout, "%s is gone: %s\n", want, o.Verdict)
	if saved.Backend != "sim" && !saved.HasImage() {
		fmt.Fprintln(a.stdout, "a real server keeps its own time, so a replay repeats the plan and not the run: try it a few times")
	}
	return nil
}

// show prints what the replay found, want alone if that is among it, and
// returns its name; "" when there is nothing.
func show(a *app, o *experiment.Outcome, want string) string {
	for _, f := range o.Findings {
		if f == want {
			fmt.Fprintf(a.stdout, "finding %s: %s\n", f, finding.Title(target.Findings(), f))
			return f
		}
	}
	if len(o.Anomalies) == 0 || o.Excused {
		return ""
	}
	shown := o.Anomalies[0]
	for _, x := range o.Anomalies {
		if x.Name == want {
			shown = x
			break
		}
	}
	fmt.Fprintf(a.stdout, "%s\n%s\n\n", shown.Name, wording.Clean(shown.Story, true))
	return shown.Name
}
