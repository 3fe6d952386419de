package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/reports/compare"
	"github.com/torntail/torntail/reports/markdown"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
)

type compareCmd struct {
	Old       string  `arg:"" optional:"" help:"The earlier result: a report directory, or its result.json." placeholder:"OLD"`
	New       string  `arg:"" optional:"" help:"The later one." placeholder:"NEW"`
	Alpha     float64 `default:"0.01" help:"How often two equal runs may be called different; default ${default}." placeholder:"P"`
	MinEffect float64 `default:"0.1" help:"Smallest relative change that counts; default ${default}, for times and rates of real servers 2.5 times that." placeholder:"SHARE"`
	Power     int     `help:"Instead of comparing results: compare so many pairs of simulated runs with a known change, and as many times five without one, and print how many were flagged." placeholder:"N"`
	Seed      uint64  `default:"1" help:"Seed of --power."`
	JSON      string  `name:"json" help:"Also write the comparison here, as JSON." placeholder:"FILE"`
	Markdown  string  `help:"Also write it here, as Markdown." placeholder:"FILE"`
	Quiet     bool    `help:"Print no notes and no progress."`
}

func (c *compareCmd) Help() string {
	return `What got worse between two results, and how sure that is: distributions of loss windows,
lost writes, throughput and recovery are compared crash by crash, shares exactly, corrected
for their number. Exit status: 0 nothing got worse, 1 something did, 3 something that was
proved in OLD is not in NEW. Examples:

  torntail compare torntail-out/20260102-030405 torntail-out/20260103-030405
  torntail compare baseline.json torntail-out/nightly/result.json --markdown summary.md
  torntail compare --power 20`
}

func (c *compareCmd) Run(a *app) error {
	switch {
	case c.Alpha <= 0 || c.Alpha >= 1:
		return usage(fmt.Errorf("--alpha %v: want a share between 0 and 1", c.Alpha))
	case c.MinEffect <= 0:
		return usage(fmt.Errorf("--min-effect %v: want a share above 0, such as 0.1", c.MinEffect))
	case c.Power < 0:
		return usage(fmt.Errorf("--power %d: want a number of pairs, such as 20", c.Power))
	}
	o := compare.Options{Alpha: c.Alpha, MinEffect: c.MinEffect, MinEffectReal: 2.5 * c.MinEffect}
	if c.Power > 0 {
		return c.power(a, o)
	}
	if c.Old == "" || c.New == "" {
		return usage(errors.New("which results? Give OLD and NEW, each a report directory or its result.json"))
	}
	before, err := loadResult(c.Old)
	if err != nil {
		return usage(err)
	}
	after, err := loadResult(c.New)
	if err != nil {
		return usage(err)
	}
	x := compare.Reports(before, after, o)
	if c.JSON != "" {
		text, err := json.MarshalIndent(x, "", "  ")
		if err == nil {
			err = atomicfile.WriteBytes(c.JSON, append(text, '\n'))
		}
		if err != nil {
			return usage(fmt.Errorf("--json: %w", err))
		}
	}
	if c.Markdown != "" {
		f, err := os.Create(c.Markdown)
		if err != nil {
			return usage(fmt.Errorf("--markdown: %w", err))
		}
		err = markdown.WriteComparison(f, x)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	if err := terminal.WriteComparison(a.stdout, x, terminal.Options{Color: coloured(a.stdout), Quiet: c.Quiet}); err != nil {
		return err
	}
	if code := x.ExitCode(); code != result.ExitHolds {
		return status(code)
	}
	return nil
}

// power shows what the comparison finds of changes that are known.
func (c *compareCmd) power(a *app, o compare.Options) error {
	ctx, stop := a.interruptible()
	defer stop()
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
	}
	lines, err := campaign.ComparisonPower(ctx, c.Power, c.Seed, o, func(what string, done, total int) {
		progress.Update(terminal.State{What: what, Done: done, Total: total, Unit: "runs"})
	})
	progress.Finish()
	if err != nil {
		return err
	}
	for _, l := range lines {
		fmt.Fprintf(a.stdout, "%-46s flagged in %d of %d pairs of runs\n", l.What, l.Flagged, l.Pairs)
	}
	return nil
}

// loadResult reads a result.json, or that of a report directory.
func loadResult(path string) (*result.Report, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, resultFile)
	}
	return result.Load(path)
}
