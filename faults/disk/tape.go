package disk

import (
	"slices"
	"syscall"
	"time"
)

// Tape keeps everything that is done to a disk that calls can tell, in order,
// with what was written. Played to another disk it makes the same states again,
// one after the other: what was in play at any of its steps, and every image
// that a power cut could have left there.
//
// It is what a run is recorded by whose disk cannot be asked while it goes on.
// Not on it are modes, owners and times of files, which survive always, and
// Freeze and PowerCut, which end the life of a disk. It must be given with
// Options.Tape, when the disk is empty.
type Tape struct {
	o     Options
	calls []Call // as they were when they began to have an effect
	steps []step
	data  []byte // of writes, and the names of changes
}

// step is one thing done to the disk.
type step struct {
	kind  StepKind
	call  int32 // in calls; of StepRetain and StepRelease none
	fail  syscall.Errno
	at    time.Duration
	ino   Ino     // StepRetain, StepRelease; of a change of names the first directory
	ino2  Ino     // the second
	n     int64   // StepFree: bytes; StepReadOnly: 1 for on
	share float64 // StepProgress
	from  int     // of data: what was written, or the first name
	mid   int     // and from here the second name
	to    int
}

// StepKind says what a step of a tape does.
type StepKind uint8

const (
	// StepEffect: a call has taken effect, and has not returned.
	StepEffect StepKind = iota
	// StepRefused: a call has failed by a fault and is in the log.
	StepRefused
	// StepSync: a sync has begun; what it covers is settled.
	StepSync
	// StepProgress: a sync in flight has made a share durable.
	StepProgress
	// StepSynced: a sync has done, or failed to do, what it is there for.
	StepSynced
	// StepAbandoned: whoever waited for a sync is gone.
	StepAbandoned
	// StepReturn: a call is over.
	StepReturn
	// StepTick: time has passed, and the kernel has written back by itself what was due.
	StepTick
	// StepRetain and StepRelease: a file was opened, or closed.
	StepRetain
	StepRelease
	// StepFree and StepReadOnly: the room on the disk was limited, or the disk made read-only.
	StepFree
	StepReadOnly
)

// Len is the number of steps so far.
func (t *Tape) Len() int { return len(t.steps) }

// Bytes is about how much memory the tape takes.
func (t *Tape) Bytes() int { return len(t.data) + 120*len(t.steps) + 120*len(t.calls) }

// add appends a step.
func (t *Tape) add(s step) { t.steps = append(t.steps, s) }

// effect notes that a call takes effect now, with the names or the bytes it is about.
func (t *Tape) effect(c *Call, dir, dir2 Ino, name, name2 string, data []byte) {
	if t == nil {
		return
	}
	s := step{kind: StepEffect, call: t.call(c), at: c.Enter, ino: dir, ino2: dir2, from: len(t.data)}
	t.data = append(append(t.data, data...), name...)
	s.mid = len(t.data)
	t.data = append(t.data, name2...)
	s.to = len(t.data)
	t.add(s)
}

// call is the place of a call among those of the tape.
func (t *Tape) call(c *Call) int32 {
	if c.tape == 0 {
		t.calls = append(t.calls, *c)
		c.tape = int32(len(t.calls))
	}
	return c.tape - 1
}

// refused notes a call that is logged and fails without an effect.
func (t *Tape) refused(c *Call) {
	if t != nil {
		t.add(step{kind: StepRefused, call: t.call(c), fail: c.Err, at: c.Enter})
	}
}

// began notes that a sync begins; it returns its place among the calls.
func (t *Tape) began(c *Call) int32 {
	if t == nil {
		return 0
	}
	t.add(step{kind: StepSync, call: t.call(c), at: c.Enter})
	return c.tape - 1
}

func (t *Tape) ofSync(kind StepKind, call int32, fail syscall.Errno, share float64) {
	if t != nil {
		t.add(step{kind: kind, call: call, fail: fail, share: share, at: t.last()})
	}
}

// last is the time of the last step.
func (t *Tape) last() time.Duration {
	if len(t.steps) == 0 {
		return 0
	}
	return t.steps[len(t.steps)-1].at
}

