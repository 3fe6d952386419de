package plan

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/seeding"
)

// Runner follows one run of a plan. The world it runs in tells it of every
// disk call (OnCall, then Decide), of acknowledged writes (OnAck) and of time
// (NextTime, Due), always under one exclusion; it never blocks.
//
// Faults of single disk calls (CallFault) are the Runner's own business: Decide
// gives them. Everything else comes back as a Trigger, which the world carries
// out at the Trigger's place (harness/conduct does, for every world):
//
//	if r.Arm(t, now) {
//		return // it was the Runner's own
//	}
//	why, err := t.Statement.Action.Do(t, system)
//	r.Struck(t, now) // or r.Missed(t, now, why)
//
// OnCall and Decide allocate nothing unless something strikes.
type Runner struct {
	// Seed goes into the draws of faults that strike only some calls. The same seed
	// and the same calls give the same strikes.
	Seed uint64

	statements []Statement
	states     []state

	watched uint64 // kinds of calls that a start or an end waits for, a bit each
	active  uint64 // kinds of calls that faults in place are about
	timed   bool   // an instant on the clock has been set since TimeSet was last asked
	nextAck int    // acknowledgement that something waits for next; never 0
	// nextRequest is the same of requests.
	nextRequest int

	// One buffer for each method that returns triggers: carrying one out may
	// lead to a call of another.
	callTriggers, ackTriggers, dueTriggers []Trigger

	decision disk.Decision // Decide's, here because a fault gets a pointer to it
}

// Trigger is a statement whose instant has come.
type Trigger struct {
	Index     int        // of the statement in its plan
	Statement *Statement // its text is what to write into the history
	End       bool       // its span is over: undo it
	Turn      bool       // a flap that is in place turns: open when Open is set, else cut
	Open      bool
	InCall    bool // a call waits for it
	// Place and Fraction say where in the call that triggered it it strikes. A
	// trigger that is not from OnCall strikes at once.
	Place    disk.Place
	Fraction float64
	// Late, when not nil, hears what came of a statement that struck as far as could be
	// told then: why it turns out to have struck nothing.
	Late func(why string)
}

// answered hears what came of a command (Commands).
func (t *Trigger) answered(o history.Outcome, why string) {
	if o == history.Failed && t.Late != nil {
		t.Late(why)
	}
}

type phase uint8

const (
	waiting phase = iota // for its instant
	fired                // its instant has come; the world has not said that it took place
	inPlace              // and not over
	over                 // struck, missed, or its span has ended
)

const (
	never  = time.Duration(1<<63 - 1)
	noAck  = int(^uint(0) >> 1)
	noCall = ^uint64(0)
)

type state struct {
	phase      phase
	start, end matcher       // of AtCall instants
	own        CallFault     // the action, when it is the Runner's own
	target     matcher       // of own faults
	node       string        // of own faults; "": every node
	endIsNews  bool          // the world has something to do when the span ends
	period     time.Duration // between two turns of a flap
	seen       int           // calls that matched start, later end
	left       int           // calls still to strike, of spans that count calls
	dueAt      time.Duration
	endAt      time.Duration
	turnAt     time.Duration // of a flap in place: when it turns next
	open       bool          // of a flap in place: its links are open
	firedAt    time.Duration
	placedAt   time.Duration
	placed     bool // it has been in place
	struckAt   time.Duration
	hits       int
	draws      uint64 // matching calls that a fault with a percentage has drawn for
	missed     string
	exact      uint64 // call in whose flight it strikes first
}

// Start makes a Runner for one run of the plan.
func (p *Plan) Start() *Runner {
	r := new(Runner)
	r.Reset(p)
	return r
}

// Reset makes the Runner follow a new run, of this plan, and reuses its memory.
func (r *Runner) Reset(p *Plan) {
	r.statements, r.timed = p.Statements, false
	if cap(r.states) < len(p.Statements) {
		r.states = make([]state, len(p.Statements))
	}
	r.states = r.states[:len(p.Statements)]
	for i := range r.statements {
		s := &r.statements[i]
		st := state{dueAt: never, endAt: never, turnAt: never, exact: noCall}
		switch s.At.Kind {
		case AtTime:
			st.dueAt = s.At.Time
		case AtAfter:
			if i == 0 {
				st.dueAt = s.At.Time // nothing comes before it but the start
			}
		case AtCall:
			st.start = s.At.Call.compile()
		}
		if s.Span.Kind == SpanUntil && s.Span.Until.Kind == AtCall {
			st.end = s.Span.Until.Call.compile()
		}
		st.endIsNews = true
		switch a := s.Action.(type) {
		case CallFault:
			t := a.calls()
			st.own, st.node, st.target, st.endIsNews = a, t.Node, t.Call.compile(), a.holds()
		case linkFault:
			st.period = a.period()
		}
		r.states[i] = st
	}
	r.refresh()
}

