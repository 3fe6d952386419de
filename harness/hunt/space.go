package hunt

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// Space is what experiments are drawn from: settings, disks, what clients do and when,
// the operator's commands, faults, and how lives of the server end. Each experiment has
// only some of these features (swarm testing: Groce, Zhang, Eide, Chen and Regehr, ISSTA
// 2012), so that what is rare is not drowned by what is common.
type Space struct {
	On       plan.System
	Modes    []product.Mode
	Settings []product.Setting
	// Personality and Profile are the reader's own disk, which is drawn most often;
	// the others are drawn beside it. Workloads likewise are all that the store can have.
	Personality   string
	Profile       string
	Personalities []string
	Profiles      []string
	Workloads     []string
	// Real: time is real, so that lives are short.
	Real   bool
	Plants experiment.Plants
}

// NewSpace is all that can be drawn on a backend of a store, on the reader's own disk.
func NewSpace(b campaign.Backend, store product.Store, personality, profile string) *Space {
	s := &Space{On: b.System(), Settings: store.Settings(), Personality: personality, Profile: profile, Real: b.Rig() != nil,
		Personalities: []string{personality}, Profiles: sim.ProfileNames()}
	for _, m := range store.Modes() {
		if b.LacksMode(&m) == "" {
			s.Modes = append(s.Modes, m)
		}
	}
	if b.DiskIsOurs() {
		for _, p := range disk.Personalities {
			s.Personalities = append(s.Personalities, p.Name)
		}
	}
	for _, w := range workloads.Names() {
		spec := workloads.Default()
		if spec.Name = w[0]; spec.Lacks(store) == "" {
			s.Workloads = append(s.Workloads, w[0])
		}
	}
	return s
}

// feature is a part of the space that an experiment has or lacks.
type feature uint

const (
	withSettings feature = 1 << iota
	withPhases           // clients burst, trickle and fall silent
	withRewrites         // the operator has the log rewritten, or a snapshot made
	withOperator         // and other things
	withFaults           // calls fail, are short, slow or stuck; the disk is full or read-only
	withChildren         // children die, or cannot be made
	withSequence         // more than one end
	withDamage           // files at rest are cut or corrupted
	withOtherDisk
	withMoreClients
	features = iota
)

// rare are features that one in so many experiments has; the others one in two.
var rare = map[feature]int{withDamage: 12, withChildren: 6, withOtherDisk: 3, withMoreClients: 5, withFaults: 3}

func drawFeatures(d *seeding.Draws) (f feature) {
	for i := range features {
		one := rare[1<<i]
		if one == 0 {
			one = 2
		}
		if d.Below(one) == 0 {
			f |= 1 << i
		}
	}
	return f
}

// Draw is the experiment that belongs to a seed.
func (s *Space) Draw(seed uint64) *experiment.Experiment {
	d := seeding.NewDraws(seeding.Derive(seed, 1))
	f := drawFeatures(d)
	m := s.Modes[d.Below(len(s.Modes))]
	if f&withSettings != 0 {
		m = m.With(s.drawSettings(d))
	}
	life := s.drawLife(&m, d)
	w := s.drawWorkload(&m, f, life, d)
	m.Rate, m.Span = w.Rate, life+time.Second
	m.Period = min(m.Period, life/4)
	x := &experiment.Experiment{Mode: m, Workload: w, Personality: s.Personality, Profile: s.Profile, Seed: seed, Plants: s.Plants}
	if f&withOtherDisk != 0 {
		x.Personality = s.Personalities[d.Below(len(s.Personalities))]
		x.Profile = s.Profiles[d.Below(len(s.Profiles))]
	}
	if strings.HasSuffix(x.Mode.Get("maxmemory"), "kb") && d.Below(8) > 0 { // some of which no server keeps anything
		x.Mode = x.Mode.With([]product.Directive{{Name: "maxmemory", Value: s.someMemory(&x.Workload)}})
	}
	if limited(&x.Mode) && d.Below(8) > 0 {
		x.Mode = x.Mode.With([]product.Directive{{Name: "maxmemory-policy", Value: []string{"allkeys-lru", "allkeys-lfu", "allkeys-random"}[d.Below(3)]}})
	}
	x.Plan = &plan.Plan{}
	s.drawCommands(x, f, life, d)
	s.drawFaults(x, f, life, d)
	s.drawEnds(x, f, life, d)
	s.fit(x, d)
	x.Crash, _ = experiment.KindOf(x.Plan) // it has an end
	return x
}

