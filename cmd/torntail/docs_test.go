package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/harness/suite"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/reports/result"
)

// The contract that the documentation shows is one that torntail reads.
func TestDocumentedContractIsRead(t *testing.T) {
	text, err := os.ReadFile("../../docs/check.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), "```yaml\n")
	require.True(t, ok)
	example, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	f, err := contract.Parse([]byte(example))
	require.NoError(t, err)
	for _, m := range contract.Modes() {
		for _, crash := range contract.Crashes() {
			_, err := f.For(m, crash, contract.Config{})
			require.NoError(t, err)
		}
	}
}

// documented is a command line in the documentation.
type documented struct {
	where string // file:line
	args  []string
}

// commandLines are the command lines of a document: lines of indented blocks
// that begin with torntail, and calls of it in scripts that are shown whole.
func commandLines(t *testing.T, file string) (list []documented) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		where := fmt.Sprintf("%s:%d", filepath.Base(file), i+1)
		line := lines[i]
		call := strings.Index(line, "torntail ")
		switch {
		case strings.HasPrefix(line, "    torntail ") || strings.HasPrefix(line, "    bin/torntail "):
		case inScript.MatchString(line):
			call = strings.Index(line, "bin/torntail ") + len("bin/")
			for strings.HasSuffix(line, `\`) || i+1 < len(lines) && strings.HasPrefix(strings.TrimSpace(lines[i+1]), "--") {
				i++
				line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(lines[i])
			}
			line, _, _ = strings.Cut(line, " ||")
			line = scriptVariable.ReplaceAllString(line, "1")
		default:
			continue
		}
		line, _, _ = strings.Cut(line[call:], "  #")
		args, err := config.SplitArgs(line)
		for err != nil && i+1 < len(lines) { // a quotation that goes over several lines
			i++
			line += "\n" + strings.TrimSpace(lines[i])
			args, err = config.SplitArgs(line)
		}
		require.NoError(t, err, "%s: %s", where, line)
		list = append(list, documented{where, args[1:]})
	}
	return list
}

var (
	inScript       = regexp.MustCompile(`^ +(- run: |- )?bin/torntail `)
	scriptVariable = regexp.MustCompile(`\$\{\{[^}]*\}\}|\$[A-Z_]+`)
)

// runHere are the commands whose documented lines are run here, when no exception is
// made: those that need nothing but the binary and a few seconds. The others are
// parsed; what they do is tested where they are.
var runHere = []string{"run", "replay", "check", "shrink", "suite", "merge", "list", "version"}

// exceptions are beginnings of command lines that are parsed only, and why.
var exceptions = map[string]string{
	"run --target redis-server": "minutes on a real server; testdata/realserver.txtar and lacking.txtar run shorter ones",
	"run --target redis-6.0":    "a server that has to be got; testdata/servers.txtar and oldserver.txtar",
	"run --target redis-7.0":    "servers that have to be got; harness/target runs pairs of versions",
	"run --target redis-8.0":    "servers that have to be got; harness/target runs pairs of versions",
	"run --target 127.0.0.1":    "a server that runs already; testdata/guest.txtar",
	"run --target valkey-9.1":   "a server that has to be got; testdata/servers.txtar",
	"run --target targets/":     "a real server; testdata/target.txtar",
	"run --target ./walcached":  "a real server, which has to be built; harness/product/walcache runs it",
	"run --backend block":       "a real server as root",
	"check history.edn":         "a history that the reader has",
	"suite suites/nightly.yaml": "twenty minutes",
	"suite suites/claims.yaml":  "minutes on a real server",
	"suite suites/redis.yaml":   "minutes on a real server",
	"suite suites/splitbrain":   "minutes on real servers",
	"suite suites/versions":     "a quarter of an hour on servers that have to be got",
	"merge shards/":             "what other machines have made",
	"merge ../":                 "what other machines have made",
}

// Every command line in the documentation is one that torntail takes, and those
// that need nothing but the binary and a minute are run.
func TestDocumentedCommandLines(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	work := documentedPlace(t)
	ran := 0
	for _, file := range append(files, "../../README.md") {
		for _, d := range commandLines(t, file) {
			line := strings.Join(d.args, " ")
			parser, err := kong.New(&cli{}, kong.Name("torntail"), kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard), kong.Bind(&app{}), diskVars())
			require.NoError(t, err)
			_, err = parser.Parse(d.args)
			require.NoError(t, err, "%s: torntail %s", d.where, line)
			if !slices.Contains(runHere, d.args[0]) || excepted(line) {
				continue
			}
			ran++
			for i, a := range d.args {
				if a == "DIR" || strings.HasPrefix(a, "torntail-out/") {
					d.args[i] = "saved"
				}
			}
			out, code := inPlace(t, work, fewer(d.args)...)
			if code != result.ExitHolds && code != result.ExitViolated {
				t.Errorf("%s: torntail %s: exit status %d\n%s", d.where, line, code, out)
			}
		}
	}
	require.Greater(t, ran, 15, "most documents have command lines that can be run")
}

// fewer is a command line that makes three crashes of a pair, not hundreds.
func fewer(args []string) []string {
	if args[0] != "run" && args[0] != "suite" || slices.Contains(args, "--list") {
		return args
	}
	if i := slices.Index(args, "--runs"); i > 0 {
		args[i+1] = "3"
		return args
	}
	return append(args, "--runs", "3")
}

func excepted(line string) bool {
	for beginning := range exceptions { // any order: they do not overlap
		if strings.HasPrefix(line, beginning) {
			return true
		}
	}
	return false
}

// documentedPlace is a directory with the files that the documentation speaks of.
func documentedPlace(t *testing.T) string {
	work := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(work, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(work, name), []byte(text), 0o644))
	}
	write("redis.conf", "appendonly yes\nport 6379\n")
	write("suites/smoke.yaml", "suite: 1\nbudget: {runs: 5}\nmatrix:\n- {modes: [always, rdb], crashes: [kill, power]}\n") // a small one in its place
	write("strict.yaml", "contract: 1\nrules:\n- max-lost: 0\n")
	out, code := inPlace(t, work, "run", "--mode", "always", "--crash", "power-in-fsync", "--runs", "10", "--plant", "reply-before-fsync", "--keep-failures", "1", "--out", "made")
	require.Equal(t, result.ExitViolated, code, out)
	saved, err := filepath.Glob(filepath.Join(work, "made/failures/*/shrunk"))
	require.NoError(t, err)
	require.NotEmpty(t, saved)
	require.NoError(t, os.Rename(filepath.Dir(saved[0]), filepath.Join(work, "saved")))
	history, err := os.ReadFile(filepath.Join(work, "saved/history.jsonl"))
	require.NoError(t, err)
	write("history.jsonl", string(history))
	return work
}

// inPlace runs torntail in a directory.
func inPlace(t *testing.T, dir string, args ...string) (out string, code int) {
	cmd := exec.Command("torntail", args...)
	cmd.Dir = dir
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), "%v", err)
		code = exit.ExitCode()
	}
	return string(text), code
}

// fenced are the blocks of a language in a document.
func fenced(t *testing.T, file, language string) (blocks []string) {
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, part := range strings.Split(string(text), "```"+language+"\n")[1:] {
		block, _, ok := strings.Cut(part, "```")
		require.True(t, ok, file)
		blocks = append(blocks, block)
	}
	return blocks
}

// The pipelines that are shown whole are YAML, the suite and the target are read.
func TestDocumentedFilesAreRead(t *testing.T) {
	pipelines := fenced(t, "../../docs/nightly.md", "yaml")
	require.Len(t, pipelines, 2)
	for _, text := range pipelines {
		var any map[string]any
		require.NoError(t, yaml.Unmarshal([]byte(text), &any))
		require.Greater(t, len(any), 2)
	}
	targets := fenced(t, "../../docs/targets.md", "yaml")
	require.Len(t, targets, 1)
	_, err := target.Parse("docs/targets.md", []byte(targets[0]))
	require.NoError(t, err)

	text, err := os.ReadFile("../../docs/suite.md")
	require.NoError(t, err)
	var block []string
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "    suite: 1") || len(block) > 0 && (line == "" || strings.HasPrefix(line, "    ")) {
			block = append(block, strings.TrimPrefix(line, "    "))
		} else if len(block) > 0 {
			break
		}
	}
	work := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(work, "redis.conf"), []byte("appendonly yes\n"), 0o644))
	f, err := suite.Parse(filepath.Join(work, "suite.md"), []byte(strings.Join(block, "\n")))
	require.NoError(t, err)
	require.Greater(t, len(f.Cells), 10)
}
