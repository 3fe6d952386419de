package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
	return m
}

// TestEveryWriterServesEveryCommand: what each command saves becomes a report in
// each format, byte for byte.
func TestEveryWriterServesEveryCommand(t *testing.T) {
	files, err := filepath.Glob("testdata/found/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(foundExits), "a form without its exit status, or the reverse")
	for name, code := range foundExits {
		m := loadSample(t, name)
		assert.Equal(t, code, m.Exit(false), name)
		for _, f := range reportFiles {
			var b bytes.Buffer
			require.NoError(t, f.write(&b, m), "%s of %s", f.name, name)
			golden(t, name+filepath.Ext(f.name), strip(b.String()))
		}
		var b bytes.Buffer
		require.NoError(t, github.Write(&b, m))
		golden(t, name+".annotations", b.String())
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
		for _, r := range reportFiles {
			var b bytes.Buffer
			if err := r.write(&b, m); err != nil {
				t.Fatalf("%s: %v", r.name, err)
			}
		}
	})
}
