package harness

import (
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/internal/seeding"
)

// CrashKind is a way in which a server's life ends, as --crash names it.
type CrashKind struct {
	Name  string
	About string
	Power bool // the page cache goes too
	// needs says why the kind has nothing to strike in a mode; "" when it has.
	needs func(m *Mode) string
	// strike draws the statements that end the server's life at about t.
	strike func(m *Mode, t time.Duration, d *draws) []plan.Statement
}

// Server is the name of the one server of a crash experiment.
const Server = "n1"

const server = Server

// slowSync is what an fsync takes longer under power-slow-fsync: as long as
// everysec waits for one before it writes all the same.
const slowSync = 2 * time.Second

// plainKind is the crash kind whose promise holds under this one: when or how
// slowly it strikes changes nothing about what was promised.
func plainKind(crash string) string {
	for _, suffix := range []string{"-in-fsync", "-slow-fsync", "-in-rewrite"} {
		crash = strings.TrimSuffix(crash, suffix)
	}
	return crash
}

func always(*Mode) string { return "" }

// CrashKinds are all of them, in the order in which tables show them.
var CrashKinds = []CrashKind{
	{
		Name: "kill", About: "SIGKILL: memory is gone, what reached write(2) survives", needs: always,
		strike: func(_ *Mode, t time.Duration, _ *draws) []plan.Statement {
			return []plan.Statement{at(t, &plan.Kill{Node: server})}
		},
	},
	{
		Name: "power", About: "power cut: memory and page cache are gone", Power: true, needs: always,
		strike: func(_ *Mode, t time.Duration, d *draws) []plan.Statement {
			return []plan.Statement{at(t, powerCut(d))}
		},
	},
	{
		Name: "power-in-fsync", About: "power cut in the middle of an fsync", Power: true, needs: needsFsync,
		strike: func(m *Mode, t time.Duration, d *draws) []plan.Statement {
			return []plan.Statement{inFsync(m, t, d, powerCut(d))}
		},
	},
	{
		Name: "kill-in-fsync", About: "SIGKILL in the middle of an fsync", needs: needsFsync,
		strike: func(m *Mode, t time.Duration, d *draws) []plan.Statement {
			return []plan.Statement{inFsync(m, t, d, &plan.Kill{Node: server})}
		},
	},
	{
		Name: "term", About: "SIGTERM: an orderly shutdown", needs: always,
		strike: func(_ *Mode, t time.Duration, _ *draws) []plan.Statement {
			return []plan.Statement{at(t, &plan.Term{Node: server})}
		},
	},
	{
		Name: "power-slow-fsync", About: "power cut while each fsync takes 2 s longer", Power: true, needs: func(m *Mode) string {
			if !m.AOF || m.Get("appendfsync") == "no" {
				return "no fsync of a log while clients write, so that there is none to slow down"
			}
			return ""
		},
		strike: func(m *Mode, t time.Duration, d *draws) []plan.Statement {
			slow := &plan.Slow{Target: plan.Target{Call: plan.CallPattern{Op: "fsync", Glob: "*.incr.aof"}}, By: slowSync}
			return []plan.Statement{at(max(t-5*time.Second, t/2), slow), at(t, powerCut(d))}
		},
	},
	{
		Name: "power-in-rewrite", About: "power cut at one of the disk calls of a rewrite or snapshot", Power: true, needs: func(m *Mode) string {
			if !m.AOF && !m.RDB {
				return "without persistence nothing is rewritten"
			}
			return ""
		},
		strike: func(_ *Mode, t time.Duration, d *draws) []plan.Statement {
			return []plan.Statement{at(t, powerCut(d))}
		},
	},
	{
		Name: "tail-cut", About: "SIGKILL, then the last bytes of the AOF are missing", needs: func(m *Mode) string {
			if !m.AOF {
				return "there is no AOF whose tail could be cut"
			}
			return ""
		},
		strike: func(_ *Mode, t time.Duration, d *draws) []plan.Statement {
			return []plan.Statement{
				at(t, &plan.Kill{Node: server}),
				{At: plan.Instant{Kind: plan.AtAfter}, Action: &plan.TruncateAtRest{Glob: "*.incr.aof", By: int64(1 + d.below(128))}},
			}
		},
	},
}

// DefaultCrashes are the crash kinds of a run that names none.
var DefaultCrashes = []string{"kill", "power", "power-in-fsync"}

// CrashByName finds a crash kind.
func CrashByName(name string) (CrashKind, error) {
	names := make([]string, len(CrashKinds))
	for i, c := range CrashKinds {
		if c.Name == name {
			return c, nil
		}
		names[i] = c.Name
	}
	return CrashKind{}, fmt.Errorf("crash kind %q is not known: want one of %s", name, strings.Join(names, ", "))
}

func needsFsync(m *Mode) string {
	if !m.AOF && !m.RDB {
		return "without persistence there is no fsync to strike in"
	}
	return ""
}

func at(t time.Duration, a plan.Action) plan.Statement {
	return plan.Statement{At: plan.Instant{Kind: plan.AtTime, Time: t}, Action: a}
}

