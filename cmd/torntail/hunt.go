package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/hunt"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
)

type huntCmd struct {
	targetFlags  `group:"What is tested"`
	For          time.Duration `help:"How long to hunt; without it and --experiments 10m." placeholder:"TIME" group:"The hunt"`
	Experiments  int           `help:"How many experiments to make, at most." placeholder:"N" group:"The hunt"`
	Seed         uint64        `default:"1" help:"Seed of everything that is drawn." group:"The hunt"`
	Workers      int           `help:"Experiments side by side; 0: what suits the target." placeholder:"N" group:"The hunt"`
	Guide        string        `default:"rare" help:"Which of the experiments that reached something new are changed next: uniform (none: all are drawn), even, rare or recent; default ${default}." placeholder:"NAME" group:"The hunt"`
	Corpus       string        `help:"Directory of experiments that reached something new: run first, and added to; default none." placeholder:"DIR" group:"The hunt"`
	ReplayCorpus bool          `help:"Run what --corpus has, and nothing else." group:"The hunt"`
	Known        string        `help:"File of the fingerprints of findings that are known, one a line." placeholder:"FILE" group:"The hunt"`
	Plant        string        `help:"Planted bugs to switch on, to see one found (torntail list plants)." placeholder:"NAMES" group:"The hunt"`
	Out          string        `help:"Directory for reports and dossiers; default torntail-out/TIME." placeholder:"DIR" group:"Results"`
	JSON         string        `name:"json" help:"Also write the JSON report here; - prints it instead of the text." placeholder:"FILE" group:"Results"`
	Quiet        bool          `help:"Print findings only, no progress." group:"Results"`
}

func (c *huntCmd) Help() string {
	return `Searches over settings, clients, the operator's commands, faults and crashes for what breaks a
contract, and makes a dossier of each finding. Exit status 1 if one of them is not known.
Examples:

  torntail hunt --for 2m
  torntail hunt --target redis-server --for 10m --corpus corpus --known known.txt
  torntail hunt --target redis-server --corpus corpus --replay-corpus
  torntail hunt --experiments 2000 --plant reply-before-fsync`
}

// The files of a hunt in its report directory, and the directory of its dossiers.
const (
	huntFile    = "hunt.json"
	huntText    = "hunt.md"
	dossiersDir = "findings"
)

// huntFor is how long a hunt lasts of which nobody says.
const huntFor = 10 * time.Minute

func (c *huntCmd) Run(a *app) error {
	h, err := c.hunt()
	if err != nil {
		return usage(err)
	}
	ctx, stop := a.interruptible()
	defer stop()
	started := time.Now()
	flags := outputFlags{Out: c.Out, JSON: c.JSON, Quiet: c.Quiet}
	out, undo, err := flags.directory(started)
	if err != nil {
		return usage(err)
	}
	backend, done, err := openTarget(c.Target, c.place())
	if err != nil {
		undo()
		return err
	}
	defer done()
	planted := h.Space.Plants
	h.Space = c.space(backend)
	h.Space.Plants = planted
	h.Dir = filepath.Join(out, dossiersDir)
	progress := c.progress(h)
	r, err := h.Run(ctx, backend)
	progress.Finish()
	if err != nil && (r == nil || r.Experiments == 0) {
		undo()
		if bad := new(hunt.CorpusError); errors.As(err, &bad) {
			return usage(err)
		}
		return asUsage(err)
	}
	r.Torntail, r.Command = version, result.CommandLine(append([]string{"torntail"}, os.Args[1:]...))
	return withFailure(c.report(a, r, out), err)
}

