package fusefs

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/witness"
	"golang.org/x/sys/unix"
)

// This file is what observers (faults/witness) are told of a volume. Its callers hold
// the volume's lock.

// String names the volume as an observer does.
func (v *Volume) String() string { return strings.TrimSpace("volume " + v.name) }

// changed tells that what the disk holds is not what it was.
func (v *Volume) changed(was uint64) {
	if v.disk.Hash() != was {
		witness.Saw(v.String(), "files changed at rest")
	}
}

// struck tells what a fault does to a call.
func (v *Volume) struck(c *disk.Call, d *disk.Decision) {
	var what []string
	if d.Err != 0 {
		what = append(what, "fails with "+unix.ErrnoName(d.Err))
	}
	if d.Short > 0 {
		what = append(what, fmt.Sprintf("takes %d bytes", d.Short))
	}
	if d.Delay > 0 {
		what = append(what, fmt.Sprintf("takes %v longer", d.Delay))
	}
	if d.Stall {
		what = append(what, "stalls")
	}
	if d.Strike != nil {
		where := map[disk.Place]string{disk.PlaceEnter: "as it enters", disk.PlaceInFlight: fmt.Sprintf("at %v of it", d.Fraction), disk.PlaceReturn: "as it returns"}
		what = append(what, "is struck "+where[d.Place])
	}
	if len(what) > 0 {
		witness.Saw(v.String(), "%v of %s %s", c.Kind, c.Path, strings.Join(what, ", "))
	}
}

// refused tells that a call ends with an error that a sound disk does not give.
func (v *Volume) refused(c *disk.Call, errno syscall.Errno) {
	switch errno {
	case unix.EIO, unix.ENOSPC, unix.EDQUOT, unix.EROFS:
		witness.Saw(v.String(), "%v of %s: %s", c.Kind, c.Path, unix.ErrnoName(errno))
	}
}
