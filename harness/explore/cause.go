package explore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/result"
)

// A violating state has a cause: an operation that survived, or a promise that
// was made, without an earlier operation that it depends on. It is found
// without any knowledge of what could be wrong with the server:
//
//   - operations that the image misses are given back to it, one at a time, as
//     long as it goes on violating the contract. What cannot be given back is
//     what it suffers from;
//   - the run is watched once more, and at each moment the state is judged in
//     which exactly that is missing and everything else is there. The first moment
//     at which it violates the contract names the other operation: from then on the
//     server relied on an order that nothing enforced.
//
// If even the state in which nothing is missing violates the contract, no sync
// is missing: the server did things in the wrong order, and the other operation
// is the one that makes it right again.

// group is violating states that suffer from the same kind of operations.
type group struct {
	key     string
	classes []string // of the calls that are missing in the smallest example
	drop    []disk.PartID
	asIs    bool // choice is the example, and nothing can be given back: a torn write, old bytes
	choice  disk.Choice
	states  int
	anomaly experiment.Anomaly
	moment  int // of the first example
	acked   int // of a finding's example: writes acknowledged before

	// Of a recovery that harms the next start: what happened, and the file of
	// which the start said that it had cut the tail off, and whether it had.
	second    string
	life      time.Duration // one of secondLives
	file      string
	truncated bool

	twice bool // the crash was in a recovery from a crash: see Double

	// From the second look at the run.
	found     bool
	confirmed bool // of a real server: its example was started on once more
	at        int  // moment
	keep      disk.Choice
	cause     Cause
	cut       plan.Statement
	crash     *Crash // of a real server: what the crash left, and what it made of it
	mends     *event // order: what makes the full state right again
}

// event is what happened at a moment.
type event struct {
	call   *call
	ack    int
	exit   bool
	number int // of the moment
	at     time.Duration
}

func (e *explorer) event(m *experiment.Moment) event {
	ev := event{ack: m.Ack, exit: m.Kind == experiment.MomentExit, number: m.Number, at: m.At}
	if m.Call != nil {
		ev.call = e.calls[m.Call.ID]
	}
	return ev
}

// String names it: "rename #13 of temp-7.rdb to dump.rdb".
func (ev event) String() string {
	switch {
	case ev.exit:
		return "the orderly end of the server"
	case ev.call == nil:
		return fmt.Sprintf("acknowledgement #%d", ev.ack)
	}
	return ev.call.String()
}

func (c *call) String() string {
	s := fmt.Sprintf("%s #%d of %s", c.Kind, c.ID, c.Path)
	if c.Path2 != "" {
		s += " to " + c.Path2
	}
	return s
}

// role is a path without its directory and the numbers in it.
func role(path string) string {
	path = path[strings.LastIndexByte(path, '/')+1:]
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if c := path[i]; c < '0' || c > '9' {
			out = append(out, c)
		} else if len(out) == 0 || out[len(out)-1] != '#' {
			out = append(out, '#')
		}
	}
	return string(out)
}

func (c *call) class() string { return c.Kind.Word() + " " + role(c.Path) }

// classOf is the class of a part in play, for "one representative for each class".
func (e *explorer) classOf(p *disk.Part) string {
	what := "data"
	switch {
	case p.Name:
		what = "name"
	case p.Size:
		what = "size"
	}
	return e.callClass(p.ID.Call) + " " + what
}

// callClass is the class of a call by its ID. Calls of the start, before the
// first moment, are not known one by one.
func (e *explorer) callClass(id uint64) string {
	if c := e.calls[id]; c != nil {
		return c.class()
	}
	return "start-up"
}

// violation finds the group of a violating state, or makes it one.
func (e *explorer) violation(m *experiment.Moment, s *state, v *verdict) {
	sig := m.Disk().Signature(s.choice)
	if g := e.groupOf[sig]; g != nil {
		g.states++
		return
	}
	g := e.explained(m, s)
	if g == nil {
		g = e.minimal(m, s, v)
	}
	g.states++
	e.groupOf[sig] = g
}

// violates reports whether the state in which exactly drop is missing, and what
// cannot be without it, violates the contract now.
func (e *explorer) violates(m *experiment.Moment, drop []disk.PartID) bool {
	c := disk.Choice{Mode: disk.KeepAll}
	if len(drop) > 0 {
		c = disk.Choice{Mode: disk.KeepBut, IDs: drop}
	}
	return e.verdict(m, e.image(m, c)).class == violated
}

