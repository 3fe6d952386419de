package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/formats"
	"github.com/torntail/torntail/reports/github"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
)

var updateFound = flag.Bool("update-found", false, "write the golden reports of what commands found")

// foundExits are the JSON forms of every command, in testdata/found, and the exit
// status of each.
var foundExits = map[string]int{
	"run": result.ExitHolds, "suite": result.ExitViolated, "policies": result.ExitHolds, "claims": result.ExitViolated,
	"explore": result.ExitViolated, "explore-blocks": result.ExitViolated, "splitbrain": result.ExitViolated, "fidelity": result.ExitViolated,
}

func loadSample(t testing.TB, name string) *model.Report {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "found", name+".json"))
	require.NoError(t, err)
	f, err := parseFound(data)
	require.NoError(t, err, name)
	m, err := f.report("out")
	require.NoError(t, err, name)
	m.Evidence = saved.Evidence
	return m
}

// goldenFiles are the formats that are held byte for byte, too. A new one need not be.
var goldenFiles = []string{"report.html", "report.md", "junit.xml"}

// TestReportsStayTheSame: what each command saves becomes the same report as before, byte
// for byte.
func TestReportsStayTheSame(t *testing.T) {
	files, err := filepath.Glob("testdata/found/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(foundExits), "a form without its exit status, or the reverse")
	for name, code := range foundExits {
		m := loadSample(t, name)
		assert.Equal(t, code, m.Exit(false), name)
		held := 0
		for _, f := range formats.All() {
			if slices.Contains(goldenFiles, f.File) {
				held++
				golden(t, name+filepath.Ext(f.File), strip(written(t, f, m)))
			}
		}
		require.Len(t, goldenFiles, held)
		var b bytes.Buffer
		require.NoError(t, github.Write(&b, m))
		golden(t, name+".annotations", b.String())
	}
}

func written(t *testing.T, f formats.Format, m *model.Report) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, f.Write(&b, m), f.File)
	return b.String()
}

// TestEveryFormatSaysWhatWasFound: of what each command saves, each format says every
// verdict, every anomaly's name and every figure. A figure may be said as it is shown, as
// its value, or in the entry's words. Figures and names are put in that stand nowhere
// else, of letters and digits, which no format has to escape; a verdict is said when
// another makes another report.
func TestEveryFormatSaysWhatWasFound(t *testing.T) {
	for name := range foundExits { // any order: each is a check of its own
		for _, f := range formats.All() {
			t.Run(name+" "+f.File, func(t *testing.T) {
				for _, lacks := range leftOut(t, f, loadSample(t, name)) {
					t.Error(lacks)
				}
			})
		}
	}
}

// leftOut is what a format does not say of a report, which it may change.
func leftOut(t *testing.T, f formats.Format, m *model.Report) (list []string) {
	var checks []func(text string)
	marks := 0
	mark := func() string {
		marks++
		return fmt.Sprintf("mark%dx", marks)
	}
	names := map[string]string{}
	marked := func(anomaly string) string {
		if names[anomaly] == "" {
			names[anomaly] = mark()
		}
		return names[anomaly]
	}
	for i := range m.Sections {
		s := &m.Sections[i]
		for j := range s.Entries {
			e := &s.Entries[j]
			if s.Unjudged && f.JudgedOnly {
				continue
			}
			var words []string // marks of what says the figures in words
			worded := func(text *string) {
				if *text == "" {
					return
				}
				words = append(words, mark())
				*text += " " + words[len(words)-1]
				for name := range e.Anomalies { // any order: none is part of another's mark
					*text = strings.ReplaceAll(*text, name, marked(name))
				}
			}
			for k := range e.InWords {
				worded(&e.InWords[k])
			}
			worded(&e.Report)
			inWords := func(text string) bool {
				return len(words) > 0 && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
			}
			for k := range e.Figures {
				figure, column := &e.Figures[k], s.Columns[k].Heading()
				figure.Shown = mark()
				figure.Value = float64(70_000_000 + marks)
				shown, value := figure.Shown, strconv.FormatFloat(figure.Value, 'f', -1, 64)
				checks = append(checks, func(text string) {
					if !strings.Contains(text, shown) && !strings.Contains(text, value) && !inWords(text) {
						list = append(list, fmt.Sprintf("%s: the figure %q of %s", s.Title, column, e.Name()))
					}
				})
			}
			anomalies := map[string]int{}
			for name, times := range e.Anomalies { // any order: each is looked for by itself
				anomalies[marked(name)] = times
				checks = append(checks, func(text string) {
					if !strings.Contains(text, marked(name)) {
						list = append(list, fmt.Sprintf("%s: the anomaly %s of %s", s.Title, name, e.Name()))
					}
				})
			}
			if len(anomalies) > 0 {
				e.Anomalies = anomalies
			}
		}
	}
	text := written(t, f, m)
	for _, check := range checks {
		check(text)
	}
	for _, e := range m.Entries() {
		was := *e
		e.Verdict = another(e.Verdict)
		if e.Expected != nil {
			e.Expected = &result.Expected{Text: e.Expected.Text, As: another(e.Expected.As), Why: e.Expected.Why}
		}
		if e.Worded != "" {
			e.Worded = string(e.Verdict)
		}
		if written(t, f, m) == text {
			list = append(list, fmt.Sprintf("the verdict on %s", e.Name()))
		}
		*e = was
	}
	return list
}

