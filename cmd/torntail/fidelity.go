package main

import (
	"fmt"
	"os"
	"time"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs/script"
	"github.com/torntail/torntail/harness/fidelity"
	"github.com/torntail/torntail/reports/terminal"
)

type fidelityCmd struct {
	FS           []string      `name:"fs" sep:"none" help:"File system with mount options, such as ext4,data=writeback; may be repeated. Default ext4, ext4,dioread_lock, ext4,data=writeback, ext4,data=journal, xfs and btrfs." placeholder:"FS"`
	Personality  string        `help:"Judge by this personality instead of the one of the same name." placeholder:"NAME"`
	Program      string        `help:"Run this program instead of the built-in ones: steps separated by semicolons." placeholder:"STEPS"`
	Base         string        `help:"With --program: what is durable before it begins." placeholder:"STEPS"`
	Random       int           `default:"4" help:"Random subsets at each point with too many writes in play to try all; default ${default}." placeholder:"N"`
	For          time.Duration `help:"End after this time, divided between the file systems." placeholder:"TIME"`
	Workers      int           `help:"Images side by side; 0: one for each CPU." placeholder:"N"`
	IgnoreFlush  bool          `help:"Let the disk lie about flushes: a control, which must find violations."`
	Unconfirmed  bool          `help:"Also print what the models allow and was never seen."`
	ListPrograms bool          `help:"Print the built-in programs, and run none."`
	Seed         uint64        `default:"1" help:"Seed of what is drawn."`
	Out          string        `help:"Directory for all reports; default torntail-out/TIME." placeholder:"DIR"`
	JSON         string        `name:"json" help:"Also write the JSON report here; - prints it instead of the text." placeholder:"FILE"`
	Quiet        bool          `help:"No progress."`
}

func (c *fidelityCmd) Help() string {
	return `Runs small programs on real file systems (Linux, root), takes the crash images
they could leave, and compares them with what the disk model allows. Exit status
0 when no image is outside the model, 1 when one is. Examples:
  torntail fidelity
  torntail fidelity --fs xfs --for 30s
  torntail fidelity --fs ext4 --base 'create f; write f AAAA' --program 'write f BBBB; fdatasync f'
  torntail fidelity --fs ext4,barrier=0 --personality ext4`
}

// defaultFS are the file systems that a personality claims to describe.
var defaultFS = []string{"ext4", "ext4,dioread_lock", "ext4,data=writeback", "ext4,data=journal", "xfs", "btrfs"}

func (c *fidelityCmd) Run(a *app) error {
	o, err := c.options()
	if err != nil {
		return usage(err)
	}
	if c.ListPrograms {
		for _, p := range o.Programs {
			fmt.Fprintln(a.stdout, p)
		}
		return nil
	}
	if err := blocklog.Available(); err != nil {
		return environment(fmt.Errorf("real file systems: %w", err))
	}
	for _, fs := range o.FS {
		if err := blocklog.AvailableFS(fs.Kind); err != nil {
			return environment(err)
		}
	}
	host, err := blocklog.NewHost()
	if err != nil {
		return environment(err)
	}
	defer host.Close()
	started := time.Now()
	flags := outputFlags{Out: c.Out, JSON: c.JSON}
	out, undo, err := flags.directory(started)
	if err != nil {
		return usage(err)
	}
	ctx, stop := a.interruptible()
	defer stop()
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		o.Progress = func(p fidelity.Progress) {
			progress.Update(terminal.State{What: fmt.Sprintf("%s, %d images", p.FS, p.Images), Done: p.Done, Total: p.Total, Violations: p.Violation})
		}
	}
	reports, broken := fidelity.Run(ctx, host, o)
	progress.Finish()
	if broken != nil && len(reports) == 0 {
		undo()
		return broken
	}
	file := &fidelity.File{Header: headerOf(fidelity.Schema, c.Seed, started, string(plan.Block)), Kernel: kernelRelease(), Reports: reports}
	file.ElapsedS, file.Interrupted = time.Since(started).Seconds(), ctx.Err() != nil || broken != nil
	return withFailure(c.report(a, file, out), broken)
}

// options checks the flags.
func (c *fidelityCmd) options() (*fidelity.Options, error) {
	if c.Random < 0 || c.For < 0 || c.Workers < 0 {
		return nil, fmt.Errorf("--random, --for and --workers take 0 or more")
	}
	o := &fidelity.Options{Programs: fidelity.Programs(), Epilogues: fidelity.Epilogues, Between: true, Random: c.Random, Seed: c.Seed,
		IgnoreFlush: c.IgnoreFlush, Workers: c.Workers, For: c.For}
	if c.Personality != "" {
		if err := known("--personality", c.Personality, personalityNames()); err != nil {
			return nil, err
		}
		o.Personality, _ = disk.PersonalityByName(c.Personality)
	}
	names := c.FS
	if len(names) == 0 {
		names = defaultFS
	}
	for _, name := range names {
		fs, err := blocklog.ParseFS(name)
		if err != nil {
			return nil, fmt.Errorf("--fs: %w", err)
		}
		if fs.Personality() == "" && o.Personality == nil {
			return nil, fmt.Errorf("--fs %s: no personality claims to describe it; say with --personality by which to judge", name)
		}
		o.FS = append(o.FS, fs)
	}
	if c.Program == "" {
		if c.Base != "" {
			return nil, fmt.Errorf("--base goes with --program")
		}
		return o, nil
	}
	p := fidelity.Program{Name: "the program given", Base: script.Steps(c.Base), Run: script.Steps(c.Program)}
	for _, step := range append(append([]string(nil), p.Base...), p.Run...) {
		if err := script.Check(step); err != nil {
			return nil, err
		}
	}
	o.Programs = []fidelity.Program{p}
	return o, nil
}

// report writes and prints what was found.
func (c *fidelityCmd) report(a *app, file *fidelity.File, out string) error {
	flags := outputFlags{JSON: c.JSON}
	w, err := flags.json(a, file, out, fidelityFile)
	if err != nil {
		return err
	}
	for _, r := range file.Reports {
		r.Write(w, c.Unconfirmed)
		fmt.Fprintln(w)
	}
	mounted, violations := file.Mounted()
	fmt.Fprintf(w, "%d images of %d file systems on Linux %s: ", mounted, len(file.Reports), file.Kernel)
	switch {
	case violations > 0:
		fmt.Fprintf(w, "%d outside the model\n", violations)
	case file.Interrupted || mounted == 0:
		fmt.Fprintf(w, "interrupted; none outside the model so far\n")
	default:
		fmt.Fprintf(w, "none outside the model\n")
	}
	fmt.Fprintf(w, "reports in %s\n", out)
	m, err := flags.reports(w, foundFidelity{file}, out)
	if err != nil {
		return err
	}
	return exit(m)
}
