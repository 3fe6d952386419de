package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// nightly is a suite of a dozen cells, one of which fails.
const nightly = `suite: 1
name: nightly
budget: {runs: 15}
matrix:
  - {modes: [always, everysec, rdb], crashes: [kill, power, power-in-fsync], personalities: [ext4]}
  - {modes: [always], crashes: [power, power-in-fsync], plant: reply-before-fsync, expect: {known: [lost-write], issue: "https://example.org/1"}}
`

// suiteOnce runs torntail in a directory and returns its exit status.
func suiteOnce(t *testing.T, dir string, args ...string) int {
	t.Helper()
	cmd := exec.Command("torntail", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
		if code := exit.ExitCode(); code != result.ExitViolated && code != result.ExitUnknown {
			t.Fatalf("%s: exit status %d\n%s", strings.Join(args, " "), code, out)
		}
		return exit.ExitCode()
	}
	return 0
}

// figures is a JSON report without what says when, where and for how long it ran.
func figures(t *testing.T, file string, dirs ...string) string {
	r, err := result.Load(file)
	require.NoError(t, err)
	text, err := figuresOf(r, dirs...)
	require.NoError(t, err)
	return text
}

// A nightly that is killed (kill -9) at random moments and taken up again gives
// the same result as one that was not.
func TestKilledAndResumedIsTheSame(t *testing.T) {
	work := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(work, "nightly.yaml"), []byte(nightly), 0o644))
	code := suiteOnce(t, work, "suite", "nightly.yaml", "--out", "whole")
	want := figures(t, filepath.Join(work, "whole", "result.json"), "whole")

	rng := rand.New(rand.NewPCG(1, 2))
	kills := 0
	for cells := 0; cells < 11; {
		u := &under{work: work, temp: t.TempDir()}
		u.Cmd = exec.Command("torntail", "suite", "nightly.yaml", "--out", "killed")
		u.Dir, u.Stderr = work, &u.errs
		u.Env = append(os.Environ(), "WORK="+work, "TMPDIR="+u.temp)
		require.NoError(t, u.Start())
		// Anywhere in the next few cells: as one has just been put on record, and a little later.
		next := min(11, cells+1+rng.IntN(4))
		done := func() int {
			names, _ := filepath.Glob(filepath.Join(work, "killed", "cells", "0*.json"))
			return len(names)
		}
		u.await(t, "a cell is done", func() bool { return done() >= next })
		for range rng.IntN(2000) { // not a time: a number of turns, so that the moment varies
			done()
			if rng.IntN(200) == 0 {
				break
			}
		}
		require.NoError(t, u.Process.Kill())
		u.Wait()
		cells = done()
		kills++
	}
	require.Greater(t, kills, 2)
	require.Equal(t, code, suiteOnce(t, work, "suite", "nightly.yaml", "--out", "killed"))
	require.Equal(t, want, figures(t, filepath.Join(work, "killed", "result.json"), "killed"))
}
