// Package reporttest has reports for the tests of every format: what a run of
// a correct server looks like, one with every other kind of row, and one full
// of text that a careless writer would not escape.
package reporttest

import (
	"time"

	"github.com/torntail/torntail/reports/result"
)

// Cell is the common part of a result: 200 crashes, nothing lost.
func Cell(mode string, directives []string, crash string) result.Result {
	return result.Result{
		Target: "engine", Version: "7.0.15", Backend: "sim", Personality: "ext4", Workload: "paced",
		Mode: mode, Directives: directives, Crash: crash, Runs: 200, Struck: 200,
		Acknowledged: 160_000, LossWindow: &result.LossWindow{Percentiles: make([]float64, 101)}, Recovery: result.Recovery{ByItself: 200},
		RecoveryMS: &result.RecoveryTime{P50: 3, Max: 9}, SpanMS: 5000, Rate: 200,
		Compared: 200, Strength: result.StrengthOf(200), Verdict: result.Holds,
	}
}

// Report is a report of results.
func Report(results ...result.Result) *result.Report {
	return &result.Report{
		Schema: result.Schema, Torntail: "v0.1.0", Command: "torntail run", Seed: 1,
		Started: time.Date(2026, 11, 21, 22, 30, 0, 0, time.UTC), ElapsedS: 12.5,
		Machine: result.Machine{OS: "linux", Arch: "amd64", CPUs: 2}, Results: results,
	}
}

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

// window is a distribution that goes straight from one figure to the next.
func window(p50, p90, p99, most float64, censored int) *result.LossWindow {
	w := &result.LossWindow{P50: p50, P90: p90, P99: p99, Max: most, Censored: censored}
	at, value := []int{0, 50, 90, 99, 100}, []float64{p50 / 20, p50, p90, p99, most}
	for i := 1; i < len(at); i++ {
		for p := at[i-1]; p < at[i]; p++ {
			share := float64(p-at[i-1]) / float64(at[i]-at[i-1])
			w.Percentiles = append(w.Percentiles, value[i-1]+share*(value[i]-value[i-1]))
		}
	}
	w.Percentiles = append(w.Percentiles, most)
	return w
}

// Catalogue are the known findings that the reports show. Their texts are a product's
// to say; these are as long as such texts are.
func Catalogue() []result.Finding {
	return []result.Finding{
		{Name: "F1", Title: "a power cut can take the whole AOF directory", Text: "It is never synced.", Apart: true},
		{
			Name:  "F2",
			Title: "a power cut can leave NUL bytes at the end of the AOF, and the server then refuses to start",
			Text: "On ext4 the size of an append can become durable before its data, so the tail of the incr file reads zeroes. " +
				"aof-load-truncated does not cover that: the server says \"Bad file format\" until redis-check-aof --fix has cut the tail off. " +
				"Nothing acknowledged under appendfsync always is in that tail.",
		},
		{Name: "F3", Title: "a power cut early in an AOF rewrite can damage the log before its end", Text: "Two files.", Apart: true},
	}
}

// Usual is what a run of a correct server looks like.
func Usual() *result.Report {
	lossless := result.Bound{Name: result.Documented}
	second := result.Bound{Name: result.Documented, Value: 1000}

	a1, a2, a3 := Cell("always", always, "kill"), Cell("always", always, "power"), Cell("always", always, "power-in-fsync")
	a1.Bounds, a2.Bounds, a3.Bounds = []result.Bound{lossless}, []result.Bound{lossless}, []result.Bound{lossless}
	a3.Recovery = result.Recovery{ByItself: 188, Repaired: 12}
	a3.Findings = map[string]int{"F2": 12}
	a3.Failures = []result.Failure{{Seed: 17, Dir: "torntail-out/20261121-223000/findings/F2", Finding: "F2"}}

	e1, e2, e3 := Cell("everysec", everysec, "kill"), Cell("everysec", everysec, "power"), Cell("everysec", everysec, "power-in-fsync")
	e1.Bounds = []result.Bound{second}
	e2.Bounds = []result.Bound{second, {Name: result.Source, Value: 2000}}
	e2.Lost, e2.LostMax, e2.LossWindow = 21_400, 204, window(519.7, 918, 1003, 1024, 0)
	e2.Recovery, e2.Findings = result.Recovery{ByItself: 160, Repaired: 40}, map[string]int{"F2": 40}
	e3.Bounds, e3.Struck = e2.Bounds, 187
	e3.Lost, e3.LossWindow = 18_870, window(1001, 1003, 1010, 1012, 0)
	e3.Recovery = result.Recovery{ByItself: 187}

	n2 := Cell("no", no, "power")
	n2.Acknowledged, n2.Lost = 3_400_000, 912_345
	n2.LossWindow = window(16_900, 29_000, 33_100, 34_600, 0)
	n2.Bounds = []result.Bound{{Name: result.Modelled, Value: 35_000}}
	n3 := Cell("no", no, "power-in-fsync")
	n3.Verdict, n3.Why, n3.Runs, n3.Struck = result.NotApplicable, "this mode does not fsync while clients write", 0, 0

	r1 := Cell("rdb", rdb, "kill")
	r1.Lost, r1.LossWindow = 24_000, window(610, 1900, 2080, 2101, 0)
	r1.Bounds = []result.Bound{{Name: result.Documented, Value: 2150}}

	z1 := Cell("none", none, "kill")
	z1.Lost, z1.LossWindow = z1.Acknowledged, window(2980, 4520, 4950, 4996, 200)
	return Report(a1, a2, a3, e1, e2, e3, n2, n3, r1, z1)
}

