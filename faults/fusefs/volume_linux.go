package fusefs

import (
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/witness"
	"golang.org/x/sys/unix"
)

// Volume is one disk on a mount. Its methods may be called from any goroutine.
//
// One lock covers the disk, which is not safe for concurrent use. No call holds
// it while it waits: not for its latency, not in a stall, not for a strike.
type Volume struct {
	mount   *Mount
	name    string
	options VolumeOptions

	mu         sync.Mutex
	disk       *disk.Disk
	epoch      uint64 // part of every node id of this disk; a new one after each power cut
	handles    map[uint64]*handle
	lastHandle uint64
	held       map[uint32]int // threads whose calls faults hold up, and how many
	pending    int            // calls that have entered and not been answered
	idle       sync.Cond      // signalled when pending becomes 0
	dark       bool           // no power: calls wait for off, then answer EIO
	off        chan struct{}
	resume     chan struct{} // closed and replaced to let stalled calls go on
	detached   bool
	ticker     *time.Timer // of the kernel's write-back; nil: not set
}

// handle is an open file or directory.
type handle struct {
	ino  disk.Ino
	seen disk.ErrSeq   // errors this descriptor has been told of
	list []disk.Dirent // of a directory: as it was when reading began
}

// Path is the volume's directory, as processes in the mount's space see it.
func (v *Volume) Path() string { return filepath.Join(v.mount.dir, v.name) }

// Disk is the disk as it is now: after a power cut another one than before. It
// must not be used while processes run on the volume; With is for that. A disk
// that lost its power does not change any more.
func (v *Volume) Disk() *disk.Disk {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.disk
}

// With calls f with the disk under the volume's lock. f must not call the volume back.
func (v *Volume) With(f func(d *disk.Disk)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if witness.Heard() {
		defer v.changed(v.disk.Hash())
	}
	f(v.disk)
}

// Pending is the number of calls that have entered and not been answered.
func (v *Volume) Pending() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.pending
}

// Resume lets every stalled call go on to its normal end.
func (v *Volume) Resume() {
	v.mu.Lock()
	defer v.mu.Unlock()
	witness.Saw(v.String(), "what is stalled goes on")
	close(v.resume)
	v.resume = make(chan struct{})
}

// PowerCut cuts the power of the machine whose disk this is, and returns when
// the crash image is in place. The caller has cut the clients before: what they
// heard until then was acknowledged, and nothing they could hear later counts.
//
// The order is what makes it honest. First the disk freezes, so that nothing
// gets onto it after the cut. Then every process of the victims gets its
// SIGKILL. Only then are the calls they sit in answered, with EIO: a living
// server must never see that error, for it would act on it. When the last of
// them is gone the image takes the disk's place. Between the kill and that
// instant a dying process may still send the second request of a system call
// it is in; it must not find the image.
func (v *Volume) PowerCut(choice disk.Choice, victims ...Victim) (disk.Cut, error) {
	v.mu.Lock()
	for v.dark && !v.detached {
		v.idle.Wait() // another cut is under way
	}
	if v.detached {
		v.mu.Unlock()
		return disk.Cut{}, ErrDetached
	}
	v.dark = true
	witness.Saw(v.String(), "power cut, keep %v", choice)
	v.disarm()
	image, cut := v.disk.PowerCut(choice, v.mount.options.Clock())
	off := v.off
	v.mu.Unlock()

	for _, victim := range victims {
		victim.KillTree()
	}
	close(off)
	for _, victim := range victims {
		victim.WaitTree()
	}

	v.mu.Lock()
	defer v.mu.Unlock()
	for v.pending > 0 {
		v.idle.Wait()
	}
	v.disk = image
	witness.Saw(v.String(), "crash image in place")
	v.handles = map[uint64]*handle{}
	if !v.detached {
		v.epoch = v.mount.renew(v)
		v.off = make(chan struct{})
		v.dark = false
		v.arm()
	}
	v.idle.Broadcast()
	return cut, nil
}

// Detach takes the volume away. Calls pending on it answer EIO, later ones
// ESTALE or ENOENT. Whoever uses the volume should be gone before.
func (v *Volume) Detach() {
	v.mu.Lock()
	if v.detached {
		v.mu.Unlock()
		return
	}
	v.detached = true
	witness.Saw(v.String(), "detached")
	v.disarm()
	if !v.dark {
		v.dark = true
		close(v.off)
	}
	for v.pending > 0 {
		v.idle.Wait()
	}
	v.handles = nil
	epoch := v.epoch
	v.idle.Broadcast()
	v.mu.Unlock()

	v.mount.forget(v, epoch)
	if v.name != "" {
		// Frees the kernel's entries of the volume at once. Without a lock: the
		// kernel may ask us something before it is done.
		v.mount.server.EntryNotify(rootNode, v.name)
	}
}

