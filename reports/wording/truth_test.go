package wording

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// TestTheSentenceNeverContradictsARow draws results and holds what the sentence says of each
// mode against its rows.
func TestTheSentenceNeverContradictsARow(t *testing.T) {
	drawn := map[string]int{}
	for seed := range uint64(4000) {
		results := draw(rand.New(rand.NewPCG(seed, 0)))
		text := Meaning(results, nil)
		for _, clause := range strings.Split(strings.TrimSuffix(text, "."), "; ") {
			what, about := cutClause(clause)
			drawn[what]++
			for i := range results {
				r := &results[i]
				named, kinds := namedIn(about, r)
				if !named || r.Verdict == result.NotApplicable || kinds != "" && !strings.Contains(", "+kinds+",", ", "+r.Crash+",") {
					continue
				}
				switch what {
				case "no acknowledged write was lost under":
					require.Equal(t, result.Holds, r.Verdict, "%s: %s %s", text, r.Mode, r.Crash)
					require.Zero(t, r.Lost, "%s: %s %s", text, r.Mode, r.Crash)
				case "the contract was broken under":
					require.Equal(t, result.Violated, r.Verdict, "%s: %s %s", text, r.Mode, r.Crash)
				case "nothing is proved about":
					require.Equal(t, result.Unknown, r.Verdict, "%s: %s %s", text, r.Mode, r.Crash)
				case "not served under":
					require.True(t, r.NeverServed(), "%s: %s %s", text, r.Mode, r.Crash)
				}
			}
		}
		for i := range results { // and is silent about none
			if r := &results[i]; r.Verdict != result.NotApplicable {
				require.Contains(t, text, r.Mode, "%v", r)
			}
		}
	}
	for _, what := range []string{"no acknowledged write was lost under", "the contract was broken under", "nothing is proved about", "not served under"} {
		require.Greater(t, drawn[what], 100, what)
	}
}

func draw(r *rand.Rand) (list []result.Result) {
	for _, mode := range []string{"always", "everysec", "rdb"}[:1+r.IntN(3)] {
		for _, crash := range []string{"kill", "power", "term"}[:1+r.IntN(3)] {
			x := result.Result{Target: "engine", Mode: mode, Crash: crash, Runs: 20, Struck: 20, Compared: 20, Acknowledged: 100, LossWindow: &result.LossWindow{}}
			switch r.IntN(6) {
			case 0:
				x.Verdict, x.Anomalies, x.Lost = result.Violated, map[string]int{"lost-write": 1}, 3
			case 1:
				x.Verdict, x.Why = result.Unknown, "out of time"
			case 2:
				x.Verdict, x.NotServed, x.OutOfReach, x.LossWindow = result.Unknown, 20, 100, nil
			case 3:
				x.Verdict = result.NotApplicable
			case 4:
				x.Verdict, x.Lost, x.LossWindow = result.Holds, 9, &result.LossWindow{Max: 5}
			default:
				x.Verdict = result.Holds
			}
			list = append(list, x)
		}
	}
	return list
}

var clauses = regexp.MustCompile(`^(?i)(no acknowledged write was lost under|the contract was broken under|nothing is proved about|not served under|a power cut took|even without a power cut, a crash took|nothing was tried)(.*)$`)

func cutClause(clause string) (what, about string) {
	m := clauses.FindStringSubmatch(clause)
	if m == nil {
		panic(fmt.Sprintf("%q is no clause that is known", clause))
	}
	return strings.ToLower(m[1]), m[2]
}

// namedIn reports whether a clause names the mode of a result, and of which crash kinds.
func namedIn(about string, r *result.Result) (named bool, kinds string) {
	m := regexp.MustCompile(`\b` + r.Mode + `(?: \(([a-z, -]+)\))?`).FindStringSubmatch(about)
	if m == nil {
		return false, ""
	}
	return true, m[1]
}

func TestStrength(t *testing.T) {
	for n, want := range map[int]string{
		600: "0 of 600 crashes lost more: below 0.5 % at 95 %", 200: "0 of 200 crashes lost more: below 1.5 % at 95 %", 60: "0 of 60 crashes lost more: below 4.9 % at 95 %",
		20: "0 of 20 crashes lost more: below 14 % at 95 %", 1: "0 of 1 crash lost more: below 95 % at 95 %", 1_000_000: "0 of 1000000 crashes lost more: below 0.0003 % at 95 %",
	} {
		require.Equal(t, want, Strength(&result.Result{Verdict: result.Holds, Compared: n}))
	}
	require.Empty(t, Strength(&result.Result{Verdict: result.Unknown, Compared: 5}))
	require.Empty(t, Strength(&result.Result{Verdict: result.Holds}), "of an older file")
}
