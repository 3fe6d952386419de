package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/explore"
	"github.com/torntail/torntail/reports/result"
)

// torntailExplore runs the command in a directory of its own.
func torntailExplore(t *testing.T, args ...string) (status int, stdout, stderr, out string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "out")
	var o, e bytes.Buffer
	status = run(append([]string{"torntail", "explore", "--quiet", "--out", out}, args...), &o, &e)
	return status, o.String(), e.String(), out
}

// TestExploreExits: each outcome has its exit status, and says why.
func TestExploreExits(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   string
		status int
		says   string
	}{
		{"holds", "--mode always --commands 60", result.ExitHolds, "always on ext4: holds"},
		{"violated", "--mode always --commands 60 --plant reply-before-fsync", result.ExitViolated, "always on ext4: violated"},
		{"torntail at fault", "--mode always --commands 60 --plant cut-loses-nothing", result.ExitUnknown, "always on ext4: unknown"},
		{"nothing to take, so nothing proved", "--mode none", result.ExitUnknown, "none on ext4: n/a"},
		{"several", "--mode always,rdb --personality prefix,xfs --commands 60", result.ExitHolds, "rdb on xfs: holds"},
		{"mode", "--mode alway", result.ExitUsage, `did you mean "always"?`},
		{"bound", "--bound 3", result.ExitUsage, `--bound "3" is not known`},
		{"personality", "--personality ext5", result.ExitUsage, `did you mean "ext4"?`},
		{"commands", "--commands 0", result.ExitUsage, "--commands 0: want 1 to 100000"},
		{"target", "--target redis-servr", result.ExitUsage, `did you mean "redis-server"?`},
		{"path", "--target ./no-such-server", result.ExitUsage, "target ./no-such-server"},
		{"time of the engine", "--for 1m", result.ExitUsage, "--for is for a real server"},
		{"double", "--target redis-server --double", result.ExitUsage, "--double"},
		{"plant in a server", "--target redis-server --plant reply-before-fsync", result.ExitUsage, "planted in the embedded engine"},
		{"real bound", "--target redis-server --bound 3", result.ExitUsage, `--bound "3" is not known`},
		{"plant", "--plant client-lies", result.ExitUsage, "an exploration"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, stdout, stderr, _ := torntailExplore(t, strings.Fields(c.args)...)
			assert.Equal(t, c.status, status, "%s%s", stdout, stderr)
			assert.Contains(t, stdout+stderr, c.says)
		})
	}
}

// TestExploreLeavesWhatItSays: the reports are where the last line says, and
// what was saved of a violation replays.
func TestExploreLeavesWhatItSays(t *testing.T) {
	dir := t.TempDir()
	out, copied := filepath.Join(dir, "out"), filepath.Join(dir, "copy.json")
	var o, e bytes.Buffer
	status := run([]string{"torntail", "explore", "--mode", "always", "--commands", "60", "--plant", "reply-before-fsync", "--out", out,
		"--json", copied}, &o, &e)
	require.Equal(t, result.ExitViolated, status, e.String())
	assert.Contains(t, o.String(), "reports in "+out)
	for _, name := range []string{filepath.Join(out, "explore.json"), copied} {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		var file explore.File
		require.NoError(t, json.Unmarshal(data, &file))
		require.Len(t, file.Reports, 1)
		assert.Equal(t, result.Violated, file.Reports[0].Verdict)
		assert.Equal(t, "in flight", file.Reports[0].Groups[0].Cause.Sync)
		assert.NotEmpty(t, file.Reports[0].Positions)
	}
	assert.FileExists(t, filepath.Join(out, "map-always-ext4.svg"))
	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), `<h1 class="violated">violated: `)
	assert.Contains(t, string(page), `aria-label="always on ext4, bound 2: crash states at each of`)
	assert.Contains(t, string(page), "lost-write")
	replay := regexp.MustCompile(`torntail replay (\S+)`).FindAllStringSubmatch(o.String(), -1)
	require.NotEmpty(t, replay)
	var ro, re bytes.Buffer
	status = run([]string{"torntail", "replay", replay[len(replay)-1][1]}, &ro, &re)
	assert.Equal(t, result.ExitViolated, status, re.String())
	assert.Contains(t, ro.String(), "lost-write: the same as on file")
}
