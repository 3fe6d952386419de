package main

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/offline"
	"github.com/torntail/torntail/checker/transactions"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

type checkCmd struct {
	Files       []string      `arg:"" name:"file" help:"Histories, directories of saved failures, and directories in which to look for them." placeholder:"FILE"`
	Mode        string        `help:"Persistence mode whose contract is to hold (torntail list modes)." placeholder:"NAME"`
	Crash       string        `help:"Crash kind that struck (torntail list crashes)." placeholder:"NAME"`
	Directive   []string      `help:"A directive that the server had on top of the mode's, NAME=VALUE; may be repeated." placeholder:"N=V" sep:"none"`
	Personality string        `default:"ext4" help:"The disk that it ran on (torntail list personalities); default ${default}." placeholder:"NAME"`
	Contract    string        `help:"Your own contract instead of the built-in ones." placeholder:"FILE"`
	Model       string        `help:"What every key must be (listed above); without it the file or the operations tell." placeholder:"NAME"`
	Consistency []string      `help:"What transactions must satisfy; default strict-serializable." placeholder:"NAME"`
	Initial     string        `help:"What every key holds at the start: 0, nil, '[1 2]', '#{1 2}'; of a bank the accounts, '{a 10 b 10}'." placeholder:"VALUE"`
	Timeout     time.Duration `default:"5s" help:"How long one search may take; default ${default}." placeholder:"TIME"`
	MaxMemory   bytesFlag     `default:"2GiB" help:"Histories that take more memory are refused; default ${default}." placeholder:"SIZE"`
	Smallest    string        `help:"Write the smallest part of the history that still shows the anomaly here, as a history." placeholder:"FILE"`
	Picture     string        `help:"Write a picture of that part here, as HTML." placeholder:"FILE"`
	JSON        string        `name:"json" help:"Write what was found here as JSON; - prints it instead." placeholder:"FILE"`
	JUnit       string        `name:"junit" help:"Write a test case for each history here, as JUnit XML." placeholder:"FILE"`
	Jepsen      bool          `help:"Print what a Jepsen checker returns instead: {:valid? ...}."`
	Quiet       bool          `help:"Print verdicts only."`
}

func (c *checkCmd) Help() string {
	return `A history is torntail's own (JSON Lines), one of Jepsen's (history.edn, test.jepsen, or
the log lines of old versions), a key-value log as porcupine ships, or JSON objects with
ops; it may be compressed with gzip or zstd. Registers, counters, sets, queues,
transactions (list-append, rw-register) and banks are told apart by their operations.
A saved failure is judged as it was during its run. Any other history is judged by what
its clients saw; with --mode and --crash also by what survived.

Models: ` + strings.Join(offline.Models(), ", ") + `.
Examples:

  torntail check torntail-out/20260102-030405/failures/everysec-power-17
  torntail check history.jsonl --mode everysec --crash power
  torntail check DIR --contract stricter.yaml
  torntail check DIR --smallest small.jsonl --picture small.html
  torntail check history.edn --model register --initial 0
  torntail check store/ --junit histories.xml`
}

// bytesFlag is an amount of memory: 512MiB, 2GiB, or bytes.
type bytesFlag int64

func (b *bytesFlag) UnmarshalText(text []byte) error {
	var n float64
	var unit string
	if _, err := fmt.Sscanf(string(text)+"|", "%f%s", &n, &unit); err != nil || n <= 0 {
		return fmt.Errorf("%q: want an amount such as 512MiB or 2GiB", text)
	}
	at := slices.Index([]string{"|", "KiB|", "MiB|", "GiB|", "TiB|"}, unit)
	if at < 0 || n > 1<<20 && at == 4 {
		return fmt.Errorf("%q: want an amount such as 512MiB or 2GiB", text)
	}
	*b = bytesFlag(n * float64(int64(1)<<(10*at)))
	return nil
}

