package splitbrain

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/workloads"
)

// run is one experiment under way.
type run struct {
	c   Cluster
	s   *Scenario
	out *Outcome
	rec workloads.Recorder
	env env.Env // of Admin

	runner  *plan.Runner
	links   plan.LinkFaults
	acked   []plan.Trigger // whose instant was an acknowledgement
	news    env.Cond       // wakes the conductor
	pause   env.Cond       // wakes everybody who waits between two things
	began   time.Duration
	begun   int // writes
	stopped bool
	over    bool // nobody observes any more
	failure error

	lagEnded bool
	suffixes map[string]*suffixReader // of old masters, by node

	observers []env.Task
	admin     map[string]*link // of the conductor
}

// ErrInterrupted means that the experiment was not wanted any more.
var ErrInterrupted = errors.New("interrupted")

// A Cluster may be told from outside to stop; it then says so.
type stopper interface{ Stopping() bool }

func (r *run) stopping() bool {
	s, ok := r.c.(stopper)
	return ok && s.Stopping()
}

// lookEvery bounds how long an interruption goes unnoticed.
const lookEvery = 250 * time.Millisecond

// limits of administrative commands and of the start.
const (
	adminLimit = 2 * time.Second
	readyLimit = 30 * time.Second
	readyEvery = 20 * time.Millisecond
)

// Conduct runs the experiment, as a task of the environment of Admin. The cluster
// has been started. An error is the world's failure, or says that the cluster did
// not become ready; what the cluster does is the outcome's.
func Conduct(c Cluster, s *Scenario, seed uint64) (*Outcome, error) {
	r := &run{c: c, s: s, env: c.Env(Admin), admin: map[string]*link{}, suffixes: map[string]*suffixReader{}}
	r.out = &Outcome{Seed: seed, History: new(history.History), Refused: map[string]int{}}
	r.rec.Reset(r.out.History)
	r.rec.OnAck = r.onAck
	r.news, r.pause = r.env.NewCond(), r.env.NewCond()
	defer r.close()
	if err := r.awaitReady(); err != nil {
		return nil, err
	}
	r.lag(true)
	r.observe()
	r.began = r.env.Now()
	r.out.Began = r.began
	r.runner = s.Plan.Start()
	r.runner.Seed = seed
	r.out.History.Ops = make([]history.Op, 0, s.expected())
	var clients []*client
	var tasks []env.Task
	for i := range s.Clients {
		cl := newClient(r, i)
		clients = append(clients, cl)
		if cl.place.Routing == Follow {
			for i := range cl.sentinels {
				tasks = append(tasks, cl.env.Go("watch", func() { cl.watch(i) }))
			}
		}
		tasks = append(tasks, cl.env.Go("client", cl.live))
	}
	r.keepTime()
	r.heal()
	r.stopped = true
	r.pause.Broadcast()
	for _, cl := range clients {
		cl.hangUp()
	}
	for _, t := range tasks {
		t.Wait()
	}
	r.out.Ended = r.env.Now()
	r.rec.Seal()
	if r.failure == nil && r.stopping() {
		r.failure = ErrInterrupted
	}
	if r.failure != nil {
		return nil, r.failure
	}
	r.converge()
	r.stopObserving()
	r.takeSuffixes()
	r.sortEvents()
	r.out.Statements = r.runner.Report()
	r.readFiles()
	if s.Finally != nil && r.failure == nil {
		r.failure = s.Finally(c)
	}
	return r.out, r.failure
}

func (r *run) stopObserving() {
	r.over = true
	r.pause.Broadcast()
	for _, t := range r.observers {
		t.Wait()
	}
	r.observers = nil
}

func (r *run) close() {
	r.stopped = true
	r.stopObserving()
	for _, node := range slices.Sorted(maps.Keys(r.admin)) { // in one order, for the trace
		r.admin[node].close()
	}
}

// wait lets a task sleep until the run ends, at most d.
func (r *run) wait(e env.Env, d time.Duration) { r.pause.WaitFor(d) }

// refused counts a write that was refused, by the first word of the error.
func (r *run) refused(why string) {
	word, _, _ := strings.Cut(why, " ")
	r.out.Refused[word]++
}

