package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/harness/explore"
	"github.com/torntail/torntail/harness/fidelity"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
)

var updateFormats = flag.Bool("update-formats", false, "write what is said of testdata/formats anew")

// TestFormats reads what earlier versions of torntail saved, in testdata/formats, with
// every command that takes such a thing, and compares what is said of it with what was
// said by the version that saved it. A version that reads one of them no more says that
// it was made by an older one, and its golden text here says so.
func TestFormats(t *testing.T) {
	if testing.Short() {
		t.Skip("runs many commands")
	}
	versions, err := os.ReadDir("testdata/formats")
	require.NoError(t, err)
	require.NotEmpty(t, versions)
	for _, v := range versions {
		dir := filepath.Join("testdata/formats", v.Name())
		saved, err := os.ReadDir(dir)
		require.NoError(t, err)
		for _, s := range saved {
			switch {
			case strings.HasSuffix(s.Name(), ".said"), strings.HasSuffix(s.Name(), ".yaml"):
				continue
			case s.Name() == "explore-block", s.Name() == "fidelity.json":
				continue // no command takes them: TestReportsOfEarlierVersions
			}
			t.Run(v.Name()+"/"+s.Name(), func(t *testing.T) {
				t.Parallel()
				work := t.TempDir()
				require.NoError(t, os.CopyFS(work, os.DirFS(dir)))
				got := readAll(t, work, s.Name())
				golden := filepath.Join(dir, s.Name()+".said")
				if *updateFormats {
					require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
					return
				}
				want, err := os.ReadFile(golden)
				require.NoError(t, err)
				if diff := cmp.Diff(linesOf(string(want)), linesOf(got)); diff != "" {
					t.Errorf("something else is said than before (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// linesOf are the lines of what commands say, but for the names of the reports that they
// have written: which formats there are is no property of what was saved.
func linesOf(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, "reports/") })
}

// readAll is what all commands say that take what was saved under a name.
func readAll(t *testing.T, work, name string) string {
	var b strings.Builder
	say := func(args ...string) {
		b.WriteString(sayOf(t, work, args...))
	}
	exists := func(file string) bool {
		_, err := os.Stat(filepath.Join(work, file))
		return err == nil
	}
	switch {
	case name == "record":
		say("image", name)
		say("image", name, "--cut", "1", "left")
		say("image", name, "--at", "8", "--keep", "all", "all")
	case exists(name + "/suite.json"):
		if name == "suite" {
			say("suite", "suite.yaml", "--keep-failures", "1", "--out", name) // takes the record up, in which nothing is missing
		}
		if name == "suite-shard-1" {
			say("merge", "suite-shard-1", "suite-shard-2", "--out", "merged")
		}
	case splitbrain.Is(filepath.Join(work, name)) && name == "splitbrain-sim":
		say("replay", name)
	}
	if exists(name + "/result.json") {
		say("report", name, "--out", "reports")
		say("compare", name, name)
	}
	for _, dir := range below(t, work, name, "experiment.json") {
		say("check", dir)
		mode, crash := pairOf(t, filepath.Join(work, dir))
		say("check", dir+"/history.jsonl", "--mode", mode, "--crash", crash)
		if saved, err := saved.Load(filepath.Join(work, dir)); err == nil && saved.Backend == "sim" && saved.Target == "engine" {
			say("replay", dir)
			if !strings.HasSuffix(dir, "shrunk") && !saved.HasImage() {
				say("shrink", dir, "--out", "shrunk")
			}
		}
	}
	for _, dir := range below(t, work, name, "scenario.yaml") {
		say("check", dir+"/history.jsonl")
	}
	return b.String()
}

// below are the directories that hold a file of that name.
func below(t *testing.T, work, root, file string) (dirs []string) {
	err := filepath.WalkDir(filepath.Join(work, root), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == file {
			rel, _ := filepath.Rel(work, filepath.Dir(path))
			dirs = append(dirs, rel)
		}
		return err
	})
	require.NoError(t, err)
	slices.Sort(dirs)
	return dirs
}

// pairOf is the mode and the crash kind of a saved failure.
func pairOf(t *testing.T, dir string) (mode, crash string) {
	data, err := os.ReadFile(filepath.Join(dir, "experiment.json"))
	require.NoError(t, err)
	var x struct{ Mode, Crash string }
	require.NoError(t, json.Unmarshal(data, &x))
	return x.Mode, x.Crash
}

// took is what depends on the machine.
var took = regexp.MustCompile(`took [0-9.]+[a-zµ]+|\d+ of \d+ steps in [0-9.]+[a-zµ]+`)

// sayOf is what torntail prints, with its exit status.
func sayOf(t *testing.T, work string, args ...string) string {
	c := exec.Command("torntail", args...)
	c.Dir = work
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := c.Run(); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	code := c.ProcessState.ExitCode()
	said := stdout.String()
	if code == 2 || code == 4 || code == 5 {
		said += stderr.String()
	}
	return fmt.Sprintf("$ torntail %s\n%sexit status %d\n\n", strings.Join(args, " "), took.ReplaceAllString(said, "took TIME"), code)
}

// TestReportsOfEarlierVersions: the JSON of commands whose reports no command reads is
// still what today's types say, each field of it known.
func TestReportsOfEarlierVersions(t *testing.T) {
	for file, into := range map[string]any{
		"explore-sim/explore.json":       new(explore.File),
		"explore-process/explore.json":   new(explore.File),
		"splitbrain-sim/splitbrain.json": new(splitbrain.Report),
		"splitbrain-sim/result.json":     new(splitbrain.File),
		"splitbrain-sweep/result.json":   new(splitbrain.File),
		"splitbrain-process/result.json": new(splitbrain.File),
		"fidelity.json":                  new(fidelity.File),
	} {
		data, err := os.ReadFile(filepath.Join("testdata/formats/v1", file))
		require.NoError(t, err)
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		assert.NoError(t, d.Decode(into), file)
	}
	blocks, err := os.ReadFile("testdata/formats/v1/explore-block/explore.json")
	require.NoError(t, err)
	_, err = parseFound(blocks)
	require.ErrorContains(t, err, "in the form of an older version")
}

// TestFailuresOfEarlierVersionsRunAgain: plans that were saved with real servers, and
// crash images, are run and started on again; what comes of it is the server's.
func TestFailuresOfEarlierVersionsRunAgain(t *testing.T) {
	needs.Program(t, "redis-server")
	work := t.TempDir()
	require.NoError(t, os.CopyFS(work, os.DirFS("testdata/formats/v1")))
	for _, name := range []string{"run-process", "run-host", "run-block", "explore-process"} {
		t.Run(name, func(t *testing.T) {
			switch name {
			case "run-host":
			case "run-block":
				needs.Working(t, blocklog.Available())
				needs.Working(t, blocklog.AvailableFS("ext4"))
			default:
				needs.Working(t, fusefs.Available())
			}
			for _, dir := range below(t, work, name, "experiment.json") {
				said := sayOf(t, work, "replay", dir)
				assert.Regexp(t, `exit status [013]\n`, said)
			}
		})
	}
}