func (c *checkCmd) Run(a *app) error {
	if err := c.check(); err != nil {
		return usage(err)
	}
	own, err := loadContract(c.Contract)
	if err != nil {
		return usage(err)
	}
	targets, err := findHistories(c.Files)
	if err != nil {
		return usage(err)
	}
	// What is asked for above the histories themselves is short-lived.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(int64(c.MaxMemory)))
	if len(targets) > 1 && (c.Smallest != "" || c.Picture != "") {
		return usage(fmt.Errorf("--smallest and --picture are for one history, not for %d", len(targets)))
	}
	silent := c.Jepsen || c.JSON == "-"
	var all []judged
	if len(targets) == 1 && !silent {
		all, err = c.one(a, targets[0], own)
	} else {
		all, err = c.many(a, targets, own, silent)
	}
	if err != nil {
		return err
	}
	if err := c.reports(a, all); err != nil {
		return err
	}
	return statusOf(all)
}

// check looks at the flags alone.
func (c *checkCmd) check() error {
	if c.Mode != "" {
		if err := known("--mode", c.Mode, modeNames(redis.Store)); err != nil {
			return err
		}
	}
	if c.Crash != "" {
		if err := known("--crash", c.Crash, crashNames()); err != nil {
			return err
		}
	}
	if c.Model != "" {
		if err := known("--model", c.Model, offline.Models()); err != nil {
			return err
		}
	}
	for _, name := range c.Consistency {
		if err := known("--consistency", name, consistencyNames()); err != nil {
			return err
		}
	}
	if (c.Mode == "") != (c.Crash == "") {
		return errors.New("--mode and --crash belong together: a contract is that of a mode under a crash kind")
	}
	if c.Mode == "" && len(c.Directive) > 0 {
		return errors.New("--directive adds to a --mode: give that and --crash as well")
	}
	if c.Timeout <= 0 {
		return fmt.Errorf("--timeout %s: want a time above nought", c.Timeout)
	}
	if slices.Contains(c.Files, "-") {
		return errors.New("-: a history is read from a regular file: save what standard input gives in one")
	}
	if c.Jepsen && c.JSON == "-" {
		return errors.New("--jepsen and --json - would both print: give --json a file")
	}
	return known("--personality", c.Personality, personalityNames())
}

func consistencyNames() []string {
	var names []string
	for _, m := range transactions.Models() {
		names = append(names, string(m))
	}
	return names
}

// judged is what is known of one history.
type judged struct {
	historyFile
	part     string
	file     history.File
	ops      int
	acked    int
	crashes  int
	promise  contract.Contract
	verdict  offline.Verdict
	findings []string // of the product, known by name
	loss     string   // what survived, in words; empty when nobody looked
	asSaved  string   // the verdict of its run, when it was another
	err      error    // why it was not judged
	status   int      // the exit status that belongs to err
}

func (j *judged) name() string {
	if j.part == "" {
		return j.path
	}
	return j.path + ":" + j.part
}

// exit is the exit status of one history.
func (j *judged) exit() int {
	if j.err != nil {
		return j.status
	}
	return result.Exit([]result.Verdict{result.Verdict(j.verdict.Verdict)}, false)
}

// statusOf ends torntail by the worst of them.
func statusOf(all []judged) error {
	var codes []int
	for i := range all {
		codes = append(codes, all[i].exit())
	}
	code := result.Worst(codes...)
	if code == result.ExitHolds {
		return nil
	}
	if len(all) == 1 && all[0].err != nil {
		return &failure{code, all[0].err}
	}
	return status(code)
}

// load reads the histories of a target.
func (c *checkCmd) load(t historyFile, memory int64) []judged {
	if t.below != "" { // whatever is there may be anybody's work
		if err := inside.Check(t.below, t.path); err != nil {
			return []judged{{historyFile: t, err: err, status: result.ExitUsage}}
		}
	}
	files, _, err := history.LoadFile(t.path, history.Options{Memory: memory})
	if errors.As(err, new(*history.LimitError)) {
		err = fmt.Errorf("%w (--max-memory allows more)", err)
	}
	if err != nil {
		return []judged{{historyFile: t, err: err, status: result.ExitUsage}}
	}
	all := make([]judged, len(files))
	for i := range files {
		f := &files[i]
		all[i] = judged{historyFile: t, part: f.Part, file: *f, ops: len(f.Ops), crashes: crashes(f.History)}
		for n := range f.Ops {
			if f.Ops[n].Acked() && f.Ops[n].Writes() {
				all[i].acked++
			}
		}
	}
	return all
}

