package main

import (
	"fmt"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/explore"
	"github.com/torntail/torntail/reports/result"
)

type selftestCmd struct {
	Seed    uint64 `default:"1" help:"Seed of everything that is drawn."`
	Explore bool   `help:"Instead, look for bugs of order and of missing syncs by exploring, and beside that by sampled power cuts."`
	Tries   int    `default:"1000" help:"With --explore: sampled power cuts for each bug; default ${default}." placeholder:"N"`
	Rounds  int    `default:"1" help:"How often to look for each fault, each time with other experiments; more than 1 shows the median of the tries, and the most; default ${default}." placeholder:"N"`
	Clean   int    `default:"2000" help:"Experiments with the clean engine, which must raise no alarm." placeholder:"N"`
}

func (c *selftestCmd) Help() string {
	return `Turns each planted fault on (torntail list plants), one at a time, and looks for
it; then runs the clean engine, which must stay silent. Exit status 0 only if
every fault was found and no alarm was raised, else 1. Examples:
  torntail selftest
  torntail selftest --explore`
}

func (c *selftestCmd) Run(a *app) error {
	if c.Clean < 1 {
		return usage(fmt.Errorf("--clean %d: want 1 or more", c.Clean))
	}
	if c.Rounds < 1 {
		return usage(fmt.Errorf("--rounds %d: want 1 or more", c.Rounds))
	}
	if c.Explore {
		return c.explore(a)
	}
	tries := "tries"
	if c.Rounds > 1 {
		tries = "median, most"
	}
	const line = "%-29s %-15s %-18s %12s  %s\n"
	fmt.Fprintf(a.stdout, line, "planted fault", "where", "reported as", tries, "by, in mode and crash")
	ctx, stop := a.interruptible()
	defer stop()
	found, all := 0, 0
	runs, alarm, err := campaign.Selftest(ctx, c.Seed, c.Rounds, c.Clean, func(l campaign.SelftestLine) {
		all++
		what := "NOT FOUND"
		if l.Found {
			found++
			what = l.Anomaly
		}
		tries := fmt.Sprint(l.Tries)
		if c.Rounds > 1 {
			tries = fmt.Sprintf("%d, %d", l.Tries, l.Most)
		}
		fmt.Fprintf(a.stdout, line, l.Plant.Name, l.Plant.Where, what, tries, fmt.Sprintf("%s; %s, %s", l.By, l.Mode, l.Crash))
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

// explore looks for planted bugs by exploring and by sampling.
func (c *selftestCmd) explore(a *app) error {
	if c.Tries < 1 {
		return usage(fmt.Errorf("--tries %d: want 1 or more", c.Tries))
	}
	ctx, stop := a.interruptible()
	defer stop()
	fmt.Fprintf(a.stdout, "%-26s %-16s %-26s %s\n", "planted bug", "mode, disk", "explored: violating states", "sampled power cuts that find it")
	found, sampled := 0, 0
	err := explore.Selftest(ctx, c.Seed, c.Tries, func(f explore.Found) {
		cause := f.Cause
		if cause == "" {
			cause = "CAUSE NOT NAMED"
		} else {
			found++
		}
		explored := fmt.Sprintf("%d of %d", f.Violating, f.States)
		if f.Starts > 0 {
			explored = fmt.Sprintf("%d second starts fail", f.Starts)
		}
		hits := fmt.Sprintf("none of %d", f.Tries)
		if f.Sampled > 0 {
			sampled++
			hits = fmt.Sprintf("%d of %d, the first at try %d", f.Sampled, f.Tries, f.First)
		}
		fmt.Fprintf(a.stdout, "%-26s %-16s %-26s %s\n    %s\n", f.Plant, f.Mode+", "+f.Personality, explored, hits, cause)
	})
	if err != nil {
		if ctx.Err() != nil {
			fmt.Fprintln(a.stdout, "interrupted")
			return status(result.ExitUnknown)
		}
		return err
	}
	all := len(explore.PlantedBugs)
	fmt.Fprintf(a.stdout, "%d of %d found by exploring and their cause named right; %d found by %d sampled power cuts each\n", found, all, sampled, c.Tries)
	if found != all {
		return status(result.ExitViolated)
	}
	return nil
}