// refresh recomputes what the hot methods look at first.
func (r *Runner) refresh() {
	r.watched, r.active, r.nextAck, r.nextRequest = 0, 0, noAck, noAck
	for i := range r.states {
		st, s := &r.states[i], &r.statements[i]
		switch {
		case st.phase == waiting && s.At.Kind == AtCall:
			r.watched |= st.start.kinds
		case st.phase == waiting && s.At.Kind == AtAck:
			r.nextAck = min(r.nextAck, s.At.N)
		case st.phase == waiting && s.At.Kind == AtRequest:
			r.nextRequest = min(r.nextRequest, s.At.N)
		case st.phase == inPlace && s.Span.Kind == SpanUntil && s.Span.Until.Kind == AtCall:
			r.watched |= st.end.kinds
		case st.phase == inPlace && s.Span.Kind == SpanUntil && s.Span.Until.Kind == AtAck:
			r.nextAck = min(r.nextAck, s.Span.Until.N)
		case st.phase == inPlace && s.Span.Kind == SpanUntil && s.Span.Until.Kind == AtRequest:
			r.nextRequest = min(r.nextRequest, s.Span.Until.N)
		}
		if st.phase == inPlace && st.own != nil {
			r.active |= st.target.kinds
		}
	}
}

// OnCall is told of a call as it enters, before Decide, and returns what
// strikes in it. The slice is good until the next OnCall.
func (r *Runner) OnCall(node string, c *disk.Call, now time.Duration) []Trigger {
	if r.watched&(1<<c.Kind) == 0 {
		return nil
	}
	out := r.callTriggers[:0]
	changed := false
	for i := range r.states {
		st, s := &r.states[i], &r.statements[i]
		switch st.phase {
		case waiting:
			if s.At.Kind != AtCall || s.At.Time > now || s.At.Node != node || !st.start.match(c) {
				continue
			}
			if st.seen++; st.seen < s.At.N {
				continue
			}
			r.fire(i, now)
			changed = true
			switch {
			case st.own != nil && s.At.Place == disk.PlaceEnter:
				r.place(i, now)
			case st.own != nil && s.At.Place == disk.PlaceInFlight && st.aimedAt(node, c):
				st.exact = c.ID
				r.place(i, now)
			default:
				out = append(out, Trigger{Index: i, Statement: s, InCall: true, Place: s.At.Place, Fraction: s.At.Fraction})
			}
		case inPlace:
			u := &s.Span.Until
			if s.Span.Kind != SpanUntil || u.Kind != AtCall || u.Time > now || u.Node != node || !st.end.match(c) {
				continue
			}
			if st.seen++; st.seen == u.N {
				out = append(out, Trigger{Index: i, Statement: s, End: true, InCall: true, Place: u.Place, Fraction: u.Fraction})
			}
		}
	}
	if changed {
		r.refresh()
	}
	r.callTriggers = out
	return out
}

func (st *state) aimedAt(node string, c *disk.Call) bool {
	return (st.node == "" || st.node == node) && st.target.match(c)
}

// OnAck is told how many writes have been acknowledged so far, over all
// clients. The slice is good until the next OnAck.
func (r *Runner) OnAck(n int, now time.Duration) []Trigger {
	if n < r.nextAck {
		return nil
	}
	return r.counted(AtAck, n, now)
}

// OnRequest is told how many requests clients have begun so far, all together. The slice is
// good until the next OnRequest or OnAck.
func (r *Runner) OnRequest(n int, now time.Duration) []Trigger {
	if n < r.nextRequest {
		return nil
	}
	return r.counted(AtRequest, n, now)
}

// counted are the strikes of a kind of instant that is a number.
func (r *Runner) counted(kind InstantKind, n int, now time.Duration) []Trigger {
	out := r.ackTriggers[:0]
	for i := range r.states {
		st, s := &r.states[i], &r.statements[i]
		switch {
		case st.phase == waiting && s.At.Kind == kind && s.At.N <= n:
			out = r.fireNow(out, i, now)
		case st.phase == inPlace && s.Span.Kind == SpanUntil && s.Span.Until.Kind == kind && s.Span.Until.N <= n:
			out = r.endNow(out, i, now)
		}
	}
	r.refresh()
	r.ackTriggers = out
	return out
}

// NextTime is the next instant at which Due has something to say.
func (r *Runner) NextTime() (at time.Duration, ok bool) {
	at = never
	for i := range r.states {
		switch st := &r.states[i]; {
		case st.phase == waiting:
			at = min(at, st.dueAt)
		case st.phase == inPlace && r.states[i].endIsNews:
			at = min(at, st.endAt, st.turnAt)
		}
	}
	return at, at != never
}