// another is another verdict.
func another(v result.Verdict) result.Verdict {
	if v == result.Violated {
		return result.Unknown
	}
	return result.Violated
}

// TestAFormatThatLeavesSomethingOutIsFound: writers that say less are told so.
func TestAFormatThatLeavesSomethingOutIsFound(t *testing.T) {
	for what, write := range map[string]func(w io.Writer, s *model.Section, e *model.Entry){
		"the verdict on ": func(w io.Writer, _ *model.Section, e *model.Entry) {
			fmt.Fprintln(w, e.Figures, e.Anomalies)
		},
		"the anomaly ": func(w io.Writer, _ *model.Section, e *model.Entry) {
			fmt.Fprintln(w, e.Judged(), e.Figures)
		},
		"the figure ": func(w io.Writer, _ *model.Section, e *model.Entry) {
			fmt.Fprintln(w, e.Judged(), e.Figures[min(1, len(e.Figures)):], e.Anomalies)
		},
	} {
		f := formats.Format{Write: func(w io.Writer, m *model.Report) error {
			for i := range m.Sections {
				for j := range m.Sections[i].Entries {
					write(w, &m.Sections[i], &m.Sections[i].Entries[j])
				}
			}
			return nil
		}}
		list := leftOut(t, f, loadSample(t, "suite"))
		require.NotEmpty(t, list, what)
		for _, lacks := range list {
			require.Contains(t, lacks, what)
		}
	}
}

// strip leaves of a page what is about the findings: the style and the script are
// tested elsewhere.
func strip(page string) string {
	_, body, ok := strings.Cut(page, "<body>")
	if !ok {
		return page
	}
	body, _, _ = strings.Cut(body, "<script>")
	return body
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "found", name)
	if *updateFound {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, name)
}

// TestFiguresFitTheirColumns: every entry has its labels and its figures, or none.
func TestFiguresFitTheirColumns(t *testing.T) {
	for name := range foundExits {
		m := loadSample(t, name)
		require.NotEmpty(t, m.Sections, name)
		for _, s := range m.Sections {
			require.NotEmpty(t, s.Entries, "%s: %s", name, s.Title)
			for _, e := range s.Entries {
				assert.Len(t, e.Labels, len(s.Labels), "%s: %s", name, e.Name())
				if len(e.Figures) > 0 {
					assert.Len(t, e.Figures, len(s.Columns), "%s: %s", name, e.Name())
				}
				for _, f := range e.Figures {
					assert.NotEmpty(t, f.Shown+e.Why+e.About, "%s: %s", name, e.Name())
				}
				if !s.Unjudged {
					assert.NotEmpty(t, e.Verdict, "%s: %s", name, e.Name())
					assert.NotEmpty(t, e.Suite, "%s: %s", name, e.Name())
					assert.NotEmpty(t, e.Title, "%s: %s", name, e.Name())
				}
			}
		}
	}
}

// TestAFindingWithoutTextHasItsName: a catalogue that does not know a finding, such
// as that of another version, hides nothing.
func TestAFindingWithoutTextHasItsName(t *testing.T) {
	m := loadSample(t, "explore-blocks")
	require.Len(t, m.Findings, 1)
	require.Contains(t, m.Findings[0].String(), "F2: a power cut can leave NUL bytes")
	m.Gather(nil)
	require.Equal(t, "F2: 2 images (everysec)", m.Findings[0].String())
}

func TestWhatIsNoFormIsSaid(t *testing.T) {
	for text, want := range map[string]string{
		"{":                              "line 1, column 1: unexpected end of JSON input",
		"{}":                             "no \"schema\"",
		`{"cells": []}`:                  "no \"schema\"",
		`{"schema": 9, "cells": []}`:     "schema 9 is newer",
		`{"schema": 1, "cells": [null]}`: "cells[0]: want a value for each of 0 sweeps",
		`{"schema": 1, "sweeps": [{"name": "lag", "values": ["1", "2"]}], "cells": [{"values": ["1"], "reports": []}]}`: "1 of 2 combinations",
		`{"schema": 1, "explorations": [{"fs": "ext4"}]}`:                                                               "explorations[0]: no verdict",
		`{"schema": 1, "explorations": [null]}`:                                                                         "explorations[0]: no verdict",
		`{"schema": 1, "reports": [null]}`:                                                                              "reports[0]: nothing",
		`{"schema": 1, "results": [{"mode": "no"}]}`:                                                                    "results[0] (no, ): no verdict",
	} {
		_, err := parseFound([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}

// FuzzFound: whatever a file holds is refused, or can be written in every format.
func FuzzFound(f *testing.F) {
	for name := range foundExits {
		data, err := os.ReadFile(filepath.Join("testdata", "found", name+".json"))
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 20_000 {
			f.Add(data)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseFound(data)
		if err != nil {
			return
		}
		m, err := x.report(dir)
		if err != nil {
			return // pictures that cannot be read
		}
		m.Evidence = saved.Evidence
		for _, r := range formats.All() {
			var b bytes.Buffer
			if err := r.Write(&b, m); err != nil {
				t.Fatalf("%s: %v", r.File, err)
			}
		}
	})
}
