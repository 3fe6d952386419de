package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/reports/github"
	"github.com/torntail/torntail/reports/html"
	"github.com/torntail/torntail/reports/junit"
	"github.com/torntail/torntail/reports/markdown"
	"github.com/torntail/torntail/reports/result"
)

type reportCmd struct {
	Dir string `arg:"" help:"A report directory, or a result.json." placeholder:"DIR"`
	Out string `help:"Where to write; default: beside the result." placeholder:"DIR"`
}

func (c *reportCmd) Help() string {
	return `Writes report.html, report.md and junit.xml from a saved result: after an upgrade of
torntail, or of a result that was made elsewhere. Exit status: that of the result. Examples:

  torntail report torntail-out/20260102-030405
  torntail report artifacts/result.json --out pages`
}

func (c *reportCmd) Run(a *app) error {
	r, err := loadResult(c.Dir)
	if err != nil {
		return usage(err)
	}
	from := c.Dir
	if info, err := os.Stat(from); err == nil && !info.IsDir() {
		from = filepath.Dir(from)
	}
	for i := range r.Results {
		for j := range r.Results[i].Failures {
			if f := &r.Results[i].Failures[j]; f.Dir != "" {
				f.Dir = moved(f.Dir, from)
			}
		}
	}
	out := c.Out
	if out == "" {
		out = from
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return usage(fmt.Errorf("--out: %w", err))
	}
	if err := writeReports(r, from, out); err != nil {
		return usage(err)
	}
	for _, f := range reportFiles {
		fmt.Fprintln(a.stdout, filepath.Join(out, f.name))
	}
	if code := r.ExitCode(false); code != result.ExitHolds {
		return status(code)
	}
	return nil
}

// reportFiles are the reports in the directory, beside result.json. from is
// where the run's own files are.
var reportFiles = []struct {
	name  string
	write func(w io.Writer, r *result.Report, from string) error
}{
	{"report.md", func(w io.Writer, r *result.Report, _ string) error { return markdown.Write(w, r) }},
	{"report.html", func(w io.Writer, r *result.Report, from string) error {
		pictures, err := harness.Pictures(from)
		if err != nil {
			return err
		}
		return html.WriteWith(w, r, harness.Evidence, pictures...)
	}},
	{"junit.xml", func(w io.Writer, r *result.Report, _ string) error { return junit.Write(w, r) }},
}

// moved is where the directory of a failure is: where it was made, or in the
// same place below the report directory when that has been moved or is looked at
// from elsewhere.
func moved(dir, from string) string {
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	return filepath.Join(from, filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
}

func writeReports(r *result.Report, from, out string) error {
	for _, file := range reportFiles {
		if err := writeFile(filepath.Join(out, file.name), func(w io.Writer) error { return file.write(w, r, from) }); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = write(f)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeDocument writes report.html for a command whose findings are text and
// pictures: those in the directory itself, and one level below.
func writeDocument(out string, d *html.Document) error {
	dirs := []string{out}
	below, err := filepath.Glob(filepath.Join(out, "*", "*.svg"))
	if err != nil {
		return err
	}
	for _, name := range below {
		if dir := filepath.Dir(name); dir != dirs[len(dirs)-1] && len(dirs) < mostPictured {
			dirs = append(dirs, dir)
		}
	}
	for i, dir := range dirs {
		pictures, err := harness.Pictures(dir)
		if err != nil {
			return err
		}
		for _, p := range pictures {
			if i > 0 {
				p.Title = filepath.Base(dir) + ": " + p.Title
			}
			d.Pictures = append(d.Pictures, p)
		}
	}
	return writeFile(filepath.Join(out, "report.html"), func(w io.Writer) error { return html.WriteDocument(w, d) })
}

// mostPictured is how many directories of experiments a page shows pictures of.
const mostPictured = 20

// verdictOf is an exit status as a verdict.
func verdictOf(code int) result.Verdict {
	switch code {
	case result.ExitHolds:
		return result.Holds
	case result.ExitViolated:
		return result.Violated
	}
	return result.Unknown
}

// onGitHub says what GitHub shows beside a run: annotations, and the report as
// the step's summary. Elsewhere it does nothing.
func onGitHub(w io.Writer, r *result.Report) error {
	if os.Getenv("GITHUB_ACTIONS") != "true" {
		return nil
	}
	if err := github.Write(w, r); err != nil {
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
	return errors.Join(markdown.Write(f, r), f.Close())
}
