package blocklog

import (
	"fmt"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/witness"
)

// Request is one thing that a device is asked to do.
type Request struct {
	Kind Kind // Write or Flush
	Nth  int  // it is the n-th of its kind, from 1
	Off  int64
	Data []byte // of a write; must not be kept or changed
}

// Decision is what a fault says about a request. The zero Decision: nothing.
type Decision struct {
	Err    syscall.Errno // the request fails with it and has no effect
	Short  int           // > 0: of a write only so many bytes reach the device, and it reports success
	Ignore bool          // a flush reports success and makes nothing durable
	Delay  time.Duration // before it takes effect
	Strike func()        // run before it takes effect, on the request's goroutine
}

// Hook is asked about each request before it takes effect, one at a time, without
// any lock of the device.
type Hook func(r *Request) Decision

// DeviceOptions say how a device behaves.
type DeviceOptions struct {
	Hook Hook // nil: no faults
	// KeepLog keeps every record from the beginning; otherwise what a flush has
	// made durable is folded into the base, and memory stays within twice the
	// image and what is written between two flushes.
	KeepLog bool
	// IgnoreFlush: no flush makes anything durable, though it says so.
	IgnoreFlush bool
	// Clock gives the times of records; nil: they are 0.
	Clock func() time.Duration
}

// Device is a disk with a volatile cache. It may be used from any goroutine.
type Device struct {
	o DeviceOptions

	hookMu sync.Mutex
	counts [Mark + 1]int // requests of each kind, under hookMu

	mu     sync.Mutex
	image  *Image // what reads see
	log    Log
	seq    uint64
	frozen bool // nothing is logged any more: the power is cut
	logged int64
}

// NewDevice is a device that holds an image, of which everything is durable.
func NewDevice(m *Image, o DeviceOptions) *Device {
	if o.Clock == nil {
		o.Clock = func() time.Duration { return 0 }
	}
	return &Device{o: o, image: m.Clone(), log: Log{base: m.Clone()}}
}

// Size is in bytes.
func (d *Device) Size() int64 { return d.image.Size() }

// ReadAt implements io.ReaderAt.
func (d *Device) ReadAt(b []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.image.ReadAt(b, off)
}

// Write carries out a write of bytes that the device keeps.
func (d *Device) Write(b []byte, off int64) syscall.Errno {
	do := d.ask(&Request{Kind: Write, Off: off, Data: b})
	r := Record{Kind: Write, Off: off, Data: b, Requested: len(b), Err: do.Err, NoEffect: do.Err != 0}
	if do.Short > 0 && do.Short < len(b) {
		r.Data, r.Cut = b[:do.Short], true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !r.NoEffect {
		d.image.write(r.Data, off)
	}
	d.add(r)
	return do.Err
}

// Flush makes durable what has been written.
func (d *Device) Flush() syscall.Errno {
	do := d.ask(&Request{Kind: Flush})
	r := Record{Kind: Flush, Err: do.Err, NoEffect: do.Err != 0 || do.Ignore || d.o.IgnoreFlush}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(r)
	if !r.NoEffect && !d.o.KeepLog && !d.frozen {
		d.log.forget(d.log.Len())
	}
	return do.Err
}

// ask asks the hook, and carries out what of its decision comes before the effect.
func (d *Device) ask(r *Request) Decision {
	if d.o.Hook == nil {
		return Decision{}
	}
	do := d.decide(r)
	if do.Delay > 0 {
		time.Sleep(do.Delay)
	}
	if do.Strike != nil {
		do.Strike()
	}
	return do
}

func (d *Device) decide(r *Request) Decision {
	if d.Frozen() {
		return Decision{}
	}
	d.hookMu.Lock()
	defer d.hookMu.Unlock()
	d.counts[r.Kind]++
	r.Nth = d.counts[r.Kind]
	do := d.o.Hook(r)
	if witness.Heard() {
		struck(r, &do)
	}
	return do
}

// struck tells an observer what a fault does to a request.
func struck(r *Request, do *Decision) {
	var what []string
	if do.Err != 0 {
		what = append(what, fmt.Sprintf("fails: %v", do.Err))
	}
	if do.Short > 0 {
		what = append(what, fmt.Sprintf("takes %d bytes", do.Short))
	}
	if do.Ignore {
		what = append(what, "does nothing")
	}
	if do.Delay > 0 {
		what = append(what, fmt.Sprintf("takes %v longer", do.Delay))
	}
	if do.Strike != nil {
		what = append(what, "is struck")
	}
	if len(what) > 0 {
		witness.Saw("device", "%v %s", r.Kind, strings.Join(what, ", "))
	}
}

// add appends a record. The caller holds mu.
func (d *Device) add(r Record) {
	if d.frozen {
		return
	}
	d.seq++
	r.Seq, r.At = d.seq, d.o.Clock()
	d.log.records = append(d.log.records, r)
	d.logged += int64(len(r.Data))
}

// Mark puts a remark into the log, at this moment.
func (d *Device) Mark(note string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.add(Record{Kind: Mark, Note: note})
}

// Written is how many bytes have been written in all, and Records how many
// records there were.
func (d *Device) Written() (bytes int64, records uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logged, d.seq
}

// Frozen reports whether the power has been cut.
func (d *Device) Frozen() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.frozen
}

// PowerCut freezes the device and returns its log up to that instant, which
// nothing changes any more. What is written later is seen by reads, so that the
// file system on it can be unmounted in peace, and is gone with the device.
func (d *Device) PowerCut() *Log {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.frozen {
		witness.Saw("device", "power cut")
	}
	d.frozen = true
	return &d.log
}
