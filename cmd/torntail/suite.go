package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/harness/suite"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/reports/compare"
	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/markdown"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
)

// suiteOutput is what suite and merge share: where results go and what they are
// compared with.
type suiteOutput struct {
	Baseline        string   `help:"Result to compare with; default: what the file says." placeholder:"FILE" group:"Results"`
	UpdateBaseline  bool     `help:"Make the result the new baseline." group:"Results"`
	RequireBaseline bool     `help:"Without a baseline the result is not as expected; default: what the file says." group:"Results"`
	Unknown         string   `enum:",fail,warn" default:"" help:"Whether an unknown verdict fails (exit status 3) or only warns; default: what the file says." placeholder:"fail|warn" group:"Results"`
	OnFail          string   `help:"Shell command that is run when the exit status is not 0: TORNTAIL_STATUS, TORNTAIL_ANSWER and TORNTAIL_OUT tell it why and where." placeholder:"COMMAND" group:"Results"`
	KeepNights      int      `help:"Delete the directories of earlier runs of the suite beside that of --out, but for so many with this one; 0: none is deleted." placeholder:"N" group:"Results"`
	Out             string   `help:"Directory for results and the record; default torntail-out/TIME. A directory with the record of this run is taken up where it was left." placeholder:"DIR" group:"Results"`
	JSON            string   `name:"json" help:"Also write the JSON report here; - prints it instead of the table." placeholder:"FILE" group:"Results"`
	JUnit           []string `name:"junit" enum:"jenkins,surefire,unknown-skipped" help:"How junit.xml is written: surefire in the form of Maven Surefire instead of Jenkins and Ant, unknown-skipped with unknown verdicts as skipped instead of errors." placeholder:"WORDS" group:"Results"`
	Quiet           bool     `help:"Print only the summary, and no progress." group:"Results"`
}

type suiteCmd struct {
	File        string        `arg:"" help:"The suite: a YAML file." placeholder:"FILE"`
	Seed        string        `help:"A number, date or random, instead of the file's." placeholder:"SEED" group:"What is run"`
	For         time.Duration `help:"Time for all cells together, instead of the file's budget." placeholder:"TIME" group:"What is run"`
	Runs        int           `help:"Crashes for each cell, instead of the file's budget." placeholder:"N" group:"What is run"`
	Shard       string        `help:"Run one part of several, K/N; torntail merge puts them together." placeholder:"K/N" group:"What is run"`
	Disk        string        `default:"auto" enum:"auto,${disks}" help:"auto: the fault disk where there is FUSE, else the host's own; default ${default}." placeholder:"auto|${disks_hint}" group:"What is run"`
	Workers     int           `help:"Experiments side by side; 0: what suits the target." placeholder:"N" group:"What is run"`
	List        bool          `help:"List the cells and what is expected of them, and run nothing." group:"What is run"`
	Keep        int           `name:"keep-failures" default:"-1" help:"Failures to save, for each cell; default: what the file says." placeholder:"N" group:"Results"`
	suiteOutput `group:"Results"`
}

func (c *suiteCmd) Help() string {
	return `Exit status 0 when every cell came as expected, 1 when one did not or got worse than the
baseline, 3 when nothing is proved about one. Examples:

  torntail suite suites/smoke.yaml
  torntail suite suites/nightly.yaml --for 30m --seed date --out nightly
  torntail suite suites/nightly.yaml --runs 20 --shard 3/8 --out shard-3`
}

