package result

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

// sample has every field set, so that the golden file shows every name.
func sample() *Report {
	return &Report{
		Schema:   Schema,
		Torntail: "v0.1.0",
		Command:  "torntail run --seed 7",
		Seed:     7,
		Started:  time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC),
		ElapsedS: 12.5,
		Machine:  Machine{OS: "linux", Arch: "amd64", CPUs: 2, Kernel: "6.18.5", FileSystem: "ext4"},
		Results: []Result{{
			Target: "engine", Version: "7.0.15", Backend: "sim",
			Mode: "everysec", Directives: []string{"appendonly yes", "appendfsync everysec", `save ""`},
			Crash: "power", Workload: "paced", Personality: "ext4",
			Runs: 200, Struck: 199, Acknowledged: 160_000, Lost: 9_000, LostMax: 110,
			LossWindow: &LossWindow{P50: 520.5, P90: 930, P99: 1010, Max: 1024, Censored: 1, Percentiles: []float64{0, 1.5, 1024}},
			Bounds:     []Bound{{Documented, 1000}, {Source, 2000}, {Modelled, 2004}},
			SpanMS:     5000, Rate: 200,
			Samples:   &Samples{WindowMS: []float64{0, 1.5, 1024}, Lost: []int{0, 1, 110}, Rate: []float64{199.5, 201, 200}, RecoveryMS: []float64{3, 9.25}},
			Anomalies: map[string]int{"hole": 1},
			Recovery:  Recovery{ByItself: 190, Repaired: 8, Refused: 1}, RecoveryMS: &RecoveryTime{P50: 3, Max: 9.25},
			Findings: map[string]int{"F2": 8},
			Verdict:  Violated,
			Why:      "a write survived and an earlier one did not",
			Failures: []Failure{{
				Seed: 41, Plan: "plan 1\nat 1.2s: power-cut n1\n", Dir: "torntail-out/x/failures/41",
				Anomaly: "hole", Finding: "F2", Story: "c1 wrote k3=17, then k3=18; only 18 was lost",
			}},
		}, {
			Target: "engine", Version: "7.0.15", Backend: "sim", Mode: "none", Directives: []string{"appendonly no"},
			Crash: "power-in-fsync", Workload: "paced", Personality: "ext4",
			Verdict: NotApplicable, Why: "this mode never syncs",
		}},
	}
}

// TestGoldenV1 fails when the JSON form changes in a way that readers of
// version 1 would notice. It also shows that files of version 1 still load.
func TestGoldenV1(t *testing.T) {
	path := filepath.Join("testdata", "report-v1-samples.json")
	var out bytes.Buffer
	if err := sample().Write(&out); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), out.String()); diff != "" {
		t.Errorf("JSON form changed (-golden +now):\n%s", diff)
	}
	loaded, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), loaded); diff != "" {
		t.Errorf("loading lost something (-want +got):\n%s", diff)
	}
}