// enter begins a call: it waits out a lost power, stamps and logs the call and
// asks the hook. The caller holds mu on return if errno is 0.
func (v *Volume) enter(r request, c *disk.Call) (disk.Decision, syscall.Errno) {
	if errno := v.admit(r.epoch); errno != 0 {
		return disk.Decision{}, errno
	}
	switch {
	case r.name != "":
		c.Path = v.pathIn(r.ino, r.name)
	case c.Ino != 0:
		c.Path = v.disk.PathOf(c.Ino)
	}
	if r.newName != "" {
		c.Path2 = v.pathIn(r.newDir, r.newName)
	}
	c.Enter = v.mount.options.Clock()
	v.disk.Begin(c)
	if v.options.Hook == nil {
		return disk.Decision{}, 0
	}
	d := v.options.Hook(c)
	if witness.Heard() {
		v.struck(c, &d)
	}
	return d, 0
}

// admit lets a request in, or keeps it until the power is back and then turns
// it away. The caller holds mu on return if the errno is 0, and calls done.
func (v *Volume) admit(epoch uint64) syscall.Errno {
	v.mu.Lock()
	if epoch != v.epoch && epoch != anyEpoch {
		v.mu.Unlock()
		return syscall.ESTALE
	}
	v.pending++
	if !v.dark {
		return 0
	}
	off := v.off
	v.mu.Unlock()
	<-off
	v.mu.Lock()
	v.done()
	v.mu.Unlock()
	return syscall.EIO
}

// quiet runs a request that is no call of the disk model: it is not logged and
// no fault strikes it.
func (v *Volume) quiet(epoch uint64, f func() syscall.Errno) syscall.Errno {
	if errno := v.admit(epoch); errno != 0 {
		return errno
	}
	defer v.mu.Unlock()
	defer v.done()
	return f()
}

// pathIn is the path of a name in a directory. The caller holds mu.
func (v *Volume) pathIn(dir disk.Ino, name string) string {
	if dir == disk.Root {
		return name
	}
	return v.disk.PathOf(dir) + "/" + name
}

// done ends a call. The caller holds mu.
func (v *Volume) done() {
	v.pending--
	if v.pending == 0 {
		v.idle.Broadcast()
	}
}

// call carries one call through its life: entry, decision, effect, duration,
// return. effect runs under the lock; a sync has none of its own.
//
// What a sync covers is settled as it enters, and only when it returns is that
// durable. A sync that fails does what the disk's failure mode says, so its
// error is the disk's to give.
func (v *Volume) call(r request, c *disk.Call, effect func(d *disk.Decision) syscall.Errno) syscall.Errno {
	d, errno := v.enter(r, c)
	if errno != 0 {
		return errno
	}
	if d.Strike != nil || d.Stall || d.Delay > 0 {
		v.held[r.tid]++
		defer v.letGo(r.tid)
	}
	if d.Strike != nil && d.Place == disk.PlaceEnter {
		if errno = v.strike(r.tid, d.Strike); errno != 0 {
			return v.leave(c, errno)
		}
		d.Strike = nil
	}
	switch {
	case c.Kind.IsSync():
	case d.Err != 0:
		errno, c.Err = d.Err, d.Err
		if c.Kind.Mutates() {
			v.disk.Refuse(c)
		}
	default:
		errno = effect(&d)
	}
	v.disk.Held(c, &d)

	var sync disk.SyncID
	var progress func()
	syncing := errno == 0 && (c.Kind.IsSync() || c.Flags&(disk.CallSync|disk.CallDataSync) != 0)
	if syncing {
		if v.options.SyncLatency != nil {
			d.Delay += v.options.SyncLatency(c)
		}
		sync = v.disk.BeginSync(c)
		progress = func() { v.disk.SyncProgress(sync, d.Fraction) }
	}
	if d.Delay > 0 || d.Stall || d.Strike != nil || d.Place == disk.PlaceInFlight {
		if ended := v.inFlight(r.tid, d, progress); ended != 0 {
			if syncing {
				v.disk.AbandonSync(sync)
			}
			return v.leave(c, ended)
		}
	}
	if syncing {
		var seen *disk.ErrSeq
		if h := v.handles[r.handle]; h != nil {
			seen = &h.seen
		}
		if errno = v.disk.EndSync(sync, d.Err, seen); errno == 0 {
			c.Untold = d.Err
		}
	}
	if d.Strike != nil && d.Place == disk.PlaceReturn {
		v.strike(r.tid, d.Strike) // the effect stands, whatever became of the caller
	}
	return v.leave(c, errno)
}

// letGo undoes a count of held.
func (v *Volume) letGo(tid uint32) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held[tid]--; v.held[tid] == 0 {
		delete(v.held, tid)
	}
}

// heldUp lists the threads whose calls faults hold up.
func (v *Volume) heldUp() []int {
	v.mu.Lock()
	defer v.mu.Unlock()
	var tids []int
	for tid := range v.held { // any order: all are told the same
		if tid != 0 {
			tids = append(tids, int(tid))
		}
	}
	return tids
}

// Settle waits until no call is held up by a fault any more, but not longer
// than the limit: a delay may be an hour.
func (v *Volume) Settle(limit time.Duration) {
	for deadline := time.Now().Add(limit); len(v.heldUp()) > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
}