func (c *suiteCmd) Run(a *app) error {
	f, err := suite.Load(c.File)
	if err != nil {
		return usage(err)
	}
	if err := c.override(f); err != nil {
		return usage(err)
	}
	if c.List {
		for _, cell := range f.Cells {
			wideRow(a, cell.Name, cell.Expect.String())
		}
		return nil
	}
	o := suite.Options{Workers: c.Workers, Torntail: version, Command: commandLine(), Machine: thisMachine("")}
	if o.Shard, err = c.shard(); err != nil {
		return usage(err)
	}
	started := time.Now()
	out := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet}
	dir, undo, err := out.directory(started)
	if err != nil {
		return usage(err)
	}
	o.Dir = dir
	o.Seed = f.Seed.Of(started, randomSeed)
	if have, ok := suite.SeedOf(dir); ok && f.Seed.Kind != "fixed" && c.Seed == "" {
		o.Seed = have // a run that goes on keeps its seed
	}
	if f.Seed.Kind != "fixed" {
		fmt.Fprintf(a.stderr, "seed %d (%s); the same again: --seed %d\n", o.Seed, f.Seed.Kind, o.Seed)
	}
	targets := &openTargets{disk: c.Disk}
	defer targets.close()
	o.Open = targets.open
	o.OpenCluster = func(target string) (splitbrain.Backend, error) {
		b, done, err := splitbrainBackend(target, "")
		if err != nil {
			return b, &suite.Lacking{Why: err.Error()}
		}
		targets.done = append(targets.done, done)
		return b, nil
	}
	ctx, stop := a.interruptible()
	defer stop()
	var progress *terminal.Progress
	if !c.Quiet {
		progress = terminal.NewProgress(os.Stderr)
		o.Progress = func(p suite.Progress) {
			progress.Update(terminal.State{What: fmt.Sprintf("%d/%d %s", p.Cells+1, p.Of, p.Cell), Done: p.Crashes, Total: 0, For: f.For,
				Violations: p.Violations, Unknown: p.Unknown, Of: "cell"})
		}
	}
	rec, broken := f.Run(ctx, o)
	progress.Finish()
	if rec == nil {
		undo()
		if errors.Is(broken, suite.ErrOther) || errors.Is(broken, inside.ErrNotFollowed) {
			return usage(broken)
		}
		return asUsage(broken)
	}
	if rec.Resumed > 0 {
		fmt.Fprintf(a.stderr, "%d of the cells had been done before\n", rec.Resumed)
	}
	if c.Baseline == "" {
		c.Baseline = f.Baseline
	}
	c.RequireBaseline = c.RequireBaseline || f.RequireBaseline && c.Baseline == f.Baseline
	if c.Unknown == "" {
		c.Unknown = f.Unknown
	}
	rep := rec.Report()
	return c.failed(a, rep, dir, withFailure(c.finish(a, rep, dir, rec.Head.Suite), lostOutside(broken, rep.Results)))
}

// override puts flags in the place of what the file says.
func (c *suiteCmd) override(f *suite.File) (err error) {
	switch {
	case c.For < 0 || c.Runs < 0 || c.Workers < 0 || c.Keep < -1:
		return errors.New("--for, --runs, --workers and --keep-failures take 0 or more")
	case c.For > 0 && c.Runs > 0:
		return errors.New("--for or --runs, not both")
	case c.For > 0:
		f.For, f.Runs = c.For, 0
	case c.Runs > 0:
		f.For, f.Runs = 0, c.Runs
	}
	if c.Keep >= 0 {
		f.Keep = c.Keep
	}
	if c.Seed != "" {
		if f.Seed, err = suite.ParseSeed(c.Seed); err != nil {
			return fmt.Errorf("--seed: %w", err)
		}
	}
	for _, target := range f.Targets() {
		if _, err := backendOf(target, ""); err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
	}
	return nil
}

func (c *suiteCmd) shard() (s suite.Shard, err error) {
	if c.Shard == "" {
		return s, nil
	}
	if s, err = suite.ParseShard(c.Shard); err != nil {
		return s, fmt.Errorf("--shard: %w", err)
	}
	return s, nil
}

func randomSeed() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint64(b[:])
}

func commandLine() string {
	return result.CommandLine(append([]string{"torntail"}, os.Args[1:]...))
}

