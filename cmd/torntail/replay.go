package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/reports/result"
)

type replayCmd struct {
	Dir       string   `arg:"" help:"A saved failure, as printed in a report." type:"existingdir"`
	Directive []string `help:"Override a directive, NAME=VALUE, to try a remedy." placeholder:"N=V" sep:"none"`
	Trace     string   `help:"Write every event of the simulated world here." placeholder:"FILE"`
}

func (c *replayCmd) Help() string {
	return `Examples:
  torntail replay torntail-out/20260102-030405/failures/everysec-power-17
  torntail replay DIR --directive appendfsync=always`
}

func (c *replayCmd) Run(a *app) error {
	saved, err := harness.LoadSaved(c.Dir)
	if err != nil {
		return usage(err)
	}
	override, err := parseDirectives(c.Directive)
	if err != nil {
		return usage(err)
	}
	x, err := saved.Experiment(override)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", c.Dir, err))
	}
	backend, done, err := openTarget(saved.Target, saved.Backend)
	if err != nil {
		return err
	}
	defer done()
	o, err := c.runOnce(a.ctx, x, saved, backend)
	if err != nil {
		return err
	}
	return verdict(a, saved, o, len(override) > 0)
}

func (c *replayCmd) runOnce(ctx context.Context, x *harness.Experiment, saved *harness.Saved, b harness.Backend) (*harness.Outcome, error) {
	if saved.Backend != "sim" {
		if c.Trace != "" {
			return nil, usage(fmt.Errorf("--trace: only the simulated world has a trace"))
		}
		return b.RunOnce(ctx, x)
	}
	s := harness.NewSimulator()
	defer s.Close()
	if c.Trace == "" {
		return s.Run(x, nil)
	}
	f, err := os.Create(filepath.Clean(c.Trace))
	if err != nil {
		return nil, usage(fmt.Errorf("--trace: %w", err))
	}
	o, err := s.Run(x, f)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = cerr
	}
	return o, err
}

// verdict prints what came of the replay and how it compares.
func verdict(a *app, saved *harness.Saved, o *harness.Outcome, changed bool) error {
	want, got := saved.Anomaly, ""
	if want == "" {
		want = saved.Finding
	}
	for _, anomaly := range o.Anomalies {
		if got == "" || anomaly.Name == want {
			got = anomaly.Name
			fmt.Fprintf(a.stdout, "%s\n%s\n\n", anomaly.Name, anomaly.Story)
		}
		if got == want {
			break
		}
	}
	for _, f := range o.Findings {
		if f == want {
			got = f
			fmt.Fprintf(a.stdout, "finding %s: %s\n", f, result.LookupFinding(f).Title)
		}
	}
	if o.Trace != 0 {
		fmt.Fprintf(a.stdout, "trace %s", strconv.FormatUint(o.Trace, 16))
		switch {
		case changed:
			fmt.Fprintln(a.stdout, " (directives were changed, so it is another run)")
		case saved.Trace == strconv.FormatUint(o.Trace, 16):
			fmt.Fprintln(a.stdout, ", the same as on file")
		default:
			fmt.Fprintf(a.stdout, ", but %s is on file (made by torntail %s, this is %s)\n", saved.Trace, saved.Torntail, version)
			return status(result.ExitUnknown)
		}
	}
	switch {
	case got == want && want != "":
		fmt.Fprintf(a.stdout, "%s: the same as on file\n", want)
		return status(result.ExitViolated)
	case o.Verdict == result.Unknown:
		fmt.Fprintf(a.stdout, "unknown: %s\n", o.Why)
		return status(result.ExitUnknown)
	case got != "":
		fmt.Fprintf(a.stdout, "%s, where %s was on file\n", got, want)
		return status(result.ExitUnknown)
	}
	fmt.Fprintf(a.stdout, "%s is gone: %s\n", want, o.Verdict)
	return nil
}
