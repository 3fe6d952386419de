package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/result"
)

// tabled is an experiment of a scenario under a mode of persistence.
type tabled struct {
	Target   string         `json:"target"`
	Scenario string         `json:"scenario"`
	Mode     string         `json:"mode"`
	Seed     uint64         `json:"seed"`
	Verdict  result.Verdict `json:"verdict"`
	Why      string         `json:"why,omitempty"`
	Acked    int            `json:"acked"`
	Lost     int            `json:"lost"`
	By       map[string]int `json:"by,omitempty"` // phase
	Doubtful int            `json:"doubtful,omitempty"`
	Seconds  float64        `json:"seconds"`
}

// persistences are the modes of the table.
var persistences = []string{"none", "rdb", "everysec", "always"}

// nothing says why a scenario's fault has nothing to strike with a persistence: its cell is n/a,
// and not run.
var nothing = map[[2]string]string{
	{"replica-disk-full", "none"}:   "the replica keeps nothing, and writes nothing to the disk that is full",
	{"slow-fsync-failover", "none"}: "the master keeps no log, so it syncs nothing while it serves",
	{"slow-fsync-failover", "rdb"}:  "the master keeps no log; what a snapshot's child syncs is awaited by nobody",
}

// incidents are the scenarios of the table: those about what people report.
func incidents() (list []splitbrain.Named) {
	i := slices.IndexFunc(splitbrain.Scenarios, func(n splitbrain.Named) bool { return n.Name == "fast-restart" })
	return splitbrain.Scenarios[i:]
}

// everywhere are the clusters of the table; done releases them.
func everywhere() (list []splitbrain.Backend, done func()) {
	sim, done := simcluster.Backend(0)
	real := splitbrain.Backend{Name: "process", Target: "redis-server", System: System(),
		Run: func(ctx context.Context, s *splitbrain.Scenario, seed uint64) (*splitbrain.Outcome, error) {
			return Run(ctx, s, Options{Seed: seed})
		}}
	return []splitbrain.Backend{sim, real}, done
}

// tableOf runs what is not on record yet, and gives everything.
func tableOf(t *testing.T, b splitbrain.Backend, n splitbrain.Named, mode string, seeds uint64, before []tabled, put func(tabled)) {
	t.Helper()
	if nothing[[2]string{n.Name, mode}] != "" {
		return
	}
	o := n.Options
	o.Mode = mode
	s, err := splitbrain.New(o)
	require.NoError(t, err)
	for seed := uint64(1); seed <= seeds; seed++ {
		if slices.ContainsFunc(before, func(x tabled) bool {
			return x.Target == b.Target && x.Scenario == n.Name && x.Mode == mode && x.Seed == seed
		}) {
			continue
		}
		began := time.Now()
		r, _, err := b.Experiment(t.Context(), s, seed)
		if err != nil && b.Name == "process" { // the machine is too busy: it is not on record, and tried again another time
			t.Logf("%s, %s, mode %s, seed %d: %v", b.Target, n.Name, mode, seed, err)
			continue
		}
		require.NoError(t, err, "%s, %s, mode %s, seed %d", b.Target, n.Name, mode, seed)
		x := tabled{b.Target, n.Name, mode, seed, r.Verdict, r.Why + r.Story, r.Acknowledged, r.Lost, map[string]int{}, r.Unattributed + r.Refuted + r.AOFDiffer, time.Since(began).Seconds()}
		for phase, n := range r.LostBy { // any order: into a map
			if n > 0 {
				x.By[phase] = n
			}
		}
		put(x)
		check(t, &x)
	}
}

// check holds what must be so on every machine, however busy: nothing is violated, and in a run
// that shows its incident every loss is explained, something is lost where a master that keeps
// nothing comes back, and nothing where one does that keeps all.
func check(t *testing.T, x *tabled) {
	t.Helper()
	where := []any{"%s, %s, mode %s, seed %d: %s", x.Target, x.Scenario, x.Mode, x.Seed, x.Why}
	require.NotEqual(t, result.Violated, x.Verdict, where...)
	if x.Verdict == result.Unknown {
		return
	}
	require.Zero(t, x.Doubtful, where...)
	sum := 0
	for _, n := range x.By { // any order: a sum
		sum += n
	}
	require.Equal(t, x.Lost, sum, where...)
	if x.Scenario == "fast-restart" || x.Scenario == "rack-power" {
		switch x.Mode {
		case "none":
			if x.Acked > 500 { // on a machine that is too busy none may have been before the master died
				require.NotZero(t, x.Lost, where...)
			}
		case "always":
			require.Zero(t, x.Lost, where...)
		}
	}
}

// TestIncidentsInBothWorlds is a sample of the table: every scenario with each persistence in
// simulation, and a master that keeps nothing, and all, on redis-server.
func TestIncidentsInBothWorlds(t *testing.T) {
	both, done := everywhere()
	defer done()
	shown := map[string]int{}
	for _, n := range incidents() {
		for _, mode := range persistences {
			tableOf(t, both[0], n, mode, 1, nil, func(x tabled) { shown[string(x.Verdict)]++ })
		}
	}
	require.Greater(t, shown[string(result.Holds)], 3*len(incidents()), "most show their incident: %v", shown)
	if testing.Short() {
		return
	}
	needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	for _, mode := range []string{"none", "always"} {
		tableOf(t, both[1], incidents()[0], mode, 1, nil, func(x tabled) { t.Logf("%+v", x) })
	}
}

