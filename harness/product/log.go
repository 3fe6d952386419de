package product

import (
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Log follows what the server says of itself, in the words that
// redis-server 7.0.15 and the engine share, for what the disk's log cannot
// tell: when a child was forked, and whether a rewrite or snapshot is going on.
type Log struct {
	// Forks are the instants at which snapshot children were announced, in
	// order. Between fork(2) and its announcement the main thread executes
	// nothing (rdb.c rdbSaveBackground), so everything acknowledged before an
	// instant is in its snapshot.
	Forks   []time.Duration
	Worked  []history.Interval // when one went on, at most the last of them still
	Working bool               // a snapshot or rewrite has begun and is not over, its hand-over included
}

func (l *Log) Reset() { l.Forks, l.Worked, l.Working = l.Forks[:0], l.Worked[:0], false }

// Line takes one message and the time it was written, or a time before that.
func (l *Log) Line(at time.Duration, msg string) {
	before := l.Working
	defer func() {
		switch n := len(l.Worked) - 1; {
		case l.Working && !before:
			l.Worked = append(l.Worked, history.Interval{From: at, To: history.Never})
		case before && !l.Working && n >= 0:
			l.Worked[n].To = at
		}
	}()
	switch {
	case strings.HasPrefix(msg, "Background saving started by pid"):
		l.Forks, l.Working = append(l.Forks, at), true
	case strings.HasPrefix(msg, "Background append only file rewriting started by pid"):
		l.Working = true
	case strings.HasPrefix(msg, "Background saving terminated"), strings.HasPrefix(msg, "Background saving error"),
		strings.HasPrefix(msg, "Background AOF rewrite finished successfully"),
		strings.HasPrefix(msg, "Background AOF rewrite terminated with error"),
		strings.HasPrefix(msg, "Background AOF rewrite terminated by signal"):
		l.Working = false
	}
}

// Children notes in an epoch when a child ran, in modes whose promise depends on it:
// those with no-appendfsync-on-rewrite, which sync nothing meanwhile.
func (l *Log) Children(m *Mode, e *history.Epoch) {
	if m.Get("no-appendfsync-on-rewrite") == "yes" {
		e.ChildRunning = append([]history.Interval(nil), l.Worked...)
	}
}

// CutOff is the file whose torn tail a message says is cut off at the start (redis
// 7.0.15 aof.c loadSingleAppendOnlyFile).
func CutOff(msg string) (file string, ok bool) {
	_, rest, ok := strings.Cut(msg, "!!! Truncating the AOF ")
	file, _, _ = strings.Cut(rest, " ")
	return file, ok
}
