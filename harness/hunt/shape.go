package hunt

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
)

// A shape is the set of facts that a life of the server had reached when it ended: what the
// server was doing, how durable its log and its snapshot were, what had struck it last, what
// clients were doing, how it ended, and how it came back. They are read from what the disk
// and the history say, never from the plan. An edge is two shapes, one life after the other.
type shape string

// shapesOf are the shapes and edges of a run, without doubles.
func shapesOf(x *experiment.Experiment, o *experiment.Outcome) (list []shape) {
	add := func(s shape) {
		if !slices.Contains(list, s) {
			list = append(list, s)
		}
	}
	before := shape("")
	for i := range o.History.Epochs {
		s := shapeOf(x, o, i)
		add(s)
		if before != "" {
			add(before + " > " + s)
		}
		before = s
	}
	return list
}

func shapeOf(x *experiment.Experiment, o *experiment.Outcome, n int) shape {
	life := &o.History.Epochs[n]
	return shape(strings.Join([]string{
		x.Mode.Fsync(), phase(o, life, n), logState(life), snapshotState(life), lastStruck(x, o, life),
		clientsAt(o.History, life), string(life.How), cameBack(o.History, life),
	}, "/"))
}

// phase is what the server was doing as its life ended.
func phase(o *experiment.Outcome, life *history.Epoch, n int) string {
	switch k := len(life.Snapshots); {
	case k > 0 && life.Snapshots[k-1].Renamed > life.Ended:
		return "saving"
	case n == len(o.History.Epochs)-1 && o.CrashPoint != "":
		return firstWords(o.CrashPoint, 3)
	}
	return "idle"
}

// firstWords are the first words of a text, without numbers.
func firstWords(text string, n int) string {
	words := strings.Fields(text)
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, strings.Join(words[:min(n, len(words))], " "))
}

// logState is how durable the log was.
func logState(life *history.Epoch) string {
	if len(life.LogWrites) == 0 {
		return "unwritten"
	}
	last, state := life.LogWrites[len(life.LogWrites)-1].Return, "unsynced"
	for _, s := range life.LogSyncs {
		switch {
		case s.Failed && s.Left:
			state = "failed unheard"
		case s.Failed:
			state = "failed"
		case s.Return > life.Ended && s.Covers >= last:
			return "in flight"
		case s.Covers >= last:
			state = "synced"
		}
	}
	return state
}

// snapshotState is how durable the last snapshot was.
func snapshotState(life *history.Epoch) string {
	if len(life.Snapshots) == 0 {
		return "none"
	}
	switch s := &life.Snapshots[len(life.Snapshots)-1]; {
	case s.Durable <= life.Ended:
		return "durable"
	case s.Renamed <= life.Ended:
		return "renamed"
	}
	return "draft"
}

// lastStruck is the last fault that had struck when a life ended, without its numbers.
func lastStruck(x *experiment.Experiment, o *experiment.Outcome, life *history.Epoch) string {
	last, at := "", time.Duration(-1)
	for i := range o.Statements {
		if r, s := &o.Statements[i], &x.Plan.Statements[i]; r.Struck && r.At >= max(at, life.Began) && r.At <= life.Ended && !plan.EndsLife(s.Action) {
			last, at = kindOfFault(s), r.At
		}
	}
	return last
}

// kindOfFault is a statement without its instant and numbers: the verb, the call and the
// files; of a command its first word.
func kindOfFault(s *plan.Statement) string {
	words := strings.Fields(s.Action.String())
	switch a := s.Action.(type) {
	case *plan.Do:
		if len(a.Args) > 2 && strings.EqualFold(a.Args[0], "config") {
			return "do CONFIG " + strings.ToLower(a.Args[2])
		}
		return "do " + strings.ToUpper(a.Args[0])
	case *plan.PowerCut:
		return a.Verb()
	}
	kept := words[:1]
	for _, w := range words[1:] {
		if strings.Contains(w, "(") || strings.Contains(w, "*") {
			kept = append(kept, w)
		}
	}
	return strings.Join(kept, " ")
}

// clientsAt is what clients were doing as a life ended.
func clientsAt(h *history.History, life *history.Epoch) string {
	last, waiting := time.Duration(-1), false
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Invoke >= life.Began && op.Invoke <= life.Ended {
			last = max(last, op.Invoke)
			waiting = waiting || op.Return > life.Ended
		}
	}
	switch silent := life.Ended - last; {
	case last < 0:
		return "never"
	case waiting:
		return "waiting"
	case silent > 2*time.Second:
		return "silent"
	case silent > 200*time.Millisecond:
		return "slow"
	}
	return "busy"
}

// cameBack is how the server came back after a life.
func cameBack(h *history.History, life *history.Epoch) string {
	how := "not"
	for i := range h.Events {
		if e := &h.Events[i]; e.At >= life.Ended {
			switch e.Kind {
			case history.Ready:
				if how == "not" {
					return "by itself"
				}
				return "repaired"
			case history.Refused:
				how = "refused"
			}
		}
	}
	return how
}

func (s shape) String() string { return fmt.Sprintf("%q", string(s)) }