// leave ends a call that holds the lock, and releases it.
func (v *Volume) leave(c *disk.Call, errno syscall.Errno) syscall.Errno {
	defer v.mu.Unlock()
	defer v.done()
	if v.dark {
		return syscall.EIO // the disk is frozen: the call never returned
	}
	if errno != 0 && witness.Heard() {
		v.refused(c, errno)
	}
	c.Err = errno
	c.Return = v.mount.options.Clock()
	v.disk.End(c)
	v.arm()
	return errno
}

// inFlight spends a call's duration. Where a fault strikes in flight, whatever it
// does, progress makes the sync's share durable just before. The caller holds
// the lock, and does so again on return. EIO: the power went. EINTR: the caller has
// been killed; what its call has done so far stands, and nothing comes after it.
func (v *Volume) inFlight(tid uint32, d disk.Decision, progress func()) syscall.Errno {
	before := time.Duration(0)
	if d.Place == disk.PlaceInFlight {
		if d.Strike != nil { // otherwise what is slow or fails is so from there on
			before = time.Duration(float64(d.Delay) * min(max(d.Fraction, 0), 1))
		}
		if errno := v.sleep(before); errno != 0 {
			return errno
		}
		if progress != nil {
			progress()
		}
		if d.Strike != nil {
			if errno := v.strike(tid, d.Strike); errno != 0 {
				return errno
			}
		}
	}
	if errno := v.sleep(d.Delay - before); errno != 0 {
		return errno
	}
	if d.Stall {
		return v.stall(tid)
	}
	return 0
}

// sleep gives up the lock for a time; EIO when the power went meanwhile.
func (v *Volume) sleep(d time.Duration) syscall.Errno {
	if d <= 0 {
		return 0
	}
	off := v.off
	v.mu.Unlock()
	if d < shortSleep {
		sleepExactly(d)
		v.mu.Lock()
		return v.lost()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-off:
	}
	v.mu.Lock()
	return v.lost()
}

// shortSleep is up to where a call sleeps in the kernel. Go's timers wake a
// process that is otherwise idle at whole milliseconds (its poller waits with
// epoll_wait), ten times what an fsync takes on a good disk. A power cut waits
// for so short a sleep.
const shortSleep = 2 * time.Millisecond

// sleepExactly sleeps on the calling thread, without the 50 us by which Linux
// may otherwise be late (PR_SET_TIMERSLACK of prctl(2)).
func sleepExactly(d time.Duration) {
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	left := unix.NsecToTimespec(int64(d))
	for unix.Nanosleep(&left, &left) == unix.EINTR {
	}
}

// lost reports a power cut that came while the lock was given up. A cut that
// has only frozen the disk counts too: the call waits for its answer.
func (v *Volume) lost() syscall.Errno {
	if !v.dark {
		return 0
	}
	off := v.off
	v.mu.Unlock()
	<-off
	v.mu.Lock()
	return syscall.EIO
}

// strike runs what a fault does to the world, outside the lock and outside the
// call: a power cut waits for the very call that strikes. EIO: the power went.
// EINTR: the caller has been killed.
func (v *Volume) strike(tid uint32, f func()) syscall.Errno {
	off := v.off
	v.mu.Unlock()
	struck := make(chan struct{})
	go func() {
		defer close(struck)
		f()
	}()
	select {
	case <-struck:
	case <-off:
	}
	v.mu.Lock()
	if errno := v.lost(); errno != 0 {
		return errno
	}
	if tid != 0 && guard.Killed(int(tid)) {
		return syscall.EINTR
	}
	return 0
}

// killedEvery is how often a stalled call looks whether its caller has been killed.
const killedEvery = 5 * time.Millisecond

// stall holds a call until Resume, the end of the power, or the death of its
// caller: a killed process must not stay in state D for ever.
func (v *Volume) stall(tid uint32) syscall.Errno {
	off, resume := v.off, v.resume
	v.mu.Unlock()
	tick := time.NewTicker(killedEvery)
	defer tick.Stop()
	killed := false
	for waiting := true; waiting; waiting = waiting && !killed {
		select {
		case <-resume:
			waiting = false
		case <-off:
			waiting = false
		case <-tick.C:
			killed = tid != 0 && guard.Killed(int(tid))
		}
	}
	v.mu.Lock()
	if errno := v.lost(); errno != 0 || !killed {
		return errno
	}
	return syscall.EINTR
}

// arm sets the timer of the kernel's own write-back, unless it is set or
// nothing is dirty. The caller holds mu.
func (v *Volume) arm() {
	if v.ticker != nil || v.dark {
		return
	}
	if at, ok := v.disk.NextTick(); ok {
		v.ticker = time.AfterFunc(max(at-v.mount.options.Clock(), 0), v.tick)
	}
}

// disarm stops the timer, which would keep a detached disk in memory. The caller holds mu.
func (v *Volume) disarm() {
	if v.ticker != nil {
		v.ticker.Stop()
		v.ticker = nil
	}
}

// tick lets the disk write back what is due. A tick that was stopped too late
// comes early for the next disk, which has then nothing due.
func (v *Volume) tick() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.dark {
		return
	}
	v.ticker = nil
	v.disk.Tick(v.mount.options.Clock())
	v.arm()
}