func (t *Tape) returned(c *Call) {
	if t != nil && c.tape != 0 {
		t.add(step{kind: StepReturn, call: c.tape - 1, fail: c.Err, at: c.Return})
	}
}

func (t *Tape) plain(s step) {
	if t != nil {
		if s.at == 0 {
			s.at = t.last()
		}
		t.add(s)
	}
}

// Player plays a tape to a disk of its own.
type Player struct {
	t     *Tape
	d     *Disk
	calls []Call
	syncs []SyncID // by call
	next  int
}

// Play begins at the start of the tape, with an empty disk of the same kind.
// The tape must not grow meanwhile.
func (t *Tape) Play() *Player {
	o := t.o
	o.Tape = nil
	return &Player{t: t, d: New(o), calls: slices.Clone(t.calls), syncs: make([]SyncID, len(t.calls))}
}

// Disk is the disk as it was after the last step. Its images may be taken; it
// must not be changed.
func (p *Player) Disk() *Disk { return p.d }

// NextAt is the time of the next step; false at the end of the tape.
func (p *Player) NextAt() (time.Duration, bool) {
	if p.next == len(p.t.steps) {
		return 0, false
	}
	return p.t.steps[p.next].at, true
}

// Played is one step as it has been played.
type Played struct {
	Kind StepKind
	// Call is what the step is about, nil for none. It is good until the next step.
	Call *Call
	At   time.Duration
}

// Next plays one step; false at the end of the tape.
func (p *Player) Next() (Played, bool) {
	if p.next == len(p.t.steps) {
		return Played{}, false
	}
	s := &p.t.steps[p.next]
	p.next++
	var c *Call
	switch s.kind {
	case StepTick, StepRetain, StepRelease, StepFree, StepReadOnly:
	default:
		c = &p.calls[s.call]
	}
	switch s.kind {
	case StepEffect:
		p.d.nextID = max(p.d.nextID, c.ID)
		p.effect(c, s)
	case StepRefused:
		p.d.nextID, c.Err = max(p.d.nextID, c.ID), s.fail
		p.d.Refuse(c)
	case StepSync:
		p.d.nextID = max(p.d.nextID, c.ID)
		p.syncs[s.call] = p.d.BeginSync(c)
	case StepProgress:
		p.d.SyncProgress(p.syncs[s.call], s.share)
	case StepSynced:
		p.d.EndSync(p.syncs[s.call], s.fail, nil)
	case StepAbandoned:
		p.d.AbandonSync(p.syncs[s.call])
	case StepReturn:
		c.Return, c.Err = s.at, s.fail
		p.d.End(c)
	case StepTick:
		p.d.Tick(s.at)
	case StepRetain:
		p.d.Retain(s.ino)
	case StepRelease:
		p.d.Release(s.ino)
	case StepFree:
		p.d.SetFree(s.n)
	case StepReadOnly:
		p.d.SetReadOnly(s.n != 0)
	}
	return Played{s.kind, c, s.at}, true
}

// effect lets a call take effect.
func (p *Player) effect(c *Call, s *step) {
	first, second := p.t.data[s.from:s.mid], string(p.t.data[s.mid:s.to])
	switch c.Kind {
	case OpCreate:
		p.d.Create(c, s.ino, string(first))
	case OpMkdir:
		p.d.Mkdir(c, s.ino, string(first))
	case OpSymlink:
		p.d.Symlink(c, s.ino, string(first), second)
	case OpUnlink:
		p.d.Unlink(c, s.ino, string(first))
	case OpRmdir:
		p.d.Rmdir(c, s.ino, string(first))
	case OpLink:
		p.d.Link(c, c.Ino, s.ino, string(first))
	case OpRename:
		p.d.Rename(c, s.ino, string(first), s.ino2, second)
	case OpWrite:
		c.Flags &^= CallAppend // it went to c.Off
		p.d.Write(c, first)
	case OpTruncate:
		p.d.Truncate(c)
	case OpAllocate:
		p.d.Allocate(c)
	}
}
