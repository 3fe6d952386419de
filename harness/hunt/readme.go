package hunt

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// told are the signs in words: what the disk's log and the crash image say.
var told = map[string]string{
	"whole_aof_vanished": "the crash image has no directory of the append-only file",
	"root_synced":        "the directory that holds it had been synced",
	"data_vanished":      "the file that the server starts from is not in the crash image",
	"rename_unsynced":    "it had just been renamed, and the sync of its directory had not returned",
	"nul_bytes":          "the log held NUL bytes",
	"nul_bytes_synced":   "they stood where a returned sync covers what was written, or before the power was cut",
	"old_incr_unsynced":  "a rewrite had moved on to the next log, and the sync of the old one had not returned",
	"dropped":            "the log held what a failed sync had dropped, and nobody had written it again",
	"draft_took_over":    "a rewritten log had taken its name before all of it was synced",
	"base_refused":       "the repair tool called the snapshot at the beginning of the log no log",
	"open_transaction":   "the server had cut the tail of its log off and left a transaction open in it",
	"write_refused":      "the disk had not taken what was last to be written to the log",
	"gap":                "the log was cut after a short write, and written on behind where it had ended",
	"manifest_ahead":     "the manifest had just been renamed, and the sync of its directory had not returned",
}

// meaning is what an anomaly is, for somebody who reads of it for the first time.
var meaning = map[anomaly.Name]string{
	anomaly.LostWrite:        "a write that a client was told had taken effect is gone, beyond what the mode's contract allows",
	anomaly.Hole:             "a later write survived and an earlier one did not, so that no moment of the run explains what came back",
	anomaly.TornTransaction:  "a part of a transaction survived, and the rest of it did not",
	anomaly.Phantom:          "a value came back that nobody had written, or a deadline that nobody had given",
	anomaly.AbortedRead:      "a value came back whose only writer had been told that it failed",
	anomaly.Resurrection:     "deleted, expired or overwritten data is back",
	anomaly.Unrecoverable:    "the server does not start on what the crash left",
	anomaly.SilentTruncation: "the server starts, says nothing, and has dropped acknowledged data from the middle",
	anomaly.StaleRead:        "a read returned a value that a newer one had already replaced",
	anomaly.NonLinearizable:  "no order of the operations explains what clients saw",
	anomaly.Refused:          "the server refused writes that it was to take, or took those that it was to refuse",
	anomaly.Exited:           "the server ended by itself, and nothing had failed it",
	anomaly.LateSync:         "no sync was begun for written data in the time that the contract gives; nothing need be lost yet",
}

// readme is the dossier's own story, for somebody who knows nothing of the hunt.
func (f *Finding) readme(r *Result, torntail string) string {
	var b strings.Builder
	section := func(title string, lines ...string) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
	}
	fmt.Fprintf(&b, "# %s\n\n", markdown(f.Title()))
	fmt.Fprintf(&b, "Found by `torntail hunt` on %s", markdown(r.Target))
	if r.Version != "" {
		fmt.Fprintf(&b, " (%s)", markdown(r.Version))
	}
	fmt.Fprintf(&b, ": %s", f.seen())
	if s := f.standing(r); s != "" {
		fmt.Fprintf(&b, "; %s", s)
	}
	b.WriteString(".\n")
	section("What happened", f.happened()...)
	section("What was lost", f.lost()...)
	section("Why", f.why()...)
	section("Is it known?", f.known()...)
	section("See it again", f.replay(r)...)
	section("Where", f.where(r, torntail)...)
	section("What is in this directory", f.files()...)
	return b.String()
}

