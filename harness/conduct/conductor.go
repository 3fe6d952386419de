// Package conduct carries out fault plans: it follows one or several of them
// (plan.Runner), and when the instant of a statement has come, lets it strike and
// keeps account of what came of it. There is one Conductor for every world: the
// simulated server, real servers, clusters of either kind, a mounted disk. What
// they have of their own is a World: a clock, a lock, somebody who wakes the
// Conductor at an instant, and a record.
//
// A statement goes through these steps, in this order:
//
//	fires     its instant has come: a disk call (OnCall), an acknowledgement
//	          (OnAck), a time (Due)
//	arms      the Runner puts a fault of single calls in place itself; nothing
//	          further happens
//	strikes   the action is done on the World's system (plan.Action.Do)
//	struck or missed, as the Runner is told: spans begin, what follows counts its time
//	          from the instant at which it began to strike
//	recorded  by the system (Strike.Done)
//
// The end of a span goes the same way. It is never missed: a pause whose process was
// killed meanwhile has struck, and nothing is left to end.
package conduct

import (
	"errors"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
)

// World is where plans are carried out.
type World interface {
	// Lock is held while a plan is told something, and while Now and Wake are called;
	// never while something strikes. In simulation, where one task runs at a time,
	// it does nothing.
	Lock()
	Unlock()
	// Now is the time on the world's clock.
	Now() time.Duration
	// Strike begins one strike and is the system that it is for; nil when nothing may
	// strike any more.
	Strike(t plan.Trigger) Strike
	// Outside runs f, soon, where something may strike. It is called where a client
	// has heard an acknowledgement.
	Outside(f func())
	// Wake says when Due has something to do next, as often as that may have changed;
	// never: nothing as far as is known.
	Wake(next time.Duration)
}

// Never is an instant that does not come.
const Never = time.Duration(1<<63 - 1)

// Strike is a system while something strikes it.
type Strike interface {
	plan.System
	// Done ends the strike, once the plan knows, and puts it on record: it struck, it had
	// nothing to strike (why), or the world cannot go on (err, which why repeats).
	// plan.ErrNotYet is none of these: the statement is put off until CatchUp.
	Done(t plan.Trigger, why string, err error)
}

// Conductor carries out the plans that it is given.
type Conductor struct {
	world  World
	given  []*Given // in the order in which they were given
	putOff []strike
	caught uint64   // how often CatchUp has looked at putOff
	spare  []*Given // memory
}

// Given is a plan that a Conductor was given. Its time counts from then.
type Given struct {
	c      *Conductor
	plan   *plan.Plan
	runner plan.Runner
	began  time.Duration
}

// strike is a statement whose instant has come.
type strike struct {
	of *Given
	t  plan.Trigger
}

// New makes a conductor that has no plan yet.
func New(w World) *Conductor { return &Conductor{world: w} }

// Reset forgets all plans, and reuses the memory of those that it was given.
func (c *Conductor) Reset() {
	c.world.Lock()
	defer c.world.Unlock()
	c.spare = append(c.spare, c.given...)
	c.given, c.putOff = c.given[:0], nil
}

// Give makes the conductor carry out one more plan, from now on. seed goes into the
// draws of faults that strike a share of the calls. Plans that are over are dropped.
// Whoever gives it calls Due, for what strikes at once.
func (c *Conductor) Give(p *plan.Plan, seed uint64) *Given {
	c.world.Lock()
	defer c.world.Unlock()
	return c.give(p, seed)
}

// GiveNow is Give, and carries out what is due at once. No other goroutine that keeps
// time can come in between and leave the caller to look while it is still at it.
func (c *Conductor) GiveNow(p *plan.Plan, seed uint64) *Given {
	c.world.Lock()
	g := c.give(p, seed)
	var list []strike
	for _, t := range g.runner.Due(0) {
		list = append(list, strike{g, t})
	}
	c.world.Unlock()
	c.carryOut(list)
	c.Arm()
	return g
}

