package disk

import (
	"fmt"
	"io"
	"time"
)

// Player plays a tape, or the file that a Recorder wrote, to a disk of its own.
type Player struct {
	t     *Tape
	more  func() (*Tape, error) // the next piece of a file; nil: t is all
	d     *Disk
	spare *Disk
	base  int // number of the first of calls on the tape
	calls []played
	next  int
	err   error
}

// played is a call of the tape.
type played struct {
	Call
	sync SyncID
	over bool // nothing is to come of it
}

// Play begins at the start of the tape, with an empty disk of the same kind.
// The tape must not grow meanwhile.
func (t *Tape) Play() *Player {
	p := newPlayer(t.o)
	p.load(t)
	return p
}

func newPlayer(o Options) *Player {
	o.Tape = nil
	return &Player{d: New(o)}
}

// load takes the next piece of the tape.
func (p *Player) load(t *Tape) {
	for len(p.calls) > 0 && p.calls[0].over {
		p.calls, p.base = p.calls[1:], p.base+1
	}
	for i := range t.calls {
		p.calls = append(p.calls, played{Call: t.calls[i], sync: noSync})
	}
	p.t, p.next = t, 0
}

// Disk is the disk as it was after the last step; after StepCut, the image. Its
// images may be taken; it must not be changed.
func (p *Player) Disk() *Disk { return p.d }

// Err is why Next found no more: nil at the end of the tape.
func (p *Player) Err() error {
	if p.err == io.EOF {
		return nil
	}
	return p.err
}

// Peek is the step that Next will play; false at the end.
func (p *Player) Peek() (Played, bool) {
	s, c := p.peek()
	if s == nil {
		return Played{}, false
	}
	out := Played{Kind: s.kind, At: s.at}
	if c != nil {
		out.Call = &c.Call
	}
	return out, true
}

// PeekChoice is what the power cut keeps that Peek has shown.
func (p *Player) PeekChoice() Choice {
	s, _ := p.peek()
	if s == nil || s.kind != StepCut {
		return Choice{}
	}
	c, _ := ParseChoice(p.text(s)) // looked through when it was read
	return c
}

// Played is one step.
type Played struct {
	Kind StepKind
	// Call is what the step is about, nil for none. It is good until the next step.
	Call *Call
	At   time.Duration
}

// Next plays one step; false at the end of the tape, or where it is damaged.
func (p *Player) Next() (Played, bool) {
	next, ok := p.Peek()
	if ok {
		s, c := p.peek()
		p.next++
		p.play(c, s)
	}
	return next, ok
}

// peek finds the next step and its call.
func (p *Player) peek() (*step, *played) {
	if p.err != nil {
		return nil, nil
	}
	for p.next == len(p.t.steps) {
		if p.more == nil {
			return nil, nil
		}
		var piece *Tape
		if piece, p.err = p.more(); p.err != nil {
			return nil, nil
		}
		p.load(piece)
	}
	s := &p.t.steps[p.next]
	if !s.kind.ofCall() {
		return s, nil
	}
	i := int(s.call) - p.base
	if i < 0 || i >= len(p.calls) || p.calls[i].over {
		p.err = fmt.Errorf("disk log: a step is about call %d, which is over", s.call)
		return nil, nil
	}
	return s, &p.calls[i]
}

// text is the path or the choice that a step is about.
func (p *Player) text(s *step) string { return string(p.t.data[s.from:s.mid]) }

// play carries one step out.
func (p *Player) play(c *played, s *step) {
	if c != nil {
		p.d.nextID = max(p.d.nextID, c.ID)
	}
	switch s.kind {
	case StepEffect:
		p.effect(&c.Call, s)
	case StepRefused:
		c.Err = s.fail
		p.d.Refuse(&c.Call)
	case StepSync:
		c.sync = p.d.BeginSync(&c.Call)
	case StepProgress, StepSynced, StepAbandoned:
		p.sync(c, s)
	case StepReturn:
		c.Return, c.Err, c.over = s.at, s.fail, true
		p.d.End(&c.Call)
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
	case StepMode:
		p.d.SetMode(s.ino, uint32(s.n))
	case StepOwner:
		p.d.SetOwner(s.ino, uint32(s.n>>32), uint32(s.n))
	case StepTime:
		p.d.SetTime(s.ino, time.Duration(s.n))
	case StepCorrupt:
		p.d.CorruptAt(p.text(s), s.n, byte(s.ino2))
	case StepZero:
		p.d.ZeroAt(p.text(s), s.n)
	case StepShorten:
		p.d.TruncateAtRest(p.text(s), s.n)
	case StepCut:
		p.cut(p.text(s), s.at)
	}
}

// sync goes on with a sync that has begun.
func (p *Player) sync(c *played, s *step) {
	switch {
	case c.sync == noSync: // its power went
	case s.kind == StepProgress:
		p.d.SyncProgress(c.sync, s.share)
		return
	case s.kind == StepSynced:
		p.d.EndSync(c.sync, s.fail, nil)
	default:
		p.d.AbandonSync(c.sync)
	}
	c.sync = noSync
}

// cut puts the image of a power cut in the place of the disk.
func (p *Player) cut(choice string, at time.Duration) {
	c, err := ParseChoice(choice)
	if err != nil {
		return // a Tape writes no other, and a file is looked through when it is read
	}
	if p.spare == nil {
		p.spare = &Disk{}
	}
	p.d.PowerCutInto(p.spare, c, at)
	p.d, p.spare = p.spare, p.d
	for i := range p.calls {
		p.calls[i].over, p.calls[i].sync = true, noSync
	}
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