// TestFilesOfEarlierVersionsLoad: what was added to schema 1 later is absent
// from a file that was written before.
func TestFilesOfEarlierVersionsLoad(t *testing.T) {
	loaded, err := Load(filepath.Join("testdata", "report-v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := sample()
	want.Results[0].Samples = nil
	if diff := cmp.Diff(want, loaded); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestFieldNames holds the documented names against the types, so that a
// renamed field is noticed even by someone who regenerates the golden file.
func TestFieldNames(t *testing.T) {
	for _, c := range []struct {
		value any
		names string
	}{
		{Report{}, "claims command elapsed_s machine policies results schema seed started suite torntail"},
		{Result{}, "acknowledged anomalies backend bounds_ms causes cell compared crash damage directives elapsed_s evicted expected failures findings loss_window_ms lost lost_max mode not_served out_of_reach outside own_ends package personality rate recovery recovery_ms refused_writes runs samples span_ms strength struck target unstruck verdict version why witness workload"},
		{Policies{}, "advice choice fault_disk host load max_loss_ms min_rate not_tested policies restart_writes round_s rounds unfinished"},
		{Policy{}, "bytes_per_op directives fault_disk file_bytes fsyncs_per_op host mode restart_ms"},
		{Cost{}, "over p50_ms p999_ms p99_ms rate rounds"},
		{Samples{}, "lost rate recovery_ms window_ms"},
		{LossWindow{}, "censored max p50 p90 p99 percentiles"},
		{Bound{}, "name value"},
		{Outside{}, "runs why"},
		{Damage{}, "crashes files lost"},
		{RefusedWrites{}, "longest_ms runs writes"},
		{OwnEnd{}, "how runs why"},
		{Unstruck{}, "runs statement why"},
		{Recovery{}, "by_itself refused repaired"},
		{RecoveryTime{}, "max p50"},
		{Witness{}, "asked disagreed unanswered"},
		{Failure{}, "anomaly dir finding plan seed shrunk story"},
		{Shrunk{}, "dir faults operations plan"},
	} {
		typ := reflect.TypeOf(c.value)
		var names []string
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
		}
		sort.Strings(names)
		if got := strings.Join(names, " "); got != c.names {
			t.Errorf("%s has fields\n %s\nwant\n %s", typ.Name(), got, c.names)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no JSON", "oops", "line 1, column 1: invalid character 'o' looking for beginning of value"},
		{"cut short", "{\n  \"schema\": 1,\n", "line 3, column 1: unexpected end of JSON input"},
		{"no schema", `{"results": []}`, `not a torntail report: it has no "schema"`},
		{"another program's file", `[1,2]`, "line 1, column 1: a JSON array does not belong here"},
		{"newer", `{"schema": 99}`, "schema 99 is newer than the newest this torntail reads (1): use the torntail that wrote it, or a newer one"},
		{"older than the first", `{"schema": -1}`, "schema -1 is unknown: this torntail reads 1 to 1"},
		{"misspelt verdict", `{"schema":1,"results":[{"verdict":"hold"}]}`, `verdict "hold": expected "holds", "violated", "unknown" or "n/a"`},
		{"no verdict", `{"schema":1,"results":[{"mode":"always","crash":"power"}]}`, "results[0] (always, power): no verdict"},
		{"samples that do not belong together", `{"schema":1,"results":[{"verdict":"holds","mode":"no","crash":"kill","samples":{"window_ms":[1,2],"lost":[1]}}]}`,
			"results[0] (no, kill): samples: 2 loss windows, but 1 counts of lost writes"},
		{"wrong kind", "{\"schema\":1,\n\"results\":7}", "line 2, column 11: results: a JSON number does not belong here"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil {
				t.Fatal("no error")
			}
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
		})
	}
}

func TestUnknownFieldIsPassedOver(t *testing.T) {
	r, err := Parse([]byte(`{"schema":1,"seed":3,"added_later":true,"results":[{"verdict":"holds","added_later":[1]}]}`))
	if err != nil || r.Seed != 3 || len(r.Results) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestSaveReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.json")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sample().Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatalf("left behind: %v, %v", entries, err)
	}
	if err := sample().Save(filepath.Join(t.TempDir(), "missing", "report.json")); err == nil {
		t.Fatal("no error for a directory that does not exist")
	}
}

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		verdicts []Verdict
		want     int
	}{
		{nil, ExitUnknown},
		{[]Verdict{NotApplicable}, ExitUnknown},
		{[]Verdict{Holds, NotApplicable}, ExitHolds},
		{[]Verdict{Holds, Unknown}, ExitUnknown},
		{[]Verdict{Unknown, Violated, Holds}, ExitViolated},
		{[]Verdict{Violated, Unknown}, ExitViolated},
		{[]Verdict{Holds, "nonsense"}, ExitUnknown},
	} {
		if got := Exit(c.verdicts, false); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.verdicts, got, c.want)
		}
	}
}

// TestLenientExit: an unknown only warns where something was proved.
func TestLenientExit(t *testing.T) {
	for _, c := range []struct {
		verdicts []Verdict
		want     int
	}{
		{nil, ExitUnknown},
		{[]Verdict{Unknown, NotApplicable}, ExitUnknown},
		{[]Verdict{Holds, Unknown}, ExitHolds},
		{[]Verdict{Unknown, Violated}, ExitViolated},
	} {
		if got := Exit(c.verdicts, true); got != c.want {
			t.Errorf("%v: exit %d, want %d", c.verdicts, got, c.want)
		}
	}
}