// TestTableOfIncidents is make prove-clusters: TORNTAIL_CLUSTER_RUNS is how often each scenario
// runs with each persistence on redis-server, and five times as often in simulation,
// TORNTAIL_PROGRESS a file that remembers, TORNTAIL_TABLE what is written.
func TestTableOfIncidents(t *testing.T) {
	runs, err := strconv.ParseUint(os.Getenv("TORNTAIL_CLUSTER_RUNS"), 10, 64)
	if err != nil {
		t.Skip("minutes; make prove-clusters runs it")
	}
	needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	f, err := os.OpenFile(os.Getenv("TORNTAIL_PROGRESS"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	require.NoError(t, err)
	defer f.Close()
	var all []tabled
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var x tabled
		if json.Unmarshal(lines.Bytes(), &x) == nil { // the last line may be torn
			all = append(all, x)
		}
	}
	both, done := everywhere()
	defer done()
	for seeds := uint64(1); seeds <= runs; seeds++ { // of every cell one, then of every cell another
		for i, b := range both {
			for _, n := range incidents() {
				for _, mode := range persistences {
					tableOf(t, b, n, mode, seeds*[]uint64{5, 1}[i], all, func(x tabled) {
						all = append(all, x)
						line, _ := json.Marshal(x)
						_, err := f.Write(append(line, '\n'))
						require.NoError(t, err)
						t.Logf("%s %s %s seed %d: %s %d of %d lost %v %s", x.Target, x.Scenario, x.Mode, x.Seed, x.Verdict, x.Lost, x.Acked, x.By, x.Why)
					})
				}
			}
		}
	}
	text := incidentTable(all)
	t.Log(text)
	if path := os.Getenv("TORNTAIL_TABLE"); path != "" {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

// incidentTable is all of it as Markdown.
func incidentTable(all []tabled) string {
	var b strings.Builder
	count, known := map[string]int{}, map[string]int{}
	lost := 0
	for _, x := range all {
		count[x.Target]++
		if x.Verdict != result.Unknown {
			known[x.Target]++
			lost += x.Lost
		}
	}
	fmt.Fprintf(&b, `# Incidents, by persistence

Written by %[1]smake prove-clusters%[1]s: each scenario that people report (%[1]storntail list
scenarios%[1]s) with each way to keep data, on redis-server (%[2]d runs, %[3]d of which showed their
incident) and the embedded engine in simulation (%[4]d, %[5]d). The median of what was lost of what
was acknowledged, over the runs that showed the incident; behind it how many of all did, where not
all; below it the phases in which it was lost, added up over these runs. Of %[6]d lost writes
none is unattributed, refuted or told otherwise by the append-only files.

| scenario | persistence | redis-server | engine | seconds a run |
|---|---|---|---|--:|
`, "`", count["redis-server"], known["redis-server"], count["engine"], known["engine"], lost)
	whys, never := map[string]int{}, []string(nil)
	for _, n := range incidents() {
		for _, mode := range persistences {
			fmt.Fprintf(&b, "| %s | %s |", n.Name, mode)
			if why := nothing[[2]string{n.Name, mode}]; why != "" {
				never = append(never, fmt.Sprintf("- %s, %s: %s\n", n.Name, mode, why))
				b.WriteString(" n/a | n/a | - |\n")
				continue
			}
			var took []float64
			for _, target := range []string{"redis-server", "engine"} {
				fmt.Fprintf(&b, " %s |", cellOf(all, target, n.Name, mode, whys, &took))
			}
			seconds := "-"
			if len(took) > 0 {
				seconds = fmt.Sprintf("%.1f", quantile.Median(quantile.Sorted(took)))
			}
			fmt.Fprintf(&b, " %s |\n", seconds)
		}
	}
	fmt.Fprintf(&b, "\nCells that are n/a, where the fault has nothing to strike:\n\n%s", strings.Join(never, ""))
	fmt.Fprintf(&b, "\nSeconds are those on redis-server, start and convergence included; in simulation a run takes a\ntenth of a second. Runs that did not show their incident, by why:\n\n")
	for _, why := range slices.Sorted(maps.Keys(whys)) {
		fmt.Fprintf(&b, "- %d: %s\n", whys[why], why)
	}
	return b.String()
}

// cellOf is one cell of the table.
func cellOf(all []tabled, target, scenario, mode string, whys map[string]int, took *[]float64) string {
	var lost, acked []float64
	by := map[string]int{}
	runs := 0
	for _, x := range all {
		if x.Target != target || x.Scenario != scenario || x.Mode != mode {
			continue
		}
		runs++
		if target == "redis-server" {
			*took = append(*took, x.Seconds)
		}
		if x.Verdict == result.Unknown {
			whys[fmt.Sprintf("%s, %s, %s: %s", target, scenario, mode, shortWhy(x.Why))]++
			continue
		}
		lost, acked = append(lost, float64(x.Lost)), append(acked, float64(x.Acked))
		for phase, n := range x.By { // any order: into a map
			by[phase] += n
		}
	}
	switch {
	case runs == 0:
		return "-"
	case len(lost) == 0:
		return fmt.Sprintf("unknown (%d)", runs)
	}
	text := fmt.Sprintf("%.0f of %.0f", quantile.Median(quantile.Sorted(lost)), quantile.Median(quantile.Sorted(acked)))
	if len(lost) < runs {
		text += fmt.Sprintf(" (%d of %d)", len(lost), runs)
	}
	for _, phase := range slices.Sorted(maps.Keys(by)) {
		text += fmt.Sprintf("<br>%s %d", phase, by[phase])
	}
	return text
}

// shortWhy is a reason without the figures of its run.
func shortWhy(why string) string {
	why, _, _ = strings.Cut(why, "; ")
	if i := strings.Index(why, "in place from "); i >= 0 {
		_, rest, _ := strings.Cut(why[i:], ", ")
		why = why[:i] + rest
	}
	return why
}
