package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// historyFile is a file of histories, and the directory of the saved failure that it
// belongs to, if it does. below is the directory that was named, if it was found there.
type historyFile struct{ path, dir, below string }

// findHistories are the files named, and those below the directories named.
func findHistories(names []string) ([]historyFile, error) {
	var all []historyFile
	seen := map[string]bool{}
	add := func(path, below string) {
		if seen[path] {
			return
		}
		seen[path] = true
		t := historyFile{path: path, below: below}
		if dir := filepath.Dir(path); isSavedHistory(path) && saved.Is(dir) {
			t.dir = dir
		}
		all = append(all, t)
	}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			add(name, "")
			continue
		}
		found, err := historiesBelow(name)
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("%s has no history, nor has a directory in it: give a history file, or a directory below failures/", name)
		}
		for _, path := range found {
			add(path, name)
		}
	}
	return all, nil
}

func isSavedHistory(path string) bool {
	stem, ext := history.FileName(path)
	return stem+ext == saved.HistoryFile
}

// historiesBelow looks through a directory and those in it. Where a file is
// called history (history.edn, history.jsonl.gz) the others beside it are not
// looked at: Jepsen keeps the same one in test.jepsen as well, and results that
// look like one.
func historiesBelow(root string) ([]string, error) {
	var found []string
	err := filepath.WalkDir(root, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		found = append(found, historiesIn(dir, entries)...)
		if saved.Is(dir) {
			return fs.SkipDir // what is below is the same failure, shrunk
		}
		return nil
	})
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, path
	}
	slices.Sort(found)
	return found, err
}

func historiesIn(dir string, entries []fs.DirEntry) []string {
	var called, stored, others []string
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		stem, ext := history.FileName(path)
		switch {
		case ext == "" || !isRegular(path):
		case stem == "history" && (ext == ".edn" || ext == ".jsonl" || ext == ".json"):
			called = append(called, path)
		case ext == ".jepsen":
			stored = append(stored, path)
		default:
			others = append(others, path)
		}
	}
	switch {
	case len(called) > 0:
		return called
	case len(stored) > 0:
		return stored
	}
	return slices.DeleteFunc(others, func(path string) bool { return !history.Recognize(path) })
}

// isRegular is also true for a link to a file.
func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// many judges the histories of many files, as many at once as there are
// processors, and prints a line for each, in their order.
func (c *checkCmd) many(a *app, targets []historyFile, own *contract.File, silent bool) ([]judged, error) {
	workers := min(len(targets), runtime.GOMAXPROCS(0))
	memory := int64(c.MaxMemory) / 2 / int64(workers)
	answers := make([][]judged, len(targets))
	done := make([]chan struct{}, len(targets))
	for i := range done {
		done[i] = make(chan struct{})
	}
	var g errgroup.Group
	g.SetLimit(workers)
	started := make(chan struct{})
	go func() {
		defer close(started)
		for i, t := range targets {
			g.Go(func() error {
				defer close(done[i])
				all := c.load(t, memory)
				for n := range all {
					if all[n].err == nil {
						c.judge(&all[n], own, c.limits(workers))
					}
					all[n].file.History = nil // only the verdict is told
				}
				answers[i] = all
				return nil
			})
		}
	}()
	var all []judged
	for i := range targets {
		<-done[i]
		for n := range answers[i] {
			if !silent {
				c.line(a, &answers[i][n])
			}
		}
		all = append(all, answers[i]...)
	}
	<-started
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if !silent {
		c.summary(a, all)
	}
	return all, nil
}

// line is one history among many.
func (c *checkCmd) line(a *app, j *judged) {
	switch {
	case j.err != nil:
		fmt.Fprintf(a.stdout, "%s: not judged: %s\n", j.name(), wording.Clean(oneLine(trimmed(j)), false))
	case c.Quiet:
		fmt.Fprintf(a.stdout, "%s: %s\n", j.name(), j.verdict.Verdict)
	case j.verdict.Verdict == verdict.Holds:
		fmt.Fprintf(a.stdout, "%s: holds (%s, %s)\n", j.name(), j.verdict.As, plural(j.ops, "operation", "operations"))
	default:
		fmt.Fprintf(a.stdout, "%s: %s\n", j.name(), wording.Clean(verdictText(result.Verdict(j.verdict.Verdict), j.verdict.Why), false))
	}
}

// trimmed is why a history was not judged, without its name, which stands before it.
func trimmed(j *judged) error {
	text := j.err.Error()
	for _, prefix := range []string{"history " + j.path + ": ", j.name() + ": ", "load history: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(text)
}

func (c *checkCmd) summary(a *app, all []judged) {
	if c.Quiet {
		return
	}
	counts := map[string]int{}
	for i := range all {
		counts[all[i].verdictWord()]++
	}
	var parts []string
	for _, word := range []string{"holds", "violated", "unknown", notJudged} {
		if n := counts[word]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, word))
		}
	}
	fmt.Fprintf(a.stdout, "\n%s: %s\n", plural(len(all), "history", "histories"), strings.Join(parts, ", "))
}

const notJudged = "not judged"

func (j *judged) verdictWord() string {
	if j.err != nil {
		return notJudged
	}
	return string(j.verdict.Verdict)
}
