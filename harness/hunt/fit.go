package hunt

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
)

// A statement that strikes nothing is a wasted experiment. fit makes the plan of an experiment
// one whose statements find what they are about: what a child of the server writes only
// while there is one, the sync of the log where it is synced, and nothing after the end.

// fit changes the plan so that its statements can strike, and leaves out those that cannot.
func (s *Space) fit(x *experiment.Experiment, d *seeding.Draws) {
	p := x.Plan
	end := &p.Statements[first(p)]
	if s.cutInCall(x, end, d); end.At.Kind == plan.AtCall {
		s.fitEnd(x, end, s.firstLife(x), 0, d)
	}
	life := s.firstLife(x)
	if end.At.Kind == plan.AtCall { // the command that leads to the call comes at that instant
		life = life*10/9 + time.Millisecond
	}
	s.fitCommands(x, life, d)
	ends := 0
	kept := p.Statements[:0]
	for i := range p.Statements {
		t := p.Statements[i]
		switch {
		case plan.EndsLife(t.Action):
			if ends > 0 && t.At.Kind == plan.AtCall {
				s.fitEnd(x, &t, life, ends, d)
			}
			ends++
		case !s.fitFault(x, &t, life, d), t.Action.Verb() == "kill-child" && (len(kept) == 0 || !startsChild(&kept[len(kept)-1])):
			if i+1 < len(p.Statements) && p.Statements[i+1].At.Kind == plan.AtAfter && i == 0 {
				p.Statements[i+1].At.Kind = plan.AtTime
			}
			continue
		}
		kept = append(kept, t)
	}
	p.Statements = kept
}

// cutInCall has a power cut of a server that syncs each write come in such a sync most often,
// or as a write has returned where it may not sync it, and one of a server that syncs each
// second after a write every other time: at any other time it has nothing to take.
func (s *Space) cutInCall(x *experiment.Experiment, t *plan.Statement, d *seeding.Draws) {
	log, _ := x.Mode.Store.Globs()
	if _, cut := t.Action.(*plan.PowerCut); !cut || t.At.Kind != plan.AtTime || !x.Mode.AOF || !s.seesCalls() {
		return
	}
	at := plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: plan.CallPattern{Op: "fsync", Glob: log}, N: 1, Time: t.At.Time,
		Place: disk.PlaceInFlight, Fraction: float64(1+d.Below(99)) / 100}
	each := x.Mode.Fsync() == product.Always
	if !each || unsettled(x.Plan) {
		at.Call.Op, at.Place, at.Fraction = "write", disk.PlaceReturn, 0
	}
	if each && d.Below(8) > 0 || x.Mode.Fsync() == product.EverySecond && d.Below(2) == 0 {
		t.At = at
	}
}

// unsettled reports whether a plan may keep a server from syncing each write before its first
// end: it is told to sync otherwise, or its disk fails it.
func unsettled(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Statements[:first(p)], func(t plan.Statement) bool {
		switch a := t.Action.(type) {
		case *plan.Do:
			return len(a.Args) > 2 && strings.EqualFold(a.Args[2], "appendfsync")
		case *plan.Fail, *plan.Full, *plan.ReadOnly:
			return true
		}
		return false
	})
}

// firstLife is when the first life of the server ends.
func (s *Space) firstLife(x *experiment.Experiment) time.Duration {
	switch at := x.Plan.Statements[first(x.Plan)].At; at.Kind {
	case plan.AtTime, plan.AtCall:
		return max(at.Time, time.Millisecond)
	}
	return x.Mode.Span
}

// startsChild reports whether a statement is a command that forks, or blocks until a snapshot is made.
func startsChild(t *plan.Statement) bool {
	do, ok := t.Action.(*plan.Do)
	return ok && slices.Contains([]string{"BGREWRITEAOF", "BGSAVE", "SAVE"}, strings.ToUpper(do.Args[0]))
}

// fitCommands lets the commands of the first life come before its end, and those that need a
// child one after the other: the second would be refused.
func (s *Space) fitCommands(x *experiment.Experiment, life time.Duration, d *seeding.Draws) {
	p := x.Plan
	n := first(p)
	for i := range n {
		if at := &p.Statements[i].At; at.Kind == plan.AtTime && at.Time >= life*9/10 {
			at.Time = d.Between(0, life*9/10).Round(10 * time.Microsecond)
		}
	}
	apart := 250*time.Millisecond + childDelay(x)
	s.fitForks(x, d)
	var taken []time.Duration
	p.Statements = slices.DeleteFunc(p.Statements, func(t plan.Statement) bool {
		if !startsChild(&t) || t.At.Kind != plan.AtTime {
			return false
		}
		if slices.ContainsFunc(taken, func(at time.Duration) bool { return (at - t.At.Time).Abs() < apart }) {
			return true
		}
		taken = append(taken, t.At.Time)
		return false
	})
}

// fitForks lets forks be refused where no command asks for one, three times of four: what the
// server does by itself meets them.
func (s *Space) fitForks(x *experiment.Experiment, d *seeding.Draws) {
	last := time.Duration(-1)
	for i := range x.Plan.Statements {
		if t := &x.Plan.Statements[i]; startsChild(t) && t.At.Kind == plan.AtTime {
			last = max(last, t.At.Time)
		}
	}
	for i := range x.Plan.Statements {
		if t := &x.Plan.Statements[i]; t.Action.Verb() == "refuse-fork" && t.At.Kind == plan.AtTime && t.At.Time <= last && d.Below(4) > 0 {
			t.At.Time = last + 20*time.Millisecond
		}
	}
}

