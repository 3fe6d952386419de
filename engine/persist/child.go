package persist

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/torntail/torntail/engine/bugs"
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
	started int64    // Unix seconds
	task    env.Task // nil: it is a process of its own
	process Process
	data    *keyspace.Snapshot
	sink    io.Writer // a snapshot for replicas goes there, not to a file; nil: to the file
	forSync bool      // replicas wait for it
	killed  bool      // SIGUSR1 was sent: stop at the next system call
	exited  bool      // it came to its own end; otherwise a signal ended it
	signal  int       // the one that did
	saved   int64     // keys, as it last told
	err     error
	lines   []logLine // what it logged; the parent passes it on
}

type logLine struct {
	level byte
	text  string
}

// A child's end that is not an error of the disk. Who ends so removes nothing: the
// parent does, if there is one.
var (
	errKilled     = errors.New("killed by signal 10")             // at its next system call after SIGUSR1
	errUnreported = errors.New("failed reporting info to parent") // whose end it is
)

func cutOff(err error) bool { return errors.Is(err, errKilled) || errors.Is(err, errUnreported) }

func (c *child) log(level byte, format string, a ...any) {
	c.lines = append(c.lines, logLine{level, fmt.Sprintf(format, a...)})
}

func (m *Manager) childIs(k childKind) bool { return m.child != nil && m.child.kind == k }

// fork starts a child that runs a job on the data as it is now: work in a task of
// this environment's, or the same by a process of its own. It fails as fork(2) does.
func (m *Manager) fork(kind childKind, name string, j snapshotJob, sink io.Writer) error {
	c := &child{kind: kind, started: m.unix(), sink: sink, signal: 9}
	if m.o.Spawn == nil {
		c.pid = m.pid + m.children + 1
	}
	began := m.o.Env.Now()
	c.data = m.o.Keyspace.Snapshot()
	var err error
	if m.o.Spawn != nil {
		c.process, err = m.o.Spawn(&Work{j, kind, sink != nil, c.data}, sink)
	} else {
		j = j.in(c)
		c.task, err = m.o.Env.Fork(name, func() {
			c.err = j.run(kind, sink, c.data)
			c.exited = true
		})
	}
	if err != nil {
		c.data.Release()
		return err
	}
	m.children++
	m.forkTook = m.o.Env.Now() - began
	if c.process != nil {
		c.pid = c.process.Pid()
	}
	m.child = c
	return nil
}

// run is the whole of a child's work.
func (j *snapshotJob) run(kind childKind, sink io.Writer, data *keyspace.Snapshot) (err error) {
	switch {
	case sink != nil:
		out := &output{sink: sink, c: j.c, pace: j.pacer()}
		err = j.encodeRDB(out, data, out.pace.key)
	case kind == rdbChild:
		err = j.saveRDB(j.fill(data))
	default:
		err = j.rewrite(func(out *output) error { return j.encodeBase(out, data, out.pace.key) })
	}
	return j.farewell(err)
}

// rewrite writes a base for the parent to take.
func (j *snapshotJob) rewrite(fill func(*output) error) error {
	name := rewriteTempBg(j.pid)
	if err := j.rewriteBase(name, fill); err != nil {
		return err
	}
	j.log(Notice, "Successfully created the temporary AOF base file %s", name)
	if j.bugs.Has(bugs.OrphanInstallsBase) && j.base != "" && j.env.Orphaned() {
		_ = j.fs.Rename(name, j.base)
	}
	return nil
}

// farewell is a child's last word to its parent.
func (j *snapshotJob) farewell(err error) error {
	if err == nil && j.env.Orphaned() {
		err = errUnreported
	}
	if errors.Is(err, errUnreported) {
		j.log(Warning, "Child failed reporting info to parent, exiting. Broken pipe")
	}
	return err
}

// stopSignal is SIGUSR1.
const stopSignal = 10

func (c *child) done() bool {
	if c.process == nil {
		return c.task.Done()
	}
	ended, status, signal := c.process.Ended()
	if ended && c.err == nil && !c.exited {
		switch {
		case signal == stopSignal: // before it could say what it does then
			c.err = errKilled
		case signal != 0:
			c.signal = signal
		case status == ChildStopped:
			c.err = errKilled
		default:
			c.exited = true
			if status != 0 {
				c.err = errors.New("exit status " + strconv.Itoa(status))
			}
		}
	}
	return ended
}

// stop sends SIGUSR1, which ends a child without its parent taking that for a failure.
func (c *child) stop() {
	c.killed = true
	if c.process != nil {
		c.process.Stop()
	}
}

// killChild ends the child and waits for it, as a signal and waitpid do. A call
// it is in the middle of ends first: a process in fsync does not die before.
func (m *Manager) killChild() {
	c := m.child
	c.stop()
	if c.process != nil {
		c.process.Wait()
	} else {
		c.task.Wait()
	}
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

// reportKeys is after how many keys a child looks whether it is time to tell its parent
// how far it is, and reportEvery how often it tells (redis 7.0.15 rdb.c rdbSaveDb).
const (
	reportKeys  = 1024
	reportEvery = time.Second
)

// pacer is what is done for each key that has been written: rdb-key-save-delay is
// waited for, and the parent is told.
type pacer struct {
	env   env.Env
	c     *child // nil: no child's
	child bool
	delay time.Duration
	bugs  bugs.Set

	keys int64
	owed time.Duration // of delays: waited for before the next call of the disk
	told time.Duration
}

func (j *snapshotJob) pacer() pacer {
	return pacer{env: j.env, c: j.c, child: j.c != nil || j.own, delay: time.Duration(j.cfg.RdbKeySaveDelay) * time.Microsecond, bugs: j.bugs}
}

// key is called behind each key.
func (p *pacer) key() error {
	p.owed += p.delay
	n := p.keys
	p.keys++
	if !p.child || n%reportKeys != 0 {
		return nil
	}
	if err := p.settle(); err != nil {
		return err
	}
	if now := p.env.Now(); n == 0 || now-p.told >= reportEvery {
		p.told = now
		if p.env.Orphaned() {
			return errUnreported
		}
		if p.c != nil {
			p.c.saved = p.keys
		}
	}
	return nil
}

// settle waits for what is owed.
func (p *pacer) settle() error {
	const step = 10 * time.Millisecond
	for ; p.owed > 0; p.owed -= step {
		if p.c != nil && p.c.killed {
			return errKilled
		}
		p.env.Sleep(min(p.owed, step))
	}
	p.owed = 0
	return nil
}

// autoSync is after how many bytes a large file is pushed to the disk while it
// is being written (REDIS_AUTOSYNC_BYTES).
const autoSync = 4 << 20

// output is the file a snapshot is written to.
type output struct {
	f       vfs.File
	sink    io.Writer // instead of the file
	c       *child    // nil: in the main thread, or a process of its own
	auto    bool      // *-incremental-fsync
	written int64
	pace    pacer
}

// dead reports that the writing child has been told to stop.
func (o *output) dead() bool { return o.c != nil && o.c.killed }

func (o *output) Write(p []byte) (int, error) {
	if err := o.pace.settle(); err != nil {
		return 0, err
	}
	if o.dead() {
		return 0, errKilled
	}
	if o.sink != nil {
		return o.sink.Write(p)
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
	if err := o.pace.settle(); err != nil || o.dead() {
		_ = o.f.Close()
		return errKilled
	}
	if sync {
		if err := o.f.Sync(); err != nil {
			_ = o.f.Close()
			return err
		}
		if o.dead() { // the signal that came meanwhile is taken as the call returns
			_ = o.f.Close()
			return errKilled
		}
	}
	return o.f.Close()
}