// happened is the plan with what became of each statement.
func (f *Finding) happened() (lines []string) {
	w := &f.x.Workload
	lines = append(lines, fmt.Sprintf("%s (workload %s) wrote to a server in mode %s, while this plan was carried out:",
		wording.Times(w.Clients, "client"), markdown(w.Name), markdown(f.Mode)), "")
	for i := range f.x.Plan.Statements {
		text := "    " + fenced(f.x.Plan.Statements[i].String())
		if i < len(f.o.Statements) {
			switch s := &f.o.Statements[i]; {
			case s.Struck:
				text += fmt.Sprintf("   # struck at %.6f s", s.At.Seconds())
			case s.Why != "":
				text += "   # did not strike: " + fenced(firstLine(s.Why))
			}
		}
		lines = append(lines, text)
	}
	came := map[machine.Recovery]string{
		machine.NotRestarted: "The server was not started again.", machine.ByItself: "The server came back by itself.",
		machine.Repaired: "The server refused to start, and came back after its own tool had repaired its files.", machine.RefusedToStart: "The server did not come back: it refused to start.",
	}
	lines = append(lines, "", came[f.o.Recovery])
	if f.o.Exit != "" {
		lines = append(lines, "", "It had ended by itself: "+markdown(f.o.Exit)+".")
	}
	if f.o.FailedCall != "" {
		lines = append(lines, "", "The first call that the disk failed: "+markdown(f.o.FailedCall)+".")
	}
	if f.Story != "" {
		lines = append(lines, "", "```", fenced(strings.TrimSpace(f.Story)), "```")
	}
	return lines
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// lost is what the run lost in figures.
func (f *Finding) lost() (lines []string) {
	o := f.o
	switch {
	case o.Recovery == machine.RefusedToStart:
		lines = append(lines, fmt.Sprintf("The server does not serve any more: all of the %s are out of reach.", wording.Times(o.Acked, "acknowledged write")))
	case o.Lost > 0:
		s := fmt.Sprintf("Of %s, %d are certainly lost.", wording.Times(o.Acked, "acknowledged write"), o.Lost)
		if o.Window > 0 {
			s += fmt.Sprintf(" The loss reaches %s back from the crash", wording.Duration(o.Window.Seconds()*1000))
			if o.Censored {
				s += " at least, to the first write of the run"
			}
			s += "."
		}
		lines = append(lines, s)
	default:
		lines = append(lines, fmt.Sprintf("Of %s, none is certainly lost by the figures of the last crash; the story above says what is wrong.", wording.Times(o.Acked, "acknowledged write")))
	}
	if about := meaning[anomaly.Name(f.Anomaly)]; about != "" {
		lines = append(lines, "", fmt.Sprintf("%s: %s.", markdown(f.Anomaly), about))
	}
	return lines
}

// why is as much of the cause as was seen.
func (f *Finding) why() (lines []string) {
	if known := f.catalogued(); known != nil {
		lines = append(lines, markdown(known.Text), "")
	}
	for _, s := range signs(f.o) {
		text := told[s]
		if text == "" {
			text = s
		}
		lines = append(lines, "- "+text)
	}
	if f.o.CrashPoint != "" {
		lines = append(lines, "- the last crash struck in a rewrite or snapshot: "+markdown(f.o.CrashPoint))
	}
	if f.o.InFsync {
		lines = append(lines, "- a sync was in flight when the last crash struck")
	}
	if f.o.StartFailed != "" {
		lines = append(lines, "- a fault of the disk was in place as a start was refused: "+markdown(f.o.StartFailed))
	}
	if list := faults(f.x, f.o); len(list) > 0 {
		lines = append(lines, "- faults that had struck: "+markdown(strings.Join(list, ", ")))
	}
	if len(lines) == 0 {
		lines = append(lines, "The disk's log has none of the signs that torntail looks for. The smaller plan, the server's log and the crash image are what there is to go on.")
	}
	return append(lines, "", fmt.Sprintf("Its fingerprint, by which runs are told to be of one finding: `%s`", strings.ReplaceAll(wording.Clean(f.Fingerprint, false), "`", "'")))
}

// catalogued is the known finding that this is; nil: none.
func (f *Finding) catalogued() *result.Finding {
	for _, k := range target.Findings() {
		if k.Name == f.Known {
			return &k.Finding
		}
	}
	return nil
}

func (f *Finding) known() []string {
	switch known := f.catalogued(); {
	case known != nil:
		return []string{fmt.Sprintf("Yes, as %s: %s (docs/findings.md).", known.Name, markdown(known.Title))}
	case f.Known == Listed:
		return []string{"Yes: its fingerprint is in the list that was given with `--known`."}
	}
	return []string{"No: neither is it one of torntail's known findings, nor was it in a list given with `--known`."}
}

func (f *Finding) replay(r *Result) (lines []string) {
	lines = append(lines, "In this directory:", "", "    "+r.replayed("."), "")
	if r.Backend == "sim" {
		lines = append(lines, "It is the same run, step by step: exit status 1 says that it shows the same anomaly.")
	} else {
		lines = append(lines, "A real server keeps its own time, so that a replay repeats the plan and not the run: try it a few times. Exit status 1 says that it shows the same anomaly. `--target` may be the path of the server's binary as well.")
		if f.Tried > 0 {
			lines = append(lines, "", fmt.Sprintf("Of %d replays right after the hunt, %d showed it.", f.Tried, f.Shown))
		}
	}
	if f.Shrunk != nil {
		lines = append(lines, "", fmt.Sprintf("The same in %s and %s, in `shrunk`:", wording.Times(f.Shrunk.Faults, "fault"), wording.Times(f.Shrunk.Operations, "operation")), "")
		for _, l := range strings.Split(strings.TrimSpace(f.Shrunk.Plan), "\n") {
			lines = append(lines, "    "+fenced(l))
		}
		lines = append(lines, "", "    "+r.replayed("shrunk"))
	}
	return lines
}

func (f *Finding) where(r *Result, torntail string) (lines []string) {
	row := func(what, value string) { lines = append(lines, fmt.Sprintf("| %s | %s |", what, markdown(value))) }
	lines = append(lines, "| | |", "|---|---|")
	row("server", strings.TrimSpace(r.Target+" "+r.Version))
	row("torntail", torntail)
	row("backend", r.Backend)
	row("disk", f.Disk)
	row("mode", f.Mode)
	for _, d := range f.x.Mode.Directives {
		row("setting", d.String())
	}
	w := &f.x.Workload
	row("clients", fmt.Sprintf("%d, workload %s, %s, values of %d bytes, %d at once, %.3g operations a second", w.Clients, w.Name, wording.Times(w.Keys, "key"), w.ValueSize, w.Pipeline, w.Rate))
	for _, p := range w.Phases {
		rate := fmt.Sprintf("%.3g operations a second", p.Rate)
		switch {
		case p.Rate < 0:
			rate = "silent"
		case p.Rate == 0:
			rate = "as fast as replies come"
		}
		row("phase", fmt.Sprintf("%v %s", p.For, rate))
	}
	if w.Beside {
		row("beside", "one more client that sends every writing command to keys of all types")
	}
	row("seed", fmt.Sprint(f.x.Seed))
	if p := f.x.Plants.String(); p != "" {
		row("planted bugs", p)
	}
	return lines
}

func (f *Finding) files() (lines []string) {
	lines = append(lines, "- `experiment.json`, `plan.txt`, `story.txt`, `history.jsonl`: the failure as `torntail replay` takes it; `torntail check history.jsonl` judges the record again")
	if f.left != nil {
		if len(f.left.image) > 0 {
			lines = append(lines, "- `crash-image.tar`: the data directory as the last crash left it, before the server was started on it")
		}
		if f.left.log.Len() > 0 {
			lines = append(lines, "- `server.log`: what the server logged in all of its lives, with what happened to it; times are seconds of the run's clock")
		}
		if f.left.tool.Len() > 0 {
			lines = append(lines, "- `repair.txt`: what the server's own repair tool said")
		}
	}
	if f.Shrunk != nil {
		lines = append(lines, "- `shrunk`: a smaller failure with the same anomaly, saved likewise")
	}
	return lines
}
