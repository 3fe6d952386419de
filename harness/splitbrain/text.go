package splitbrain

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// seconds prints milliseconds as people say them.
func seconds(ms float64) string {
	switch {
	case ms < 0:
		return "never"
	case ms < 1000:
		return fmt.Sprintf("%.0fms", ms)
	}
	return fmt.Sprintf("%.2fs", ms/1000)
}

// share is a part of a whole in percent, "" of nothing.
func share(part, whole int) string {
	if whole == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

// WriteText prints the report for a terminal.
func (r *Report) WriteText(w io.Writer) {
	line := func(format string, a ...any) { fmt.Fprintf(w, format+"\n", a...) }
	where := "real servers behind proxies"
	if r.Backend == "sim" {
		where = "in simulation"
	}
	head := fmt.Sprintf("%s %s %s, topology %s, quorum %d, timing %s", r.Target, r.Version, where, r.Topology, r.Quorum, r.Timing)
	if r.Name != "" {
		head = r.Name + ": " + head
	}
	line("%s", head)
	for _, d := range r.Directives {
		line("  %s", d)
	}
	if r.LagMS > 0 {
		line("  what n1 sends to its replicas takes %s longer until the cut", seconds(r.LagMS))
	}
	if r.Wait > 0 {
		line("  each write waits for %s (WAIT)", wording.Times(r.Wait, "replica"))
	}
	for l := range strings.Lines(r.Plan) {
		if !strings.HasPrefix(l, "plan ") {
			line("  %s", strings.TrimSuffix(l, "\n"))
		}
	}
	line("")
	line("writes             %6d in %s", r.Total, seconds(r.SpanMS))
	line("  acknowledged     %6d", r.Acknowledged)
	line("  survived         %6d", r.Survivors)
	line("  lost             %6d  %s", r.Lost, share(r.Lost, r.Acknowledged))
	for _, p := range replication.Phases() {
		switch n := r.LostBy[string(p)]; {
		case laterPhases[p] != "" && n == 0:
		case p == replication.StaleMaster:
			line("    %-19s%4d  acknowledged by the only master, and", laterPhases[p], n)
			line("    %-19s      %s", "", p)
		case laterPhases[p] != "":
			line("    %-19s%4d  %s", laterPhases[p], n, p)
		case p == replication.AfterPromotion && n > 0:
			line("    %-19s%4d  acknowledged by a master that had been replaced", p, n)
		default:
			line("    %-19s%4d", p, n)
		}
	}
	if r.LostTo["disk"] > 0 {
		line("    by cause: %s", counts(r.LostTo))
	}
	if r.Unattributed+r.Refuted > 0 {
		line("    %-19s%4d", "unattributed", r.Unattributed)
		line("    %-19s%4d  by the offsets, and there all the same", "refuted", r.Refuted)
	}
	if r.Unknown > 0 {
		line("  not acknowledged %6d  no reply in time%s; %d of them took effect", r.Unknown, waitNote(r.Wait), r.UnknownThere)
	}
	if r.Waits != nil {
		line("answers of WAIT held against what replicas had acknowledged: %d, too high %d", r.Waits.Compared, r.Waits.TooHigh)
	}
	if r.Failed > 0 {
		line("  refused          %6d  %s", r.Failed, counts(r.Refusals))
	}
	if r.RefusedWrites > 0 {
		line("  %s", r.refusedForNow())
	}
	line("")
	if r.DualMasterMS > 0 {
		line("two masters at once for %s; meanwhile %s", seconds(r.DualMasterMS), acknowledged(r.DualAcked, r.Topology))
	} else {
		line("never two masters at once")
	}
	if len(r.LeftDown) > 0 {
		line("left down by the plan: %s; the others are judged", strings.Join(r.LeftDown, ", "))
	}
	for _, node := range slices.Sorted(maps.Keys(r.Itself)) {
		line("%s does not run, and nobody has ended it: %s", node, r.Itself[node])
	}
	for i := range r.Failovers {
		line("%s", r.Failovers[i].String())
	}
	if r.AcceptMS >= 0 {
		line("after the cut: agreed to be down %s, failed over %s,", seconds(r.DetectMS), seconds(r.FailoverMS))
		line("  the old master's last acknowledgement %s", seconds(r.AcceptMS))
		demoted := seconds(r.DemoteMS)
		if r.DemoteMS == 0 {
			demoted = "before it"
		}
		line("after the heal: old master demoted %s, converged %s", demoted, seconds(r.ConvergeMS))
	}
	line("")
	line("%-28s %7s %6s %5s %9s %s", "clients", "number", "acked", "lost", "exposed", "lost/exposed s")
	for _, e := range r.Exposure {
		per := "-"
		if e.Seconds >= 0.01 { // of less a rate says nothing
			per = fmt.Sprintf("%.1f", e.PerSecond)
		}
		line("%-28s %7d %6d %5d %8.2fs %s", e.Side, e.Clients, e.Acked, e.Lost, e.Seconds, per)
	}
	r.writeMoves(line)
	if len(r.Suffixes)+r.AOFAgrees+r.AOFDiffer > 0 {
		line("")
	}
	for _, s := range r.Suffixes {
		switch {
		case s.Why != "" && s.Bytes == 0:
			line("the divergent history of %s could not be read: %s", s.Node, s.Why)
		case s.Bytes == 0:
			line("%s had nothing that the new master lacked", s.Node)
		default:
			line("read from %s before it was wiped: %s (%d bytes, from offset %d on)", s.Node, wording.Times(len(s.Keys), "write"), s.Bytes, s.From)
			line("  that the new master lacked")
		}
	}
	if n := r.AOFAgrees + r.AOFDiffer; n > 0 {
		line("append-only files: %d of %d lost writes were executed by the server that", r.AOFAgrees, n)
		line("  acknowledged them, and not by the last master")
	}
	line("")
	r.verdict(line)
}

// writeMoves says how long clients took to write to a master that was promoted, by how they
// learnt of it.
func (r *Report) writeMoves(line func(string, ...any)) {
	came, never := map[How][]float64{}, map[How]int{}
	for i := range r.Moves {
		if m := &r.Moves[i]; m.FirstMS >= 0 {
			came[m.How] = append(came[m.How], m.FirstMS)
		} else {
			never[m.How]++
		}
	}
	if len(r.Moves) == 0 {
		return
	}
	line("")
	line("from a promotion to a client's first write at the new master:")
	for _, how := range []How{Announced, Asked, ""} {
		word := cmp.Or(string(how), "not told")
		switch n := len(came[how]); {
		case n > 0 && never[how] > 0:
			line("  %-12s %s of %s, %d never", word, leastAndMost(came[how]), wording.Times(n+never[how], "client"), never[how])
		case n > 0:
			line("  %-12s %s of %s", word, leastAndMost(came[how]), wording.Times(n, "client"))
		case never[how] > 0:
			line("  %-12s never, %s", word, wording.Times(never[how], "client"))
		}
	}
}

// leastAndMost is the least and the most of some milliseconds.
func leastAndMost(list []float64) string {
	least, most := seconds(slices.Min(list)), seconds(slices.Max(list))
	if least == most {
		return least
	}
	return least + " to " + most
}

// laterPhases are those that are shown where something was lost in them, in a word.
var laterPhases = map[replication.Phase]string{replication.StaleMaster: "by its successor", replication.RestartedWithout: "at a restart", replication.LostOnDisk: "on disk"}

// String is a promotion in one line.
func (f *Failover) String() string {
	again := ""
	if f.Again {
		again = " again"
	}
	return fmt.Sprintf("%s promoted%s at %s in place of %s: cost %s, %s", f.Node, again, seconds(f.AtMS), f.From, wording.Times(f.Lost, "write"), f.ending())
}

// ending is the outcome, and when it was.
func (f *Failover) ending() string {
	if f.EndedMS < 0 {
		return f.Outcome
	}
	return f.Outcome + " at " + seconds(f.EndedMS)
}

func waitNote(n int) string {
	if n == 0 {
		return ""
	}
	return ", or too few replicas"
}

// counts lists what was counted, by name.
func counts(of map[string]int) string {
	list := wording.SortedNames(of)
	for i, name := range list {
		list[i] = fmt.Sprintf("%s %d", name, of[name])
	}
	return strings.Join(list, ", ")
}

func acknowledged(by map[string]int, t Topology) string {
	var list []string
	for _, node := range t.ServerNames() {
		if n := by[node]; n > 0 {
			list = append(list, fmt.Sprintf("%s acknowledged %s", node, wording.Times(n, "write")))
		}
	}
	if len(list) == 0 {
		return "no write was acknowledged"
	}
	return strings.Join(list, ", ")
}

// verdict is the closing sentence.
func (r *Report) verdict(line func(string, ...any)) {
	switch r.Verdict {
	case result.Holds:
		switch {
		case r.LostTo["disk"] == r.Lost && r.Lost > 0:
			line("holds: %s; %s That is what the settings of", wording.Times(r.Lost, "acknowledged write")+" lost", explained(r.Lost))
			line("the servers' persistence allow to be lost; the servers agree again.")
		case r.Lost == 0 && r.Promotions == 0 && r.Returned:
			line("holds: no acknowledged write was lost, for the master came back with all of them")
			line("before anybody else was promoted.")
		case r.Lost == 0 && r.Promotions == 0:
			line("holds: no acknowledged write was lost, and the servers agree. The plan took no master")
			line("away and nobody was promoted, so the run says nothing of failovers.")
		case r.Lost == 0:
			line("holds: no acknowledged write was lost. That proves nothing by itself:")
			line("replication stays asynchronous, and this was one schedule.")
		case r.Wait > 0:
			line("holds: %s had been acknowledged after WAIT %d, and %s", wording.Times(r.Lost, "lost write"), r.Wait, explained(r.Lost))
			line("WAIT makes a loss less likely; it promises nothing across a failover.")
		default:
			line("holds: %s; %s Asynchronous", wording.Times(r.Lost, "acknowledged write")+" lost", explained(r.Lost))
			line("replication may lose what it has acknowledged; the servers agree again.")
		}
	case result.Unknown:
		line("unknown: %s", r.Why)
	case result.Violated:
		line("violated: %s", r.Story)
	}
}

func explained(n int) string {
	if n == 1 {
		return "it is explained."
	}
	return "each is explained."
}