// judge judges one history; what goes wrong is kept with it.
func (c *checkCmd) judge(j *judged, own *contract.File, limits linear.Limits) {
	defer func() {
		if r := recover(); r != nil {
			j.err, j.status = fmt.Errorf("%s: torntail's own failure: %v\n%s", j.name(), r, debug.Stack()), result.ExitInternal
		}
	}()
	err := c.judgeBy(j, own, limits)
	if err != nil {
		j.err, j.status = fmt.Errorf("%s: %w", j.name(), err), result.ExitUsage
	}
}

func (c *checkCmd) judgeBy(j *judged, own *contract.File, limits linear.Limits) (err error) {
	if j.dir != "" && c.Mode == "" {
		return c.again(j, own)
	}
	if j.promise, err = c.promise(own); err != nil {
		return err
	}
	if j.verdict, err = offline.Judge(&j.file, c.options(j.promise, limits)); err != nil {
		return err
	}
	out := j.verdict.Judgement
	switch {
	case out == nil && c.Mode != "":
		return fmt.Errorf("--mode and --crash: %s is judged by what its clients saw alone", j.verdict.As)
	case c.Mode != "":
		j.loss = fmt.Sprintf("%s under %s: %s", c.Mode, c.Crash, lossText(out.Lost, out.WindowCertain, out.Censored))
	case j.crashes > 0:
		j.loss = "judged by what clients saw, and a prefix of it after each crash; --mode and --crash say what had to survive"
	}
	if says := j.file.Says; says != "" && j.verdict.Verdict != verdict.Unknown {
		if holds := !strings.HasPrefix(says, "not-"); holds != (j.verdict.Verdict == verdict.Holds) {
			j.verdict.Notes = append(j.verdict.Notes, fmt.Sprintf("the file itself says %q", says))
		}
	}
	return nil
}

func (c *checkCmd) options(promise contract.Contract, limits linear.Limits) offline.Options {
	o := offline.Options{Model: c.Model, Initial: c.Initial, Promise: promise, Limits: limits}
	for _, name := range c.Consistency {
		o.Consistency = append(o.Consistency, transactions.Model(name))
	}
	return o
}

// promise is what a history of which nothing else is known must keep.
func (c *checkCmd) promise(own *contract.File) (contract.Contract, error) {
	if c.Mode == "" {
		if own != nil {
			return contract.Contract{}, errors.New("--contract: which of its rules are meant? Give --mode and --crash as well")
		}
		return contract.Clients(), nil
	}
	more, err := directives(redis.Store, c.Directive)
	if err != nil {
		return contract.Contract{}, err
	}
	m, err := mode(redis.Store, c.Mode)
	if err != nil {
		return contract.Contract{}, err
	}
	m = m.With(more)
	kind, err := crash(c.Crash)
	if err != nil {
		return contract.Contract{}, err
	}
	return experiment.ContractOf(&m, kind, c.Personality, own)
}

// again judges a saved failure as its run did.
func (c *checkCmd) again(j *judged, own *contract.File) error {
	saved, err := saved.Load(j.dir)
	if err != nil {
		return err
	}
	o, err := saved.Judge(j.file.History, own)
	if err != nil {
		return err
	}
	var anomalies []anomaly.Anomaly
	for _, x := range o.Anomalies {
		anomalies = append(anomalies, anomaly.Anomaly{Name: anomaly.Name(x.Name), Story: x.Story})
	}
	j.verdict = offline.FromRun(verdict.Verdict(o.Verdict), o.Why, anomalies)
	for _, f := range o.Findings {
		j.findings = append(j.findings, fmt.Sprintf("%s: %s", f, finding.Title(target.Findings(), f)))
	}
	if o.Acked > 0 {
		j.loss = fmt.Sprintf("%s under %s: %s", saved.Mode, saved.Crash, lossText(o.Lost, o.Window, o.Censored))
	}
	if own == nil && saved.Verdict != "" && saved.Verdict != o.Verdict {
		j.asSaved = fmt.Sprintf("the run's own verdict was %q (torntail %s, this is %s)", saved.Verdict, saved.Torntail, version)
	}
	if o.Verdict != result.Violated {
		return nil
	}
	j.verdict.Why = o.Anomalies[0].Name
	x, err := saved.Experiment(nil)
	if err != nil {
		return err
	}
	j.promise, err = experiment.ContractOf(&x.Mode, x.Crash, x.Personality, own)
	return err
}