// hunt checks the flags and makes a hunt of them, whose space follows from the target.
func (c *huntCmd) hunt() (h *hunt.Hunt, err error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := known("--guide", c.Guide, hunt.Guides); err != nil {
		return nil, err
	}
	switch {
	case c.For < 0 || c.Experiments < 0 || c.Workers < 0:
		return nil, errors.New("--for, --experiments and --workers take 0 or more")
	case c.ReplayCorpus && c.Corpus == "":
		return nil, errors.New("--replay-corpus: want --corpus DIR, which is to be run")
	}
	h = &hunt.Hunt{Seed: c.Seed, Experiments: c.Experiments, For: c.For, Workers: c.Workers, Guide: c.Guide, Corpus: c.Corpus, Replay: c.ReplayCorpus, Torntail: version}
	if h.For == 0 && h.Experiments == 0 && !h.Replay {
		h.For = huntFor
	}
	if c.Corpus != "" {
		if info, err := os.Stat(c.Corpus); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("--corpus: %s is no directory", c.Corpus)
		} else if err != nil && c.ReplayCorpus {
			return nil, fmt.Errorf("--corpus: %w", err)
		}
	}
	if c.Known != "" {
		if h.Known, err = hunt.ReadKnown(c.Known); err != nil {
			return nil, fmt.Errorf("--known: %w", err)
		}
	}
	planted, err := plants(c.Plant)
	if err != nil {
		return nil, err
	}
	if c.Target != "engine" && planted.Engine != 0 {
		return nil, fmt.Errorf("--plant %s: planted bugs of the engine cannot be in %s; those of the disk, the harness and the clients can (torntail list plants)", c.Plant, c.Target)
	}
	ours := machine.DiskIsOurs(machine.DiskCalled(c.Disk).System) && c.Backend != string(plan.Block)
	if !ours && (planted.Disk != 0 || planted.ReopenUncrashed) {
		return nil, fmt.Errorf("--plant %s: there is no fault disk to plant it in", c.Plant)
	}
	h.Space = &hunt.Space{Plants: planted}
	return h, nil
}

// space is what the target can have, on the reader's own disk.
func (c *huntCmd) space(b campaign.Backend) *hunt.Space {
	store := target.StoreOf(c.Target)
	if rig := b.Rig(); rig != nil {
		store = rig.Store
	}
	personality := c.Personality
	switch {
	case c.Backend == string(plan.Block):
		personality = c.place()
	case !b.DiskIsOurs():
		personality = experiment.HostDisk
	}
	return hunt.NewSpace(b, store, personality, c.Profile)
}

// progress tells how far a hunt is, and of new findings as they are seen.
func (c *huntCmd) progress(h *hunt.Hunt) *terminal.Progress {
	if c.Quiet {
		return nil
	}
	progress := terminal.NewProgress(os.Stderr)
	h.Progress = func(p hunt.Progress) {
		state := terminal.State{What: p.What, Done: p.Experiments, Total: h.Experiments, For: h.For, Unit: "experiments"}
		state.More = fmt.Sprintf("%d shapes  findings %d new, %d known  last new shape %v ago", p.Shapes, p.New, p.Known, p.SinceShape.Round(time.Second))
		progress.Update(state)
	}
	h.Found = func(f *hunt.Finding) {
		progress.Print(wording.Clean(fmt.Sprintf("%s (%s on %s), experiment %d", f.Title(), f.Mode, f.Disk, f.First), false))
	}
	return progress
}

// report writes and prints what a hunt has found, and turns it into the exit status.
func (c *huntCmd) report(a *app, r *hunt.Result, out string) error {
	flags := outputFlags{JSON: c.JSON}
	text, err := flags.json(a, huntForm{r}, out, huntFile)
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(filepath.Join(out, huntText), r.Markdown()); err != nil {
		return err
	}
	if err := r.Write(text, out, c.Quiet); err != nil {
		return err
	}
	switch {
	case r.Fresh() > 0:
		return status(result.ExitViolated)
	case r.Struck == 0:
		return status(result.ExitUnknown)
	}
	return nil
}

// huntForm is the JSON form of a hunt.
type huntForm struct{ *hunt.Result }

func (f huntForm) Write(w io.Writer) error { return jsonform.Write(w, f.Result, "  ") }