// on is the administrative connection to a node.
func (r *run) on(node string) *link {
	l := r.admin[node]
	if l == nil {
		l = &link{env: r.env, addr: r.c.AdminAddr(node)}
		r.admin[node] = l
	}
	return l
}

// onAck hands an acknowledgement to the plan. It is called from a client's task.
func (r *run) onAck(n int) {
	if due := r.runner.OnAck(n, r.env.Now()-r.began); len(due) > 0 {
		r.acked = append(r.acked, due...)
		r.news.Signal()
	}
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
		for _, t := range acked {
			r.carryOut(t)
		}
		for _, t := range append([]plan.Trigger(nil), r.runner.Due(now-r.began)...) {
			r.carryOut(t)
		}
		wait := end - now
		if next, ok := r.runner.NextTime(); ok {
			wait = min(wait, r.began+next-r.env.Now())
		}
		if wait > 0 && len(r.acked) == 0 {
			r.news.WaitFor(min(wait, lookEvery))
		}
	}
}

// carryOut makes a statement of the plan happen.
func (r *run) carryOut(t plan.Trigger) {
	now := r.env.Now() - r.began
	if r.runner.Arm(t, now) {
		return
	}
	a := t.Statement.Action
	var why string
	var err error
	if plan.OnLinks(a) {
		_, heals := a.(*plan.Heal)
		if t.End || heals {
			r.readSuffixes()
		} else {
			r.lag(false) // a cut ends what stood for the lag before it
		}
		why = r.links.Apply(t, r.c)
	} else if do, ok := a.(*plan.Do); ok {
		_, err = r.on(do.Node).do(adminLimit, do.Args...)
		if err != nil {
			why, err = err.Error(), nil
		}
	} else {
		why, err = r.c.Act(t)
	}
	if err != nil && r.failure == nil {
		r.failure = fmt.Errorf("%s: %w", t.Statement, err)
	}
	if why != "" {
		r.runner.Missed(t, now, why)
		return
	}
	r.runner.Struck(t, now)
	r.noteFault(t)
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
	var off []string
	switch a := t.Statement.Action.(type) {
	case *plan.Heal:
		r.out.Healed = at
		event(history.Healed, "", "")
	case *plan.Cut:
		off = append(append(off, a.From...), a.To...)
	case *plan.Flap:
		off = append(append(off, a.From...), a.To...)
	case *plan.Pause:
		off = []string{a.Node}
	case *plan.Kill:
		off = []string{a.Node}
	}
	for _, node := range off {
		event(history.CutOff, node, text)
	}
}

// lag delays what the first master sends to its replicas, or ends that.
func (r *run) lag(on bool) {
	if r.s.Lag == 0 {
		return
	}
	if !on && r.lagEnded {
		return
	}
	r.lagEnded = !on
	var to []string
	for i := 1; i < r.s.Topology.Servers; i++ {
		if r.s.Topology.MasterOf(i) == Server(0) {
			to = append(to, Server(i))
		}
	}
	statement := &plan.Statement{Action: &plan.Delay{Links: plan.Links{From: []string{Server(0)}, To: to}, By: r.s.Lag}}
	r.links.Apply(plan.Trigger{Index: lagIndex, Statement: statement, End: !on}, r.c)
}

// lagIndex is no statement's place in a plan.
const lagIndex = -1

// heal ends what the plan has left in place.
func (r *run) heal() {
	r.lag(false)
	r.readSuffixes()
	for _, t := range append([]plan.Trigger(nil), r.runner.End()...) {
		if plan.OnLinks(t.Statement.Action) {
			r.links.Apply(t, r.c)
		} else if _, err := r.c.Act(t); err != nil && r.failure == nil {
			r.failure = err
		}
		r.noteFault(t)
	}
	// Faults without a span are over for the plan's runner, and still in place.
	heal := &plan.Statement{Action: &plan.Heal{}}
	if r.links.Apply(plan.Trigger{Index: lagIndex, Statement: heal}, r.c) == "" {
		r.noteFault(plan.Trigger{Index: lagIndex, Statement: heal})
	}
	if r.out.Healed == 0 {
		r.out.Healed = r.env.Now()
	}
}
