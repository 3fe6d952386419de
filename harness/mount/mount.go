// Package mount is the fault disk as a tool of its own: a disk served at a
// directory of the user's, for any program, with a control socket through which
// faults strike, the power is cut, and one sees what is not durable.
//
// A Disk has one node, called n1 as everywhere in plans; it stands for the
// machine whose disk this is. Killing it kills the processes that have files of
// the disk open.
package mount

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/reports/wording"
)

// Node is the name of the machine in plans.
const Node = "n1"

// Options say what is mounted and how.
type Options struct {
	Dir         string            // the mount point: an empty directory
	Personality *disk.Personality // nil: ext4
	Failure     *disk.FailureMode // nil: the personality's own
	// Backing is a directory in which the disk is kept: as it is after each power
	// cut, when the control socket is told to save it, and when the mount ends. "" keeps it nowhere.
	Backing string
	// Buffered serves files through the page cache, as shared writable mappings need.
	Buffered bool
	// SyncLatency is how long a sync takes; nil is no time.
	SyncLatency func(*disk.Call) time.Duration
	Socket      string // of the control socket; "" is the usual place
	Log         string // file that receives every record of the log; "": none
	Record      string // file that receives the log with all data (disk.Recorder); "": none
	Seed        uint64 // of power cuts in plans that do not say what they keep
}

// Disk is a mounted fault disk.
//
// Locks, in the order in which they may be taken: one power cut or other fault
// at a time (acting), the volume's own, mu. The hook is called under the
// volume's.
type Disk struct {
	o       Options
	began   time.Time
	backing *backing // nil: none
	log     *opLog
	record  *record // nil: none
	mount   *fusefs.Mount
	volume  *fusefs.Volume
	server  *control.Server
	socket  string
	release func() // takes the socket off the watchdog's list

	plans *conduct.Desk

	acting sync.Mutex // a power cut under way, or a save

	mu     sync.Mutex
	cuts   uint64
	killed []int // by the last kill of a plan
	paused bool  // processes have been stopped and not been told to go on
	closed bool
	failed chan error // one slot: why the mount cannot go on

	stop chan struct{} // ends the goroutines that belong to the mount
	done sync.WaitGroup
}

// Open mounts the disk and answers on its control socket. It fails with a
// *fusefs.PointError when nothing can be mounted at the directory.
func Open(o Options) (_ *Disk, err error) {
	if err := fusefs.Available(); err != nil {
		return nil, err
	}
	m := &Disk{o: o, began: time.Now(), failed: make(chan error, 1), stop: make(chan struct{})}
	m.plans = conduct.NewDesk(m.clock, m.begin)
	defer func() {
		if err != nil {
			m.undo()
		}
	}()
	options := disk.Options{Personality: o.Personality, Failure: o.Failure, KeepLog: true}
	if o.Record != "" {
		options.Tape = &disk.Tape{Through: true}
	}
	d := disk.New(options)
	if m.record, err = newRecord(o.Record, options.Tape, m.began); err != nil {
		return nil, err
	}
	if o.Backing != "" {
		if m.backing, err = openBacking(o.Backing); err != nil {
			return nil, err
		}
		if err = m.backing.load(d, m.began); err != nil {
			return nil, err
		}
	}
	if m.log, err = newLog(o.Log); err != nil {
		return nil, err
	}
	space, err := guard.Open()
	if err != nil {
		return nil, err
	}
	m.mount, m.volume, err = fusefs.ServeDisk(o.Dir, d,
		fusefs.Options{Clock: m.clock, Epoch: m.began, Space: space, Buffered: o.Buffered, Others: os.Geteuid() == 0},
		fusefs.VolumeOptions{Hook: m.onCall, SyncLatency: o.SyncLatency})
	if err != nil {
		return nil, err
	}
	if err = m.listen(); err != nil {
		return nil, err
	}
	m.done.Go(m.keepLog)
	return m, nil
}

// listen opens the control socket and makes it findable.
func (m *Disk) listen() error {
	path, err := register(m.mount.Dir(), m.o.Socket)
	if err != nil {
		return err
	}
	m.socket = path
	if m.server, err = control.Listen(path, m.commands()); err != nil {
		return err
	}
	watchdog, err := guard.Default()
	if err != nil {
		return err
	}
	m.release = watchdog.Dir(path)
	return nil
}

// undo takes back what Open did before it failed.
func (m *Disk) undo() {
	m.plans.Close()
	if m.server != nil {
		m.server.Close()
	}
	if m.release != nil {
		m.release()
	}
	if m.mount != nil {
		m.mount.Close()
	}
	m.closeFiles()
	if m.backing != nil {
		m.backing.close()
	}
}

// closeFiles closes the log and the record.
func (m *Disk) closeFiles() error {
	err := m.record.close()
	if m.log != nil {
		err = cmp.Or(m.log.close(), err)
	}
	return err
}

// Dir is the mount point, absolute and free of symbolic links.
func (m *Disk) Dir() string { return m.mount.Dir() }

// Socket is the path of the control socket.
func (m *Disk) Socket() string { return m.socket }