// childDelay is for how long a child takes over its keys.
func childDelay(x *experiment.Experiment) time.Duration {
	us, err := strconv.Atoi(x.Mode.Get("rdb-key-save-delay"))
	if err != nil {
		return 0
	}
	return time.Duration(us*min(x.Workload.Keys, operations)) * time.Microsecond
}

// fitFault lets a fault come where it finds a call; false: there is none.
func (s *Space) fitFault(x *experiment.Experiment, t *plan.Statement, life time.Duration, d *seeding.Draws) bool {
	if t.At.Kind == plan.AtCall {
		if o := s.occasion(x, t.At.Call, life); !o.ok {
			t.At = s.at(life, d)
		} else {
			s.wait(&t.At, o, d)
		}
	}
	f, ok := plan.CallsOf(t.Action)
	if !ok {
		return true
	}
	o := s.occasion(x, f.Call, life)
	if !o.ok {
		return false
	}
	if short, ok := t.Action.(*plan.Short); ok {
		short.Bytes = min(short.Bytes, int64(20+d.Below(20+x.Workload.ValueSize)))
	}
	switch at := &t.At; {
	case at.Kind == plan.AtCall && (len(o.at) == 0 || sameCalls(at.Call, f.Call)):
	case len(o.at) > 0: // shortly before one of the commands whose doing it is
		before := 20 * time.Millisecond
		if t.Span.Kind == plan.SpanTime {
			before = min(before, t.Span.For/2)
		}
		*at = plan.Instant{Kind: plan.AtTime, Time: max(0, o.at[d.Below(len(o.at))]-d.Between(0, before)).Round(10 * time.Microsecond)}
	case at.Kind == plan.AtTime && at.Time > o.latest:
		at.Time = d.Between(0, o.latest).Round(10 * time.Microsecond)
	}
	return true
}

func sameCalls(a, b plan.CallPattern) bool { return a.Glob == b.Glob || a.Glob == "*" || b.Glob == "*" }

// wait sets from when on an instant counts calls.
func (s *Space) wait(at *plan.Instant, o occasion, d *seeding.Draws) {
	if len(o.at) > 0 {
		at.Time, at.N = o.at[d.Below(len(o.at))], 1
		return
	}
	at.Time, at.N = min(at.Time, o.latest), 1
}

// fitEnd lets a life end at a call that comes: of a later life than the first only the log's
// writes do for sure.
func (s *Space) fitEnd(x *experiment.Experiment, t *plan.Statement, life time.Duration, before int, d *seeding.Draws) {
	if t.At.Call.Op == "open" { // which a start makes as well
		t.At.Call.Op = "write"
	}
	if t.At.Call.Op == "fsync" && t.At.Place != disk.PlaceInFlight {
		t.At.Place, t.At.Fraction = disk.PlaceInFlight, float64(1+d.Below(99))/100
	}
	o := s.occasion(x, t.At.Call, life)
	log, _ := x.Mode.Store.Globs()
	switch {
	case before > 0 && !(o.ok && t.At.Call == plan.CallPattern{Op: "write", Glob: log}):
		t.At = plan.Instant{Kind: plan.AtAfter, Time: s.pause(life, d)}
	case !o.ok:
		t.At = plan.Instant{Kind: plan.AtTime, Time: life}
	default:
		s.wait(&t.At, o, d)
	}
}

// occasion is when calls of a pattern come in the first life of a server: right behind some
// instants, or again and again up to the latest.
type occasion struct {
	ok     bool
	at     []time.Duration
	latest time.Duration
}

func (s *Space) occasion(x *experiment.Experiment, c plan.CallPattern, life time.Duration) occasion {
	log, snapshot := x.Mode.Store.Globs()
	every := occasion{ok: true, latest: life * 2 / 3}
	if w := x.Workload.Phases; len(w) > 0 { // in the first of them clients write
		every.latest = min(every.latest, w[0].For*2/3)
	}
	var rewrites, saves []time.Duration
	for i := range x.Plan.Statements[:first(x.Plan)] {
		t := &x.Plan.Statements[i]
		if !startsChild(t) || t.At.Kind != plan.AtTime || t.At.Time >= life {
			continue
		}
		if strings.EqualFold(t.Action.(*plan.Do).Args[0], "bgrewriteaof") {
			rewrites = append(rewrites, t.At.Time)
		} else {
			saves = append(saves, t.At.Time)
		}
	}
	due := occasion{latest: life - 3500*time.Millisecond} // a save point's two seconds, and what the server looks later
	due.ok = x.Mode.RDB && x.Mode.Get("save") == "2 1" && due.latest > 0
	at := func(list ...[]time.Duration) occasion {
		all := slices.Concat(list...)
		return occasion{ok: len(all) > 0, at: all}
	}
	logged := x.Mode.AOF && c.Op == "write"
	if x.Mode.AOF && c.Op == "fsync" {
		switch x.Mode.Fsync() {
		case product.Always:
			logged = true
		case product.EverySecond:
			if every.latest = min(every.latest, life-1200*time.Millisecond); every.latest > 0 {
				logged = true
			}
		}
	}
	switch {
	case c.Glob == log && logged, c.Glob == "*" && logged:
		return every
	case c.Glob == log:
		if x.Mode.AOF && c.Op == "fsync" {
			return at(rewrites)
		}
		return occasion{}
	case c.Glob == snapshot:
		if o := at(saves); o.ok {
			return o
		}
		return due
	case c.Glob == "*" && c.Op != "unlink":
		if o := at(rewrites, saves); o.ok {
			return o
		}
		return due
	case !x.Mode.AOF && c.Glob != "temp-rewriteaof*":
		return occasion{}
	}
	return at(rewrites)
}
