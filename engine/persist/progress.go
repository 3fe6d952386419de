package persist

import (
	"errors"
	"time"
)

// ErrStopped ends a loading that Options.Progress or Stopped did not want to go on.
var ErrStopped = errors.New("the loading was stopped")

// commandsPerProgress is after how many commands of an append-only file others
// have their turn (redis 7.0.15 aof.c loadSingleAppendOnlyFile).
const commandsPerProgress = 1024

// progress is how far the loading of data is (loading_total_bytes and so on).
type progress struct {
	started int64 // Unix seconds
	total   int64 // bytes
	loaded  int64
	keys    int64 // that dawdleLoading has seen
	before  int64 // bytes of the files before the one that is being read
}

func (m *Manager) beginProgress() { m.progress = progress{started: m.unix()} }

// Progress is how far the loading of data is: when it began, Unix seconds, the
// bytes there are, and those that have been read.
func (m *Manager) Progress() (started, total, loaded int64) {
	return m.progress.started, m.progress.total, m.progress.loaded
}

// servesOthers lets others have their turn. It reports whether to go on.
func (m *Manager) servesOthers(loaded int64) bool {
	m.progress.loaded = loaded
	return m.o.Progress == nil || m.o.Progress()
}

// dawdleLoading is how the loading takes its time when key-load-delay says so:
// microseconds a key, or below zero one in so many keys (redis 7.0.15 debug.c debugDelay).
func (m *Manager) dawdleLoading() {
	d := m.o.Config.KeyLoadDelay
	if d < 0 {
		m.progress.keys++
		if m.progress.keys%-d != 0 {
			return
		}
		d = 1
	}
	if d > 0 {
		m.o.Env.Sleep(time.Duration(d) * time.Microsecond)
	}
}

// rdbProgress lets others have their turn each time another
// loading-process-events-interval-bytes were read (redis 7.0.15 rdb.c
// rdbLoadProgressCallback); nil where nobody waits for that.
func (m *Manager) rdbProgress() func(offset int64) bool {
	if m.o.Progress == nil {
		return nil
	}
	last := int64(0)
	return func(offset int64) bool {
		m.dawdleLoading()
		step := m.o.Config.LoadingInterval
		if offset/step == last/step {
			return true
		}
		last = offset
		return m.servesOthers(m.progress.before + offset)
	}
}
