package experiment

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// What a plan sends with "do" changes the server like what any client sends: data commands
// are operations of the history, and a CONFIG SET moves what is promised.

// CheckCommands says which command of a plan cannot be put on record beside what the
// clients of a workload do.
func CheckCommands(p *plan.Plan, s product.Store, w workloads.Spec) error {
	for i := range p.Statements {
		if do, ok := p.Statements[i].Action.(*plan.Do); ok {
			op, err := s.Operation(do.Args)
			if err == nil && op != nil && w.Confuses(op.Kind) {
				err = fmt.Errorf("beside workload %s it cannot be told from what clients do", w.Name)
			}
			if err != nil {
				return fmt.Errorf("%q: %w", p.Statements[i].String(), err)
			}
		}
	}
	return nil
}

// Command implements plan.Commands: it puts the command on record, and off while a crash's
// image is read.
func (b blow) Command(node string, args []string, answered func(history.Outcome, string)) (why string, err error) {
	to, ok := b.System.(plan.Commands)
	if !ok {
		return "no command can be sent here", nil
	}
	r := b.r
	wait := false
	r.m.Exclusively(func() {
		if wait = r.reading; wait {
			r.later = append(r.later, later{func() (string, error) { return b.command(to, node, args, answered) }, answered})
		}
	})
	if wait {
		return "", nil
	}
	return b.command(to, node, args, answered)
}

// later is a command that came due while what a crash had left was read: what it changed
// then would be in some of what is read, and is sent when the clients write again.
type later struct {
	send     func() (why string, err error)
	answered func(history.Outcome, string)
}

// sendLater sends what was put off; in the end, when no life is to come, nothing. Not under
// the exclusion of the machine's Env.
func (r *Runner) sendLater(alive bool) {
	var list []later
	r.m.Exclusively(func() {
		list, r.later, r.reading = r.later, nil, false
	})
	for _, l := range list {
		why := "no life of the server came after it"
		if alive {
			why, _ = l.send()
		}
		if why != "" {
			l.answered(history.Failed, why)
		}
	}
}

// command sends a command now.
func (b blow) command(to plan.Commands, node string, args []string, answered func(history.Outcome, string)) (why string, err error) {
	r := b.r
	id := -1
	r.m.Exclusively(func() {
		id = r.sent(args)
		if len(args) > 0 && (strings.EqualFold(args[0], "save") || strings.EqualFold(args[0], "bgsave")) {
			r.saves = append(r.saves, history.Event{At: r.m.Now(), Text: strings.ToUpper(args[0])})
		}
	})
	sent := sending{at: r.m.Now(), life: len(r.hist.Epochs)}
	why, err = to.Command(node, args, func(o history.Outcome, why string) {
		r.answered(id, args, sent, o, why)
		answered(o, why)
	})
	if why != "" {
		r.m.Exclusively(func() { r.answered(id, args, sent, history.Failed, why) })
	}
	return why, err
}

// sent records that a command of the plan is sent now, and returns its place; -1 when it is
// no operation. Under the exclusion of the machine's Env.
func (r *Runner) sent(args []string) int {
	op, err := r.x.Mode.Store.Operation(args)
	if op == nil || err != nil || r.over {
		return -1
	}
	op.Client, op.Invoke = r.x.Workload.Clients+r.commands, r.m.Now()
	r.commands++
	id := r.rec.Invoke(*op)
	if op.Kind == history.Txn && len(op.More.Parts) == 0 {
		r.flushes = append(r.flushes, id)
		r.flushed(id)
	}
	return id
}

// sending is when a command was sent, and in which life of the server.
type sending struct {
	at   time.Duration
	life int
}

// answered records what came of it. Under the exclusion of the machine's Env. What was set by a
// command without an answer may have been so from when it was sent, as what is answered when
// that life is over; what it would promise beyond the mode nobody was told in time.
func (r *Runner) answered(id int, args []string, sent sending, o history.Outcome, why string) {
	if o != history.Failed && len(args) > 3 && strings.EqualFold(args[0], "config") && strings.EqualFold(args[1], "set") {
		for pair := range slices.Chunk(args[2:], 2) {
			switch what := strings.ToLower(pair[0]); {
			case len(pair) < 2:
			case o == history.OK && !r.over && len(r.hist.Epochs) == sent.life:
				r.event(history.ConfigChange, what+" "+pair[1])
			case what != "appendfsync" || !strings.EqualFold(pair[1], product.Always):
				r.happened(history.Event{At: sent.at, Kind: history.ConfigChange, Node: Server, Text: what + " " + pair[1]})
			}
		}
	}
	if id < 0 {
		return
	}
	if o != history.Unknown {
		r.commandReplies++
	}
	op := r.rec.Complete(id, r.m.Now(), o)
	if op != nil && o == history.Failed {
		if op.More == nil {
			op.More = new(history.More)
		}
		op.More.Err = why
	}
}

