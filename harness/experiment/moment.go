package experiment

import (
	"time"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/finding"
)

// Moment is an instant of a run at which the power could be cut: the disk as it
// is then, and what clients had been told. Of a run in simulation it comes while
// the run goes on, of one with a real server while its recording is played; then it
// is good until the watcher returns. Recording.At is one of a real file system.
type Moment struct {
	of watched

	Number int // of the run's moments, from 0
	At     time.Duration
	Kind   MomentKind
	Call   *disk.Call // MomentFlight, MomentReturn
	Ack    int        // MomentAck: how many operations had been acknowledged

	epoch      history.Epoch
	epochTaken bool
	changes    durability.Changes // scratch
	looked     bool               // for stray bytes that the server has written
	stray      bool               // there are
	number     int                // the number that judging has for it; 0: not yet
}

// watched is the run that a moment is one of, as it is then.
type watched struct {
	x       *Experiment
	disk    *disk.Disk // nil: a real file system, whose calls nobody sees
	hist    *history.History
	log     []disk.Record // of the life under way
	forks   []time.Duration
	rewrote []history.Interval // when rewrites alone did
	worked  []history.Interval // when rewrites and snapshots went on
	facts   *facts
	judging *judging
	rewrite bool // without a disk: a rewrite is under way
}

// MomentKind says what has just happened.
type MomentKind uint8

const (
	// MomentFlight: a call that changes something has taken effect and not returned.
	MomentFlight MomentKind = iota
	// MomentReturn: a sync is over.
	MomentReturn
	// MomentAck: a client has been told that its write took effect.
	MomentAck
	// MomentExit: the server has ended by itself.
	MomentExit
	// MomentFlush: a disk is about to be told to flush, or the run is over.
	MomentFlush
)

func (k MomentKind) String() string {
	return [...]string{"in flight", "return", "acknowledgement", "exit", "flush"}[k]
}

// Watch makes f be called at each moment of every further Run, from the time
// at which the server serves until its life ends. Between two moments no image
// comes about that is not one of the earlier of them: only calls that take
// effect add to what is in play, and only syncs and the kernel's own
// write-back take from it. f runs outside the simulated world, which does not
// notice it: the same experiment gives the same trace with and without.
func (s *Simulator) Watch(f func(m *Moment)) {
	s.watcher, s.disk = f, s.m.(*machine.Simulated).Disk
}

// watch tells the watcher of a moment.
func (r *Runner) watch(kind MomentKind, c *disk.Call, ack int) {
	if r.watcher == nil || r.over || len(r.hist.Epochs) != 1 || r.hist.Epochs[0].Ended != history.Never {
		return
	}
	m := &r.moment
	d := r.disk()
	of := watched{x: r.x, disk: d, hist: r.hist, log: d.Log()[r.logFrom:], forks: r.heard.Forks, worked: r.heard.Worked, rewrote: r.heard.Rewrote, facts: &r.facts, judging: &r.judging}
	*m = Moment{of: of, Number: r.moments, At: r.m.Now(), Kind: kind, Call: c, Ack: ack, epoch: m.epoch, changes: m.changes}
	r.moments++
	r.watcher(m)
}

// observed adds to a decision about a call what tells the watcher of it.
func (r *Runner) observed(c *disk.Call, d disk.Decision) disk.Decision {
	if r.watcher == nil || d.Strike != nil || r.Given == nil {
		return d
	}
	switch {
	case c.Kind.IsSync():
		d.Strike, d.Place = func() { r.watch(MomentReturn, c, 0) }, disk.PlaceReturn
	case c.Kind.Mutates():
		d.Strike, d.Place, d.Fraction = func() { r.watch(MomentFlight, c, 0) }, disk.PlaceInFlight, 0
	}
	return d
}

// Disk is the server's disk as it is now; nil on a real file system. The watcher may
// ask it for images and signatures, and must not change it.
func (m *Moment) Disk() *disk.Disk { return m.of.disk }

// History is the record so far. It must not be changed, and Judge judges it.
func (m *Moment) History() *history.History { return m.of.hist }

// Experiment is the one that runs.
func (m *Moment) Experiment() *Experiment { return m.of.x }

// life is what is on record of the server's life if it ended now.
func (m *Moment) life() *history.Epoch {
	if !m.epochTaken {
		m.epochTaken = true
		e := &m.epoch
		*e = history.Epoch{Began: m.of.hist.Epochs[0].Began, Ended: m.At, How: history.PowerCut, DiskSeen: m.of.disk != nil,
			LogWrites: e.LogWrites[:0], LogSyncs: e.LogSyncs[:0], Snapshots: e.Snapshots[:0], Blocked: e.Blocked[:0], ChildRunning: e.ChildRunning[:0]}
		m.of.facts.read(m.of.x.Mode.Store, m.of.log, m.of.forks, e)
		product.Children(&m.of.x.Mode, m.of.worked, m.of.rewrote, m.At, e)
	}
	return &m.epoch
}