// TestWorst takes the precedence 4, 2, 5, 143, 130, 1, 6, 3, 0 pair by pair.
func TestWorst(t *testing.T) {
	order := []int{4, 2, 5, 143, 130, 1, 6, 3, 0}
	for i, strong := range order {
		for _, weak := range order[i:] {
			if got := Worst(weak, strong); got != strong {
				t.Errorf("Worst(%d, %d) = %d, want %d", weak, strong, got, strong)
			}
			if got := Worst(strong, weak); got != strong {
				t.Errorf("Worst(%d, %d) = %d, want %d", strong, weak, got, strong)
			}
		}
	}
	if got := Worst(); got != ExitHolds {
		t.Errorf("Worst() = %d", got)
	}
	if got := Worst(0, 77); got != ExitInternal {
		t.Errorf("Worst(0, 77) = %d: a status nobody defined is our own failure", got)
	}
}

func TestNewLossWindow(t *testing.T) {
	if NewLossWindow(nil, 0) != nil {
		t.Error("a distribution of nothing")
	}
	var windows []time.Duration
	for i := range 200 { // 200 ms down to 1 ms
		windows = append(windows, time.Duration(200-i)*time.Millisecond)
	}
	w := NewLossWindow(windows, 3)
	if w.P50 != 100 || w.P90 != 180 || w.P99 != 198 || w.Max != 200 || w.Censored != 3 {
		t.Errorf("%+v", w)
	}
	if len(w.Percentiles) != 101 || w.Percentiles[0] != 1 || w.Percentiles[7] != 14 || w.Percentiles[100] != 200 {
		t.Errorf("%v", w.Percentiles)
	}
	if windows[0] != 200*time.Millisecond {
		t.Error("the caller's slice was sorted")
	}
	one := NewLossWindow([]time.Duration{1234567 * time.Nanosecond}, 0)
	if one.P50 != 1.235 || one.Max != 1.235 || one.Percentiles[0] != 1.235 {
		t.Errorf("%+v", one)
	}
}

func TestOverDocumented(t *testing.T) {
	r := Result{Verdict: Holds, LossWindow: &LossWindow{Max: 1400}, Bounds: []Bound{{Source, 2000}, {Documented, 1000}}}
	if !r.OverDocumented() {
		t.Error("1.4 s is over the documented 1 s")
	}
	for name, r := range map[string]Result{
		"within":      {Verdict: Holds, LossWindow: &LossWindow{Max: 900}, Bounds: r.Bounds},
		"no bound":    {Verdict: Holds, LossWindow: &LossWindow{Max: 900}},
		"no window":   {Verdict: Holds, Bounds: r.Bounds},
		"is violated": {Verdict: Violated, LossWindow: &LossWindow{Max: 1400}, Bounds: r.Bounds},
	} {
		if r.OverDocumented() {
			t.Errorf("%s: says over documented", name)
		}
	}
}

func TestReplayCommandIsSafeToPaste(t *testing.T) {
	for dir, want := range map[string]string{
		"out/failures/41": "torntail replay out/failures/41",
		"my out/41":       "torntail replay 'my out/41'",
		"it's":            `torntail replay 'it'\''s'`,
		"":                "",
	} {
		if got := (&Failure{Dir: dir}).ReplayCommand("engine"); got != want {
			t.Errorf("%q: %s, want %s", dir, got, want)
		}
	}
}

// A target that is a path is the user's word, which the command has.
func TestReplayCommandNamesTheTarget(t *testing.T) {
	for target, want := range map[string]string{
		"redis-server": "torntail replay d", "": "torntail replay d", "./my server": "torntail replay d --target './my server'",
		"t.yaml": "torntail replay d --target t.yaml", "reboot": "torntail replay d --target reboot",
	} {
		if got := (&Failure{Dir: "d"}).ReplayCommand(target); got != want {
			t.Errorf("%q: %s, want %s", target, got, want)
		}
	}
}

func TestCommandLineIsSafeToPaste(t *testing.T) {
	args := []string{"torntail", "run", "--directive", "save=2 1", ""}
	if got, want := CommandLine(args), "torntail run --directive 'save=2 1' ''"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzParse(f *testing.F) {
	var b bytes.Buffer
	if err := sample().Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":1,"results":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Parse(data)
		if err != nil {
			return
		}
		// What loads can be written and loads again as the same.
		var again bytes.Buffer
		if err := r.Write(&again); err != nil {
			t.Skip() // a year that JSON cannot express
		}
		s, err := Parse(again.Bytes())
		if err != nil {
			t.Fatalf("%v\n%s", err, again.Bytes())
		}
		x, _ := json.Marshal(r.Results)
		y, _ := json.Marshal(s.Results)
		if !bytes.Equal(x, y) && len(r.Results) > 0 {
			t.Fatalf("changed:\n%s\n%s", x, y)
		}
	})
}
