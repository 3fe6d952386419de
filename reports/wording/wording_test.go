package wording

import (
	"testing"

	"github.com/torntail/torntail/reports/result"
)

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Count(0), "0"}, {Count(9999), "9999"}, {Count(10_000), "10.0k"}, {Count(99_960), "100k"},
		{Count(999_499), "999k"}, {Count(999_500), "1.00M"}, {Count(12_345_678), "12.3M"}, {Count(5e9), "5.00G"},
		{Duration(0), "0"}, {Duration(0.3), "<1ms"}, {Duration(5.25), "5.2ms"}, {Duration(9.96), "10ms"},
		{Duration(999.4), "999ms"}, {Duration(999.6), "1.00s"}, {Duration(1024), "1.02s"}, {Duration(34_600), "34.6s"},
		{Duration(599_000), "599s"}, {Duration(601_000), "10min"}, {Duration(36_000_000), "10h"},
		{Round(0), "0"}, {Round(1000), "1s"}, {Round(1500), "1.5s"}, {Round(2004), "2.00s"}, {Round(35_000), "35s"}, {Round(250), "250ms"},
		{AtLeast(52.9), ">=52ms"}, {AtLeast(999), ">=0.9s"}, {AtLeast(1099), ">=1.0s"}, {AtLeast(35_999), ">=35s"}, {AtLeast(1e8), ">=27h"},
		{Share(0, 0), "-"}, {Share(200, 200), "100%"}, {Share(999, 1000), "99%"}, {Share(1, 1000), "1%"}, {Share(0, 9), "0%"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestMeaning(t *testing.T) {
	with := func(change func(r *result.Result), crash string) result.Result {
		r := result.Result{Target: "engine", Mode: "always", Crash: crash, Struck: 200, Acknowledged: 1000, LossWindow: &result.LossWindow{}, Verdict: result.Holds}
		change(&r)
		return r
	}
	loses := func(mode string, ms float64) func(r *result.Result) {
		return func(r *result.Result) { r.Mode, r.Lost, r.LossWindow = mode, 5, &result.LossWindow{Max: ms} }
	}
	catalogue := []result.Finding{{Name: "F1", Apart: true}, {Name: "F2"}, {Name: "F3", Apart: true}}
	for _, c := range []struct {
		name    string
		results []result.Result
		want    string
	}{
		{"nothing was tried", nil, "Nothing was tried: no crash kind can strike in these modes."},
		{"no loss", []result.Result{with(func(*result.Result) {}, "kill"), with(func(*result.Result) {}, "power")},
			"No acknowledged write was lost under always in 400 crashes."},
		{"runs counted apart", []result.Result{
			with(func(r *result.Result) { r.Findings = map[string]int{"F3": 2, "F2": 1, "later": 1} }, "power"),
			with(func(r *result.Result) { r.Findings = map[string]int{"F1": 1} }, "power-in-fsync"),
		}, "No acknowledged write was lost under always (apart from F1 and F3) in 400 crashes."},
		{"to power only", []result.Result{with(loses("everysec", 1024), "power"), with(func(r *result.Result) { r.Mode = "everysec" }, "kill")},
			"A power cut took up to the last 1.02s under everysec."},
		{"to a kill as well", []result.Result{with(loses("rdb", 900), "power"), with(loses("rdb", 2100), "kill")},
			"Even without a power cut, a crash took up to the last 2.10s under rdb."},
		{"censored", []result.Result{with(func(r *result.Result) {
			r.Lost, r.LossWindow = 5, &result.LossWindow{Max: 4999, Censored: 1}
		}, "power")}, "A power cut took the last 4.9s or more under always."},
		{"violated and unknown say nothing about losses", []result.Result{
			with(func(r *result.Result) {
				r.Verdict, r.Lost, r.Anomalies = result.Violated, 9, map[string]int{"hole": 2}
			}, "power"),
			with(func(r *result.Result) { r.Mode, r.Verdict = "no", result.Unknown }, "kill"),
		}, "The contract was broken under always (power), with hole; nothing is proved about no (kill)."},
		{"two targets", []result.Result{
			with(func(r *result.Result) { r.Target = "redis-server" }, "power"),
			with(loses("rdb", 900), "kill"),
		}, "No acknowledged write was lost under always on redis-server in 200 crashes; even without a power cut, a crash took up to the last 900ms under rdb on engine."},
		{"bytes that were taken away are no crash's loss", []result.Result{with(func(*result.Result) {}, "kill"), with(loses("always", 288), "tail-cut")},
			"No acknowledged write was lost under always in 200 crashes; where the end of the log was missing after a crash, it took up to the last 288ms under always."},
		{"servers that never came back", []result.Result{
			with(func(*result.Result) {}, "kill"),
			with(func(r *result.Result) { r.Mode, r.NotServed, r.OutOfReach = "everysec", 2, 573 }, "power"),
		}, "No acknowledged write was lost under always and everysec in 400 crashes; after 2 of 200 crashes under everysec (power) the server never came back, with 573 writes out of reach."},
		{"n/a says nothing", []result.Result{with(func(r *result.Result) { r.Verdict = result.NotApplicable }, "power")},
			"Nothing was tried: no crash kind can strike in these modes."},
	} {
		if got := Meaning(c.results, catalogue); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain, größe":       "plain, größe",
		"a\nb":               `a\x0ab`,
		"\x1b[31m\x00\x7f":   `\x1b[31m\x00\x7f`,
		"\xff\xfe":           `\xff\xfe`,
		"\u2028\u202e\ufffd": `\u{2028}\u{202e}\u{fffd}`,
		"::error::x":         `\x3a:error::x`,
		"a ::b":              "a ::b",
		"a##[b]":             `a\x23#[b]`,
	} {
		if got := Clean(in, false); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if got := Clean("a\nb\tc", true); got != "a\nb\\x09c" {
		t.Errorf("%q", got)
	}
	if got, want := Clean("a\n\n  ::add-mask::b\n::", true), "a\n\n  \\x3a:add-mask::b\n\\x3a:"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
