package experiment

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/internal/spelling"
	"github.com/torntail/torntail/workloads"
)

// CrashKind is a way in which a server's life ends, as --crash names it: what it
// takes, when it strikes, what it needs for that, what is promised about it, and
// how it is seen to have struck. One that cannot be seen is none.
type CrashKind struct {
	Name  string
	About string

	// Power: the page cache goes too. Otherwise memory alone.
	Power bool
	// When in the work of the disk it strikes; at any time in those that do not say.
	When When
	// AtRest: files are damaged while no server runs.
	AtRest bool
	// Ends is how the life must have ended, as the process or the disk saw it.
	Ends history.EventKind
	// Plain is the kind that strikes at any time, whose promise holds: when or how
	// slowly a crash strikes changes nothing about what was promised. "": its own.
	Plain string

	// Needs says why the kind has nothing to strike in a mode; "" when it has.
	Needs func(m *product.Mode) string
	// Strike draws the statements that end the server's life at about t.
	Strike func(m *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement
	// promise, when not nil, is what is promised instead of the mode's contract.
	promise func(m *product.Mode) contract.Contract
	// seen, when not nil, is what else must have been seen; "" when it was.
	seen func(o *Outcome) string
}

// When is when in the work of the disk a crash kind strikes.
type When uint8

const (
	AnyTime      When = iota
	InSync            // while a sync is in flight
	SlowSync          // while each sync takes longer
	InRewrite         // at one of the calls of a rewrite or snapshot
	AfterSilence      // when clients have sent nothing for a while
	AfterError        // after calls have failed
	InRecovery        // and once more, soon after the server has come back
)

func (k *CrashKind) String() string { return k.Name }

// contract is the crash of a contract that this kind is.
func (k *CrashKind) contract() contract.Crash {
	if k.Plain != "" {
		return contract.Crash(k.Plain)
	}
	return contract.Crash(k.Name)
}

// atAnyCall reports whether the kind, when it is one statement, may strike at any call.
func (k *CrashKind) atAnyCall() bool {
	return (k.When == AnyTime || k.When == InRewrite) && k.Ends != history.Terminated && !k.AtRest
}

// Plainly is the kind that strikes at any time and takes the same; itself when it is one.
func (k *CrashKind) Plainly() *CrashKind {
	if k.Plain == "" {
		return k
	}
	return MustCrash(k.Plain)
}

// Server is the name of the one server of a crash experiment.
const Server = "n1"

// slowSync is what an fsync takes longer under power-slow-fsync: as long as
// everysec waits for one before it writes all the same.
const slowSync = 2 * time.Second

func always(*product.Mode) string { return "" }

// atTime strikes at the time that is drawn, with the action made by f.
func atTime(f func(d *seeding.Draws) plan.Action) func(*product.Mode, time.Duration, *seeding.Draws) []plan.Statement {
	return func(_ *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
		return []plan.Statement{At(t, f(d))}
	}
}

// inSync strikes inside a sync, with the action made by f.
func inSync(f func(d *seeding.Draws) plan.Action) func(*product.Mode, time.Duration, *seeding.Draws) []plan.Statement {
	return func(m *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
		return []plan.Statement{inFsync(m, t, d, f(d))}
	}
}

func kill(*seeding.Draws) plan.Action { return &plan.Kill{Node: Server} }

// CrashKinds are all of them, in the order in which tables show them.
var CrashKinds = []*CrashKind{
	{
		Name: "kill", About: "SIGKILL: memory is gone, what reached write(2) survives",
		Ends: history.ProcessKill, Needs: always, Strike: atTime(kill),
	},
	{
		Name: "power", About: "power cut: memory and page cache are gone", Power: true,
		Ends: history.PowerCut, Needs: always, Strike: atTime(PowerCut),
	},
	{
		Name: "power-in-fsync", About: "power cut in the middle of an fsync", Power: true, When: InSync, Plain: "power",
		Ends: history.PowerCut, Needs: needsFsync, Strike: inSync(PowerCut), seen: sawSync,
	},
	{
		Name: "kill-in-fsync", About: "SIGKILL in the middle of an fsync", When: InSync, Plain: "kill",
		Ends: history.ProcessKill, Needs: needsFsync, Strike: inSync(kill), seen: sawSync,
	},
	{
		Name: "term", About: "SIGTERM: an orderly shutdown",
		Ends: history.Terminated, Needs: always,
		Strike: atTime(func(*seeding.Draws) plan.Action { return &plan.Term{Node: Server} }),
	},
	{
		Name: "power-slow-fsync", About: "power cut while each fsync takes 2 s longer", Power: true, When: SlowSync, Plain: "power",
		Ends: history.PowerCut,
		Needs: func(m *product.Mode) string {
			if !m.AOF || m.Fsync() == product.Never {
				return "no fsync of a log while clients write, so that there is none to slow down"
			}
			return ""
		},
		Strike: func(m *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
			slow := &plan.Slow{Target: plan.Target{Call: plan.CallPattern{Op: "fsync", Glob: logGlob(m)}}, By: slowSync}
			return []plan.Statement{At(max(t-5*time.Second, t/2), slow), At(t, PowerCut(d))}
		},
		seen: func(o *Outcome) string {
			if !syncWasSlow(&o.History.Epochs[0]) {
				return "no fsync had been slow when the crash struck"
			}
			return ""
		},
	},
	{
		Name: "power-in-rewrite", About: "power cut at one of the disk calls of a rewrite or snapshot", Power: true, When: InRewrite, Plain: "power",
		Ends: history.PowerCut,
		Needs: func(m *product.Mode) string {
			switch {
			case !m.AOF && !m.RDB:
				return "without persistence nothing is rewritten"
			case m.Store.Rewrite(m) == nil:
				return m.Store.Name() + " rewrites nothing"
			}
			return ""
		},
		Strike: atTime(PowerCut),
		seen: func(o *Outcome) string {
			if o.CrashPoint == "" {
				return "no rewrite or snapshot was going on when the crash struck"
			}
			return ""
		},
	},
	{
		Name: "tail-cut", About: "SIGKILL, then the last bytes of the AOF are missing", AtRest: true,
		Ends: history.ProcessKill,
		Needs: func(m *product.Mode) string {
			if !m.AOF {
				return "there is no AOF whose tail could be cut"
			}
			return ""
		},
		Strike: func(m *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
			return []plan.Statement{
				At(t, kill(d)),
				{At: plan.Instant{Kind: plan.AtAfter}, Action: &plan.TruncateAtRest{Glob: logGlob(m), By: int64(1 + d.Below(128))}},
			}
		},
		promise: tailCutPromise,
		seen: func(o *Outcome) string {
			if o.CutFiles != 1 {
				return fmt.Sprintf("%d incr files were cut, not the one at the tail", o.CutFiles)
			}
			return ""
		},
	},
	{
		Name: "power-after-silence", About: "power cut when clients have sent nothing for 2.5 s", Power: true, When: AfterSilence, Plain: "power",
		Ends: history.PowerCut, Needs: persists,
		Strike: func(_ *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
			return []plan.Statement{At(t+silence, PowerCut(d))}
		},
		seen: func(o *Outcome) string {
			life := &o.History.Epochs[0]
			if slices.ContainsFunc(o.History.Ops, func(op history.Op) bool { return op.Invoke > life.Ended-silence/2 && op.Invoke <= life.Ended }) {
				return "clients still sent commands when the crash struck"
			}
			return ""
		},
	},
	{
		Name: "power-in-recovery", About: "power cut, a call that fails or is slow as the server recovers, and one more cut soon after", Power: true, When: InRecovery, Plain: "power",
		Ends: history.PowerCut, Needs: persists,
		Strike: func(_ *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
			list := []plan.Statement{At(t, PowerCut(d))}
			if trouble := []string{"open", "write", "fsync", "rename"}[d.Below(4)]; d.Below(3) == 0 {
				on := plan.Target{Call: plan.CallPattern{Op: trouble, Glob: "*"}}
				fault := plan.Statement{At: plan.Instant{Kind: plan.AtAfter}, Span: plan.Span{Kind: plan.SpanCalls, Calls: 1}, Action: &plan.Slow{Target: on, By: slowSync / 10}}
				if d.Below(4) == 0 { // a server that does not start on it says nothing
					fault.Action = &plan.Fail{Target: on, Err: syscall.EIO}
				}
				list = append(list, fault)
			}
			return append(list, plan.Statement{At: plan.Instant{Kind: plan.AtAfter, Time: d.Between(20*time.Millisecond, 600*time.Millisecond).Round(10 * time.Microsecond)}, Action: PowerCut(d)})
		},
		seen: func(o *Outcome) string {
			if len(o.History.Epochs) < 2 || o.History.Epochs[1].How != history.PowerCut {
				return "the power was cut once only"
			}
			return ""
		},
	},
	{
		Name: "power-after-error", About: "power cut after a write or a sync has failed", Power: true, When: AfterError, Plain: "power",
		Ends: history.PowerCut, Needs: persists,
		Strike: func(m *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
			return spoiled(m, failing(m, t, d), t, d)
		},
		seen: sawFailure,
	},
	{
		Name: "power-full-disk", About: "power cut after the disk has been full for a while", Power: true, When: AfterError, Plain: "power",
		Ends: history.PowerCut, Needs: persists,
		Strike: func(m *product.Mode, t time.Duration, d *seeding.Draws) []plan.Statement {
			room := 2000
			if !m.AOF { // a snapshot of what clients have written fits into more
				room = 200
			}
			full := At(before(t, d), &plan.Full{Node: Server, Bytes: int64(d.Below(room))})
			full.Span = plan.Span{Kind: plan.SpanTime, For: ((t - full.At.Time) * 3 / 4).Round(10 * time.Microsecond)}
			if m.AOF && m.Fsync() == product.Always { // it does not start until there is room
				full.Span.For = min(full.Span.For, d.Between(5*time.Millisecond, 50*time.Millisecond).Round(10*time.Microsecond))
			}
			return spoiled(m, full, t, d)
		},
		seen: sawFailure,
	},
}

// silence is how long clients have been silent under power-after-silence: each timer of the
// server, and what it had put off, is past by then.
const silence = 2500 * time.Millisecond

// persists: a crash of a server that keeps nothing is told by kill and power.
func persists(m *product.Mode) string {
	if !m.AOF && !m.RDB {
		return "without persistence there is nothing that this could spoil"
	}
	return ""
}

// before draws when trouble comes that leads to a crash at t: late enough to matter then.
func before(t time.Duration, d *seeding.Draws) time.Duration {
	return d.Between(max(t-5*time.Second, t/2), t*9/10).Round(10 * time.Microsecond)
}

// spoiled is a fault of the disk and a power cut at about t. A snapshot is begun for the fault
// to strike. A server that syncs each write ends by itself when one fails, and is started
// again; of its second life a cut has something to take in a sync.
func spoiled(m *product.Mode, fault plan.Statement, t time.Duration, d *seeding.Draws) []plan.Statement {
	cut := At(t, PowerCut(d))
	switch command := m.Store.Rewrite(m); {
	case m.AOF && m.Fsync() == product.Always:
		cut = inFsync(m, t, d, cut.Action)
	case !m.AOF && command != nil:
		return []plan.Statement{fault, {At: plan.Instant{Kind: plan.AtAfter, Time: time.Millisecond}, Action: &plan.Do{Node: Server, Args: command}}, cut}
	}
	return []plan.Statement{fault, cut}
}

// failing draws calls that fail: writes or syncs of the log, or of a snapshot.
func failing(m *product.Mode, t time.Duration, d *seeding.Draws) plan.Statement {
	glob, snapshot := m.Store.Globs()
	ops := []string{"write", "fsync"}
	switch {
	case !m.AOF:
		glob, ops = snapshot, append(ops, "rename")
	case m.Fsync() == product.Never: // it is synced by nobody
		ops = ops[:1]
	}
	fail := At(before(t, d), &plan.Fail{Target: plan.Target{Call: plan.CallPattern{Op: ops[d.Below(len(ops))], Glob: glob}}, Err: Failures[d.Below(len(Failures))]})
	if fail.Span = (plan.Span{Kind: plan.SpanCalls, Calls: 1}); m.Fsync() != product.Always {
		fail.Span.Calls += d.Below(3)
	}
	return fail
}

// Failures are what a disk answers that fails.
var Failures = []syscall.Errno{syscall.EIO, syscall.EIO, syscall.ENOSPC, syscall.ENOSPC, syscall.EROFS, syscall.EDQUOT}

// sawFailure says that no call had failed, if so.
func sawFailure(o *Outcome) string {
	if !o.DiskFailed {
		return "no call to the disk had failed when the crash struck"
	}
	return ""
}

// Clients are a workload as the clients of the kind are, whose plan is given.
func (k *CrashKind) Clients(w workloads.Spec, p *plan.Plan) workloads.Spec {
	if k.When != AfterSilence {
		return w
	}
	at := p.Instants()
	for i := range p.Statements {
		if plan.EndsLife(p.Statements[i].Action) {
			w.Phases = []workloads.Phase{{For: max(at[i]-silence, time.Millisecond), Rate: w.Rate}, {For: machine.WorldLimit, Rate: workloads.Silent}}
			return w
		}
	}
	return w
}

// sawSync says that no sync was in flight, if so.
func sawSync(o *Outcome) string {
	if !o.InFsync {
		return "no fsync was in flight when the crash struck"
	}
	return ""
}

// tailCutPromise: no configuration promises anything about bytes that go missing
// at rest, but a truncated tail must load as a prefix, without help unless the server is
// told to refuse it (aof-load-truncated), and lose no more than the commands that were cut.
func tailCutPromise(m *product.Mode) contract.Contract {
	c := contract.Contract{Mode: m.Name, Crash: contract.Kill, Level: contract.Buffered, Keeps: contract.KeepsNothing,
		MaxWindow: -1, MaxLost: maxTailCut}
	if p, err := m.Store.Policy(m); err == nil {
		c.AllowRepair = p.RefusesCut
	}
	if m.Fsync() == product.EverySecond {
		c.MaxLost = -1 // the kill takes what was postponed, too
	}
	return c
}

// maxTailCut is how many acknowledged writes 128 bytes cut off an AOF can hold
// at most: the shortest, "SET kN x:y" as RESP, has 33.
const maxTailCut = 4

// DefaultCrashes are the crash kinds of a run that names none.
var DefaultCrashes = []string{"kill", "power", "power-in-fsync"}

// DefaultCrashesOf are those of a target. Real servers are also ended in the orderly way: as
// they save and sync at their end is not how they do at work.
func DefaultCrashesOf(target string) []string {
	if target == "engine" {
		return DefaultCrashes
	}
	return append(slices.Clip(DefaultCrashes), OrderlyEnd().Name)
}

// CrashByName finds a crash kind.
func CrashByName(name string) (*CrashKind, error) {
	return spelling.Find("crash kind", name, CrashKinds, (*CrashKind).String)
}

// KindOf is the crash kind that a plan is judged as: what its earliest statement that ends
// a life takes, and whether that strikes in a sync.
func KindOf(p *plan.Plan) (*CrashKind, error) {
	at, first := p.Instants(), -1
	for i := range p.Statements {
		if plan.EndsLife(p.Statements[i].Action) && (first < 0 || at[i] < at[first]) {
			first = i
		}
	}
	if first < 0 {
		return nil, errors.New("nothing in it ends the server's life: want kill, power-cut or term in it, or a crash kind beside it")
	}
	s := &p.Statements[first]
	inSync := s.At.Kind == plan.AtCall && s.At.Call.Op == "fsync" && s.At.Place == disk.PlaceInFlight
	switch s.Action.(type) {
	case *plan.Term:
		return OrderlyEnd(), nil
	case *plan.PowerCut:
		if inSync {
			return MustCrash("power-in-fsync"), nil
		}
		return PowerLoss(), nil
	}
	if inSync {
		return MustCrash("kill-in-fsync"), nil
	}
	return MustCrash("kill"), nil
}

// Reaching is a mode whose clients write until a plan's last instant is past, unless a
// span was asked for: then a plan that goes on for longer is an error.
func Reaching(m product.Mode, p *plan.Plan) (product.Mode, error) {
	last := time.Duration(0)
	if at := p.Instants(); len(at) > 0 {
		last = slices.Max(at)
	}
	switch {
	case last < m.Span:
		return m, nil
	case !m.SpanAsked():
		return m.Spanning(last + time.Second), nil
	case last >= m.Span+overtime:
		return m, fmt.Errorf("the plan's last instant, %s, is past the span of %s: want a span of %s, or none", last, m.Span, last+time.Second)
	}
	return m, nil
}

// PowerLoss is the plain power cut.
func PowerLoss() *CrashKind { return MustCrash("power") }

// OrderlyEnd is SIGTERM.
func OrderlyEnd() *CrashKind { return MustCrash("term") }

func MustCrash(name string) *CrashKind {
	k, err := CrashByName(name)
	if err != nil {
		panic(err) // names are this package's own
	}
	return k
}

func needsFsync(m *product.Mode) string {
	if !m.AOF && !m.RDB {
		return "without persistence there is no fsync to strike in"
	}
	if m.Fsync() == product.Never && m.Store.Rewrite(m) == nil {
		return "no fsync while clients write"
	}
	return ""
}

// logGlob is a pattern of the files that are the log.
func logGlob(m *product.Mode) string {
	log, _ := m.Store.Globs()
	return log
}

func At(t time.Duration, a plan.Action) plan.Statement {
	return plan.Statement{At: plan.Instant{Kind: plan.AtTime, Time: t}, Action: a}
}

// inFsync is a statement that strikes inside the first fsync that enters at or
// after t, at a random share of its duration.
func inFsync(m *product.Mode, t time.Duration, d *seeding.Draws, a plan.Action) plan.Statement {
	glob, snapshot := m.Store.Globs()
	switch {
	case !m.AOF:
		glob = snapshot
	case m.Fsync() == product.Never:
		glob = "*" // only a rewrite syncs
	}
	return plan.Statement{
		At: plan.Instant{Kind: plan.AtCall, Node: Server, Call: plan.CallPattern{Op: "fsync", Glob: glob}, N: 1, Time: t,
			Place: disk.PlaceInFlight, Fraction: float64(1+d.Below(99)) / 100},
		Action: a,
	}
}

// PowerCut draws what survives: nothing but what is durable (the most a disk
// may lose), a random subset, a prefix, or a torn last write.
func PowerCut(d *seeding.Draws) plan.Action {
	cut := &plan.PowerCut{Node: Server, HasKeep: true}
	switch n := d.Below(10); {
	case n < 6:
		cut.Keep = disk.Choice{Mode: disk.KeepNone}
	case n < 8:
		cut.Keep = disk.Choice{Mode: disk.KeepRandom, Seed: d.Next() >> 32}
	case n < 9:
		cut.Keep = disk.Choice{Mode: disk.KeepPrefix, K: int64(d.Below(8))}
	default:
		cut.Keep = disk.Choice{Mode: disk.KeepTorn, K: int64(1 + d.Below(200))}
	}
	return cut
}

// RewriteWidth is about how long a rewrite or snapshot of an experiment's data
// takes on a simulated cloud disk.
const RewriteWidth = 40 * time.Millisecond

// rewriteCalls are the calls of a rewrite or snapshot that a crash may strike at.
var rewriteCalls = []string{"open", "write", "fsync", "rename", "unlink", "dirsync"}

// callsOfRewrite are those of a mode: where the log is one file, a rename replaces it, and
// nothing else is removed or named.
func callsOfRewrite(m *product.Mode) []string {
	if isSingle(m.Store) {
		return rewriteCalls[:4]
	}
	return rewriteCalls
}

// isSingle reports whether a store's log is one file: its pattern is a name.
func isSingle(s product.Store) bool {
	log, _ := s.Globs()
	return !strings.ContainsAny(log, "*?[")
}

// GeneratePlan draws the plan of one experiment: a rewrite (AOF) or snapshot
// (RDB) while clients write, and a crash at a uniform time after the first
// period. In a tenth of the plans the crash comes within the rewrite's width of
// its start, in another tenth at one of the rewrite's own disk calls: often
// enough to meet every step of it, and seldom enough not to colour the
// distribution of loss windows (a rewrite syncs the log it leaves).
func GeneratePlan(m *product.Mode, crash *CrashKind, seed uint64) *plan.Plan {
	d := seeding.NewDraws(seeding.Derive(seed, 1))
	t := d.Between(m.Period, m.Span).Round(10 * time.Microsecond)
	p := &plan.Plan{}
	command := m.Store.Rewrite(m)
	if command == nil {
		p.Statements = crash.Strike(m, t, d)
		return p
	}
	begin := d.Between(0, t)
	near := d.Below(10)
	if crash.When == InRewrite {
		near = 0
	}
	if near < 2 || m.Fsync() == product.Never && crash.When == InSync {
		begin = max(0, t-d.Between(0, RewriteWidth))
	}
	begin = begin.Round(10 * time.Microsecond)
	p.Statements = append(p.Statements, At(begin, &plan.Do{Node: Server, Args: command}))
	strike, calls := crash.Strike(m, t, d), callsOfRewrite(m)
	if near < 1 && crash.atAnyCall() && len(strike) == 1 {
		statement := strike[0]
		places := [...]disk.Place{disk.PlaceEnter, disk.PlaceInFlight, disk.PlaceReturn}
		place := places[d.Below(len(places))]
		statement.At = plan.Instant{Kind: plan.AtCall, Node: Server, Time: begin, N: 1 + d.Below(3), Place: place,
			Call: plan.CallPattern{Op: calls[d.Below(len(calls))], Glob: "*"}}
		if place == disk.PlaceInFlight {
			statement.At.Fraction = 0.5
		}
		p.Statements = append(p.Statements, statement)
		return p
	}
	if crash.When == InSync && m.AOF && m.Fsync() == product.Never {
		strike[0].At.Time = begin
	}
	p.Statements = append(p.Statements, strike...)
	return p
}