// limited reports whether a server has a limit of memory for which it may refuse each write:
// nothing of the workload's may be evicted.
func limited(m *product.Mode) bool {
	limit := m.Get("maxmemory")
	return limit != "" && limit != "0" && !strings.HasPrefix(m.Get("maxmemory-policy"), "allkeys-")
}

// someMemory is a limit that leaves room for some keys beside a server's own and its clients'.
func (s *Space) someMemory(w *workloads.Spec) string {
	kb := 975 // engine/keyspace/memory.go: of 856 kB at the start, 20 for each of four clients
	if s.Real {
		kb = 1800
	}
	return strconv.Itoa(kb+20*max(0, w.Clients-4)) + "kb"
}

// drawSettings draws some settings, each with those without which it has no effect.
func (s *Space) drawSettings(d *seeding.Draws) (set []product.Directive) {
	if len(s.Settings) == 0 {
		return nil
	}
	value := func(t *product.Setting) product.Directive {
		return product.Directive{Name: t.Name, Value: t.Values[d.Below(len(t.Values))]}
	}
	for range 1 + d.Below(3) {
		t := &s.Settings[d.Below(len(s.Settings))]
		for i := range s.Settings {
			if slices.Contains(t.With, s.Settings[i].Name) {
				set = append(set, value(&s.Settings[i]))
			}
		}
		set = append(set, value(t))
	}
	return set
}

// drawLife draws for how long the first life of a server is to last: log-uniform, so that
// what takes seconds is met, and most experiments are short.
func (s *Space) drawLife(m *product.Mode, d *seeding.Draws) time.Duration {
	shortest, doublings := 200*time.Millisecond, 7 // to 25 s
	if s.Real {
		shortest, doublings = 500*time.Millisecond, 4 // to 8 s
	}
	if m.Fsync() == product.Never && !s.Real {
		doublings = 9 // beyond the kernel's write-back
	}
	life := shortest << d.Below(doublings)
	return d.Between(life, 2*life).Round(time.Millisecond)
}

// operations is about how many an experiment has: enough to see a loss, and cheap to judge.
const operations = 150

func (s *Space) drawWorkload(m *product.Mode, f feature, life time.Duration, d *seeding.Draws) workloads.Spec {
	w := workloads.Default()
	w.Name = s.Workloads[d.Below(len(s.Workloads))]
	w.Rate = float64(operations) / life.Seconds() / float64(int(1)<<d.Below(2))
	if life < time.Second && d.Below(3) == 0 {
		w.Rate = 0
	}
	if f&withMoreClients != 0 {
		w.Clients, w.Pipeline = 1+d.Below(8), 1+d.Below(4)
	}
	switch d.Below(6) {
	case 0:
		w.ValueSize = 0
	case 1:
		w.ValueSize = 4 << 10
	}
	w.Keys = []int{16, 16, 4, 64, 400}[d.Below(5)]
	if w.Ops = 3 * operations; w.Rate == 0 { // which would be over long before the life is
		w.Ops = 10 * operations
	}
	w.Beside = f&withMoreClients != 0 && d.Below(4) == 0 && w.Lacks(m.Store) == ""
	if f&withPhases == 0 {
		return w
	}
	for range 2 + d.Below(3) {
		p := workloads.Phase{For: d.Between(life/16, life).Round(time.Millisecond)}
		switch d.Below(4) {
		case 0:
			p.Rate = float64(operations) / p.For.Seconds()
		case 1:
			p.Rate = 1 / p.For.Seconds() // a single one, or none
		case 2:
			p.Rate = w.Rate
		default:
			p.Rate = workloads.Silent
		}
		if p.Rate == 0 {
			p.Rate = float64(operations) / life.Seconds()
		}
		w.Phases = append(w.Phases, p)
	}
	if p := &w.Phases[0]; p.Rate == workloads.Silent || p.Rate*p.For.Seconds() < 10 { // something is there to be lost
		*p = workloads.Phase{For: min(p.For, life/4), Rate: float64(operations) / life.Seconds()}
	}
	return w
}

