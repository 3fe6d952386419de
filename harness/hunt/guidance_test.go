package hunt

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/result"
)

// sought are the planted bugs that a hunt of one server is to find: of the engine and the disk,
// those that break a contract there.
func sought() (names []string) {
	for _, p := range experiment.AllPlants() {
		if engine := strings.HasPrefix(p.Where, "engine"); (engine || p.Where == "disk") && p.Must != "unknown" && p.Must != "" && !strings.Contains(p.Where, "replicated") {
			names = append(names, p.Name)
		}
	}
	return names
}

// try is one hunt until its plant is found.
type try struct {
	plant, guide string
	seed         int
}

// firstFind is the experiment in which a hunt first shows what the clean engine does not show
// in the same experiment; 0: it does not in so many.
func (c *try) firstFind(t *testing.T, experiments int) int {
	s := experiment.NewSimulator()
	defer s.Close()
	found := 0
	h := &Hunt{Space: simulated(c.plant), Seed: uint64(c.seed), Experiments: experiments, Guide: c.guide, Workers: 1}
	h.Until = func(f *Finding) bool {
		if !f.New() || found > 0 {
			return found > 0
		}
		x := *f.x
		x.Plants, x.Observer = experiment.Plants{}, nil
		if o, err := s.Run(&x, nil); err == nil && !(o.Verdict == result.Violated && len(o.Findings) == 0) {
			found = f.First
		}
		return found > 0
	}
	_, err := h.Run(context.Background(), campaign.Simulation())
	require.NoError(t, err)
	return found
}

// TestGuidanceAgainstUniformDrawing: how many experiments each way of choosing what is changed
// takes to a plant's first find, beside uniform drawing. A sample by default; whole by make
// prove-guidance, of which every try is a line of TORNTAIL_PROGRESS, so that it is taken up
// again. TORNTAIL_TABLE is where its tables are written.
func TestGuidanceAgainstUniformDrawing(t *testing.T) {
	most, seeds, names := wanted(t, "TORNTAIL_EXPERIMENTS", 200), wanted(t, "TORNTAIL_SEEDS", 1), []string{"reply-before-fsync", "rewrite-loses-writes"}
	guides := Guides
	path := os.Getenv("TORNTAIL_PROGRESS")
	if path != "" {
		names = sought()
	}
	if only := os.Getenv("TORNTAIL_GUIDES"); only != "" {
		guides = strings.Fields(only)
	}
	done := map[try]int{}
	if f, err := os.Open(path); err == nil {
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var c try
			first := 0
			if n, _ := fmt.Sscan(lines.Text(), &c.plant, &c.guide, &c.seed, &first); n == 4 { // the last may be torn
				done[c] = first
			}
		}
		require.NoError(t, f.Close())
	}
	if table := os.Getenv("TORNTAIL_TABLE"); table != "" {
		defer func() {
			require.NoError(t, os.WriteFile(table, []byte(guidanceTable(done, names, most, seeds)), 0o644))
		}()
	}
	for seed := 1; seed <= seeds; seed++ { // the other loops within, so that what is stopped has some of each
		for _, name := range names {
			for _, g := range guides {
				c := try{name, g, seed}
				if _, is := done[c]; is {
					continue
				}
				done[c] = c.firstFind(t, most)
				t.Logf("%s, %s, seed %d: %d", name, g, seed, done[c])
				if path != "" {
					f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
					require.NoError(t, err)
					_, err = fmt.Fprintln(f, name, g, seed, done[c])
					require.NoError(t, cmp.Or(err, f.Close()))
				}
			}
		}
	}
	if path == "" {
		for _, g := range guides {
			require.Positive(t, done[try{names[0], g, 1}], "%s is found by %s", names[0], g)
		}
	}
}

// quickly is up to which median a plant is left out of the mean that both ways find.
const quickly = 30

// guidanceTable is what was measured: medians, with what was not found counted as one more than
// was tried, and the geometric mean of how much sooner than uniform drawing each way is.
func guidanceTable(done map[try]int, names []string, most, seeds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Guidance against uniform drawing\n\n    make prove-guidance\n\nhunts the engine with each planted bug until it is found, %d experiments at most, with seeds 1 to %d and each way of choosing\nwhat is changed next. The median of the experiments to the first find, and in brackets how many of the tries found it; \">\": not\nwithin these. A find is one that the engine without the bug does not show in the same experiment. %d tries of %d were made.\n\n| plant |", most, seeds, len(done), len(names)*len(Guides)*seeds)
	for _, g := range Guides {
		fmt.Fprintf(&b, " %s |", g)
	}
	fmt.Fprintf(&b, "\n|---|%s\n", strings.Repeat("--:|", len(Guides)))
	logs, counted := map[string]float64{}, map[string]int{}
	for _, name := range names {
		fmt.Fprintf(&b, "| %s |", name)
		uniform := 0
		for _, g := range Guides {
			var firsts []int
			found := 0
			for seed := 1; seed <= seeds; seed++ {
				first, is := done[try{name, g, seed}]
				if !is || g != Uniform && !has(done, try{name, Uniform, seed}) {
					continue
				}
				if first > 0 {
					found++
				} else {
					first = most + 1
				}
				firsts = append(firsts, first)
			}
			if len(firsts) == 0 {
				b.WriteString(" - |")
				continue
			}
			slices.Sort(firsts)
			median := firsts[(len(firsts)-1)/2]
			text := fmt.Sprint(median)
			if median > most {
				text = fmt.Sprintf("> %d", most)
			}
			fmt.Fprintf(&b, " %s (%d of %d) |", text, found, len(firsts))
			if g == Uniform {
				uniform = median
			} else if uniform > 0 && (median > quickly || uniform > quickly) && (median <= most || uniform <= most) {
				logs[g] += math.Log(float64(uniform) / float64(median))
				counted[g]++
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, g := range Guides[1:] {
		if n := counted[g]; n > 0 {
			fmt.Fprintf(&b, "- `%s`: %.2f times as soon as uniform drawing, the geometric mean of %d plants; those that both find within %d, or neither, are left out.\n", g, math.Exp(logs[g]/float64(n)), n, quickly)
		}
	}
	return b.String()
}

func has(done map[try]int, c try) bool { _, is := done[c]; return is }
