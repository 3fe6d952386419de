package harness

import (
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// serverLog follows what the server says of itself, in the words that
// redis-server 7.0.15 and the engine share, for what the disk's log cannot
// tell: when a child was forked, and whether a rewrite or snapshot is going on.
type serverLog struct {
	// forks are the instants at which snapshot children were announced, in
	// order. Between fork(2) and its announcement the main thread executes
	// nothing (rdb.c rdbSaveBackground), so everything acknowledged before an
	// instant is in its snapshot.
	forks   []time.Duration
	worked  []history.Interval // when one went on, at most the last of them still
	working bool               // a snapshot or rewrite has begun and is not over, its hand-over included
}

func (l *serverLog) reset() { l.forks, l.worked, l.working = l.forks[:0], l.worked[:0], false }

// line takes one message and the time it was written, or a time before that.
func (l *serverLog) line(at time.Duration, msg string) {
	before := l.working
	defer func() {
		switch n := len(l.worked) - 1; {
		case l.working && !before:
			l.worked = append(l.worked, history.Interval{From: at, To: history.Never})
		case before && !l.working && n >= 0:
			l.worked[n].To = at
		}
	}()
	switch {
	case strings.HasPrefix(msg, "Background saving started by pid"):
		l.forks, l.working = append(l.forks, at), true
	case strings.HasPrefix(msg, "Background append only file rewriting started by pid"):
		l.working = true
	case strings.HasPrefix(msg, "Background saving terminated"), strings.HasPrefix(msg, "Background saving error"),
		strings.HasPrefix(msg, "Background AOF rewrite finished successfully"),
		strings.HasPrefix(msg, "Background AOF rewrite terminated with error"),
		strings.HasPrefix(msg, "Background AOF rewrite terminated by signal"):
		l.working = false
	}
}

// children notes in an epoch when a child ran, in modes whose promise depends on it:
// those with no-appendfsync-on-rewrite, which sync nothing meanwhile.
func (l *serverLog) children(m *Mode, e *history.Epoch) {
	if m.Get("no-appendfsync-on-rewrite") == "yes" {
		e.ChildRunning = append([]history.Interval(nil), l.worked...)
	}
}
