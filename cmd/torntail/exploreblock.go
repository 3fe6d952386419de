package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/explore"
	"github.com/torntail/torntail/harness/image"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
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
	started := time.Now()
	out, undo, err := flags.directory(started)
	if err != nil {
		return usage(err)
	}
	rig, v, err := openRig(c.Target, experiment.RealFS(fs))
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
	file := &explore.BlockFile{Schema: explore.BlockSchema, Torntail: version, Target: c.Target, Version: v, Kernel: kernelRelease(), Seed: c.Seed,
		Command: result.CommandLine(append([]string{"torntail"}, os.Args[1:]...)), Started: started.UTC(), Machine: thisMachine(string(plan.Block)), Reports: []*explore.BlockReport{}}
	backend := campaign.RealServer(rig, v)
	for _, x := range all {
		state := terminal.State{What: x.Mode.Name + " on " + fs.String() + ": recording"}
		progress.Update(state)
		r, err := explore.ExploreBlocks(ctx, rig, x, explore.BlockExploration{Images: c.Images, Seed: c.Seed, Workers: runtime.GOMAXPROCS(0),
			Save: func(what string, x *experiment.Experiment, o *experiment.Outcome, image *image.CrashImage) (string, error) {
				dir := filepath.Join(out, "failures", fmt.Sprintf("%s-%s", x.Mode.Name, what))
				return dir, saved.SaveCrash(dir, version, backend, x, o, image)
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
		file.Reports = append(file.Reports, r)
	}
	progress.Finish()
	file.ElapsedS, file.Interrupted = time.Since(started).Seconds(), ctx.Err() != nil
	return c.reportBlocks(a, file, out)
}

// blockExperiments are the runs to explore, one for each mode.
func (c *exploreCmd) blockExperiments() ([]*experiment.Experiment, blocklog.FS, error) {
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
	var all []*experiment.Experiment
	for _, name := range names {
		m, err := mode(name)
		if err != nil {
			return nil, fs, err
		}
		x, err := explore.BlockExperiment(m.With(more), w, fs, c.Commands, c.Seed)
		if err != nil {
			return nil, fs, err
		}
		all = append(all, x)
	}
	return all, fs, nil
}

// reportBlocks writes and prints what was found.
func (c *exploreCmd) reportBlocks(a *app, file *explore.BlockFile, out string) error {
	flags := outputFlags{JSON: c.JSON}
	w, err := flags.json(a, file, out, exploreFile)
	if err != nil {
		return err
	}
	for _, r := range file.Reports {
		r.WriteText(w, c.Quiet)
	}
	fmt.Fprintf(w, "reports in %s\n", out)
	if file.Interrupted {
		fmt.Fprintln(w, "interrupted before all was explored: what was not explored is unknown")
	}
	m, err := flags.reports(w, foundBlocks{file}, out)
	if err != nil {
		return err
	}
	return exit(m)
}