func (m *Disk) clock() time.Duration { return time.Since(m.began) }

// Wait returns when ctx ends or somebody unmounts the disk, with nil, or when
// the mount cannot go on, with the reason. Close comes after it in any case.
func (m *Disk) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-m.mount.Done():
		if m.mount.Aborted() {
			return fmt.Errorf("%s: somebody else has aborted its connection", m.Dir())
		}
		return nil
	case err := <-m.failed:
		return err
	}
}

// fail ends Wait.
func (m *Disk) fail(err error) {
	select {
	case m.failed <- err:
	default: // it has failed already
	}
}

// settleWithin is how long Close waits for calls that faults held up and that go
// on now, so that they end as they would have.
const settleWithin = 2 * time.Second

// flushWithin is how long Close waits for the kernel to write what it has
// cached of a buffered mount.
const flushWithin = 5 * time.Second

// Close ends the faults, unmounts the disk, in use or not, and saves it into
// the backing directory. Calls that were held up go on; programs that use the
// disk afterwards get errors. An orderly end is no power cut: everything
// written is saved. The second Close does nothing.
func (m *Disk) Close() error {
	m.server.Close()
	m.mu.Lock()
	again := m.closed
	m.closed = true
	m.mu.Unlock()
	if again {
		return nil
	}
	m.clear()
	m.volume.Settle(settleWithin)
	if m.o.Buffered {
		m.mount.Flush(flushWithin)
	}
	m.plans.Close()
	close(m.stop)
	m.done.Wait()
	m.volume.Detach()
	err := m.mount.Close()
	m.release()
	unregister(m.mount.Dir(), m.socket)
	m.drain()
	err = cmp.Or(err, m.closeFiles())
	if m.backing != nil {
		m.acting.Lock()
		defer m.acting.Unlock()
		err = cmp.Or(err, m.backing.save(m.volume.Disk(), m.began))
		m.backing.close()
	}
	return err
}

// drainEvery is how often the disk's log is emptied into ours.
const drainEvery = 50 * time.Millisecond

// keepLog empties the disk's log into ours, so that its memory stays bounded.
func (m *Disk) keepLog() {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-tick.C:
			m.drain()
		}
	}
}

// drain moves the records of calls that have returned.
func (m *Disk) drain() {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.volume.With(func(d *disk.Disk) {
		m.log.take(d)
		m.record.take()
	})
	for _, err := range []error{m.log.flush(), m.record.write()} {
		if err != nil {
			m.fail(err)
		}
	}
}

// note writes an event into the log, between the calls.
func (m *Disk) note(format string, args ...any) {
	m.drain()
	m.log.note(m.clock(), fmt.Sprintf(format, args...))
}

// powerCut cuts the power of the machine, whose processes are those that have
// files of the disk open.
func (m *Disk) powerCut(choice disk.Choice) (disk.Cut, []int, error) {
	m.acting.Lock()
	defer m.acting.Unlock()
	users := fusefs.UsersOf(m.volume)
	cut, err := m.cutLogged(choice, users)
	if err != nil {
		return cut, nil, fmt.Errorf("power-cut: %w", err)
	}
	m.note("%s", Describe(cut))
	if m.backing != nil {
		if err := m.save(); err != nil {
			m.note("%v", err)
			return cut, users.Killed(), &notSaved{fmt.Errorf("%s; but %w", Describe(cut), err)}
		}
	}
	return cut, users.Killed(), nil
}

// notSaved is a power cut that struck and whose image could not be saved.
type notSaved struct{ error }

// save puts the disk as it is now into the backing directory, durable or not.
// Programs go on meanwhile.
func (m *Disk) save() error {
	var now *disk.Disk
	m.volume.With(func(d *disk.Disk) { now = d.Clone() })
	return m.backing.save(now, m.began)
}

// Describe says what a power cut did. The choice is the one that makes the same
// image again; where nothing was in play every choice does.
func Describe(cut disk.Cut) string {
	choice := cut.Choice
	if cut.Ops == 0 {
		choice = cut.Asked
	}
	return fmt.Sprintf("power cut, %s: %s (%s) not durable, %d of them (%s) lost", choice.Clause(),
		wording.Times(cut.Ops, "call"), wording.Times(int(cut.Bytes), "byte"), cut.LostOps, wording.Times(int(cut.LostBytes), "byte"))
}

// cutLogged cuts the power and takes the whole log of the disk that was cut,
// before anything of the image's.
func (m *Disk) cutLogged(choice disk.Choice, users *fusefs.Users) (disk.Cut, error) {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	var before *disk.Disk
	m.volume.With(func(d *disk.Disk) { before = d })
	cut, err := m.volume.PowerCut(choice, users)
	if err == nil {
		m.log.takeAll(before) // frozen: nothing comes any more
	}
	return cut, err
}

// seeded is what a power cut keeps that does not say so.
func (m *Disk) seeded() disk.Choice {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cuts++
	return disk.Choice{Mode: disk.KeepRandom, Seed: m.o.Seed + m.cuts}
}
