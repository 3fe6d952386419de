package disk

import (
	"syscall"
	"time"
)

// Tape keeps everything that is done to a disk that calls can tell, in order,
// with what was written. Played to another disk it makes the same states again,
// one after the other: what was in play at any of its steps, and every image
// that a power cut could have left there.
//
// It is what a run is recorded by whose disk cannot be asked while it goes on.
// Not on it is Freeze, which ends the life of a disk, and, unless it goes
// Through them, power cuts, which do the same. It must be given with
// Options.Tape, when the disk is empty. A Recorder writes it to a file.
type Tape struct {
	// Through: after a power cut the tape goes on with the image.
	Through bool

	o     Options
	base  int // calls that were on it and have been taken off
	now   time.Duration
	calls []Call // as they were when they began to have an effect
	steps []step
	data  []byte // of writes, names, paths and choices
}

// step is one thing done to the disk.
type step struct {
	kind  StepKind
	call  int32 // number of the call on the tape, from 0; see ofCall
	fail  syscall.Errno
	at    time.Duration
	ino   Ino     // StepRetain, StepRelease, StepMode and the like; of a change of names the first directory
	ino2  Ino     // the second; StepCorrupt: the mask
	n     int64   // StepFree: bytes; StepReadOnly: 1 for on; StepMode and the like: the value; of damage: where
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
	// StepMode, StepOwner and StepTime: what a file's attributes are.
	StepMode
	StepOwner
	StepTime
	// StepCorrupt, StepZero and StepShorten: damage at rest.
	StepCorrupt
	StepZero
	StepShorten
	// StepCut: the power was cut. What follows is done to the image.
	StepCut
	stepKinds // how many there are
)

// ofCall reports whether steps of this kind are about a call.
func (k StepKind) ofCall() bool { return k <= StepReturn }

// Len is the number of steps so far.
func (t *Tape) Len() int { return len(t.steps) }

// Bytes is about how much memory the tape takes.
func (t *Tape) Bytes() int { return len(t.data) + 120*len(t.steps) + 120*len(t.calls) }

// add appends a step.
func (t *Tape) add(s step) {
	if s.at != Never {
		t.now = s.at
	}
	t.steps = append(t.steps, s)
}

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
		c.tape = int32(t.base + len(t.calls))
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
		t.add(step{kind: kind, call: call, fail: fail, share: share, at: t.now})
	}
}

func (t *Tape) returned(c *Call) {
	if t != nil && c.tape != 0 {
		t.add(step{kind: StepReturn, call: c.tape - 1, fail: c.Err, at: c.Return})
	}
}

// cut notes a power cut, with the choice that makes its image, and reports
// whether the tape goes on with that.
func (t *Tape) cut(c *Cut) bool {
	if t == nil || !t.Through {
		return false
	}
	t.now = c.At
	t.damage(StepCut, c.Choice.String(), 0, 0)
	return true
}

// damage notes a step that is about a path, or another text.
func (t *Tape) damage(kind StepKind, text string, n int64, mask byte) {
	if t == nil {
		return
	}
	s := step{kind: kind, at: t.now, n: n, ino2: Ino(mask), from: len(t.data)}
	t.data = append(t.data, text...)
	s.mid, s.to = len(t.data), len(t.data)
	t.add(s)
}

func (t *Tape) plain(s step) {
	if t != nil {
		if s.at == 0 {
			s.at = t.now
		}
		t.add(s)
	}
}
