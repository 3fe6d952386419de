package main

import (
	"fmt"

	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/reports/result"
)

type selftestCmd struct {
	Seed  uint64 `default:"1" help:"Seed of everything that is drawn."`
	Clean int    `default:"2000" help:"Experiments with the clean engine, which must raise no alarm." placeholder:"N"`
}

func (c *selftestCmd) Help() string {
	return `Turns each planted fault on (torntail list plants), one at a time, and looks for
it; then runs the clean engine, which must stay silent. Exit status 0 only if
every fault was found and no alarm was raised, else 1. Example:
  torntail selftest`
}

func (c *selftestCmd) Run(a *app) error {
	if c.Clean < 1 {
		return usage(fmt.Errorf("--clean %d: want 1 or more", c.Clean))
	}
	fmt.Fprintf(a.stdout, "%-26s %-9s %-21s %5s  %s\n", "planted fault", "where", "reported as", "tries", "by, in mode and crash")
	ctx, stop := a.interruptible()
	defer stop()
	found, all := 0, 0
	runs, alarm, err := harness.Selftest(ctx, c.Seed, c.Clean, func(l harness.SelftestLine) {
		all++
		what := "NOT FOUND"
		if l.Found {
			found++
			what = l.Anomaly
		}
		fmt.Fprintf(a.stdout, "%-26s %-9s %-21s %5d  %s; %s, %s\n", l.Plant.Name, l.Plant.Where, what, l.Tries, l.By, l.Mode, l.Crash)
	})
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(a.stdout, "interrupted")
			return status(result.ExitUnknown)
		}
		return err
	}
	fmt.Fprintf(a.stdout, "%d of %d planted faults found\n", found, all)
	if alarm != "" {
		fmt.Fprintf(a.stdout, "the clean engine raised an alarm: %s\n", alarm)
	} else {
		fmt.Fprintf(a.stdout, "the clean engine raised no alarm in %d experiments\n", runs)
	}
	if found != all || alarm != "" {
		return status(result.ExitViolated)
	}
	return nil
}
