package splitbrain

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/workloads"
)

// run is one experiment under way.
type run struct {
	c   Cluster
	s   *Scenario
	out *Outcome
	rec workloads.Recorder
	env env.Env // of Admin

	disks     Watched       // of the cluster, or unwatched
	looks     time.Duration // how often who keeps the plan's time looks at least
	conductor *conduct.Conductor
	given     *conduct.Given // the plan
	links     *plan.LinkFaults
	acked     []func()        // strikes whose instant was an acknowledgement
	news      env.Cond        // wakes who keeps the plan's time
	pause     env.Cond        // wakes everybody who waits between two things
	lagging   *plan.Statement // the scenario's own delay, while it is in place
	healing   bool            // everything ends
	striking  time.Duration   // since when the strike under way strikes
	inCall    bool            // a disk call waits for the strike under way
	awaited   time.Duration   // until when who keeps the plan's time does nothing
	began     time.Duration
	begun     int // writes
	stopped   bool
	over      bool // nobody observes any more
	failure   error

	suffixes map[string]*suffixReader // of old masters, by node
	offsets  map[string]int64         // at which servers were when the plan ended them, where that is known exactly
	before   map[string][]string      // what the files of a server held that the plan has taken from, by node

	observers []env.Task
	watched   []*watched       // servers, by polls of their roles
	acting    string           // the server that was promoted last
	downed    map[string]bool  // servers and Sentinels that the plan has ended, and not started again
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

// lookForCalls is the same where a disk call may set an instant.
const lookForCalls = 5 * time.Millisecond

// unwatched stands for disks whose calls nobody sees.
type unwatched struct{}

func (unwatched) WatchCalls(func(string, *disk.Call) disk.Decision) {}
func (unwatched) WatchPower(func(string, vfs.FS))                   {}
func (unwatched) Lock()                                             {}
func (unwatched) Unlock()                                           {}
func (unwatched) Wake(func())                                       {}
func (unwatched) Striking(bool) (end func())                        { return func() {} }
func (unwatched) Heal()                                             {}
func (unwatched) Denied(string) uint64                              { return 0 }

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
	r := &run{c: c, s: s, env: c.Env(Admin), acting: Server(0), admin: map[string]*link{}, suffixes: map[string]*suffixReader{}, before: map[string][]string{}, offsets: map[string]int64{}, downed: map[string]bool{}}
	r.out = &Outcome{Seed: seed, History: new(history.History), Itself: map[string]string{}, Refused: map[string]int{}}
	r.disks, r.looks = unwatched{}, lookEvery
	if watched, ok := c.(Watched); ok {
		r.disks = watched
	}
	r.rec.Reset(r.out.History)
	r.conductor = conduct.New(world{r})
	r.links = plan.NewLinkFaults(c)
	r.links.Before = r.beforeLinks
	r.rec.OnAck = r.conductor.OnAck
	r.news, r.pause = r.env.NewCond(), r.env.NewCond()
	defer r.close()
	if err := r.awaitReady(); err != nil {
		return nil, err
	}
	r.lag(true)
	r.observe()
	r.began = r.env.Now()
	r.out.Began = r.began
	r.given = r.conductor.Give(s.Plan, seed)
	r.disks.WatchPower(r.rememberLog)
	if s.Plan.SeesCalls() {
		r.disks.WatchCalls(r.conductor.OnCall)
		r.looks = lookForCalls
	}
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
	r.out.Statements = r.given.Report()
	r.unmet()
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
	for _, w := range r.watched {
		r.livesOf(w)
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