// give is Give. The caller holds the lock.
func (c *Conductor) give(p *plan.Plan, seed uint64) *Given {
	c.given = slices.DeleteFunc(c.given, func(g *Given) bool { return g.runner.Over() })
	g := &Given{}
	if n := len(c.spare); n > 0 {
		g, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	g.c, g.plan, g.began = c, p, c.world.Now()
	g.runner.Reset(p)
	g.runner.Seed = seed
	c.given = append(c.given, g)
	return g
}

// OnCall is asked about a disk call as it enters. It allocates nothing unless
// something strikes.
func (c *Conductor) OnCall(node string, call *disk.Call) (d disk.Decision) {
	c.world.Lock()
	defer c.world.Unlock()
	if len(c.given) == 0 {
		return d
	}
	now := c.world.Now()
	var fired []strike
	for i, g := range c.given {
		at := now - g.began
		for _, t := range g.runner.OnCall(node, call, at) {
			fired = append(fired, strike{g, t})
		}
		if own := g.runner.Decide(node, call, at); i == 0 {
			d = own
		} else {
			d = both(d, own)
		}
	}
	c.wake() // a fault that a plan put in place itself may be what the next counts from
	if len(fired) > 0 {
		in := fired // for the closure: fired stays off the heap
		last := &in[len(in)-1].t
		d.Place, d.Fraction = last.Place, last.Fraction
		d.Strike = func() { c.carryOut(in) }
	}
	return d
}

// both is what two plans make of a call: the first error, the shortest write, the
// sum of the delays.
func both(d, e disk.Decision) disk.Decision {
	if d.Err == 0 {
		d.Err = e.Err
	}
	if e.Short > 0 && (d.Short == 0 || e.Short < d.Short) {
		d.Short = e.Short
	}
	d.Delay += e.Delay
	d.Stall = d.Stall || e.Stall
	if e.Place != disk.PlaceEnter {
		d.Place, d.Fraction = e.Place, e.Fraction
	}
	return d
}

// OnAck is told how many writes have been acknowledged so far.
func (c *Conductor) OnAck(n int) { c.counted((*plan.Runner).OnAck, n) }

// OnRequest is told how many requests clients have begun so far.
func (c *Conductor) OnRequest(n int) { c.counted((*plan.Runner).OnRequest, n) }

func (c *Conductor) counted(told func(r *plan.Runner, n int, now time.Duration) []plan.Trigger, n int) {
	c.world.Lock()
	now := c.world.Now()
	var fired []strike
	for _, g := range c.given {
		for _, t := range told(&g.runner, n, now-g.began) {
			fired = append(fired, strike{g, t})
		}
	}
	c.world.Unlock()
	if len(fired) > 0 {
		in := fired
		c.world.Outside(func() { c.carryOut(in) })
	}
	c.Arm()
}

// Due carries out what has come by now.
func (c *Conductor) Due(now time.Duration) {
	c.carryOut(c.due(now, nil))
	c.Arm()
}

// due adds what has come by now.
func (c *Conductor) due(now time.Duration, list []strike) []strike {
	c.world.Lock()
	defer c.world.Unlock()
	for _, g := range c.given {
		for _, t := range g.runner.Due(now - g.began) {
			list = append(list, strike{g, t})
		}
	}
	return list
}

// CatchUp carries out what was put off (plan.ErrNotYet), and what has come by now,
// until there is nothing left.
func (c *Conductor) CatchUp() {
	for {
		c.world.Lock()
		now := c.world.Now()
		list := c.putOff
		c.putOff = nil
		c.caught++
		c.world.Unlock()
		if list = c.due(now, list); len(list) == 0 {
			return
		}
		c.carryOut(list)
	}
}

// carryOut makes statements happen, one after the other. It is called without the lock.
func (c *Conductor) carryOut(list []strike) {
	for i := range list {
		c.strike(&list[i])
	}
}

func (c *Conductor) strike(s *strike) {
	for again := true; again; {
		c.world.Lock()
		now := c.world.Now() - s.of.began
		caught := c.caught
		armed := s.of.runner.Arm(s.t, now)
		if armed {
			c.wake()
		}
		c.world.Unlock()
		if armed {
			return
		}
		on := c.world.Strike(s.t)
		if on == nil {
			return
		}
		s.t.Late = func(why string) { s.of.missedLate(s.t, why) }
		why, err := s.t.Statement.Action.Do(s.t, on)
		if err != nil && why == "" && !errors.Is(err, plan.ErrNotYet) {
			why = err.Error()
		}
		again = c.account(s, now, why, err, caught)
		on.Done(s.t, why, err)
		c.Arm()
	}
}

// missedLate is told that a statement turned out to have struck nothing.
func (g *Given) missedLate(t plan.Trigger, why string) {
	g.c.world.Lock()
	defer g.c.world.Unlock()
	g.runner.MissedLate(t, why)
}

// account tells the plan what came of a statement. again: it was to be put off, but
// what it waited for has come since it asked (caught).
func (c *Conductor) account(s *strike, now time.Duration, why string, err error, caught uint64) (again bool) {
	c.world.Lock()
	defer c.world.Unlock()
	switch {
	case errors.Is(err, plan.ErrNotYet):
		if again = c.caught != caught; !again {
			c.putOff = append(c.putOff, *s)
		}
	case why != "":
		s.of.runner.Missed(s.t, now, why)
	default:
		s.of.runner.Struck(s.t, now)
	}
	return again
}

// End ends all plans: what is in place is undone, what waits will not strike.
func (c *Conductor) End() {
	c.world.Lock()
	var ends []strike
	for _, g := range c.given {
		for _, t := range g.runner.End() {
			ends = append(ends, strike{g, t})
		}
	}
	c.given, c.putOff = nil, nil
	c.world.Unlock()
	for i := range ends {
		t := ends[i].t
		on := c.world.Strike(t)
		if on == nil {
			return
		}
		why, err := t.Statement.Action.Do(t, on)
		on.Done(t, why, err)
	}
	c.Arm()
}

// NextTime is when Due has something to do next, or Never. The caller holds the lock.
func (c *Conductor) NextTime() time.Duration {
	next := Never
	for _, g := range c.given {
		if at, ok := g.runner.NextTime(); ok {
			next = min(next, g.began+at)
		}
	}
	return next
}

func (c *Conductor) wake() { c.world.Wake(c.NextTime()) }

// Arm tells the world when something is due next: at the start, and when the world
// has forgotten.
func (c *Conductor) Arm() {
	c.world.Lock()
	defer c.world.Unlock()
	c.wake()
}

// Report says of each statement, in order, how far it has come.
func (g *Given) Report() []plan.StatementReport {
	g.c.world.Lock()
	defer g.c.world.Unlock()
	return g.runner.Report()
}

// CrashPending reports whether the plan has a statement that ends the life of a
// server and has not struck.
func (g *Given) CrashPending() bool { return g.unstruckCrash() != nil }

// WhyNoCrash is why the first such statement has not.
func (g *Given) WhyNoCrash() string {
	if s := g.unstruckCrash(); s != nil {
		return s.Why
	}
	return "the plan has no crash"
}

func (g *Given) unstruckCrash() *plan.StatementReport {
	for i, s := range g.Report() {
		if plan.EndsLife(g.plan.Statements[i].Action) && !s.Struck {
			return &s
		}
	}
	return nil
}
