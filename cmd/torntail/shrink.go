package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/shrink"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
)

type shrinkCmd struct {
	Dir    string `arg:"" help:"The directory of a saved failure, as printed in a report." placeholder:"DIR"`
	Out    string `help:"Directory for the small one; default DIR/shrunk." placeholder:"DIR"`
	GoTest string `help:"Also write it as a Go test that fails as long as the anomaly is shown." placeholder:"FILE_test.go"`
	Tries  int    `default:"20000" help:"Experiments at most; default ${default}."`
	Quiet  bool   `help:"No progress."`
}

func (c *shrinkCmd) Help() string {
	return `Fewer faults, operations, clients and keys, and simpler choices of when a fault strikes and
what survives, while the same anomaly remains. In simulation only. Examples:

  torntail shrink torntail-out/20260102-030405/failures/always-power-17
  torntail shrink DIR --go-test lost_write_test.go`
}

func (c *shrinkCmd) Run(a *app) error {
	saved, err := saved.Load(c.Dir)
	if err != nil {
		return usage(err)
	}
	if err := saved.Trust(nil); err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	if _, err := saved.Experiment(nil); err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	if c.Tries < 1 {
		return usage(fmt.Errorf("--tries %d: want 1 or more", c.Tries))
	}
	into := c.Out
	if into == "" {
		into = filepath.Join(c.Dir, shrink.DirName)
	}
	o := shrink.Options{Tries: c.Tries}
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		o.Progress = func(tries int, size shrink.Size) {
			progress.Update(terminal.State{What: size.String(), Done: tries, Total: c.Tries})
		}
	}
	r, err := shrink.Saved(c.Dir, into, version, o)
	progress.Finish()
	var real *shrink.ErrReal
	switch {
	case errors.Is(err, shrink.ErrGone):
		fmt.Fprintf(a.stdout, "%v (torntail replay %s says more)\n", err, c.Dir)
		return status(result.ExitUnknown)
	case errors.As(err, &real):
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	case err != nil:
		return asUsage(err)
	}
	fmt.Fprintln(a.stdout, r.Describe(shrink.Of(saved)))
	if len(r.Stories) > 0 {
		fmt.Fprintf(a.stdout, "%s\n\n", wording.Clean(r.Stories[0].Story, true))
	}
	if c.GoTest != "" {
		if err := c.writeGoTest(r, shrink.Of(saved)); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stdout, "See it again: torntail replay %s\n", into)
	return nil
}

func (c *shrinkCmd) writeGoTest(r *shrink.Result, want string) error {
	text, err := shrink.GoTest(r.Experiment, want, "durability")
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(c.GoTest, text); err != nil {
		return usage(fmt.Errorf("--go-test: %w", err))
	}
	return nil
}