// TimeSet reports, once, that NextTime may be another than before: a world that
// waits for it looks again. OnCall can do that without a trigger, when a fault
// of the Runner's own is put in place by a call.
func (r *Runner) TimeSet() bool {
	timed := r.timed
	r.timed = false
	return timed
}

// Due returns what strikes, or ends, by now. The slice is good until the next Due.
func (r *Runner) Due(now time.Duration) []Trigger {
	out := r.dueTriggers[:0]
	changed := false
	for i := range r.states {
		switch st := &r.states[i]; {
		case st.phase == waiting && st.dueAt <= now:
			out = r.fireNow(out, i, now)
			changed = true
		case st.phase == inPlace && st.endAt <= now:
			out = r.endNow(out, i, now)
			changed = true
		case st.phase == inPlace && st.turnAt <= now:
			st.open, st.turnAt = !st.open, st.turnAt+st.period
			out = append(out, Trigger{Index: i, Statement: &r.statements[i], Turn: true, Open: st.open})
		}
	}
	if changed {
		r.refresh()
	}
	r.dueTriggers = out
	return out
}

// fireNow fires a statement outside any call.
func (r *Runner) fireNow(out []Trigger, i int, now time.Duration) []Trigger {
	r.fire(i, now)
	if r.states[i].own != nil {
		r.place(i, now)
		return out
	}
	return append(out, Trigger{Index: i, Statement: &r.statements[i]})
}

func (r *Runner) endNow(out []Trigger, i int, now time.Duration) []Trigger {
	r.finish(i)
	if !r.states[i].endIsNews {
		return out
	}
	return append(out, Trigger{Index: i, Statement: &r.statements[i], End: true})
}

func (r *Runner) fire(i int, now time.Duration) {
	st := &r.states[i]
	st.phase, st.firedAt, st.dueAt, st.seen = fired, now, never, 0
}

// place puts a fault in place: its span begins, and so does the time that the
// next statement counts from.
func (r *Runner) place(i int, now time.Duration) {
	st, span := &r.states[i], &r.statements[i].Span
	st.phase, st.placedAt, st.placed = inPlace, now, true
	r.timed = r.timed || !span.IsZero()
	switch {
	case span.Kind == SpanTime:
		st.endAt = now + span.For
	case span.Kind == SpanCalls:
		st.left = span.Calls
	case span.Kind == SpanUntil && span.Until.Kind == AtAfter:
		st.endAt = now + span.Until.Time
	case span.Kind == SpanUntil && span.Until.Kind == AtTime:
		st.endAt = max(now, span.Until.Time)
	case span.Kind == NoSpan && st.own == nil && st.period == 0:
		st.phase = over
	}
	if st.period > 0 {
		st.turnAt, st.open, r.timed = now+st.period, false, true
	}
	r.release(i, now)
}

// release lets the next statement count its time if it waits for this one.
func (r *Runner) release(i int, now time.Duration) {
	if i+1 == len(r.states) {
		return
	}
	next := &r.states[i+1]
	if at := r.statements[i+1].At; next.phase == waiting && at.Kind == AtAfter {
		next.dueAt = now + at.Time
		r.timed = true
	}
}

func (r *Runner) finish(i int) {
	st := &r.states[i]
	st.phase, st.endAt, st.turnAt = over, never, never
}

// Arm is called for every trigger, at its place. It returns true when there is
// nothing left for the world to do: the Runner put its own fault in place, or ended it.
func (r *Runner) Arm(t Trigger, now time.Duration) bool {
	st := &r.states[t.Index]
	if t.End {
		if st.phase == inPlace {
			r.finish(t.Index)
			r.refresh()
		}
		return !st.endIsNews
	}
	if st.own == nil {
		return false
	}
	r.place(t.Index, now)
	r.refresh()
	return true
}

// Struck says that the world has carried out the trigger.
func (r *Runner) Struck(t Trigger, at time.Duration) {
	st := &r.states[t.Index]
	if t.End || t.Turn || st.phase != fired {
		return
	}
	st.hits, st.struckAt = 1, at
	r.place(t.Index, at)
	r.refresh()
}

// Missed says that the trigger had nothing to strike: the process was down
// already, no file matched. The statements after it go on.
func (r *Runner) Missed(t Trigger, at time.Duration, why string) {
	st := &r.states[t.Index]
	if t.End || st.phase != fired {
		return
	}
	st.phase, st.missed = over, why
	r.release(t.Index, at)
	r.refresh()
}

// MissedLate says what Missed does when it turns out later: what came of a statement shows that it struck nothing after all. What
// counts its time from it has begun to.
func (r *Runner) MissedLate(t Trigger, why string) {
	st := &r.states[t.Index]
	st.hits, st.missed = 0, why
}