// flushed makes a command that deletes all keys one that deletes each that is known of.
func (r *Runner) flushed(id int) {
	seen := map[string]bool{}
	var parts []history.Op
	end := r.hist.Ops[id].Return
	add := func(op *history.Op) {
		if op.Key != "" && op.Writes() && !seen[op.Key] {
			seen[op.Key] = true
			parts = append(parts, history.Op{Kind: history.Delete, Key: op.Key})
		}
	}
	for i := range r.hist.Ops {
		op := &r.hist.Ops[i]
		if i == id || op.Invoke > end {
			continue
		}
		add(op)
		if op.Kind == history.Txn && op.More != nil {
			for k := range op.More.Parts {
				add(&op.More.Parts[k])
			}
		}
	}
	r.hist.Ops[id].More.Parts = parts
}

// policies of a log, from what loses least to what loses most to a crash.
var (
	byPower = []string{product.Always, product.EverySecond, product.Never}
	byKill  = []string{product.Always, product.Never, product.EverySecond}
)

// moved is what is promised after the CONFIG SETs of a run.
//
// A life has one recovered state, a prefix of what happened in it, so that of two fsync
// policies the weaker bounds what may be missing: only what was sent after a change to
// "always" must be there besides (redis 7.0.15 config.c, aof.c flushAppendOnlyFile: the next
// turn of the loop writes and syncs, whatever was before). While the log is being switched
// off and on again nothing but a prefix is promised: the new log counts from the end of its
// first rewrite (aof.c startAppendOnly).
//
// What is set is forgotten with the life in which it was: the server starts again with the
// settings of its file.
func moved(c contract.Contract, x *Experiment, h *history.History, n int, slack time.Duration) (contract.Contract, error) {
	order := byKill
	if x.Crash.Power {
		order = byPower
	}
	mode := x.Mode
	from := time.Duration(0)
	undue := false // it is not known when snapshots are due
	refusing := map[string]bool{}
	for i := range h.Events {
		e := &h.Events[i]
		if e.Kind == history.FaultStruck && strings.Contains(e.Text, ": refuse-fork ") {
			// It begins and ends with an event each. After a failed fork the server looks again when
			// 5 s are over (redis 7.0.15 server.h CONFIG_BGSAVE_RETRY_DELAY).
			began := !refusing[e.Text]
			refusing[e.Text] = began
			undue = undue || h.During(n, e.At) || began && n < len(h.Epochs) && e.At <= h.Epochs[n].Ended && lasts(h.Events[i+1:], e.Text, h.Epochs[n].Began)
		}
		name, value, _ := strings.Cut(e.Text, " ")
		value = strings.ToLower(value)
		switch {
		case e.Kind != history.ConfigChange || !h.During(n, e.At):
		case name == "appendonly":
			c.Level, c.Keeps, c.SyncWithin, c.SavePoints, c.MaxWindow, c.MaxLost = contract.Buffered, contract.KeepsNothing, 0, nil, -1, -1
			return c, nil
		case name == "hz" || name == "save":
			// When snapshots are due, and how often the server looks, are other questions now.
			undue = true
			mode = mode.With([]product.Directive{{Name: "hz", Value: slowest(mode.Get("hz"), value, name)}})
		case name == "no-appendfsync-on-rewrite" && value == "yes" && mode.AOF:
			mode = mode.With([]product.Directive{{Name: name, Value: value}})
		case name == "appendfsync" && mode.AOF && slices.Contains(order, value):
			from = 0
			if value == order[0] {
				from = e.At
			}
			if slices.Index(order, value) > slices.Index(order, mode.Fsync()) {
				mode = mode.With([]product.Directive{{Name: name, Value: value}})
				mode.Name = value
			}
		default:
			continue
		}
	}
	if p, _ := mode.Store.Policy(&mode); p.NoSyncOnRewrite {
		from = 0 // "always" too leaves unsynced what a child delays
	}
	var err error
	if len(mode.Directives) > len(x.Mode.Directives) || from > 0 {
		c, err = contractOf(&mode, x.Crash, x.Personality, x.Contract, slack)
		c.AllFrom = from
	}
	if undue {
		c.SavePoints = nil
	}
	return c, err
}

// lasts reports whether none of the events ends a fault before an instant.
func lasts(events []history.Event, text string, until time.Duration) bool {
	return !slices.ContainsFunc(events, func(e history.Event) bool { return e.Kind == history.FaultStruck && e.Text == text && e.At < until })
}

// slowest is the hz of a server that looks less often of two; "": not stated.
func slowest(is, set, directive string) string {
	a, errA := strconv.Atoi(cmp.Or(is, "10")) // redis.conf: hz 10
	b, errB := strconv.Atoi(set)
	if directive != "hz" || errA != nil || errB != nil || a <= b {
		return is
	}
	return set
}

// flushes reports whether a plan deletes all keys.
func flushes(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Statements, func(s plan.Statement) bool {
		do, ok := s.Action.(*plan.Do)
		return ok && len(do.Args) > 0 && (strings.EqualFold(do.Args[0], "flushall") || strings.EqualFold(do.Args[0], "flushdb"))
	})
}
