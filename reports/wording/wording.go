package wording

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/torntail/torntail/reports/result"
)

// NotServed is what is said of a cell in which nothing was ever served after a crash.
const NotServed = "not served"

// Verdict is the verdict in words, with the distinction between what the
// documentation promises and what the source allows.
func Verdict(r *result.Result) string {
	switch {
	case r.OverDocumented():
		return "holds, over documented bound"
	case r.Verdict == result.Unknown && r.NeverServed():
		return NotServed
	}
	return string(r.Verdict)
}

// Strength is what a result that holds stands on, and what that proves; "" when that is not
// known.
func Strength(r *result.Result) string {
	if r.Verdict != result.Holds || r.Compared == 0 {
		return ""
	}
	return fmt.Sprintf("0 of %s lost more: %s", Times(r.Compared, "crash"), below(r.Compared))
}

// below is what it proves that none of n showed something: a share, rounded up to two digits.
func below(n int) string {
	percent := 100 * result.StrengthOf(n)
	unit := math.Pow(10, math.Floor(math.Log10(percent))-1)
	return "below " + strconv.FormatFloat(math.Ceil(percent/unit-1e-6)*unit, 'g', 2, 64) + " % at 95 %"
}

// Strengths are those of all results that hold, each once, with the modes and crash kinds that
// it is about where these differ.
func Strengths(results []result.Result) (list []string) {
	var texts []string
	for i := range results {
		if s := Strength(&results[i]); s != "" && !slices.Contains(texts, s) {
			texts = append(texts, s)
		}
	}
	for _, text := range texts {
		line := "holds, for " + text
		if len(texts) > 1 {
			pairs, _ := pairsWith(results, func(r *result.Result) bool { return Strength(r) == text })
			line = strings.Join(pairs, ", ") + " " + line
		}
		list = append(list, line)
	}
	return list
}

// Notes are what a result's figures do not say, a sentence each: statements that did not
// strike, what was damaged at rest, which writes were refused, how the server ended by itself, what was not served, how the server came back. What Why says is left out.
func Notes(r *result.Result) (list []string) {
	for i := range r.Unstruck {
		u := &r.Unstruck[i]
		if u.Runs == r.Runs && strings.Contains(r.Why, u.String()) {
			continue
		}
		list = append(list, fmt.Sprintf("%q did not strike in %d of %s: %s", u.Statement, u.Runs, Times(r.Runs, "run"), u.Why))
	}
	if o := r.Outside; o != nil {
		list = append(list, fmt.Sprintf("%d of %s lost to something outside the server: %s", o.Runs, Times(r.Runs, "run"), o.Why))
	}
	if d := r.Damage; d != nil {
		list = append(list, fmt.Sprintf("the plan damaged %s at rest, after %s: %s gone by that, which are in no other figure", Times(d.Files, "file"), Times(d.Crashes, "crash"), Times(int(d.Lost), "write")))
	}
	if w := r.RefusedWrites; w != nil {
		list = append(list, fmt.Sprintf("refused for now: %s in %d of %s, for up to %s", Times(int(w.Writes), "write"), w.Runs, Times(r.Runs, "run"), Round(w.LongestMS)))
	}
	if r.Evicted > 0 {
		list = append(list, fmt.Sprintf("evicted to make room, which is no loss: %s", Times(int(r.Evicted), "key")))
	}
	for i := range r.OwnEnds {
		e := &r.OwnEnds[i]
		list = append(list, fmt.Sprintf("the server ended by itself in %d of %s, %s", e.Runs, Times(r.Runs, "run"), e))
	}
	if r.NeverServed() && r.Verdict == result.Unknown {
		return list
	}
	if r.NotServed > 0 {
		list = append(list, fmt.Sprintf("not served after %d of %d crashes: %s of their writes out of reach", r.NotServed, r.Struck, Count(r.OutOfReach)))
	}
	if r.Recovery.Repaired > 0 || r.Recovery.Refused > 0 {
		list = append(list, Recovery(r))
	}
	return list
}

// Recovery says how the server came back.
func Recovery(r *result.Result) string {
	return fmt.Sprintf("came back by itself %d, repaired %d, refused %d", r.Recovery.ByItself, r.Recovery.Repaired, r.Recovery.Refused)
}

// Where says what was tried, and where: all that the groups below it share.
func Where(r *result.Result) string {
	s := r.Target
	if r.Version != "" {
		s += " " + r.Version
	}
	switch r.Backend {
	case "sim":
		s += " in simulation"
	case "process":
		s += " as a real process"
	case "process-host":
		s += " as a real process on the host's own disk"
	case "block":
		s += " as a real process on a logged block device"
	}
	if r.Personality != "" {
		s += ", disk " + r.Personality
	}
	if r.Workload != "" {
		s += ", workload " + r.Workload
	}
	return s
}

// Load is how hard, and how long, the clients of a mode wrote: the group that
// the results begin with.
func Load(results []result.Result) string {
	for i := range results {
		r := &results[i]
		if r.Mode != results[0].Mode || !slices.Equal(r.Directives, results[0].Directives) {
			break
		}
		if r.Rate > 0 && r.SpanMS > 0 {
			return fmt.Sprintf(" (%s writes/s for up to %s)", Count(int64(math.Round(r.Rate))), Round(r.SpanMS))
		}
	}
	return ""
}

// SharedDirectives are what all modes of the first section set alike, when
// there are several: they are printed once.
func SharedDirectives(results []result.Result) []string {
	shared := results[0].Directives
	several := false
	for i := range results {
		r := &results[i]
		if Where(r) != Where(&results[0]) {
			break
		}
		several = several || !slices.Equal(r.Directives, results[0].Directives)
		shared = slices.DeleteFunc(slices.Clone(shared), func(d string) bool { return !slices.Contains(r.Directives, d) })
	}
	if !several {
		return nil
	}
	return shared
}

// Without is a list of directives without some of them.
func Without(list, gone []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(d string) bool { return slices.Contains(gone, d) })
}

// Counts lists in how many of what ("run", "state", "image") something was seen,
// most frequent first.
func Counts(m map[string]int, of string) string {
	names := make([]string, 0, len(m))
	for n := range m { // any order: sorted below
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		if m[names[i]] != m[names[j]] {
			return m[names[i]] > m[names[j]]
		}
		return names[i] < names[j]
	})
	for i, n := range names {
		names[i] = fmt.Sprintf("%s in %s", n, Times(m[n], of))
	}
	return strings.Join(names, ", ")
}

// Times is a number of runs, states or images; of "" it is runs.
func Times(n int, of string) string {
	if of == "" {
		of = "run"
	}
	switch {
	case n == 1:
		return "1 " + of
	case strings.HasSuffix(of, "sh"):
		of += "e"
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// SortedNames are the keys of a count.
func SortedNames(m map[string]int) []string {
	names := make([]string, 0, len(m))
	for n := range m { // any order: sorted below
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Machine is where a run took place, in a few words, as far as it is known.
func Machine(m result.Machine) string {
	var words []string
	if m.OS != "" {
		words = append(words, m.OS+"/"+m.Arch, fmt.Sprintf("%d CPUs", m.CPUs))
	}
	for _, more := range []string{m.Kernel, m.FileSystem} {
		if more != "" {
			words = append(words, more)
		}
	}
	return strings.Join(words, ", ")
}