// at draws when something happens in a life.
func (s *Space) at(life time.Duration, d *seeding.Draws) plan.Instant {
	return plan.Instant{Kind: plan.AtTime, Time: d.Between(0, life).Round(10 * time.Microsecond)}
}

// drawCommands draws what the operator does.
func (s *Space) drawCommands(x *experiment.Experiment, f feature, life time.Duration, d *seeding.Draws) {
	do := func(at plan.Instant, words ...string) {
		x.Plan.Statements = append(x.Plan.Statements, plan.Statement{At: at, Action: &plan.Do{Node: experiment.Server, Args: words}})
	}
	if rewrite := x.Mode.Store.Rewrite(&x.Mode); f&withRewrites != 0 && rewrite != nil {
		for range 1 + d.Below(2) {
			at := s.at(life, d)
			if d.Below(3) == 0 { // so that the end comes while it goes on, or soon after
				at.Time = max(0, life-d.Between(0, 300*time.Millisecond)).Round(10 * time.Microsecond)
			}
			do(at, rewrite...)
		}
	}
	if f&withOperator == 0 {
		return
	}
	for range 1 + d.Below(2) {
		words := s.command(&x.Mode, d)
		p := &plan.Plan{Statements: []plan.Statement{{At: s.at(life, d), Action: &plan.Do{Node: experiment.Server, Args: words}}}}
		if experiment.CheckCommands(p, x.Mode.Store, x.Workload) == nil {
			x.Plan.Statements = append(x.Plan.Statements, p.Statements...)
		}
	}
}

// command draws one of the operator's commands.
func (s *Space) command(m *product.Mode, d *seeding.Draws) []string {
	commands := [][]string{{"BGSAVE"}, {"SAVE"}, {"BGREWRITEAOF"}, {"FLUSHALL"}}
	if d.Below(2) == 0 || len(s.Settings) == 0 {
		return commands[d.Below(len(commands))]
	}
	t := &s.Settings[d.Below(len(s.Settings))]
	if d.Below(3) == 0 && m.AOF {
		return []string{"CONFIG", "SET", "appendfsync", []string{product.Always, product.EverySecond, product.Never}[d.Below(3)]}
	}
	if strings.HasPrefix(t.Name, "maxmemory") || t.Name == "rdbchecksum" /* redis 7.0.15 config.c: immutable */ {
		return []string{"BGSAVE"} // who was to tell of evictions was asked at the start
	}
	return []string{"CONFIG", "SET", t.Name, t.Values[d.Below(len(t.Values))]}
}

// calls are those that a server in the mode makes, so that what waits for one of them
// strikes: of its log, of what it renames, and, where something is rewritten, of that.
func (s *Space) calls(x *experiment.Experiment) (list []plan.CallPattern) {
	add := func(glob string, ops ...string) {
		for _, op := range ops {
			list = append(list, plan.CallPattern{Op: op, Glob: glob})
		}
	}
	log, snapshot := x.Mode.Store.Globs()
	rewrites := slices.ContainsFunc(x.Plan.Statements, func(t plan.Statement) bool {
		do, ok := t.Action.(*plan.Do)
		return ok && slices.Equal(do.Args, x.Mode.Store.Rewrite(&x.Mode))
	})
	if x.Mode.AOF && log != "" {
		add(log, "write", "write")
		if x.Mode.Fsync() != product.Never {
			add(log, "fsync", "fsync", "fsync")
		}
	}
	if rewrites || x.Mode.RDB {
		add("*", "open", "write", "fsync", "rename", "dirsync")
		if x.Mode.AOF {
			add("*.manifest", "write", "fsync", "rename")
			add("temp-rewriteaof*", "write", "fsync", "rename")
			add("*", "unlink")
		} else if snapshot != "" {
			add(snapshot, "write", "fsync", "rename")
		}
	}
	if len(list) == 0 {
		add("*", "write", "fsync", "open")
	}
	if seen, ok := s.On.(plan.Calls); ok {
		list = slices.DeleteFunc(list, func(c plan.CallPattern) bool { return seen.Unseen(c) != "" })
	}
	return list
}