// finish compares with the baseline, writes all reports, prints the answer and what it rests
// on, and turns it into the exit status.
func (c *suiteOutput) finish(a *app, r *result.Report, dir, name string) error {
	err := c.reported(a, r, dir, name)
	if c.KeepNights > 0 {
		gone, broken := suite.Prune(dir, name, c.KeepNights)
		for _, d := range gone {
			fmt.Fprintln(a.stderr, "deleted", d)
		}
		if broken != nil {
			fmt.Fprintln(a.stderr, "torntail:", oneLine(broken))
		}
	}
	return err
}

// failed runs the command of --on-fail when a run has ended otherwise than with 0. What
// becomes of it changes nothing.
func (c *suiteOutput) failed(a *app, r *result.Report, dir string, err error) error {
	if c.OnFail == "" || err == nil {
		return err
	}
	code := result.ExitInternal
	var s status
	var f *failure
	switch {
	case errors.As(err, &s):
		code = int(s)
	case errors.As(err, &f):
		code = f.status
	}
	answer := oneLine(err)
	if s != 0 {
		answer = losses.Report(r, finding.Catalogue(target.Findings())).Head()
	}
	told := exec.Command("sh", "-c", c.OnFail)
	told.Env = append(os.Environ(), fmt.Sprintf("TORNTAIL_STATUS=%d", code), "TORNTAIL_ANSWER="+answer, "TORNTAIL_OUT="+dir)
	told.Stdout, told.Stderr = a.stderr, a.stderr
	if broken := told.Run(); broken != nil {
		fmt.Fprintln(a.stderr, "torntail: --on-fail:", oneLine(broken))
	}
	return err
}

func (c *suiteOutput) reported(a *app, r *result.Report, dir, name string) error {
	r.Suite = &result.Suite{Name: name}
	k, err := c.compare(r)
	if err != nil {
		return err
	}
	out := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet, Unknown: c.Unknown, JUnit: c.JUnit}
	err = out.report(a, r, dir)
	var s status
	if err != nil && !errors.As(err, &s) {
		return err
	}
	text := a.asked(c.JSON)
	if ofServers(r) {
		path := filepath.Join(dir, serversFile)
		if err := atomicfile.Write(path, func(w io.Writer) error { return markdown.WriteServers(w, r, finding.Catalogue(target.Findings())) }); err != nil {
			return err
		}
		fmt.Fprintf(text, "By server and version: %s\n", path)
	}
	if k != nil && len(k.Changes) > 0 {
		fmt.Fprintf(text, "\nCompared with the baseline %s:\n", c.Baseline)
		if err := terminal.WriteComparison(text, k, terminal.Options{Color: coloured(text), Quiet: c.Quiet, Width: widthOf(text)}); err != nil {
			return err
		}
	}
	if c.UpdateBaseline { // last, so that what is kept is what was reported
		if err := makeBaseline(c.Baseline, r); err != nil {
			return err
		}
	}
	return err
}

func makeBaseline(path string, r *result.Report) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return usage(fmt.Errorf("--update-baseline: %w", err))
	}
	without := *r
	without.Suite = nil // what it was compared with is nothing to compare with
	if err := without.Save(path); err != nil {
		return usage(fmt.Errorf("--update-baseline: %w", err))
	}
	return nil
}

// serversFile is the table of a suite of several servers.
const serversFile = "servers.md"

// ofServers reports whether results are of several servers beside the engine.
func ofServers(r *result.Report) bool {
	first := ""
	for i := range r.Results {
		switch t := r.Results[i].Target; {
		case t == "engine", t == first:
		case first != "":
			return true
		default:
			first = t
		}
	}
	return false
}

