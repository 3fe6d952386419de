package persist

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/keyspace"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// A program in Go cannot fork. Where a server is a process of its own, its children are
// others, which are started anew and told what to write: the data are encoded beside the
// main thread and go to the child through a pipe, and the child does everything with
// files. What the pipe has told it before its parent's death it goes on with, as a forked
// child would; the rest of a longer snapshot is missing where that would find that it
// cannot report.

// Process is a child that is a process of its own. Its methods are for the main task.
type Process interface {
	Pid() int
	// Ended says, without blocking, whether it has, and how: by itself with a status, or
	// by a signal.
	Ended() (ended bool, status, signal int)
	Wait()
	// Stop sends SIGUSR1.
	Stop()
}

// ChildStopped is the status of a child that SIGUSR1 has ended (redis 7.0.15 server.h
// SERVER_CHILD_NOERROR_RETVAL).
const ChildStopped = 255

// Spawn starts a process that does the work with RunChild. Where sink is not nil, what the
// process puts out goes there, within the environment's exclusion.
type Spawn func(w *Work, sink io.Writer) (Process, error)

// Work is what is to be done by a process of its own.
type Work struct {
	j        snapshotJob
	kind     childKind
	transfer bool
	data     *keyspace.Snapshot
}

// Job is what a process is told of its work.
type Job struct {
	Transfer bool // to replicas, not to a file
	Rewrite  bool // a base of the append-only file, not a snapshot
	Bugs     bugs.Set
	// The directives that a child goes by.
	Dir, Dbfilename, Logfile, Loglevel string
	KeyDelay                           int64 // microseconds
	IncrementalFsync                   bool
	// Base is the present base of the append-only file, if there is one.
	Base string
}

// Job tells the process what a child would know.
func (w *Work) Job() Job {
	j := &w.j
	d := Job{Transfer: w.transfer, Rewrite: w.kind == aofChild, Bugs: j.bugs, Dir: j.cfg.Dir, Dbfilename: j.cfg.Dbfilename, Logfile: j.cfg.Logfile,
		Loglevel: j.cfg.Loglevel, KeyDelay: j.cfg.RdbKeySaveDelay, IncrementalFsync: j.cfg.RdbSaveIncrementalFsync, Base: j.base}
	if d.Rewrite {
		d.IncrementalFsync = j.cfg.AofRewriteIncrementalFsync
	}
	return d
}

// RunChild does a job in a process of its own, whose number is pid, and returns its exit
// status. in is what Work.Stream wrote, out where a transfer goes; the environment knows
// whether the parent has ended.
func RunChild(job Job, e env.Env, fs vfs.FS, pid int, in io.Reader, out io.Writer, log func(level byte, msg string)) int {
	cfg := config.Default()
	cfg.Dir, cfg.Dbfilename, cfg.RdbKeySaveDelay = job.Dir, job.Dbfilename, job.KeyDelay
	cfg.RdbSaveIncrementalFsync, cfg.AofRewriteIncrementalFsync = job.IncrementalFsync, job.IncrementalFsync
	j := snapshotJob{env: e, fs: fs, cfg: *cfg, bugs: job.Bugs, pid: pid, own: true, base: job.Base, log: logger(log)}
	fill := func(o *output) error { return copyFrames(o, &o.pace, in) }
	var err error
	switch {
	case job.Transfer:
		pace := j.pacer()
		err = copyFrames(out, &pace, in)
	case job.Rewrite:
		err = j.rewrite(fill)
	default:
		err = j.saveRDB(fill)
	}
	if j.farewell(err) != nil {
		return 1
	}
	return 0
}

// A frame is what was encoded of some keys: how many have ended in it, how long it is,
// and its bytes. It ends where a child looks at the time, or where it is long. The last
// is empty, of keysDone keys.
const (
	frameBytes = 1 << 20
	keysDone   = 1<<32 - 1
)

// frames cuts what is encoded.
type frames struct {
	emit  func(p []byte) error
	each  bool // after each key: it is waited for
	total int64
	keys  uint32
	buf   []byte
}

func (f *frames) Write(p []byte) (int, error) {
	f.buf = append(f.buf, p...)
	if len(f.buf) < frameBytes {
		return len(p), nil
	}
	return len(p), f.cut()
}

func (f *frames) key() error {
	f.keys++
	f.total++
	if f.each || f.total%reportKeys == 1 {
		return f.cut()
	}
	return nil
}

func (f *frames) cut() error {
	var head [8]byte
	binary.LittleEndian.PutUint32(head[:], f.keys)
	binary.LittleEndian.PutUint32(head[4:], uint32(len(f.buf)))
	if err := f.emit(head[:]); err != nil {
		return err
	}
	err := f.emit(f.buf)
	f.keys, f.buf = 0, f.buf[:0]
	return err
}

// Stream emits what the process is to be given. It is called beside the main task,
// outside of the environment's exclusion: nobody else has the frozen data.
func (w *Work) Stream(emit func(p []byte) error) error {
	j := &w.j
	f := &frames{emit: emit, each: j.cfg.RdbKeySaveDelay != 0}
	encode := j.encodeRDB
	if w.kind == aofChild {
		encode = j.encodeBase
	}
	if err := encode(f, w.data, f.key); err != nil {
		return err
	}
	if err := f.cut(); err != nil {
		return err
	}
	f.keys = keysDone
	return f.cut()
}

// copyFrames writes what frames carry. An end without the last of them is the parent's.
func copyFrames(to io.Writer, pace *pacer, in io.Reader) error {
	var head [8]byte
	var buf []byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return orphan(err)
		}
		keys, n := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
		if keys == keysDone {
			return nil
		}
		if n > uint32(cap(buf)) {
			buf = make([]byte, n)
		}
		if _, err := io.ReadFull(in, buf[:n]); err != nil {
			return orphan(err)
		}
		const chunk = 4096 // of stdio, and of the encoders
		for rest := buf[:n]; len(rest) > 0; {
			k, err := to.Write(rest[:min(chunk, len(rest))])
			if err != nil {
				return err
			}
			rest = rest[k:]
		}
		for range keys {
			if err := pace.key(); err != nil {
				return err
			}
		}
		if err := pace.settle(); err != nil {
			return err
		}
	}
}

func orphan(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errUnreported
	}
	return err
}