// drawFault draws a fault of calls, of the disk or of the process.
func (s *Space) drawFault(x *experiment.Experiment, life time.Duration, d *seeding.Draws) plan.Statement {
	calls := s.calls(x)
	on := func() plan.Target { return plan.Target{Call: calls[d.Below(len(calls))]} }
	t := plan.Statement{At: s.at(life, d)}
	while := plan.Span{Kind: plan.SpanTime, For: d.Between(time.Millisecond, life).Round(time.Millisecond)}
	some := plan.Span{Kind: plan.SpanCalls, Calls: 1 + d.Below(4)}
	switch n := d.Below(14); {
	case n < 5 && len(calls) > 0:
		t.Action = &plan.Fail{Target: on(), Err: experiment.Failures[d.Below(len(experiment.Failures))]}
		if t.Span = some; d.Below(4) == 0 {
			t.Span = while
		}
	case n < 7 && len(calls) > 0:
		target := on()
		target.Call.Op = "write"
		t.Action, t.Span = &plan.Short{Target: target, Bytes: int64(d.Below(600))}, some
	case n < 9 && len(calls) > 0:
		t.Action, t.Span = &plan.Slow{Target: on(), By: d.Between(time.Millisecond, 3*time.Second).Round(time.Millisecond)}, some
	case n == 9 && len(calls) > 0:
		t.Action, t.Span = &plan.Stall{Target: on()}, while
	case n < 12:
		t.Action, t.Span = &plan.Full{Node: experiment.Server, Bytes: int64(d.Below(20000))}, while
	case n == 12:
		t.Action, t.Span = &plan.ReadOnly{Node: experiment.Server}, while
	default:
		t.Action, t.Span = &plan.Pause{Node: experiment.Server}, while
	}
	if t.Span == while && d.Below(8) == 0 && t.Action.Verb() != "stall" && t.Action.Verb() != "pause" {
		t.Span = plan.Span{} // for good
	}
	if d.Below(4) == 0 && len(calls) > 0 && s.seesCalls() {
		t.At = plan.Instant{Kind: plan.AtCall, Node: experiment.Server, Call: calls[d.Below(len(calls))], N: 1 + d.Below(3), Time: d.Between(0, life/2).Round(time.Millisecond)}
	}
	return t
}

// drawFaults draws faults of calls, of the disk and of processes.
func (s *Space) drawFaults(x *experiment.Experiment, f feature, life time.Duration, d *seeding.Draws) {
	if f&withFaults != 0 {
		for range 1 + d.Below(2) {
			if t := s.drawFault(x, life, d); s.can(t.Action) {
				x.Plan.Statements = append(x.Plan.Statements, t)
			}
		}
	}
	if f&withChildren != 0 {
		child := plan.Statement{At: s.at(life, d), Action: &plan.RefuseFork{Node: experiment.Server}, Span: plan.Span{Kind: plan.SpanTime, For: d.Between(life/8, life).Round(time.Millisecond)}}
		if d.Below(2) == 0 {
			if rewrite := x.Mode.Store.Rewrite(&x.Mode); rewrite != nil {
				at := s.at(life, d)
				at.Time = (life/4 + at.Time/2).Round(10 * time.Microsecond) // it takes its time over keys, of which there are some by then
				x.Plan.Statements = append(x.Plan.Statements, plan.Statement{At: at, Action: &plan.Do{Node: experiment.Server, Args: rewrite}})
			}
			x.Mode = x.Mode.With([]product.Directive{{Name: "rdb-key-save-delay", Value: "20000"}}) // so that it is met alive
			child = plan.Statement{At: plan.Instant{Kind: plan.AtAfter, Time: d.Between(2*time.Millisecond, 40*time.Millisecond).Round(10 * time.Microsecond)}, Action: &plan.KillChild{Node: experiment.Server}}
		}
		if s.can(child.Action) {
			x.Plan.Statements = append(x.Plan.Statements, child)
		}
	}
}

