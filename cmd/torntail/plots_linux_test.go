package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/blocklog"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/witness"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

var updatePlots = flag.Bool("update-plots", false, "write testdata/plots anew")

// TestPlots runs experiments with real servers and holds them to the steps that they
// took before: every start with its arguments, signal, end and repair; every disk that
// is made, breaks, loses its power and is taken away; which commands each life of a
// server hears. A file of testdata/plots is one plot: torntail's arguments, its input,
// and the steps, as teller tells them, in passages.
//
// Each passage of the file must be seen, and no other. Those that only some runs show
// ("sometimes": an experiment whose crash came too late on a busy machine, an image
// that a server refuses) need not.
//
// Without TORNTAIL_PLOTS=all only those are played that say "sample". With
// -update-plots passages that are new are added, and those that were not seen are
// marked as seen sometimes: on a file without steps, several runs find out which are.
func TestPlots(t *testing.T) {
	files, err := filepath.Glob("testdata/plots/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			p := readPlot(t, file)
			if !p.sample && os.Getenv("TORNTAIL_PLOTS") != "all" && !*updatePlots {
				t.Skip("no part of the sample: TORNTAIL_PLOTS=all plays it")
			}
			p.needs(t)
			got := p.steps(t)
			if *updatePlots {
				require.NoError(t, os.WriteFile(file, []byte(p.head+stepsBegin+p.want.with(got).String()), 0o644))
				return
			}
			if what := p.want.differs(got); what != "" {
				t.Errorf("other steps than before: %s", what)
			}
		})
	}
}

// passage is a part of a story: an experiment, or the life of somebody in it.
type passage struct {
	text      string
	sometimes bool // not every run shows it
}

// passages are a story.
type passages []passage

const sometimes = "sometimes\n"

func parsePassages(text string) (all passages) {
	for part := range strings.SplitSeq(text, "\n\n") {
		if part = strings.TrimSuffix(part, "\n"); part == "" {
			continue
		}
		text, cut := strings.CutPrefix(part+"\n", sometimes)
		all = append(all, passage{text, cut})
	}
	return all
}

func (ps passages) String() string {
	parts := make([]string, len(ps))
	for i, p := range ps {
		if parts[i] = p.text; p.sometimes {
			parts[i] = sometimes + p.text
		}
	}
	return strings.Join(parts, "\n")
}

func (ps passages) has(text string) bool {
	return slices.ContainsFunc(ps, func(p passage) bool { return p.text == text })
}

// with is the story when one more run showed so much.
func (ps passages) with(got []string) passages {
	first := len(ps) == 0
	for i := range ps {
		ps[i].sometimes = ps[i].sometimes || !slices.Contains(got, ps[i].text)
	}
	for _, text := range got {
		if !ps.has(text) {
			ps = append(ps, passage{text, !first})
		}
	}
	return ps
}

// differs says in what a run is not as it should be; "" when in nothing.
func (ps passages) differs(got []string) string {
	var is, missing []string
	for _, text := range got {
		if !ps.has(text) {
			is = append(is, text)
		}
	}
	for _, p := range ps {
		if !p.sometimes && !slices.Contains(got, p.text) {
			missing = append(missing, p.text)
		}
	}
	switch {
	case len(is) == 0 && len(missing) == 0:
		return ""
	case len(is) == 1 && len(missing) == 1:
		return "(-want +got)\n" + cmp.Diff(strings.Split(missing[0], "\n"), strings.Split(is[0], "\n"))
	}
	return "new:\n" + strings.Join(is, "\n") + "gone:\n" + strings.Join(missing, "\n")
}

// TestPassages: what a story lacks and what is new in it is found.
func TestPassages(t *testing.T) {
	var story passages
	story = story.with([]string{"a\n", "b\nb\n"})
	assert.Equal(t, "a\n\nb\nb\n", story.String())
	story = story.with([]string{"a\n", "c\n"})
	assert.Equal(t, "a\n\nsometimes\nb\nb\n\nsometimes\nc\n", story.String())
	assert.Equal(t, story, parsePassages(story.String()))
	assert.Empty(t, story.differs([]string{"a\n"}))
	assert.Empty(t, story.differs([]string{"c\n", "a\n"}))
	assert.Contains(t, story.differs([]string{"b\nb\n"}), "a")
	assert.Contains(t, story.differs([]string{"a\n", "d\n"}), "d")
	assert.Contains(t, story.differs(nil), "a")
}

// plot is a file of testdata/plots.
type plot struct {
	head             string
	want             passages
	args             []string
	plan             string
	block, host      bool
	byServer, silent bool
	sample           bool
}

const stepsBegin = "-- steps --\n"

func readPlot(t *testing.T, file string) plot {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var p plot
	head, steps, _ := strings.Cut(string(data), stepsBegin)
	p.head, p.want = head, parsePassages(steps)
	for line := range strings.Lines(p.head) {
		line = strings.TrimSuffix(line, "\n")
		switch name, value, _ := strings.Cut(line, ": "); {
		case strings.HasPrefix(line, "#"):
		case name == "torntail":
			p.args = strings.Fields(value)
		case line == "order: by server":
			p.byServer = true
		case line == "without commands":
			p.silent = true
		case line == "sample":
			p.sample = true
		default:
			p.plan += line + "\n"
		}
	}
	require.NotEmpty(t, p.args, "no line \"torntail: ARGUMENTS\"")
	p.block, p.host = slices.Contains(p.args, "block"), slices.Contains(p.args, "host")
	return p
}

// needs skips a plot that cannot be played on this machine.
func (p *plot) needs(t *testing.T) {
	needs.Program(t, "redis-server")
	switch {
	case p.block:
		needs.Working(t, blocklog.Available())
		needs.Working(t, blocklog.AvailableFS("ext4"))
	case !p.host:
		needs.Working(t, fusefs.Available())
	}
}

// steps plays the plot.
func (p *plot) steps(t *testing.T) []string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "input"), []byte(p.plan), 0o644))
	c := exec.Command("torntail-seen", append(slices.Clone(p.args), "--out", "out", "--quiet")...)
	c.Dir = dir
	c.Env = append(os.Environ(), "SEEN="+filepath.Join(dir, "seen"), "TMPDIR="+dir)
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(t, err, &exit, "%s", out)
	}
	f, err := os.Open(filepath.Join(dir, "seen"))
	require.NoError(t, err, "%s", out)
	defer f.Close()
	teller := newTeller(p.byServer, p.silent)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e witness.Event
		require.NoError(t, json.Unmarshal(lines.Bytes(), &e))
		teller.tell(e)
	}
	require.NoError(t, lines.Err())
	switch code := c.ProcessState.ExitCode(); code {
	case result.ExitHolds, result.ExitViolated, result.ExitUnknown: // which of them, others check
	default:
		t.Fatalf("exit status %d: %s", code, out)
	}
	return teller.story()
}
