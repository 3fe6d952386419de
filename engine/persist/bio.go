package persist

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/torntail/torntail/engine/aof"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// bioThread is one of redis-server's background threads (bio.c): it takes files
// from a queue, one at a time, in order. It starts with its first job.
type bioThread struct {
	env  env.Env
	name string
	do   func(vfs.File)

	task    env.Task
	wake    env.Cond
	jobs    []vfs.File
	pending int // jobs queued or being done (bioPendingJobsOfType)
	ending  bool
}

func (t *bioThread) submit(f vfs.File) {
	t.jobs = append(t.jobs, f)
	t.pending++
	if t.task == nil {
		t.wake = t.env.NewCond()
		t.task = t.env.Go(t.name, t.run)
		return
	}
	t.wake.Signal()
}

func (t *bioThread) run() {
	for {
		for len(t.jobs) == 0 {
			if t.ending {
				return
			}
			t.wake.Wait()
		}
		f := t.jobs[0]
		t.jobs = t.jobs[:copy(t.jobs, t.jobs[1:])]
		t.do(f)
		t.pending--
	}
}

func (t *bioThread) stop() {
	if t.task == nil {
		return
	}
	t.ending = true
	t.wake.Signal()
	t.task.Wait()
}

// bioSync is the once-a-second fsync of appendfsync everysec. Its failure
// refuses writes until one succeeds (bio.c BIO_AOF_FSYNC).
func (m *Manager) bioSync(f vfs.File) {
	err := f.SyncData()
	// The file may have been closed by the main thread meanwhile: no failure.
	if err == nil || errors.Is(err, fs.ErrClosed) || errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.EINVAL) {
		m.bioErr = nil
		return
	}
	if m.o.Bugs.Has(bugs.EverysecGoesOn) {
		return
	}
	if m.bioErr == nil {
		m.log(Warning, "Fail to fsync the AOF file: %s", aof.Reason(err))
	}
	m.bioErr = err
}

// bioSyncAndClose finishes an incr file that a rewrite has replaced. Nobody
// learns of a failed sync here: bio.c BIO_CLOSE_FILE drops the result of its
// redis_fsync.
func (m *Manager) bioSyncAndClose(f vfs.File) {
	if !m.o.Bugs.Has(bugs.OldIncrUnsynced) {
		_ = f.SyncData()
	}
	_ = f.Close()
}