// Failing has every other kind of row.
func Failing() *result.Report {
	v := Cell("always", always, "power")
	v.Lost, v.LossWindow = 31, &result.LossWindow{P99: 4, Max: 5.25}
	v.Bounds = []result.Bound{{Name: result.Documented}}
	v.Verdict, v.Anomalies = result.Violated, map[string]int{"lost-write": 4, "hole": 1}
	for seed := range uint64(5) {
		v.Failures = append(v.Failures, result.Failure{
			Seed: seed, Dir: "torntail-out/x/failures/always-power-1", Anomaly: "lost-write",
			Story: "client 2 was told that k7=c2-14 is there; after the restart k7 is c1-9, and nothing wrote k7 in between",
		})
	}
	u := Cell("everysec", everysec, "power")
	u.Struck, u.Verdict = 43, result.Unknown
	u.Why = "in 43 of 200 crashes the disk held something unsynced: fewer than half, so that too little could have been lost"
	u.Recovery, u.NotServed, u.OutOfReach = result.Recovery{ByItself: 40, Refused: 3}, 3, 2412
	u.RefusedWrites = &result.RefusedWrites{Writes: 1365, Runs: 12, LongestMS: 2031}
	u.OwnEnds = []result.OwnEnd{{How: result.EndUnexplained, Why: "exit status 0", Runs: 2}}
	s := Cell("everysec", everysec, "kill")
	s.Unstruck = []result.Unstruck{{Statement: "at +10ms: truncate n1 nosuch* by 7", Why: "no file matches", Runs: 200}}
	s.Verdict, s.Why = result.Unknown, "200 of 200 crashes could not be judged: "+s.Unstruck[0].String()
	d := Cell("rdb", rdb, "kill")
	d.NotServed, d.OutOfReach, d.Recovery, d.LossWindow, d.RecoveryMS = 200, d.Acknowledged, result.Recovery{Refused: 200}, nil, nil
	d.Verdict, d.Why = result.Unknown, "not served: all 160000 writes out of reach"
	n := Cell("none", none, "power-in-the-middle-of-an-fsync")
	n.Verdict, n.LossWindow = result.NotApplicable, nil
	n.Why = "this mode never syncs anything at all, neither in the foreground nor in the background, so that nothing is in flight"
	n.Findings = map[string]int{"my-known-bug": 1}
	real := Cell("always", always, "kill")
	real.Target, real.Backend = "redis-server", "process"
	return Report(v, u, s, d, n, real)
}

// Extreme has the widest figures there are.
func Extreme() *result.Report {
	r := Cell("hybrid-always", always, "power-in-rewrite")
	r.Runs, r.Struck = 100_000, 99_999
	r.Acknowledged, r.Lost = 123_456_789_012, 99_999_999
	r.LossWindow = &result.LossWindow{P50: 99_949, P90: 500_000, P99: 599_999, Max: 35_999_999}
	r.Bounds = []result.Bound{{Name: result.Modelled, Value: 599_999}}
	r.Recovery = result.Recovery{ByItself: 99_998, Refused: 1}
	r.Verdict = result.Violated
	c := r
	c.LossWindow = &result.LossWindow{P50: 99.99, P90: 9999, P99: 599_999, Max: 1e8, Censored: 1}
	c.Crash, c.Runs, c.Struck = "power", 999, 998
	return Report(r, c)
}

// Hostile holds text in every place that comes from outside: keys, stories,
// directories, plans, names.
func Hostile() *result.Report {
	const text = `<script>alert("x")</script> & | ` + "`code` **bold** \x1b[31m \x00 ]]> $(rm) \n# head\n* \u2028"
	r := Cell("mode "+text, []string{"requirepass " + text}, "power")
	r.Target, r.Version, r.Workload, r.Personality = text, text, text, text
	r.Verdict, r.Why = result.Violated, text
	r.Lost, r.LossWindow = 1, &result.LossWindow{Max: 1}
	r.Anomalies, r.Findings = map[string]int{text: 1}, map[string]int{text: 1}
	r.Failures = []result.Failure{
		{Seed: 1, Plan: "plan 1\nat 1s: do n1 SET " + text, Dir: text, Anomaly: text, Story: text},
		{Seed: 2, Dir: text, Finding: text},
	}
	rep := Report(r)
	rep.Torntail, rep.Command = text, text
	return rep
}
