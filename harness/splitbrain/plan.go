package splitbrain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/workloads"
)

// This file is how an experiment's plan is carried out: who keeps its time, what its
// statements strike, and what goes on record.

// world is the experiment as its conductor knows it: one task at a time runs.
type world struct{ r *run }

func (w world) Lock()              { w.r.disks.Lock() }
func (w world) Unlock()            { w.r.disks.Unlock() }
func (w world) Now() time.Duration { return w.r.env.Now() }

// Wake lets keepTime look again: a disk call may have set an instant.
func (w world) Wake(next time.Duration) {
	w.r.disks.Wake(func() {
		if next < w.r.awaited {
			w.r.awaited = next
			w.r.news.Signal()
		}
	})
}

// Outside hands an acknowledgement's strikes to who keeps the time. It is called from a
// client's task.
func (w world) Outside(f func()) {
	w.r.acked = append(w.r.acked, f)
	w.r.news.Signal()
}

// Strike implements conduct.World.
func (w world) Strike(t plan.Trigger) conduct.Strike {
	end := w.r.disks.Striking(t.InCall)
	w.r.inCall, w.r.striking = t.InCall, w.r.env.Now()
	if !t.End && !t.Turn {
		w.r.remember(t.Statement.Action)
	}
	return strike{w.r.c, w.r, end}
}

// keepTime carries the plan out until the span is over, or all writes are made.
func (r *run) keepTime() {
	end := r.began + r.s.Span
	for r.failure == nil && !r.stopping() {
		now := r.env.Now()
		if now >= end {
			return
		}
		acked := r.acked
		r.acked = nil
		for _, f := range acked {
			f()
		}
		r.conductor.Due(now)
		wait := min(end-now, r.looks)
		if next := r.conductor.NextTime(); next != conduct.Never {
			wait = min(wait, next-r.env.Now())
		}
		if wait > 0 && len(r.acked) == 0 {
			r.awaited = r.env.Now() + wait
			r.news.WaitFor(wait)
			r.awaited = 0
		}
	}
}

// strike is the cluster while a fault strikes, with what the experiment has of it:
// links, and connections to all nodes. In a prototype r is nil.
type strike struct {
	c   plan.System
	r   *run
	end func()
}

// System is what plans strike in experiments on a kind of cluster, of which any
// value will do, nil pointers among them.
func System(c plan.System) plan.System { return strike{c: c} }

// Name implements plan.System.
func (k strike) Name() string { return k.c.Name() }

// Lacks implements plan.System.
func (k strike) Lacks(n plan.Need) string { return k.c.Lacks(n) }

// Unwrap is the cluster, which has the processes.
func (k strike) Unwrap() plan.System { return k.c }

// CountsAcks implements plan.Acks.
func (strike) CountsAcks() {}

// CountsRequests implements plan.Requests.
func (strike) CountsRequests() {}

// Links implements plan.Linked.
func (k strike) Links() *plan.LinkFaults { return k.r.links }

// Command implements plan.Commands. Where a disk call waits for the strike, the command is
// sent beside it.
func (k strike) Command(node string, args []string, answered func(history.Outcome, string)) (why string, err error) {
	if k.r.inCall {
		k.r.observers = append(k.r.observers, k.r.env.Go("do", func() {
			l := &link{env: k.r.env, addr: k.r.c.AdminAddr(node)}
			defer l.close()
			if why := command(l, args); why != "" {
				answered(history.Failed, why)
			}
		}))
		return "", nil
	}
	return command(k.r.on(node), args), nil
}

// command sends a command of a plan and says why it was not carried out.
func command(l *link, args []string) (why string) {
	_, err := l.do(adminLimit, args...)
	refusal := new(workloads.ServerError)
	if err == nil || strings.EqualFold(args[0], "SHUTDOWN") && !errors.As(err, &refusal) { // which has no reply
		return ""
	}
	return err.Error()
}

// Done implements conduct.Strike.
func (k strike) Done(t plan.Trigger, why string, err error) {
	if err != nil && k.r.failure == nil {
		k.r.failure = fmt.Errorf("%s: %w", t.Statement, err)
	}
	if why == "" || t.End {
		k.r.noteFault(t)
	}
	if back, ok := t.Statement.Action.(*plan.Restart); ok && why == "" {
		k.r.started(back.Node)
	}
	k.r.inCall = false
	k.end()
}

// noteFault puts what struck on the record.
func (r *run) noteFault(t plan.Trigger) {
	at := r.env.Now()
	event := func(kind history.EventKind, node, text string) {
		r.out.History.Events = append(r.out.History.Events, history.Event{At: at, Kind: kind, Node: node, Text: text})
	}
	if t.End || t.Turn {
		if len(r.links.InPlace()) == 0 {
			r.out.Healed = at
			event(history.Healed, "", "")
		}
		return
	}
	text := t.Statement.String()
	event(history.FaultStruck, "", text)
	for _, node := range plan.Ends(t.Statement.Action) {
		for _, one := range slices.Concat(r.s.Topology.ServerNames(), r.s.Topology.SentinelNames()) {
			if node == plan.All || node == one {
				r.downed[one] = true
			}
		}
	}
	if back, ok := t.Statement.Action.(*plan.Restart); ok {
		delete(r.downed, back.Node)
	}
	if plan.Heals(t.Statement.Action) {
		r.out.Healed = at
		event(history.Healed, "", "")
	}
	for _, node := range plan.CutOff(t.Statement.Action) {
		event(history.CutOff, node, text)
	}
}

// beforeLinks is called before a statement changes links.
func (r *run) beforeLinks(ends bool) {
	switch {
	case r.healing:
	case ends:
		if !r.inCall { // which would wait for what it asks
			r.readSuffixes()
		}
	default:
		r.lag(false) // a cut ends what stood for the lag before it
	}
}

// lag delays what the first master sends to its replicas, or ends that for good.
func (r *run) lag(on bool) {
	if !on {
		if r.lagging != nil {
			r.links.Lift(r.lagging)
			r.lagging = nil
		}
		return
	}
	var to []string
	for i := 1; i < r.s.Topology.Servers; i++ {
		if r.s.Topology.MasterOf(i) == Server(0) {
			to = append(to, Server(i))
		}
	}
	if r.s.Lag == 0 || len(to) == 0 {
		return
	}
	r.lagging = &plan.Statement{Action: &plan.Delay{Links: plan.Links{From: []string{Server(0)}, To: to}, By: r.s.Lag}}
	r.links.Place(r.lagging)
}

// unmet finds what made a disk full or read-only that no call has met: it has struck nothing.
func (r *run) unmet() {
	_, ok := r.c.(Watched)
	for i := range r.out.Statements {
		st := &r.out.Statements[i]
		if node, denies := plan.Denies(r.s.Plan.Statements[i].Action); ok && denies && st.Struck && r.disks.Denied(node) == 0 {
			st.Struck, st.State, st.Why = false, plan.Missed, fmt.Sprintf("in place from %v, but %s wrote nothing to its disk", st.At, node)
		}
	}
}

// heal ends what the plan has left in place.
func (r *run) heal() {
	r.lag(false)
	r.readSuffixes()
	r.healing = true
	r.conductor.End()
	r.disks.Heal()
	// Faults without a span are over for the plan's runner, and still in place.
	if r.links.Clear() {
		r.noteFault(plan.Trigger{Statement: &plan.Statement{Action: &plan.Heal{}}})
	}
	if r.out.Healed == 0 {
		r.out.Healed = r.env.Now()
	}
}
