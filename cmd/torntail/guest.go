package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/guest"
	"github.com/torntail/torntail/reports/result"
)

// guestSpan is how long clients write to a server that somebody else runs, if nobody says.
const guestSpan = 2 * time.Second

// notOwned is why no crash strikes a server that runs already.
const notOwned = "torntail does not own the server: it cannot strike it, see its disk or bring it back; give its path, its name or a target.yaml"

// visit runs what is possible on a server that somebody else runs.
func (c *runCmd) visit(a *app) error {
	w, err := c.spec()
	if err != nil {
		return usage(err)
	}
	for flag, given := range map[string]bool{"--mode": len(c.Mode) > 0, "--conf": c.Conf != "", "--directive": len(c.Directive) > 0, "--plan": c.Plan != "", "--plant": c.Plant != "",
		"--contract": c.Contract != "", "--until": c.Until != "", "--then": len(c.Then) > 0, "--backend": c.Backend != "", "--disk": c.Disk != faultDisk,
		"--runs": c.Runs != 0, "--for": c.For != 0, "--beside": c.Beside} { // any order: one is enough
		if given {
			return usage(fmt.Errorf("%s: not with --target %s, a server that runs already, as it is", flag, c.Target))
		}
	}
	addr, err := guest.Resolve(c.Target)
	if err != nil {
		return usage(err)
	}
	if !c.Disposable {
		return usage(fmt.Errorf("target %s: clients write to a server that runs already, and delete what they wrote: say --disposable if nobody minds", c.Target))
	}
	crashes, err := crashKinds(c.Crash, experiment.DefaultCrashes)
	if err != nil {
		return usage(err)
	}
	span := c.Span
	if span == 0 {
		span = guestSpan
	}
	ctx, stop := a.interruptible()
	defer stop()
	started := time.Now()
	out, undo, err := c.directory(started)
	if err != nil {
		return usage(err)
	}
	results, err := guest.Visit(ctx, guest.Options{Addr: addr, Workload: w, Seed: c.Seed, Span: span})
	if results == nil {
		undo()
		var unfit *guest.UnfitError
		if errors.As(err, &unfit) {
			return usage(err)
		}
		return environment(fmt.Errorf("target %s: %w", c.Target, err))
	}
	for _, k := range crashes {
		r := results[0]
		results = append(results, result.Result{Target: r.Target, Version: r.Version, Backend: r.Backend, Mode: r.Mode, Directives: r.Directives, Crash: k.Name,
			Workload: r.Workload, SpanMS: r.SpanMS, Verdict: result.NotApplicable, Why: notOwned})
	}
	reported := c.report(a, &result.Report{
		Schema: result.Schema, Torntail: version, Command: result.CommandLine(append([]string{"torntail"}, os.Args[1:]...)),
		Seed: c.Seed, Started: started.UTC(), ElapsedS: time.Since(started).Seconds(), Machine: thisMachine("running"), Results: results,
	}, out)
	if err != nil && !errors.Is(err, context.Canceled) {
		err = environment(fmt.Errorf("target %s: %w", c.Target, err))
	}
	return withFailure(reported, err)
}