// one judges the histories of one file, and tells all about it when there is one.
func (c *checkCmd) one(a *app, t historyFile, own *contract.File) ([]judged, error) {
	all := c.load(t, int64(c.MaxMemory)/2)
	if len(all) > 1 {
		if c.Smallest != "" || c.Picture != "" {
			return nil, usage(fmt.Errorf("--smallest and --picture are for one history: %s has %d", t.path, len(all)))
		}
		for i := range all {
			c.judge(&all[i], own, c.limits(1))
			c.line(a, &all[i])
		}
		c.summary(a, all)
		return all, nil
	}
	j := &all[0]
	if j.err != nil {
		return all, nil
	}
	if !c.Quiet {
		fmt.Fprintf(a.stdout, "%s (%s): %s, %s, %s\n", j.path, j.file.Format,
			plural(j.ops, "operation", "operations"), plural(j.acked, "acknowledged write", "acknowledged writes"), plural(j.crashes, "crash", "crashes"))
	}
	limits := c.limits(1)
	if c.judge(j, own, limits); j.err != nil {
		return all, nil
	}
	v := &j.verdict
	if c.Quiet {
		c.say(a, result.Verdict(v.Verdict), "")
		return all, nil
	}
	for _, f := range j.findings {
		fmt.Fprintln(a.stdout, "finding", f)
	}
	for _, x := range v.Anomalies {
		fmt.Fprintf(a.stdout, "\n%s\n%s\n", x.Name, wording.Clean(x.Story, true))
	}
	if len(v.Anomalies) > 0 {
		fmt.Fprintln(a.stdout)
	}
	if v.Verdict == verdict.Violated {
		if err := c.evidence(a, j, limits); err != nil {
			return nil, err
		}
	}
	for _, p := range v.Partial {
		fmt.Fprintf(a.stdout, "\n%s\n", wording.Clean(p, true))
	}
	if len(v.Partial) > 0 {
		fmt.Fprintln(a.stdout, "\n--timeout gives each search more time")
	}
	for _, n := range v.Notes {
		fmt.Fprintln(a.stdout, "note:", wording.Clean(n, false))
	}
	for _, text := range []string{j.loss, j.asSaved} {
		if text != "" {
			fmt.Fprintln(a.stdout, text)
		}
	}
	c.say(a, result.Verdict(v.Verdict), v.Why)
	return all, nil
}

// limits are those of one search, when so many histories are judged at once.
func (c *checkCmd) limits(atOnce int) linear.Limits {
	l := linear.Limits{Timeout: c.Timeout, Memory: int64(c.MaxMemory) / 8 / int64(atOnce)}
	if atOnce > 1 {
		l.Workers = max(1, runtime.GOMAXPROCS(0)/atOnce)
	}
	return l
}

// say prints the last line.
func (c *checkCmd) say(a *app, v result.Verdict, why string) {
	fmt.Fprintln(a.stdout, wording.Clean(verdictText(v, why), false))
}

func verdictText(v result.Verdict, why string) string {
	text := string(v)
	switch {
	case why == "":
		return text
	case strings.HasPrefix(why, text):
		return why
	}
	return text + ": " + why
}

// evidence looks for the smallest part of a history that still shows an
// anomaly, when --smallest or --picture ask for it, and writes it down.
func (c *checkCmd) evidence(a *app, j *judged, limits linear.Limits) error {
	if c.Smallest == "" && c.Picture == "" {
		return nil
	}
	small, ok := offline.Smallest(&j.file, c.options(j.promise, limits), j.verdict)
	if !ok {
		fmt.Fprintf(a.stdout, "no smaller part shows %s by itself: it was seen from outside the operations\n", j.verdict.Anomalies[0].Name)
		return nil
	}
	text := fmt.Sprintf("smallest part: %s of %d", plural(len(small.Places), "operation", "operations"), j.ops)
	if !small.Exact {
		text += " (there may be a smaller one: the search ran out of time)"
	}
	fmt.Fprintln(a.stdout, text)
	if c.Smallest != "" {
		if err := writeAsked(c.Smallest, small.Write); err != nil {
			return err
		}
	}
	if c.Picture != "" {
		return writeAsked(c.Picture, small.Picture)
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
