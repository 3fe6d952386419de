package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
	"github.com/torntail/torntail/workloads"
)

// exploreBlocks explores runs of a real server on a real file system.
func (c *exploreCmd) exploreBlocks(a *app) error {
	all, fs, err := c.blockExperiments()
	if err != nil {
		return usage(err)
	}
	ctx, stop := a.interruptible()
	defer stop()
	flags := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet}
	out, undo, err := flags.directory(time.Now())
	if err != nil {
		return usage(err)
	}
	rig, v, err := openRig(c.Target, harness.RealFS(fs))
	if err != nil {
		undo()
		return err
	}
	defer rig.Close()
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		defer progress.Finish()
	}
	var reports []*harness.BlockReport
	var verdicts []result.Verdict
	backend := harness.RealServer(rig, v)
	for _, x := range all {
		state := terminal.State{What: x.Mode.Name + " on " + fs.String() + ": recording"}
		progress.Update(state)
		r, err := harness.ExploreBlocks(ctx, rig, x, harness.BlockExploration{Images: c.Images, Seed: c.Seed, Workers: runtime.GOMAXPROCS(0),
			Save: func(what string, x *harness.Experiment, o *harness.Outcome, image *harness.CrashImage) (string, error) {
				dir := filepath.Join(out, "failures", fmt.Sprintf("%s-%s", x.Mode.Name, what))
				return dir, harness.SaveCrash(dir, version, backend, x, o, image)
			},
			Progress: func(done, all int) {
				progress.Update(terminal.State{What: x.Mode.Name + " on " + fs.String() + ", images", Done: done, Total: all})
			}})
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			undo()
			return asUsage(err)
		}
		reports, verdicts = append(reports, r), append(verdicts, r.Verdict)
	}
	progress.Finish()
	return c.reportBlocks(a, v, reports, verdicts, out, ctx.Err() != nil)
}

// blockExperiments are the runs to explore, one for each mode.
func (c *exploreCmd) blockExperiments() ([]*harness.Experiment, blocklog.FS, error) {
	if _, err := backendOf(c.Target, c.Backend); err != nil {
		return nil, blocklog.FS{}, err
	}
	fs, err := blocklog.ParseFS(c.FS)
	if err != nil {
		return nil, fs, fmt.Errorf("--fs: %w", err)
	}
	switch {
	case c.Plant != "" || c.Double:
		return nil, fs, errors.New("--plant and --double do not go with --backend block")
	case c.Images < 1 || c.Commands < 1 || c.Commands > 100000:
		return nil, fs, errors.New("--images takes 1 or more, --commands 1 to 100000")
	}
	w := workloads.Default()
	w.Name, w.ValueSize = c.Workload, c.ValueSize
	if err := known("--workload", w.Name, workloadNames()); err != nil {
		return nil, fs, err
	}
	if err := w.Check(); err != nil {
		return nil, fs, err
	}
	more, err := directives(c.Directive)
	if err != nil {
		return nil, fs, err
	}
	names := c.Mode
	if len(names) == 0 {
		names = modesOnDisk()
	}
	var all []*harness.Experiment
	for _, name := range names {
		m, err := mode(name)
		if err != nil {
			return nil, fs, err
		}
		x, err := harness.BlockExperiment(m.With(more), w, fs, c.Commands, c.Seed)
		if err != nil {
			return nil, fs, err
		}
		all = append(all, x)
	}
	return all, fs, nil
}

// reportBlocks writes and prints what was found.
func (c *exploreCmd) reportBlocks(a *app, serverVersion string, reports []*harness.BlockReport, verdicts []result.Verdict, out string, interrupted bool) error {
	data, err := json.MarshalIndent(map[string]any{"schema": 1, "torntail": version, "target": c.Target, "version": serverVersion,
		"kernel": kernelRelease(), "seed": c.Seed, "explorations": reports}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "explore.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	w := a.stdout
	switch c.JSON {
	case "":
	case "-":
		w = a.stderr
		fmt.Fprintf(a.stdout, "%s\n", data)
	default:
		if err := os.WriteFile(c.JSON, append(data, '\n'), 0o644); err != nil {
			return usage(fmt.Errorf("--json: %w", err))
		}
	}
	for _, r := range reports {
		fmt.Fprintf(w, "%s on %s: %s", r.Mode, r.FS, r.Verdict)
		if r.Why != "" {
			fmt.Fprintf(w, " (%s)", r.Why)
		}
		fmt.Fprintf(w, "\n  recorded: %d acknowledged writes, %d writes of blocks, %d flushes\n", r.Acknowledged, r.Writes, r.Flushes)
		fmt.Fprintf(w, "  %d distinct crash images from %d of %d places in the disk's log in %.1f s: %.0f a second\n", r.Images, r.Tried, r.Places,
			r.ElapsedS, float64(r.Images)/max(r.ElapsedS, 0.001))
		s := r.Steps
		fmt.Fprintf(w, "  an image took %.1f ms to make, %.1f to attach, %.1f to mount with its journal, %.1f to start the server, %.1f to read it, %.1f to unmount\n",
			s.Build, s.Attach, s.Mount, s.Start, s.Read, s.Unmount)
		fmt.Fprintf(w, "  the server started by itself on %d, after its own repair on %d, not at all on %d; %d were not mounted\n",
			r.ByItself, r.Repaired, r.Refused, r.Unmountable)
		fmt.Fprintf(w, "  lost at most %d acknowledged writes, up to %.0f ms back\n", r.Lost, r.WindowMS)
		for _, name := range harness.Names(r.Findings) {
			fmt.Fprintf(w, "  known finding %s: %d images\n", name, r.Findings[name])
		}
		for _, name := range harness.Names(r.Anomalies) {
			fmt.Fprintf(w, "  %s: %d images\n", name, r.Anomalies[name])
		}
		for _, e := range r.Examples {
			fmt.Fprintf(w, "    %s: %s\n", e.What, e.Crash)
			if e.Dir != "" {
				fmt.Fprintf(w, "      torntail replay %s\n", e.Dir)
			}
			if e.Story != "" && !c.Quiet {
				fmt.Fprintf(w, "      %s\n", wording.Clean(e.Story, true))
			}
		}
	}
	fmt.Fprintf(w, "reports in %s\n", out)
	if interrupted {
		fmt.Fprintln(w, "interrupted before all was explored: what was not explored is unknown")
		verdicts = append(verdicts, result.Unknown)
	}
	return exitOf(verdicts)
}

// exitOf is the exit status of several verdicts.
func exitOf(verdicts []result.Verdict) error {
	code := result.ExitHolds
	for _, v := range verdicts {
		switch {
		case v == result.Violated:
			code = result.ExitViolated
		case v == result.Unknown && code == result.ExitHolds:
			code = result.ExitUnknown
		}
	}
	if code == result.ExitHolds {
		return nil
	}
	return status(code)
}
