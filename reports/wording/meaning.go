package wording

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/result"
)

// Meaning is one sentence on what the results say, worded from them alone:
// what broke its contract, what is not proved, what lost nothing, and how far
// back the losses of the others reached. catalogue are the known findings.
func Meaning(results []result.Result, catalogue []result.Finding) string {
	var clauses []string
	if s := broken(results); s != "" {
		clauses = append(clauses, s)
	}
	if s := unproved(results); s != "" {
		clauses = append(clauses, s)
	}
	whole := slices.DeleteFunc(slices.Clone(results), func(r result.Result) bool { return r.Crash == tailCut })
	clauses = append(clauses, losses(whole, catalogue)...)
	if s := cut(results, catalogue); s != "" {
		clauses = append(clauses, s)
	}
	if s := neverAgain(results); s != "" {
		clauses = append(clauses, s)
	}
	if s := partitions(results); s != "" {
		clauses = append(clauses, s)
	}
	if untriedPower(results) {
		clauses = append(clauses, "power cuts were not tried, for the server wrote to the host's own disk")
	}
	if len(clauses) == 0 {
		return "Nothing was tried: no crash kind can strike in these modes."
	}
	s := strings.Join(clauses, "; ")
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// tailCut is the crash kind whose loss is not the crash's, but that of bytes taken away
// afterwards.
const tailCut = "tail-cut"

// cut says what was lost where the end of the log was missing after a crash.
func cut(results []result.Result, catalogue []result.Finding) string {
	var modes []string
	name := naming(results)
	for i := range results {
		r := &results[i]
		if r.Crash != tailCut || r.Verdict != result.Holds || r.Lost == 0 || r.LossWindow == nil {
			continue
		}
		l := &loss{known: catalogue, everything: true}
		l.add(r)
		modes = append(modes, l.amount(&l.window)+" under "+name(r))
	}
	if len(modes) == 0 {
		return ""
	}
	return "where the end of the log was missing after a crash, it took " + list(modes)
}

// neverAgain says after how many crashes no server came back, though others did: what was
// acknowledged there is in no loss figure.
func neverAgain(results []result.Result) string {
	refused := func(r *result.Result) bool { return r.NotServed > 0 && !r.NeverServed() }
	pairs, _ := pairsWith(results, refused)
	if len(pairs) == 0 {
		return ""
	}
	times, crashes, writes := 0, 0, int64(0)
	for i := range results {
		if r := &results[i]; refused(r) {
			times, crashes, writes = times+r.NotServed, crashes+r.Struck, writes+r.OutOfReach
		}
	}
	return fmt.Sprintf("after %d of %s under %s the server never came back, with %s out of reach",
		times, Times(crashes, "crash"), list(pairs), countOf(writes, "write"))
}

// countOf is a number, shortened, of what.
func countOf(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Count(n) + " " + what + "s"
}

func broken(results []result.Result) string {
	pairs, anomalies := pairsWith(results, func(r *result.Result) bool { return r.Verdict == result.Violated })
	if len(pairs) == 0 {
		return ""
	}
	s := "the contract was broken under " + list(pairs)
	if len(anomalies) > 0 {
		s += ", with " + list(anomalies)
	}
	return s
}

// partitions says what clusters lost whose network was cut: counts, for nothing
// crashed that a time could be counted back from.
func partitions(results []result.Result) string {
	var list []string
	for i := range results {
		if r := &results[i]; r.Verdict == result.Holds && r.LossWindow == nil && r.Lost > 0 {
			list = append(list, fmt.Sprintf("%s of %s under %s (%s)", Count(r.Lost), Count(r.Acknowledged), r.Mode, r.Crash))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return "of acknowledged writes, as asynchronous replication allows, were lost: " + strings.Join(list, ", ")
}

// untriedPower reports whether power cuts were asked for where none can be made.
func untriedPower(results []result.Result) bool {
	return slices.ContainsFunc(results, func(r result.Result) bool {
		return r.Backend == "process-host" && r.Verdict == result.NotApplicable && strings.HasPrefix(r.Crash, "power")
	})
}

func unproved(results []result.Result) string {
	unserved := func(r *result.Result) bool { return r.Verdict == result.Unknown && r.NeverServed() }
	var clauses []string
	if pairs, _ := pairsWith(results, unserved); len(pairs) > 0 {
		writes := int64(0)
		for i := range results {
			if unserved(&results[i]) {
				writes += results[i].OutOfReach
			}
		}
		clauses = append(clauses, fmt.Sprintf("not served under %s: all %s writes out of reach", list(pairs), Count(writes)))
	}
	unstruck := func(r *result.Result) bool { return r.Verdict == result.Unknown && !unserved(r) && len(r.Unstruck) > 0 }
	if pairs, _ := pairsWith(results, unstruck); len(pairs) > 0 {
		clauses = append(clauses, "nothing is proved about "+list(pairs)+", for "+missing(results))
	}
	other := func(r *result.Result) bool { return r.Verdict == result.Unknown && !unserved(r) && !unstruck(r) }
	if pairs, _ := pairsWith(results, other); len(pairs) > 0 {
		clauses = append(clauses, "nothing is proved about "+list(pairs))
	}
	return strings.Join(clauses, "; ")
}

// missing names the first statement that did not strike, and how many more did not.
func missing(results []result.Result) string {
	var first *result.Unstruck
	var more []string
	for i := range results {
		for j := range results[i].Unstruck {
			u := &results[i].Unstruck[j]
			switch {
			case first == nil:
				first = u
			case u.Statement != first.Statement && !slices.Contains(more, u.Statement):
				more = append(more, u.Statement)
			}
		}
	}
	text := first.String()
	if len(more) > 0 {
		text += fmt.Sprintf(", nor did %d more", len(more))
	}
	return text
}

// pairsWith lists the modes of which that is so, each with its crash kinds, and
// the anomalies seen there.
func pairsWith(results []result.Result, is func(*result.Result) bool) (pairs, anomalies []string) {
	var modes []string
	crashes := map[string][]string{}
	name := naming(results)
	for i := range results {
		r := &results[i]
		if !is(r) {
			continue
		}
		mode := name(r)
		if crashes[mode] == nil {
			modes = append(modes, mode)
		}
		crashes[mode] = append(crashes[mode], r.Crash)
		for _, a := range SortedNames(r.Anomalies) {
			if !slices.Contains(anomalies, a) {
				anomalies = append(anomalies, a)
			}
		}
	}
	for _, m := range modes {
		pairs = append(pairs, fmt.Sprintf("%s (%s)", m, strings.Join(crashes[m], ", ")))
	}
	return pairs, anomalies
}

// naming is how the sentence names a mode: with its target when there are several, and with
// what else tells its results apart when these disagree about a crash kind.
func naming(results []result.Result) func(*result.Result) string {
	targets := slices.ContainsFunc(results, func(r result.Result) bool { return r.Target != results[0].Target })
	short := func(r *result.Result) string {
		if targets {
			return r.Mode + " on " + r.Target
		}
		return r.Mode
	}
	said := map[[2]string]result.Verdict{}
	disagree := map[string]bool{}
	for i := range results {
		r := &results[i]
		pair := [2]string{short(r), r.Crash}
		if v, ok := said[pair]; ok && v != r.Verdict {
			disagree[pair[0]] = true
		}
		said[pair] = r.Verdict
	}
	return func(r *result.Result) string {
		name := short(r)
		switch {
		case !disagree[name]:
		case r.Cell != "":
			name = r.Cell
		default:
			name = strings.TrimSpace(name + " with " + r.Workload + " on " + r.Personality)
		}
		return name
	}
}

// loss is what one mode lost, over its crash kinds. Of violated and unknown
// pairs nothing is said here: their figures prove nothing.
type loss struct {
	mode       string
	kinds      []string // of the crashes that it is about
	partial    bool     // other crash kinds of the mode are violated or unknown
	crashes    int
	window     result.LossWindow // Max: the longest; Censored: whether it is a lower bound
	calm       result.LossWindow // the same, of crashes without a power cut
	lost       bool
	powered    bool // nothing was lost without a power cut
	everything bool // all that was ever acknowledged
	known      []result.Finding
	damaged    bool // files were, at rest
	// apart are the findings whose runs are in no loss figure.
	apart map[string]bool
}

func losses(results []result.Result, catalogue []result.Finding) []string {
	var modes []*loss
	name := naming(results)
	other := map[string]bool{} // modes of which something else is said, too
	for i := range results {
		if r := &results[i]; r.Verdict != result.Holds && r.Verdict != result.NotApplicable {
			other[name(r)] = true
		}
	}
	for i := range results {
		r := &results[i]
		if r.Verdict != result.Holds || r.LossWindow == nil && r.Lost > 0 {
			continue // of the latter: partitions
		}
		var l *loss
		for _, known := range modes {
			if known.mode == name(r) {
				l = known
			}
		}
		if l == nil {
			l = &loss{mode: name(r), partial: other[name(r)], powered: true, everything: true, known: catalogue}
			modes = append(modes, l)
		}
		l.add(r)
	}
	var nothing, power, always []string
	crashes := 0
	for _, l := range modes {
		switch {
		case !l.lost:
			nothing = append(nothing, l.name()+l.exceptions())
			crashes += l.crashes
		case l.powered:
			power = append(power, l.amount(&l.window)+" under "+l.name())
		default:
			always = append(always, l.amount(&l.calm)+" under "+l.name())
			if l.window.Max > l.calm.Max && !l.everything {
				power = append(power, l.amount(&l.window)+" under "+l.name())
			}
		}
	}
	var clauses []string
	if len(nothing) > 0 {
		clauses = append(clauses, fmt.Sprintf("no acknowledged write was lost under %s in %s", list(nothing), proof(crashes, results)))
	}
	if len(power) > 0 {
		clauses = append(clauses, "a power cut took "+list(power))
	}
	if len(always) > 0 {
		clauses = append(clauses, "even without a power cut, a crash took "+list(always))
	}
	return clauses
}

// proof is a number of crashes, and what it proves that none of them lost anything.
func proof(crashes int, results []result.Result) string {
	text := Times(crashes, "crash")
	if slices.ContainsFunc(results, func(r result.Result) bool { return r.Compared > 0 }) { // older files do not count them
		text += " (" + below(crashes) + ")"
	}
	return text
}

// name is the mode, with the crash kinds where it is not about all of them.
func (l *loss) name() string {
	if !l.partial {
		return l.mode
	}
	return l.mode + " (" + strings.Join(l.kinds, ", ") + ")"
}

// exceptions says what "nothing was lost" leaves out.
func (l *loss) exceptions() string {
	if len(l.apart) == 0 && !l.damaged {
		return ""
	}
	var names []string
	for i := range l.known {
		if name := l.known[i].Name; l.apart[name] {
			names = append(names, name)
		}
	}
	if l.damaged {
		names = append(names, "what was damaged at rest")
	}
	return " (apart from " + list(names) + ")"
}

func (l *loss) add(r *result.Result) {
	l.kinds = append(l.kinds, r.Crash)
	if l.crashes += r.Struck; r.Compared > 0 {
		l.crashes += r.Compared - r.Struck
	}
	for i := range l.known {
		if f := &l.known[i]; f.Apart && r.Findings[f.Name] > 0 {
			if l.apart == nil {
				l.apart = make(map[string]bool)
			}
			l.apart[f.Name] = true
		}
	}
	l.damaged = l.damaged || r.Damage != nil && r.Damage.Lost > 0
	l.everything = l.everything && r.Lost == r.Acknowledged
	if r.Lost == 0 {
		return
	}
	l.lost = true
	l.powered = l.powered && strings.HasPrefix(r.Crash, "power")
	if w := r.LossWindow; w != nil {
		l.window.Max = max(l.window.Max, w.Max)
		l.window.Censored += w.Censored
		if !strings.HasPrefix(r.Crash, "power") {
			l.calm.Max = max(l.calm.Max, w.Max)
			l.calm.Censored += w.Censored
		}
	}
}

// amount is how far back a loss window reaches, in words.
func (l *loss) amount(w *result.LossWindow) string {
	if l.everything {
		return "everything"
	}
	text := strings.TrimPrefix(Window(w, w.Max), ">=")
	if w.Censored > 0 {
		return "the last " + text + " or more"
	}
	return "up to the last " + text
}

// list joins words as a sentence does.
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return ""
	case 1:
		return words[0]
	default:
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
}