// KeptBefore is clause (b) of a contract at this moment: what was acknowledged
// before the instant it returns must be in what comes back. It grows with the
// moments, and with the acknowledgements it is all that verdicts on the same
// recovered state can differ by.
func (m *Moment) KeptBefore(c *contract.Contract) int64 { return durability.KeptBefore(m.life(), c) }

// Children is how many children had begun by then in which nothing is synced.
func (m *Moment) Children() int { return len(m.life().ChildRunning) }

// Late reports whether clause (c) of a contract is broken by now: a sync or a
// snapshot was due and has not begun. It depends on nothing that comes back.
func (m *Moment) Late(c *contract.Contract) bool {
	_, late := durability.LateSync(m.life(), c)
	if _, rename := durability.LateRename(m.life(), c); late || rename {
		return true
	}
	m.changes.GatherCounted(m.of.hist.Ops)
	_, late = durability.LateSnapshot(m.life(), c, &m.changes)
	return late
}

// Signs are those by which findings about this moment are known, whatever comes back.
func (m *Moment) Signs() finding.Signs {
	m.life()
	if m.of.disk == nil {
		return finding.Signs{OldIncrUnsynced: m.of.rewrite} // as far as is known
	}
	s := m.of.facts.signs(&m.of.x.Mode, m.At)
	s.Dropped = dropped(m.of.x.Mode.Store, m.of.disk)
	return s
}

// SignsWith are those of a moment from which that comes back.
func (m *Moment) SignsWith(r *Recovered) finding.Signs {
	s := m.Signs()
	if r.NoData && m.has(m.of.x.Mode.Store.DataFile(&m.of.x.Mode)) {
		s.WholeAOFVanished, s.DataVanished = r.NoDir, !r.NoDir
	}
	s.BaseRefused = r.BaseRefused
	if s.NULBytes = len(r.Stray) > 0; s.NULBytes && m.of.disk != nil {
		s.NULBytesSynced = m.of.facts.durable(r.Stray) || m.hasStray()
	}
	return s
}

// hasStray reports whether the server has written stray bytes itself.
func (m *Moment) hasStray() bool {
	if !m.looked {
		// Not of the disk itself: calls are put on record in its log.
		all := &m.of.judging.all
		m.of.disk.Image(all, disk.Choice{Mode: disk.KeepAll})
		m.looked, m.stray = true, len(m.of.x.Mode.Store.Stray(all.FS(nil))) > 0
	}
	return m.stray
}

// ManifestAhead reports whether the manifest has been renamed and the sync of its
// directory, which comes next, not returned, on a disk on which a recovery is going on.
func ManifestAhead(s product.Store, log []disk.Record) bool {
	f := facts{store: s}
	for i := range log {
		f.switching(&log[i].Call, s.Role(log[i].Path))
	}
	return f.ahead.is
}

// Judge judges what came back from an image of this moment as a run is judged
// in which the power was cut now. c, when not nil, is the contract instead of
// the mode's own. The outcome has no cut and is not of a run.
func (m *Moment) Judge(r *Recovered, c *contract.Contract) *Outcome {
	now := m.At
	h := &history.History{Ops: m.of.hist.Ops, Epochs: []history.Epoch{*m.life()}, Beside: m.of.hist.Beside}
	r.follow(h, now)
	o := &Outcome{Seed: m.of.x.Seed, History: h, Recovery: r.How, Seen: Seen{Signs: m.SignsWith(r)}}
	x := *m.of.x
	x.Crash = PowerLoss()
	j := m.of.judging
	if m.number == 0 {
		j.moments++
		m.number = j.moments
	}
	j.contract = c
	j.runBy(&x, o, func(h *history.History, c contract.Contract) checker.Judgement {
		return j.judge.JudgeLeft(h, c, m.number)
	})
	j.contract = nil
	return o
}

// has reports whether the disk of a running experiment has a file. A look through a file
// system would use up numbers of calls.
func (m *Moment) has(file string) bool {
	if m.of.disk == nil {
		return m.of.x.Mode.AOF // it served
	}
	_, errno := m.of.disk.Find(file)
	return errno == 0
}

// Cut is the statement that cuts the power at this moment: with it in its plan
// the run comes to this crash. n counts the calls of the run so far that match
// op and path, this one included.
func (m *Moment) Cut(choice disk.Choice, op, path string, n int) plan.Statement {
	at := plan.Instant{Kind: plan.AtAck, N: m.Ack}
	if m.Call != nil {
		at = plan.Instant{Kind: plan.AtCall, Node: Server, Call: plan.CallPattern{Op: op, Glob: path}, N: n, Place: disk.PlaceInFlight}
		if m.Kind == MomentReturn {
			at.Place = disk.PlaceReturn
		}
	}
	return plan.Statement{At: at, Action: &plan.PowerCut{Node: Server, Keep: choice, HasKeep: true}}
}