// missing are the parts in play that the image lacks, in the order of their
// effects. A torn write counts as missing, with what came after it.
func (e *explorer) missing(m *experiment.Moment, c disk.Choice) []disk.PartID {
	parts := m.Disk().Parts(nil)
	var ids []disk.PartID
	if c.Mode == disk.KeepTorn {
		last := len(parts) - 1
		for last >= 0 && !parts[last].Data {
			last--
		}
		for _, p := range parts {
			if last >= 0 && p.ID.Call >= parts[last].ID.Call {
				ids = append(ids, p.ID)
			}
		}
		return ids
	}
	kept := m.Disk().Image(&e.second, c).Choice
	for _, p := range parts {
		if !keeps(&kept, p.ID) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// keeps reports whether a choice in the form that disk.Cut has keeps a part.
func keeps(c *disk.Choice, id disk.PartID) bool {
	switch c.Mode {
	case disk.KeepAll:
		return true
	case disk.KeepNone:
		return false
	}
	return slices.ContainsFunc(c.IDs, func(k disk.PartID) bool {
		return id.Call >= k.Call && id.Call <= max(k.Call, k.To) && (k.Part < 0 || k.Part == id.Part)
	})
}

// whole names the calls that parts belong to.
func whole(parts []disk.PartID) []disk.PartID {
	var ids []disk.PartID
	for _, p := range parts {
		if !slices.ContainsFunc(ids, func(id disk.PartID) bool { return id.Call == p.Call }) {
			ids = append(ids, disk.PartID{Call: p.Call, Part: -1})
		}
	}
	return ids
}

// explained is a known group whose operations alone, missing from everything
// else that the state could have, violate the contract.
func (e *explorer) explained(m *experiment.Moment, s *state) *group {
	if len(e.groups) == 0 {
		return nil
	}
	missing := e.missing(m, s.choice)
	for _, g := range e.groups {
		if g.asIs || g.second != "" {
			continue
		}
		if len(g.classes) == 0 {
			if e.violates(m, nil) {
				return g
			}
			continue
		}
		var some []disk.PartID
		for _, id := range missing {
			if slices.Contains(g.classes, e.callClass(id.Call)) {
				some = append(some, id)
			}
		}
		if len(some) > 0 && (e.violates(m, whole(some)) || e.violates(m, some)) {
			return g
		}
	}
	return nil
}

// minimal gives back to an image all that it can have without ceasing to
// violate the contract, and makes a group of what is left, or finds it.
func (e *explorer) minimal(m *experiment.Moment, s *state, v *verdict) *group {
	g := &group{anomaly: v.Anomalies[0], moment: m.Number}
	missing := e.missing(m, s.choice)
	switch {
	case e.violates(m, nil):
		g.key = "order: " + e.event(m).class()
	case e.violates(m, whole(missing)):
		g.drop = e.reduce(m, whole(missing))
	case e.violates(m, missing):
		g.drop = e.reduce(m, missing) // it is worse to have a part of a call than nothing
	default:
		g.asIs, g.choice = true, s.choice // torn within a part, or old bytes
		g.key = strings.Fields(s.choice.String())[0] + ": " + strings.Join(e.classesOf(missing), ", ")
	}
	if len(g.drop) > 0 {
		g.classes = e.classesOf(g.drop)
		g.key = strings.Join(g.classes, ", ")
	}
	for _, known := range e.groups {
		if known.key == g.key {
			if len(g.drop) < len(known.drop) {
				known.drop, known.moment, known.anomaly = g.drop, g.moment, g.anomaly
			}
			return known
		}
	}
	e.groups = append(e.groups, g)
	return g
}

// reduce gives back what can be given back, the last first.
func (e *explorer) reduce(m *experiment.Moment, ids []disk.PartID) []disk.PartID {
	for i := len(ids) - 1; i >= 0 && len(ids) > 1; i-- {
		if rest := slices.Delete(slices.Clone(ids), i, i+1); e.violates(m, rest) {
			ids = rest
		}
	}
	return ids
}

func (ev event) class() string {
	switch {
	case ev.exit:
		return "exit"
	case ev.call == nil:
		return "acknowledgement"
	}
	return ev.call.class()
}

func (e *explorer) classesOf(ids []disk.PartID) []string {
	var classes []string
	for _, id := range ids {
		if name := e.callClass(id.Call); !slices.Contains(classes, name) {
			classes = append(classes, name)
		}
	}
	slices.Sort(classes)
	return classes
}

// causes looks at the run again and says for each group what its states suffer from.
func (e *explorer) causes() error {
	if len(e.groups) == 0 {
		return nil
	}
	_, trace, err := e.record(func(m *experiment.Moment) {
		e.look(m)
		for _, g := range e.groups {
			e.lookFor(m, g)
		}
	})
	if err != nil {
		return err
	}
	if trace != e.out.Trace {
		e.out.doubt("the second look at the run saw another run: trace %s, not %s", trace, e.out.Trace)
	}
	for _, g := range e.groups {
		if g.found {
			e.explain(g)
		}
	}
	return nil
}

// order reports whether the group's states are wrong though nothing is missing.
func (g *group) order() bool { return len(g.drop) == 0 && !g.asIs && g.second == "" }

// lookFor sees whether this is the first moment at which a group's loss does harm.
func (e *explorer) lookFor(m *experiment.Moment, g *group) {
	if g.found {
		if g.mends == nil && g.order() && !e.violates(m, nil) {
			ev := e.event(m)
			g.mends = &ev
		}
		return
	}
	c := disk.Choice{Mode: disk.KeepAll}
	switch {
	case g.second != "" || g.asIs:
		if m.Number != g.moment {
			return
		}
		c = g.choice
	case len(g.drop) > 0:
		if e.calls[g.drop[len(g.drop)-1].Call] == nil && m.Number < g.moment {
			return
		}
		c = disk.Choice{Mode: disk.KeepBut, IDs: g.drop}
	}
	v := e.verdict(m, e.image(m, c))
	if v.class != violated && g.second == "" {
		return
	}
	g.found = true
	if v.class == violated {
		g.anomaly = v.Anomalies[0]
	}
	g.keep = m.Disk().Image(&e.second, c).Choice
	e.aim(m, g)
	for _, id := range whole(g.drop) {
		if y := e.calls[id.Call]; y != nil {
			g.cause.y = append(g.cause.y, y)
			g.cause.names = append(g.cause.names, m.Disk().PathOf(y.Ino))
		}
	}
}

// aim makes the statement that brings a run to a group's example, at this moment.
func (e *explorer) aim(m *experiment.Moment, g *group) {
	ev := e.event(m)
	g.at, g.cause.x = m.Number, ev
	op, path, n := "", "", 0
	if ev.call != nil {
		op, path, n = ev.call.Kind.Word(), "/"+ev.call.Path, ev.call.n
	}
	g.cut = m.Cut(g.keep, op, path, n)
	if e.server != nil {
		n := e.image(m, g.keep)
		m.Disk().Image(&e.second, g.keep)
		g.crash = e.crashOn(m, &e.second, n)
	}
}

// experiment is the recorded run with the crash of a group's example in its plan.
func (g *group) experiment(x *experiment.Experiment) *experiment.Experiment {
	again, p := *x, *x.Plan
	p.Statements = append(slices.Clone(p.Statements), g.cut)
	if g.second != "" {
		p.Statements = append(p.Statements, plan.Statement{At: plan.Instant{Kind: plan.AtAfter, Time: g.life},
			Action: &plan.PowerCut{Node: experiment.Server, Keep: disk.Choice{Mode: disk.KeepAll}, HasKeep: true}})
	}
	again.Plan = &p
	return &again
}

// secondLives are how long a server that has come back may serve before it is cut
// down again, keeping all it wrote, to show what its recovery left: long enough
// to start and to write, and not until the next rewrite has cleared it away.
var secondLives = []time.Duration{200 * time.Millisecond, 100 * time.Millisecond, 50 * time.Millisecond, 25 * time.Millisecond}

// same reports whether a run again shows what the exploration saw.
func (g *group) same(o *experiment.Outcome) bool {
	return o.Verdict == result.Violated && (g.second != "" || slices.ContainsFunc(o.Anomalies, func(a experiment.Anomaly) bool { return a.Name == g.anomaly.Name }))
}
