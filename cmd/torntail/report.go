package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/reports/formats"
	"github.com/torntail/torntail/reports/github"
	"github.com/torntail/torntail/reports/html"
	"github.com/torntail/torntail/reports/markdown"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
)

type reportCmd struct {
	Dir   string   `arg:"" help:"A report directory, or the JSON file in one." placeholder:"DIR"`
	Out   string   `help:"Where to write; default: beside the result." placeholder:"DIR"`
	JUnit []string `name:"junit" enum:"jenkins,surefire,unknown-skipped" help:"How junit.xml is written: surefire in the form of Maven Surefire instead of Jenkins and Ant, unknown-skipped with unknown verdicts as skipped instead of errors." placeholder:"WORDS"`
}

func (c *reportCmd) Help() string {
	var files []string
	for _, f := range formats.All() {
		files = append(files, f.File)
	}
	return `Writes ` + strings.Join(files, ", ") + ` from what run, suite, policies, explore,
splitbrain or fidelity have saved: after an upgrade of torntail, or of a result that
was made elsewhere. Exit status: that of the result. Of a directory of report directories it
writes index.html, a page over all of them with search. Examples:

  torntail report torntail-out/20260102-030405
  torntail report torntail-out
  torntail report artifacts/result.json --out pages`
}

func (c *reportCmd) Run(a *app) error {
	if below := reportsBelow(c.Dir); len(below) > 0 {
		return c.index(a, below)
	}
	found, err := loadFound(c.Dir)
	if err != nil {
		return usage(err)
	}
	from := c.Dir
	if info, err := os.Stat(from); err == nil && !info.IsDir() {
		from = filepath.Dir(from)
	}
	out := c.Out
	if out == "" {
		out = from
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return usage(fmt.Errorf("--out: %w", err))
	}
	if out == from { // which may be anybody's work
		for _, f := range formats.All() {
			if err := inside.Check(out, filepath.Join(out, f.File)); err != nil {
				return usage(fmt.Errorf("%w (--out writes elsewhere)", err))
			}
		}
	}
	m, err := found.report(from)
	if err == nil {
		m.Choices = c.JUnit
		err = writeReports(m, out, func(dir string) (*model.Evidence, error) {
			if !inside.Has(from, dir) {
				return nil, nil // the file that names it may be anybody's work
			}
			return saved.Evidence(dir)
		})
	}
	if err != nil {
		return usage(err)
	}
	for _, f := range formats.All() {
		fmt.Fprintln(a.stdout, filepath.Join(out, f.File))
	}
	return exit(m)
}

// reportsBelow are the report directories in one that is none itself.
func reportsBelow(dir string) (below []string) {
	hasReport := func(dir string) bool {
		return slices.ContainsFunc(foundFiles, func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil })
	}
	entries, err := os.ReadDir(dir)
	if err != nil || hasReport(dir) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() && hasReport(filepath.Join(dir, e.Name())) {
			below = append(below, e.Name())
		}
	}
	return below
}

// index writes a page over the reports below a directory. One that cannot be read is named, and
// left out.
func (c *reportCmd) index(a *app, below []string) error {
	out := c.Out
	if out == "" {
		out = c.Dir
	} else if filepath.Clean(out) != filepath.Clean(c.Dir) {
		return usage(errors.New("--out: an index is written where its reports are"))
	}
	path := filepath.Join(out, indexFile)
	if err := inside.Check(out, path); err != nil {
		return usage(err)
	}
	var runs []html.Run
	for _, name := range below {
		dir := filepath.Join(c.Dir, name)
		found, err := loadFound(dir)
		var m *model.Report
		if err == nil {
			m, err = found.report(dir)
		}
		if err != nil {
			fmt.Fprintf(a.stderr, "torntail: left out: %s\n", oneLine(err))
			continue
		}
		runs = append(runs, html.Run{Dir: name, Report: m})
	}
	if err := atomicfile.Write(path, func(w io.Writer) error { return html.WriteIndex(w, runs) }); err != nil {
		return usage(err)
	}
	fmt.Fprintln(a.stdout, path)
	return nil
}

// indexFile is a page over the reports of a directory.
const indexFile = "index.html"

// exit is the exit status of a report.
func exit(m *model.Report) error {
	if code := m.Exit(false); code != result.ExitHolds {
		return status(code)
	}
	return nil
}

// moved is where the directory of a failure is: where it was made, if that is in the report
// directory, or in the same place of that when it has been moved or is looked at from
// elsewhere. Any other is a name, which is told and not looked at.
func moved(dir, from string) string {
	if dir == "" || inside.Has(from, dir) {
		return dir
	}
	for rest, found := filepath.ToSlash(dir), true; found; _, rest, found = strings.Cut(rest, "/") {
		if there := filepath.Join(from, filepath.FromSlash(rest)); rest != "" && inside.Has(from, there) {
			return there
		}
	}
	return dir
}

// writeReports writes a report in every format, with the evidence of failures.
func writeReports(m *model.Report, out string, evidence func(dir string) (*model.Evidence, error)) error {
	m.Evidence = evidence
	for _, f := range formats.All() {
		if err := atomicfile.Write(filepath.Join(out, f.File), func(w io.Writer) error { return f.Write(w, m) }); err != nil {
			return err
		}
	}
	return nil
}

// mostPictured is how many directories of experiments a page shows pictures of.
const mostPictured = 20

// onGitHub says what GitHub shows beside a run: annotations, and the report as
// the step's summary. Elsewhere it does nothing.
func onGitHub(w io.Writer, m *model.Report) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	if err := github.Write(unshown(w), m); err != nil {
		return err
	}
	path := os.Getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return environment(fmt.Errorf("the step summary: %w", err))
	}
	return errors.Join(markdown.Write(f, m), f.Close())
}