// inFsync is a statement that strikes inside the first fsync that enters at or
// after t, at a random share of its duration.
func inFsync(m *Mode, t time.Duration, d *draws, a plan.Action) plan.Statement {
	glob := "*.incr.aof"
	switch {
	case !m.AOF:
		glob = "*.rdb"
	case m.Get("appendfsync") == "no":
		glob = "*" // only a rewrite syncs
	}
	return plan.Statement{
		At: plan.Instant{Kind: plan.AtCall, Node: server, Call: plan.CallPattern{Op: "fsync", Glob: glob}, N: 1, Time: t,
			Place: disk.PlaceInFlight, Fraction: float64(1+d.below(99)) / 100},
		Action: a,
	}
}

// powerCut draws what survives: nothing but what is durable (the most a disk
// may lose), a random subset, a prefix, or a torn last write.
func powerCut(d *draws) *plan.PowerCut {
	cut := &plan.PowerCut{Node: server, HasKeep: true}
	switch n := d.below(10); {
	case n < 6:
		cut.Keep = disk.Choice{Mode: disk.KeepNone}
	case n < 8:
		cut.Keep = disk.Choice{Mode: disk.KeepRandom, Seed: d.next() >> 32}
	case n < 9:
		cut.Keep = disk.Choice{Mode: disk.KeepPrefix, K: int64(d.below(8))}
	default:
		cut.Keep = disk.Choice{Mode: disk.KeepTorn, K: int64(1 + d.below(200))}
	}
	return cut
}

// rewriteWidth is about how long a rewrite or snapshot of an experiment's data
// takes on a simulated cloud disk.
const rewriteWidth = 40 * time.Millisecond

// rewriteCalls are the calls of a rewrite or snapshot that a crash may strike at.
var rewriteCalls = []string{"open", "write", "fsync", "rename", "unlink", "dirsync"}

// GeneratePlan draws the plan of one experiment: a rewrite (AOF) or snapshot
// (RDB) while clients write, and a crash at a uniform time after the first
// period. In a tenth of the plans the crash comes within the rewrite's width of
// its start, in another tenth at one of the rewrite's own disk calls: often
// enough to meet every step of it, and seldom enough not to colour the
// distribution of loss windows (a rewrite syncs the log it leaves).
func GeneratePlan(m *Mode, crash *CrashKind, seed uint64) *plan.Plan {
	d := &draws{state: seeding.Derive(seed, 1)}
	t := d.between(m.Period, m.Span).Round(10 * time.Microsecond)
	p := &plan.Plan{}
	if !m.AOF && !m.RDB {
		p.Statements = crash.strike(m, t, d)
		return p
	}
	command := "BGREWRITEAOF"
	if !m.AOF {
		command = "BGSAVE"
	}
	begin := d.between(0, t)
	near := d.below(10)
	if crash.Name == "power-in-rewrite" {
		near = 0
	}
	if near < 2 || m.Get("appendfsync") == "no" && strings.HasSuffix(crash.Name, "-in-fsync") {
		begin = max(0, t-d.between(0, rewriteWidth))
	}
	begin = begin.Round(10 * time.Microsecond)
	p.Statements = append(p.Statements, at(begin, &plan.Do{Node: server, Args: []string{command}}))
	if near < 1 && (crash.Name == "kill" || crash.Name == "power" || crash.Name == "power-in-rewrite") {
		statement := crash.strike(m, t, d)[0]
		places := [...]disk.Place{disk.PlaceEnter, disk.PlaceInFlight, disk.PlaceReturn}
		place := places[d.below(len(places))]
		statement.At = plan.Instant{Kind: plan.AtCall, Node: server, Time: begin, N: 1 + d.below(3), Place: place,
			Call: plan.CallPattern{Op: rewriteCalls[d.below(len(rewriteCalls))], Glob: "*"}}
		if place == disk.PlaceInFlight {
			statement.At.Fraction = 0.5
		}
		p.Statements = append(p.Statements, statement)
		return p
	}
	strike := crash.strike(m, t, d)
	if strings.HasSuffix(crash.Name, "-in-fsync") && m.AOF && m.Get("appendfsync") == "no" {
		strike[0].At.Time = begin
	}
	p.Statements = append(p.Statements, strike...)
	return p
}

// endsLife reports whether a statement is meant to end the server's life.
func endsLife(s *plan.Statement) bool {
	switch s.Action.(type) {
	case *plan.Kill, *plan.PowerCut, *plan.Term:
		return true
	}
	return false
}

// crashPending reports whether a plan has a crash that has not had its turn.
func crashPending(r *plan.Runner, p *plan.Plan) bool {
	for i, report := range r.Report() {
		if endsLife(&p.Statements[i]) && !report.Struck {
			return true
		}
	}
	return false
}

// whyNoCrash says why the first crash of a plan that did not strike did not.
func whyNoCrash(r *plan.Runner, p *plan.Plan) string {
	for i, report := range r.Report() {
		if endsLife(&p.Statements[i]) && !report.Struck {
			return report.Why
		}
	}
	return "the plan has no crash"
}
