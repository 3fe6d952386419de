package terminal

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/torntail/torntail/reports/result"
)

var update = flag.Bool("update", false, "write the golden files")

// cell is the common part of a result.
func cell(mode string, directives []string, crash string) result.Result {
	return result.Result{
		Target: "engine", Version: "7.0.15", Backend: "sim", Personality: "ext4", Workload: "paced",
		Mode: mode, Directives: directives, Crash: crash, Runs: 200, Struck: 200,
		Acknowledged: 160_000, LossWindow: &result.LossWindow{}, Recovery: result.Recovery{ByItself: 200},
		SpanMS: 5000, Rate: 200, Verdict: result.Holds,
	}
}

func report(results ...result.Result) *result.Report {
	return &result.Report{
		Schema: result.Schema, Torntail: "v0.1.0", Command: "torntail run", Seed: 1,
		Started: time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC), ElapsedS: 12.5, Results: results,
	}
}

// directives are the presets' own: some the same in every mode.
func directives(aof, fsync, save string) []string {
	return []string{"appendonly " + aof, "appendfsync " + fsync, "aof-use-rdb-preamble no", "save " + save,
		"auto-aof-rewrite-percentage 0", "no-appendfsync-on-rewrite no", "aof-load-truncated yes"}
}

var (
	always   = directives("yes", "always", `""`)
	everysec = directives("yes", "everysec", `""`)
	no       = directives("yes", "no", `""`)
	rdb      = directives("no", "everysec", "2 1")
	none     = directives("no", "everysec", `""`)
)

// usual is what a run of a correct server looks like.
func usual() *result.Report {
	lossless := result.Bound{Name: result.Documented}
	second := result.Bound{Name: result.Documented, Value: 1000}

	a1, a2, a3 := cell("always", always, "kill"), cell("always", always, "power"), cell("always", always, "power-in-fsync")
	a1.Bounds, a2.Bounds, a3.Bounds = []result.Bound{lossless}, []result.Bound{lossless}, []result.Bound{lossless}
	a3.Recovery = result.Recovery{ByItself: 188, Repaired: 12}
	a3.Findings = map[string]int{"F2": 12}
	a3.Failures = []result.Failure{{Seed: 17, Dir: "torntail-out/20261121-223000/findings/F2", Finding: "F2"}}

	e1, e2, e3 := cell("everysec", everysec, "kill"), cell("everysec", everysec, "power"), cell("everysec", everysec, "power-in-fsync")
	e1.Bounds = []result.Bound{second}
	e2.Bounds = []result.Bound{second, {Name: result.Source, Value: 2000}}
	e2.Lost, e2.LostMax, e2.LossWindow = 21_400, 204, &result.LossWindow{P50: 519.7, P90: 918, P99: 1003, Max: 1024}
	e2.Recovery, e2.Findings = result.Recovery{ByItself: 160, Repaired: 40}, map[string]int{"F2": 40}
	e3.Bounds, e3.Struck = e2.Bounds, 187
	e3.Lost, e3.LossWindow = 18_870, &result.LossWindow{P50: 1001, P90: 1003, P99: 1010, Max: 1012}
	e3.Recovery = result.Recovery{ByItself: 187}

	n2 := cell("no", no, "power")
	n2.Acknowledged, n2.Lost = 3_400_000, 912_345
	n2.LossWindow = &result.LossWindow{P50: 16_900, P90: 29_000, P99: 33_100, Max: 34_600}
	n2.Bounds = []result.Bound{{Name: result.Modelled, Value: 35_000}}
	n3 := cell("no", no, "power-in-fsync")
	n3.Verdict, n3.Why, n3.Runs, n3.Struck = result.NotApplicable, "this mode does not fsync while clients write", 0, 0

	r1 := cell("rdb", rdb, "kill")
	r1.Lost, r1.LossWindow = 24_000, &result.LossWindow{P50: 610, P90: 1900, P99: 2080, Max: 2101}
	r1.Bounds = []result.Bound{{Name: result.Documented, Value: 2150}}

	z1 := cell("none", none, "kill")
	z1.Lost, z1.LossWindow = z1.Acknowledged, &result.LossWindow{P50: 2980, P90: 4520, P99: 4950, Max: 4996, Censored: 200}
	return report(a1, a2, a3, e1, e2, e3, n2, n3, r1, z1)
}