// Decide is what the faults in place say about a call. It is asked once for
// each call, after OnCall, and counts what strikes.
func (r *Runner) Decide(node string, c *disk.Call, now time.Duration) disk.Decision {
	if r.active&(1<<c.Kind) == 0 {
		return disk.Decision{}
	}
	d := &r.decision
	*d = disk.Decision{}
	changed := false
	for i := range r.states {
		st := &r.states[i]
		if st.own == nil || st.phase != inPlace {
			continue
		}
		if st.endAt <= now && !r.states[i].endIsNews {
			r.finish(i)
			changed = true
			continue
		}
		if !st.aimedAt(node, c) || !r.drawn(i) || !st.own.Strike(c, d) {
			continue
		}
		if st.hits++; st.hits == 1 {
			st.struckAt = now
		}
		if st.exact == c.ID {
			d.Place, d.Fraction = disk.PlaceInFlight, r.statements[i].At.Fraction
		}
		if r.statements[i].Span.Kind == SpanCalls {
			if st.left--; st.left == 0 {
				r.finish(i)
				changed = true
			}
		}
	}
	if changed {
		r.refresh()
	}
	return *d
}

// drawn reports whether a fault strikes this matching call, as its percentage has it.
func (r *Runner) drawn(i int) bool {
	percent := r.statements[i].Percent
	if percent == 0 {
		return true
	}
	st := &r.states[i]
	st.draws++
	return float64(seeding.Hash(r.Seed, uint64(i), st.draws)>>11)/(1<<53)*100 < percent
}

// Standing is how far a statement has come.
type Standing uint8

const (
	Waiting Standing = iota // for its instant
	Placed                  // it is in place; of faults of single calls, Hits says whether it has struck
	Ended                   // it has taken place, and is over
	Missed                  // it had nothing to strike
)

func (st *state) standing() Standing {
	switch {
	case st.missed != "":
		return Missed
	case st.phase == inPlace:
		return Placed
	case st.phase == over:
		return Ended
	}
	return Waiting
}

// Over reports whether nothing can come of the run any more.
func (r *Runner) Over() bool {
	for i := range r.states {
		if st := &r.states[i]; st.phase == inPlace || st.phase == waiting && (r.statements[i].At.Kind != AtAfter || st.dueAt != never || r.comes(i-1)) {
			return false
		}
	}
	return true
}

// comes reports whether a statement has yet to take place.
func (r *Runner) comes(i int) bool { return i >= 0 && r.states[i].phase < inPlace }

// End ends the run: what is in place is over, what waits will not strike. It
// returns what the world has to undo, as Due does.
func (r *Runner) End() []Trigger {
	out := r.dueTriggers[:0]
	for i := range r.states {
		if r.states[i].phase == inPlace {
			out = r.endNow(out, i, 0)
		}
		r.states[i].phase = over
	}
	r.refresh()
	r.dueTriggers = out
	return out
}

// StatementReport says whether a statement struck. A run in which one did not
// is judged, but counts for nothing about that fault.
type StatementReport struct {
	Text   string
	State  Standing
	Struck bool
	At     time.Duration // when it first struck
	Hits   int           // how often: calls, for faults of single calls
	Why    string        // of one that did not strike
}

// Report says of each statement, in order, whether it struck.
func (r *Runner) Report() []StatementReport {
	list := make([]StatementReport, len(r.states))
	for i := range r.states {
		st, s := &r.states[i], &r.statements[i]
		list[i] = StatementReport{Text: s.String(), State: st.standing(), Struck: st.hits > 0, At: st.struckAt, Hits: st.hits}
		if st.hits == 0 {
			list[i].Why = r.whyNot(i)
		}
	}
	return list
}

func (r *Runner) whyNot(i int) string {
	st, s := &r.states[i], &r.statements[i]
	switch {
	case st.missed != "":
		return st.missed
	case st.phase == fired:
		return fmt.Sprintf("its instant came at %v, but it was not carried out", st.firedAt)
	case st.placed: // a fault of calls: any other has struck then
		if st.draws > 0 {
			return fmt.Sprintf("in place from %v, but of %d calls %s none was drawn", st.placedAt, st.draws, st.own.calls())
		}
		return fmt.Sprintf("in place from %v, but no call matched %s", st.placedAt, st.own.calls())
	case s.At.Kind == AtCall:
		return fmt.Sprintf("its instant never came: %d of %d calls %s were seen on %s", st.seen, s.At.N, s.At.Call, s.At.Node)
	case s.At.Kind == AtAfter && st.dueAt == never:
		return "its instant never came: the statement before it did not take place"
	}
	return "its instant never came"
}
