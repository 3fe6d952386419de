package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

type checkCmd struct {
	File        string   `arg:"" help:"A history, or the directory of a saved failure." placeholder:"FILE"`
	Mode        string   `help:"Persistence mode whose contract is to hold (torntail list modes)." placeholder:"NAME"`
	Crash       string   `help:"Crash kind that struck (torntail list crashes)." placeholder:"NAME"`
	Directive   []string `help:"A directive that the server had on top of the mode's, NAME=VALUE; may be repeated." placeholder:"N=V" sep:"none"`
	Personality string   `default:"ext4" help:"The disk that it ran on (torntail list personalities); default ${default}." placeholder:"NAME"`
	Contract    string   `help:"Your own contract instead of the built-in ones." placeholder:"FILE"`
	Model       string   `help:"What every key must be: register, list, set, hash or sorted-set; without it the operations tell." placeholder:"NAME"`
	Smallest    string   `help:"Write the smallest part of the history that still shows the anomaly here, as a history." placeholder:"FILE"`
	Picture     string   `help:"Write a picture of that part here, as HTML." placeholder:"FILE"`
	Quiet       bool     `help:"Print the verdict only."`
}

func (c *checkCmd) Help() string {
	return `A history is torntail's own (JSON Lines), one of Jepsen's (history.edn, or the log lines
of old versions) or a key-value log as porcupine ships; it may be compressed with gzip.
A saved failure is judged as it was during its run. Any other history is judged by what
its clients saw; with --mode and --crash also by what survived. Examples:

  torntail check torntail-out/20260102-030405/failures/everysec-power-17
  torntail check history.jsonl --mode everysec --crash power
  torntail check DIR --contract stricter.yaml
  torntail check DIR --smallest small.jsonl --picture small.html
  torntail check history.edn --model register`
}

func (c *checkCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return usage(err)
	}
	path, dir, err := c.find()
	if err != nil {
		return usage(err)
	}
	h, format, err := history.LoadAny(path)
	if err != nil {
		return usage(err)
	}
	if err := c.fits(h); err != nil {
		return usage(fmt.Errorf("%s: %w", path, err))
	}
	own, err := loadContract(c.Contract)
	if err != nil {
		return usage(err)
	}
	if !c.Quiet {
		writes := 0
		for i := range h.Ops {
			if h.Ops[i].Acked() && h.Ops[i].Writes() {
				writes++
			}
		}
		fmt.Fprintf(a.stdout, "%s (%s): %d operations, %d acknowledged writes, %s\n", path, format, len(h.Ops), writes, plural(crashes(h), "crash", "crashes"))
	}
	if dir != "" && c.Mode == "" {
		return c.again(a, dir, h, own)
	}
	return c.fresh(a, h, own)
}

// check looks at the flags alone.
func (c *checkCmd) check() error {
	if c.Mode != "" {
		if err := known("--mode", c.Mode, modeNames()); err != nil {
			return err
		}
	}
	if c.Crash != "" {
		if err := known("--crash", c.Crash, crashNames()); err != nil {
			return err
		}
	}
	if c.Model != "" {
		if err := known("--model", c.Model, modelNames()); err != nil {
			return err
		}
	}
	if (c.Mode == "") != (c.Crash == "") {
		return errors.New("--mode and --crash belong together: a contract is that of a mode under a crash kind")
	}
	if c.Mode == "" && len(c.Directive) > 0 {
		return errors.New("--directive adds to a --mode: give that and --crash as well")
	}
	return known("--personality", c.Personality, personalityNames())
}

// find is the history's file, and the directory of the saved failure that it
// belongs to, if it does.
func (c *checkCmd) find() (path, dir string, err error) {
	info, err := os.Stat(c.File)
	if err != nil {
		return "", "", err
	}
	path = c.File
	if info.IsDir() {
		path = filepath.Join(c.File, saved.HistoryFile)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return "", "", fmt.Errorf("%s has no %s: give a history file, or a directory below failures/", c.File, saved.HistoryFile)
		}
	}
	if strings.TrimSuffix(filepath.Base(path), ".gz") == saved.HistoryFile && saved.Is(filepath.Dir(path)) {
		dir = filepath.Dir(path)
	}
	return path, dir, nil
}

// fits reports an operation that --model does not have.
func (c *checkCmd) fits(h *history.History) error {
	if c.Model == "" {
		return nil
	}
	models := linear.Models()
	model := models[slices.IndexFunc(models, func(m *linear.Model) bool { return m.Name == c.Model })]
	for i := range h.Ops {
		op := &h.Ops[i]
		parts := []history.Op{*op}
		if op.Kind == history.Txn && op.More != nil {
			parts = op.More.Parts
		}
		for _, p := range parts {
			if !slices.Contains(model.Kinds, p.Kind) {
				return fmt.Errorf("operation %d (%s of key %q) is none of a %s", i, p.Kind, p.Key, c.Model)
			}
		}
	}
	return nil
}

// again judges a saved failure as its run did.
func (c *checkCmd) again(a *app, dir string, h *history.History, own *contract.File) error {
	saved, err := saved.Load(dir)
	if err != nil {
		return usage(err)
	}
	o, err := saved.Judge(h, own)
	if err != nil {
		return usage(fmt.Errorf("%s: %w", dir, err))
	}
	if c.Quiet {
		return a.verdict(o.Verdict, "")
	}
	for _, f := range o.Findings {
		fmt.Fprintf(a.stdout, "finding %s: %s\n", f, result.LookupFinding(f).Title)
	}
	a.stories(o.Anomalies)
	if o.Acked > 0 {
		fmt.Fprintf(a.stdout, "%s under %s: %s\n", saved.Mode, saved.Crash, lossText(o.Lost, o.Window, o.Censored))
	}
	if own == nil && saved.Verdict != "" && saved.Verdict != o.Verdict {
		fmt.Fprintf(a.stdout, "the run's own verdict was %q (torntail %s, this is %s)\n", saved.Verdict, saved.Torntail, version)
	}
	why := o.Why
	if o.Verdict == result.Violated {
		why = o.Anomalies[0].Name
		x, err := saved.Experiment(nil)
		if err != nil {
			return usage(err)
		}
		promise, err := experiment.ContractOf(&x.Mode, x.Crash, x.Personality, own)
		if err != nil {
			return usage(err)
		}
		if err := c.evidence(a, h, promise, anomaly.Name(why)); err != nil {
			return err
		}
	}
	return a.verdict(o.Verdict, why)
}

