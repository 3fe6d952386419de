package persist

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

type childKind uint8

const (
	rdbChild childKind = iota + 1
	aofChild
)

// child is a forked process that writes a frozen copy of the data to a file.
// It outlives its parent, so its task touches nothing of the Manager: only this
// struct, which the parent reads once the task has ended.
type child struct {
	kind    childKind
	pid     int
	started int64 // Unix seconds
	task    env.Task
	data    *keyspace.Snapshot
	sink    io.Writer // a snapshot for replicas goes there, not to a file; nil: to the file
	forSync bool      // replicas wait for it
	killed  bool      // SIGUSR1 was sent: stop at the next system call
	exited  bool      // it came to its own end; otherwise a signal ended it
	err     error
	lines   []logLine // what it logged; the parent passes it on
}

type logLine struct {
	level byte
	text  string
}

// errKilled ends a child at its next system call after SIGUSR1.
var errKilled = errors.New("killed by signal 10")

func (c *child) log(level byte, format string, a ...any) {
	c.lines = append(c.lines, logLine{level, fmt.Sprintf(format, a...)})
}

func (m *Manager) childIs(k childKind) bool { return m.child != nil && m.child.kind == k }

// fork starts a child that runs work on the data as it is now.
func (m *Manager) fork(kind childKind, name string, work func(*child) error) {
	m.children++
	c := &child{kind: kind, pid: m.pid + m.children, started: m.unix(), data: m.o.Keyspace.Snapshot()}
	m.child = c
	c.task = m.o.Env.Fork(name, func() {
		c.err = work(c)
		c.exited = true
	})
}

// dawdle is how a child takes its time when rdb-key-save-delay says so (redis
// 7.0.15 rdb.c rdbSaveKeyValuePair), all of it before the first key.
func (m *Manager) dawdle(c *child, us int64) error {
	const step = 10 * time.Millisecond
	for left := time.Duration(us) * time.Microsecond * time.Duration(c.data.Len()); left > 0; left -= step {
		if c.killed {
			return errKilled
		}
		m.o.Env.Sleep(min(left, step))
	}
	return nil
}

// killChild ends the child and waits for it, as a signal and waitpid do. A call
// it is in the middle of ends first: a process in fsync does not die before.
func (m *Manager) killChild() {
	c := m.child
	c.killed = true
	c.task.Wait()
	m.reap()
}

// reap takes leave of a child that has ended.
func (m *Manager) reap() *child {
	c := m.child
	m.child = nil
	c.data.Release()
	for _, l := range c.lines {
		m.log(l.level, "%s", l.text)
	}
	return c
}

// autoSync is after how many bytes a large file is pushed to the disk while it
// is being written (REDIS_AUTOSYNC_BYTES).
const autoSync = 4 << 20

// output is the file a snapshot is written to.
type output struct {
	f       vfs.File
	c       *child // nil: written by the main thread
	auto    bool   // *-incremental-fsync
	written int64
}

// dead reports that the writing child has been told to stop.
func (o *output) dead() bool { return o.c != nil && o.c.killed }

func (o *output) Write(p []byte) (int, error) {
	if o.dead() {
		return 0, errKilled
	}
	n, err := writeFull(o.f, p)
	before := o.written / autoSync
	o.written += int64(n)
	if err != nil || !o.auto || o.written/autoSync == before || before == 0 {
		return n, err
	}
	// As rio.c: the range before the last is waited for, so that the final fsync
	// finds little left to do.
	if err := o.f.SyncRange((before-1)*autoSync, autoSync); err != nil {
		return n, err
	}
	return n, nil
}

// close syncs and closes the file.
func (o *output) close(sync bool) error {
	if o.dead() {
		_ = o.f.Close()
		return errKilled
	}
	if sync {
		if err := o.f.Sync(); err != nil {
			_ = o.f.Close()
			return err
		}
	}
	return o.f.Close()
}