// compare holds the result against the baseline and puts what came of it into the report; nil
// when there is none.
func (c *suiteOutput) compare(r *result.Report) (*compare.Comparison, error) {
	if c.Baseline == "" {
		if c.UpdateBaseline {
			return nil, usage(errors.New("--update-baseline: which? Give --baseline FILE, or baseline: in the suite"))
		}
		if c.RequireBaseline {
			return nil, usage(errors.New("--require-baseline: which? Give --baseline FILE, or baseline: in the suite"))
		}
		return nil, nil
	}
	b := &result.Baseline{File: c.Baseline, Required: c.RequireBaseline}
	r.Suite.Baseline = b
	if c.UpdateBaseline {
		b.Made = true
		return nil, nil
	}
	before, err := result.Load(c.Baseline)
	if errors.Is(err, os.ErrNotExist) {
		b.Missing = true
		return nil, nil
	}
	if err != nil {
		return nil, usage(fmt.Errorf("baseline: %w", err))
	}
	k := compare.Reports(before, r, compare.Options{})
	b.Summary = k.Summary()
	for i := range k.Changes {
		switch x := &k.Changes[i]; x.Direction {
		case compare.Worse:
			b.Worse = append(b.Worse, x.Cell+": "+x.String())
		case compare.Unproved:
			b.Unproved = append(b.Unproved, x.Cell+": "+x.String())
		}
	}
	return k, nil
}

// openTargets are the backends of a suite, each opened once.
type openTargets struct {
	disk   string     // what --disk asks for
	mu     sync.Mutex // of opened
	opened map[string]opened
	mounts *bool    // something can be mounted; nil: not tried
	done   []func() // release the backends of clusters
}

type opened struct {
	backend campaign.Backend
	done    func()
	err     error
}

// open prepares a backend; without FUSE, and unless the fault disk is asked for,
// on the host's own disk.
func (t *openTargets) open(target, disk string) (campaign.Backend, error) {
	if t.disk != "auto" {
		disk = t.disk
	}
	if disk == "auto" {
		if disk = "fuse"; target != "engine" && t.noFaultDisk() {
			disk = onHost
		}
	}
	key := target + "\x00" + disk
	t.mu.Lock()
	defer t.mu.Unlock()
	o, ok := t.opened[key]
	if !ok {
		o.backend, o.done, o.err = openTarget(target, disk)
		if t.opened == nil {
			t.opened = map[string]opened{}
		}
		t.opened[key] = o
	}
	if o.err != nil {
		return o.backend, &suite.Lacking{Why: o.err.Error()}
	}
	return o.backend, nil
}

// noFaultDisk reports whether nothing can be mounted: /dev/fuse may be there, and mounting be
// forbidden, as in most containers that are given it.
func (t *openTargets) noFaultDisk() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mounts == nil {
		mounts := false
		if fusefs.Available() == nil {
			if m, err := fusefs.Serve("", fusefs.Options{}); err == nil {
				mounts = m.Close() == nil
			}
		}
		t.mounts = &mounts
	}
	return !*t.mounts
}

func (t *openTargets) close() {
	for _, done := range t.done {
		done()
	}
	for _, o := range t.opened { // any order: they know nothing of each other
		if o.err == nil {
			o.done()
		}
	}
}

type mergeCmd struct {
	Dirs        []string `arg:"" help:"The directories of all shards of a suite." placeholder:"DIR"`
	suiteOutput `group:"Results"`
}

func (c *mergeCmd) Help() string {
	return `Puts the shards of a suite together: the same reports and the same exit status as when it had
run whole. A shard that is missing makes its cells unknown. Example:

  torntail merge shard-1 shard-2 shard-3 shard-4 --out nightly`
}

func (c *mergeCmd) Run(a *app) error {
	rec, err := suite.Merge(c.Dirs)
	if err != nil {
		return usage(err)
	}
	out := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet}
	dir, _, err := out.directory(time.Now())
	if err != nil {
		return usage(err)
	}
	rep := rec.Report()
	return c.failed(a, rep, dir, c.finish(a, rep, dir, rec.Head.Suite))
}
