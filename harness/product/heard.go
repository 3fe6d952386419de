package product

import (
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Heard is what the server has said of itself, for what the disk's log cannot
// tell: when a child was forked, and whether a rewrite or snapshot is going on.
type Heard struct {
	// Forks are the instants at which snapshot children were announced, in
	// order: everything acknowledged before an instant is in its snapshot.
	Forks []time.Duration
	// Syncs are the instants at which a snapshot was announced that is for a replica.
	Syncs   []time.Duration
	Worked  []history.Interval // when one went on, at most the last of them still
	Rewrote []history.Interval // when it was a rewrite
	TailCut bool               // the torn tail of a log was cut off at the start
	Working bool               // a snapshot or rewrite has begun and is not over, its hand-over included
}

func (l *Heard) Reset() {
	l.Forks, l.Syncs, l.Worked, l.Working = l.Forks[:0], l.Syncs[:0], l.Worked[:0], false
	l.TailCut, l.Rewrote = false, l.Rewrote[:0]
}

// Line takes one message of a store's log and the time it was written, or a time before that.
func (l *Heard) Line(s Store, at time.Duration, msg string) {
	before := l.Working
	switch what, _ := s.Says(msg); what {
	case SnapshotForked:
		l.Forks, l.Working = append(l.Forks, at), true
	case SyncWritten:
		l.Syncs = append(l.Syncs, at)
	case RewriteBegan:
		l.Working = true
		l.Rewrote = append(l.Rewrote, history.Interval{From: at, To: history.Never})
	case ChildEnded:
		l.Working = false
		if n := len(l.Rewrote) - 1; n >= 0 {
			l.Rewrote[n].To = min(l.Rewrote[n].To, at)
		}
	case TailCut:
		l.TailCut = true
	}
	switch n := len(l.Worked) - 1; {
	case l.Working && !before:
		l.Worked = append(l.Worked, history.Interval{From: at, To: history.Never})
	case before && !l.Working && n >= 0:
		l.Worked[n].To = at
	}
}

// Children adds to an epoch when children had run by an instant, in modes whose promise
// depends on it: those that sync nothing meanwhile, and those that begin no snapshot while
// there is a rewrite.
func Children(m *Mode, worked, rewrote []history.Interval, at time.Duration, e *history.Epoch) {
	list := worked
	if p, _ := m.Store.Policy(m); !p.NoSyncOnRewrite {
		if !m.RDB {
			return
		}
		list = rewrote
	}
	for _, w := range list {
		if w.From > at {
			break
		}
		if w.To > at {
			w.To = history.Never
		}
		e.ChildRunning = append(e.ChildRunning, w)
	}
}