// failing has every other kind of row.
func failing() *result.Report {
	v := cell("always", always, "power")
	v.Lost, v.LossWindow = 31, &result.LossWindow{P99: 4, Max: 5.25}
	v.Bounds = []result.Bound{{Name: result.Documented}}
	v.Verdict, v.Anomalies = result.Violated, map[string]int{"lost-write": 4, "hole": 1}
	for seed := range uint64(5) {
		v.Failures = append(v.Failures, result.Failure{
			Seed: seed, Dir: "torntail-out/x/failures/always-power-1", Anomaly: "lost-write",
			Story: "client 2 was told that k7=c2-14 is there; after the restart k7 is c1-9, and nothing wrote k7 in between",
		})
	}
	u := cell("everysec", everysec, "power")
	u.Struck, u.Verdict = 43, result.Unknown
	u.Why = "in 43 of 200 crashes the disk held something unsynced: fewer than half, so that too little could have been lost"
	u.Recovery = result.Recovery{ByItself: 40, Refused: 3}
	n := cell("none", none, "power-in-the-middle-of-an-fsync")
	n.Verdict, n.LossWindow = result.NotApplicable, nil
	n.Why = "this mode never syncs anything at all, neither in the foreground nor in the background, so that nothing is in flight"
	n.Findings = map[string]int{"my-known-bug": 1}
	real := cell("always", always, "kill")
	real.Target, real.Backend = "redis-server", "process"
	return report(v, u, n, real)
}

// extreme has the widest figures there are.
func extreme() *result.Report {
	r := cell("hybrid-always", always, "power-in-rewrite")
	r.Runs, r.Struck = 100_000, 99_999
	r.Acknowledged, r.Lost = 123_456_789_012, 99_999_999
	r.LossWindow = &result.LossWindow{P50: 99_949, P90: 500_000, P99: 599_999, Max: 35_999_999}
	r.Bounds = []result.Bound{{Name: result.Modelled, Value: 599_999}}
	r.Recovery = result.Recovery{ByItself: 99_998, Refused: 1}
	r.Verdict = result.Violated
	c := r
	c.LossWindow = &result.LossWindow{P50: 99.99, P90: 9999, P99: 599_999, Max: 1e8, Censored: 1}
	c.Crash, c.Runs, c.Struck = "power", 999, 998
	return report(r, c)
}

func print(t *testing.T, r *result.Report, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]*result.Report{"usual": usual(), "failing": failing(), "extreme": extreme(), "nothing": report()} {
		t.Run(name, func(t *testing.T) {
			got := print(t, r, Options{Out: "torntail-out/20261121-223000"})
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-golden +now:\n%s", diff)
			}
			for i, line := range strings.Split(got, "\n") {
				if columns(line) > Width && !strings.Contains(line, "torntail replay") {
					t.Errorf("line %d has %d columns: %s", i+1, columns(line), line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("line %d ends in blanks: %q", i+1, line)
				}
			}
		})
	}
}

// TestFiguresStandUnderTheirHeads fails when a column and its head drift apart.
func TestFiguresStandUnderTheirHeads(t *testing.T) {
	ends := []int{}
	at := crashWidth
	for _, w := range figureWidths {
		at += w
		ends = append(ends, at)
	}
	for i, word := range []string{"struck", "total", "lost", "p50", "p99", "max", "bound", "itself"} {
		if got := strings.Index(headBottom, word) + len(word); got != ends[i] {
			t.Errorf("%s ends in column %d, its figures in %d", word, got, ends[i])
		}
	}
	if got := strings.Index(headBottom, "verdict"); got != at+1 {
		t.Errorf("verdict begins in column %d, its words in %d", got, at+1)
	}
	if at+1+verdictWidth > Width {
		t.Errorf("the table has %d columns", at+1+verdictWidth)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestColourChangesNothingElse(t *testing.T) {
	for _, r := range []*result.Report{usual(), failing(), extreme()} {
		plain, coloured := print(t, r, Options{}), print(t, r, Options{Color: true})
		if !sgr.MatchString(coloured) {
			t.Error("no colours")
		}
		if sgr.MatchString(plain) {
			t.Error("colours without being asked")
		}
		if diff := cmp.Diff(plain, sgr.ReplaceAllString(coloured, "")); diff != "" {
			t.Errorf("-plain +coloured:\n%s", diff)
		}
	}
}

func TestUseColor(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if UseColor(f) {
		t.Error("a file is no terminal")
	}
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminal here")
	}
	defer tty.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !UseColor(tty) {
		t.Error("a terminal is one, and an empty NO_COLOR says nothing")
	}
	t.Setenv("TERM", "dumb")
	if UseColor(tty) {
		t.Error("TERM=dumb")
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	if UseColor(tty) {
		t.Error("NO_COLOR=1")
	}
}

func TestQuiet(t *testing.T) {
	got := print(t, failing(), Options{Quiet: true, Out: "out"})
	want := `always power violated
everysec power unknown
none power-in-the-middle-of-an-fsync n/a
always kill holds
Reports: out
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