// can reports whether an action can strike where the experiments run.
func (s *Space) can(a plan.Action) bool {
	for _, v := range plan.Verbs() {
		if v.Name == a.Verb() {
			ok, _ := v.Available(s.On)
			return ok
		}
	}
	return false
}

// end draws how a life ends.
func (s *Space) end(d *seeding.Draws) plan.Action {
	n := d.Below(10)
	switch cut := plan.Action(experiment.PowerCut(d)); {
	case n < 5 && s.can(cut):
		return cut
	case n == 9:
		return &plan.Term{Node: experiment.Server}
	case n == 8:
		return &plan.Kill{Node: experiment.Server, Tree: true}
	}
	return &plan.Kill{Node: experiment.Server}
}

// drawEnds draws the ends of one life or more, and damage between them.
func (s *Space) drawEnds(x *experiment.Experiment, f feature, life time.Duration, d *seeding.Draws) {
	first := plan.Statement{At: plan.Instant{Kind: plan.AtTime, Time: life}, Action: s.end(d)}
	log, _ := x.Mode.Store.Globs()
	atCall := d.Below(3) == 0 && s.seesCalls()
	if atCall {
		first.At = s.endCall(x, life, d)
	}
	x.Plan.Statements = append(x.Plan.Statements, first)
	damaged := f&withDamage != 0 && f&(withRewrites|withOperator|withChildren) == 0 && x.Mode.AOF && log != ""
	if damaged {
		// A file system has what was damaged at rest in its page cache alone, and a power
		// cut would undo that.
		x.Plan.Statements[len(x.Plan.Statements)-1].Action = &plan.Kill{Node: experiment.Server}
		hurt := plan.Action(&plan.TruncateAtRest{Glob: log, By: int64(1 + d.Below(64))})
		if s.can(hurt) {
			x.Plan.Statements = append(x.Plan.Statements, plan.Statement{At: plan.Instant{Kind: plan.AtAfter}, Action: hurt})
		}
	}
	if atCall && !damaged { // it may not come
		x.Plan.Statements = append(x.Plan.Statements, plan.Statement{At: plan.Instant{Kind: plan.AtTime, Time: life + time.Second}, Action: first.Action})
	}
	if f&withSequence == 0 {
		return
	}
	for range 1 + d.Below(3) {
		end := s.end(d)
		if damaged {
			end = &plan.Kill{Node: experiment.Server}
		}
		x.Plan.Statements = append(x.Plan.Statements, plan.Statement{
			At: plan.Instant{Kind: plan.AtAfter, Time: s.pause(life, d)}, Action: end})
	}
}

// pause draws for how long after one end of a life the next one comes. A real server takes a
// while to come back, and more where many do; what strikes it before is missed.
func (s *Space) pause(life time.Duration, d *seeding.Draws) time.Duration {
	pause := d.Between(50*time.Millisecond, min(life, 3*time.Second)).Round(time.Millisecond)
	if s.Real {
		pause += time.Second
	}
	return pause
}

// endCall draws a call at which a life ends: one of a rewrite where there is one, or of the log.
func (s *Space) endCall(x *experiment.Experiment, life time.Duration, d *seeding.Draws) plan.Instant {
	at := plan.Instant{Kind: plan.AtCall, Node: experiment.Server, N: 1, Time: life - d.Between(0, life/2)}
	calls := s.calls(x)
	for i := range x.Plan.Statements {
		if do, ok := x.Plan.Statements[i].Action.(*plan.Do); ok && slices.Equal(do.Args, x.Mode.Store.Rewrite(&x.Mode)) && d.Below(2) == 0 {
			at.Time = x.Plan.Statements[i].At.Time
			at.N += d.Below(3)
		}
	}
	at.Time = at.Time.Round(10 * time.Microsecond)
	at.Call = calls[d.Below(len(calls))]
	places := []disk.Place{disk.PlaceEnter, disk.PlaceInFlight, disk.PlaceReturn}
	if at.Place = places[d.Below(len(places))]; at.Place == disk.PlaceInFlight {
		at.Fraction = float64(1+d.Below(99)) / 100
	}
	return at
}

func (s *Space) seesCalls() bool {
	_, ok := s.On.(plan.Calls)
	return ok
}