// fresh judges a history of which nothing else is known.
func (c *checkCmd) fresh(a *app, h *history.History, own *contract.File) error {
	promise := contract.Clients()
	if c.Mode != "" {
		more, err := directives(c.Directive)
		if err != nil {
			return usage(err)
		}
		m, err := mode(c.Mode)
		if err != nil {
			return usage(err)
		}
		m = m.With(more)
		kind, err := experiment.CrashByName(c.Crash)
		if err != nil {
			return usage(err)
		}
		if promise, err = experiment.ContractOf(&m, kind, c.Personality, own); err != nil {
			return usage(err)
		}
	} else if own != nil {
		return usage(errors.New("--contract: which of its rules are meant? Give --mode and --crash as well"))
	}
	judge := checker.Judge{}
	j := judge.Judge(h, promise)
	if c.Quiet {
		return a.verdict(result.Verdict(j.Verdict), "")
	}
	anomalies := make([]experiment.Anomaly, len(j.Anomalies))
	for i, x := range j.Anomalies {
		anomalies[i] = experiment.Anomaly{Name: string(x.Name), Story: x.Story}
	}
	a.stories(anomalies)
	if j.Verdict == verdict.Violated {
		if err := c.evidence(a, h, promise, j.Anomalies[0].Name); err != nil {
			return err
		}
	}
	for _, n := range j.Notes {
		fmt.Fprintln(a.stdout, "note:", n)
	}
	switch {
	case c.Mode != "":
		fmt.Fprintf(a.stdout, "%s under %s: %s\n", c.Mode, c.Crash, lossText(j.Lost, j.WindowCertain, j.Censored))
	case crashes(h) > 0:
		fmt.Fprintln(a.stdout, "judged by what clients saw, and a prefix of it after each crash; --mode and --crash say what had to survive")
	}
	return a.verdict(result.Verdict(j.Verdict), j.Why)
}

// evidence looks for the smallest part of a history that still shows an
// anomaly, when --smallest or --picture ask for it, and writes it down.
func (c *checkCmd) evidence(a *app, h *history.History, promise contract.Contract, name anomaly.Name) error {
	if c.Smallest == "" && c.Picture == "" {
		return nil
	}
	judge := checker.Judge{}
	small, ok := judge.Minimize(h, promise, name)
	if !ok {
		fmt.Fprintf(a.stdout, "no smaller part shows %s by itself: it was seen from outside the operations\n", name)
		return nil
	}
	text := fmt.Sprintf("smallest part: %s of %d", plural(len(small.Places), "operation", "operations"), len(h.Ops))
	if !small.Exact {
		text += " (there may be a smaller one: the search ran out of time)"
	}
	fmt.Fprintln(a.stdout, text)
	for _, out := range []struct {
		path  string
		write func(io.Writer) error
	}{
		{c.Smallest, func(w io.Writer) error { return history.Encode(w, small.History) }},
		{c.Picture, func(w io.Writer) error { return judge.Picture(w, small.History, small.Anomaly) }},
	} {
		if out.path == "" {
			continue
		}
		f, err := os.Create(out.path)
		if err != nil {
			return usage(err)
		}
		if err := out.write(f); err != nil {
			f.Close()
			return fmt.Errorf("write %s: %w", out.path, err)
		}
		if err := f.Close(); err != nil {
			return fmt.Errorf("write %s: %w", out.path, err)
		}
	}
	return nil
}

// stories prints anomalies with their evidence.
func (a *app) stories(list []experiment.Anomaly) {
	for _, x := range list {
		fmt.Fprintf(a.stdout, "\n%s\n%s\n", x.Name, wording.Clean(x.Story, true))
	}
	if len(list) > 0 {
		fmt.Fprintln(a.stdout)
	}
}

// verdict prints the last line and gives the exit status that belongs to it.
func (a *app) verdict(v result.Verdict, why string) error {
	text := string(v)
	if why != "" && !strings.HasPrefix(why, text) {
		text += ": " + why
	} else if why != "" {
		text = why
	}
	fmt.Fprintln(a.stdout, wording.Clean(text, false))
	if code := result.Exit([]result.Verdict{v}, false); code != result.ExitHolds {
		return status(code)
	}
	return nil
}

func lossText(lost int, window time.Duration, censored bool) string {
	if lost == 0 {
		return "no acknowledged write is lost"
	}
	atLeast := ""
	if censored {
		atLeast = "at least "
	}
	return fmt.Sprintf("%s, back to %s%s before the crash", plural(lost, "acknowledged write is lost", "acknowledged writes are lost"), atLeast, window.Round(time.Microsecond))
}

// crashes counts the lives that ended.
func crashes(h *history.History) int {
	n := 0
	for i := range h.Epochs {
		if h.Epochs[i].Ended != history.Never {
			n++
		}
	}
	return n
}

// loadContract reads --contract; nil when none was given.
func loadContract(path string) (*contract.File, error) {
	if path == "" {
		return nil, nil
	}
	return contract.Load(path)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
