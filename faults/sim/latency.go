package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// Dist is a distribution of durations, given by its quantiles and linear
// between them. Integer arithmetic only, so that a draw is the same on every
// platform (math.Exp is not).
type Dist struct {
	Min, P50, P90, P99, P999, Max time.Duration
}

// quantiles are the shares at which a Dist's points lie, of 2^32.
var quantiles = [...]uint64{0, 1 << 31, 3865470566, 4252017623, 4290672328, 1 << 32}

// draw maps a uniform number in [0, 2^32) to a duration.
func (d *Dist) draw(u uint32) time.Duration {
	points := [...]time.Duration{d.Min, d.P50, d.P90, d.P99, d.P999, d.Max}
	i := 0
	for uint64(u) >= quantiles[i+1] {
		i++
	}
	span := uint64(points[i+1] - points[i])
	return points[i] + time.Duration(span*(uint64(u)-quantiles[i])/(quantiles[i+1]-quantiles[i]))
}

// Profile is how long things take. The figures are models: orders of magnitude
// and shapes of tails that make "fsync in flight" as wide as on such a machine,
// not measurements of one.
type Profile struct {
	Name string

	// Syscall is the CPU time of one call on a socket or a file. A process's tasks
	// share one CPU for it, as Redis's threads nearly do. Reads and accepts do not
	// wait for their share, what the process does next does.
	Syscall time.Duration

	Write        Dist          // write(2) into the page cache
	Read         Dist          // read(2) from the page cache
	PerPageCache time.Duration // per 4 KiB page copied by either
	Names        Dist          // create, open, rename, unlink, mkdir and the like
	Sync         Dist          // fsync, fdatasync and sync of a directory, without the data
	PerPageSync  time.Duration // per dirty 4 KiB page; the device does one at a time
	// WriteBehindSync is the share, of 1024, of writes that wait for a sync of the
	// same file in flight (the kernel holds the inode or the page). It is what
	// redis 7.0.15 aof.c flushAppendOnlyFile postpones its everysec writes for.
	WriteBehindSync uint32

	OneWay   Dist // a message from one node to another
	Loopback Dist // a message from a node to itself

	// Stalls makes the device stop answering syncs now and then; the zero value never.
	Stalls Stalls
}

// Stalls are stretches in which a device completes no sync.
type Stalls struct {
	Every Dist // from the end of one to the begin of the next
	Last  Dist // how long one lasts
}

const us, ms = time.Microsecond, time.Millisecond

var profiles = []*Profile{
	{
		Name:         "nvme", // local NVMe with power-loss protection
		Syscall:      1 * us,
		Write:        Dist{1 * us, 3 * us, 6 * us, 20 * us, 200 * us, 2 * ms},
		Read:         Dist{500, 1 * us, 3 * us, 10 * us, 100 * us, 1 * ms},
		PerPageCache: 400,
		Names:        Dist{4 * us, 10 * us, 20 * us, 80 * us, 500 * us, 5 * ms},
		Sync:         Dist{40 * us, 90 * us, 160 * us, 700 * us, 5 * ms, 30 * ms},
		PerPageSync:  2 * us,

		WriteBehindSync: 256,
		OneWay:          Dist{15 * us, 30 * us, 60 * us, 200 * us, 2 * ms, 20 * ms},
		Loopback:        Dist{5 * us, 8 * us, 15 * us, 40 * us, 200 * us, 1 * ms},
	},
	{
		Name:         "cloud-ssd", // network-attached volume, nodes in one zone
		Syscall:      1 * us,
		Write:        Dist{1 * us, 4 * us, 8 * us, 40 * us, 1 * ms, 10 * ms},
		Read:         Dist{500, 1 * us, 3 * us, 10 * us, 500 * us, 5 * ms},
		PerPageCache: 500,
		Names:        Dist{5 * us, 12 * us, 30 * us, 200 * us, 2 * ms, 20 * ms},
		Sync:         Dist{500 * us, 1200 * us, 2500 * us, 10 * ms, 60 * ms, 400 * ms},
		PerPageSync:  16 * us, // 250 MB/s

		WriteBehindSync: 512,
		OneWay:          Dist{60 * us, 120 * us, 250 * us, 1 * ms, 8 * ms, 60 * ms},
		Loopback:        Dist{5 * us, 8 * us, 15 * us, 40 * us, 200 * us, 1 * ms},
	},
	{
		Name:         "hdd", // one spindle, write cache off
		Syscall:      1 * us,
		Write:        Dist{1 * us, 4 * us, 8 * us, 60 * us, 5 * ms, 50 * ms},
		Read:         Dist{500, 1 * us, 3 * us, 10 * us, 2 * ms, 20 * ms},
		PerPageCache: 500,
		Names:        Dist{5 * us, 12 * us, 40 * us, 500 * us, 8 * ms, 80 * ms},
		Sync:         Dist{5 * ms, 14 * ms, 28 * ms, 70 * ms, 300 * ms, 1500 * ms},
		PerPageSync:  30 * us, // 130 MB/s

		WriteBehindSync: 768,
		OneWay:          Dist{60 * us, 120 * us, 250 * us, 1 * ms, 8 * ms, 60 * ms},
		Loopback:        Dist{5 * us, 8 * us, 15 * us, 40 * us, 200 * us, 1 * ms},
	},
}

// stalls of some seconds every few seconds: enough for an everysec server to
// postpone writes past its two-second limit within a short experiment.
var stalls = Stalls{
	Every: Dist{200 * ms, 3 * time.Second, 8 * time.Second, 15 * time.Second, 20 * time.Second, 30 * time.Second},
	Last:  Dist{300 * ms, 2 * time.Second, 4 * time.Second, 6 * time.Second, 8 * time.Second, 10 * time.Second},
}

// stallSuffix makes the stall variant of a profile: "hdd-stall".
const stallSuffix = "-stall"

// ProfileNames lists what ProfileByName knows.
func ProfileNames() []string {
	var names []string
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	for _, p := range profiles {
		names = append(names, p.Name+stallSuffix)
	}
	return append(names, "stall")
}

// ProfileByName finds a profile: nvme, cloud-ssd, hdd, each also with "-stall"
// appended; "stall" alone is cloud-ssd-stall. The profile may be changed.
func ProfileByName(name string) (*Profile, error) {
	if name == "stall" {
		name = "cloud-ssd" + stallSuffix
	}
	base, stalling := strings.CutSuffix(name, stallSuffix)
	i := slices.IndexFunc(profiles, func(p *Profile) bool { return p.Name == base })
	if i < 0 {
		return nil, fmt.Errorf("unknown latency profile %q: expected one of %s", name, strings.Join(ProfileNames(), ", "))
	}
	p := *profiles[i]
	if stalling {
		p.Name = name
		p.Stalls = stalls
	}
	return &p, nil
}

// SyncTime is how long a sync of so many dirty pages takes by this profile, for
// one uniform draw: what the fault disk under a real server waits for, where
// nothing really syncs.
func (p *Profile) SyncTime(draw uint32, pages int64) time.Duration {
	return p.Sync.draw(draw) + time.Duration(pages)*p.PerPageSync
}

// draw takes a duration from a distribution with the world's generator.
func (w *World) draw(d *Dist) time.Duration {
	return d.draw(uint32(w.rng.uint64() >> 32))
}

// pages is how many 4 KiB pages n bytes touch at least.
func pages(n int64) int64 { return (n + 4095) / 4096 }

// device is what a node's disk is busy with. It outlives processes, not power cuts.
type device struct {
	free      time.Duration // the transfers accepted so far end here
	stallFrom time.Duration // the current or next stall
	stallTo   time.Duration
}

// afterStall is the first moment at or after t at which the device completes a
// sync. Stalls are drawn as time reaches them.
func (w *World) afterStall(dev *device, t time.Duration) time.Duration {
	s := &w.profile.Stalls
	if s.Last.Max == 0 {
		return t
	}
	for dev.stallTo <= t {
		dev.stallFrom = dev.stallTo + w.draw(&s.Every)
		dev.stallTo = dev.stallFrom + w.draw(&s.Last)
	}
	if t < dev.stallFrom {
		return t
	}
	return dev.stallTo
}

// latency is how long a disk call that begins at start takes when no fault has
// a say, without its CPU time.
func (w *World) latency(n *Node, c *disk.Call, start time.Duration) time.Duration {
	p := w.profile
	switch c.Kind {
	case disk.OpRead:
		return w.draw(&p.Read) + time.Duration(pages(c.Len))*p.PerPageCache
	case disk.OpWrite:
		d := w.draw(&p.Write) + time.Duration(pages(c.Len))*p.PerPageCache
		if syncs(c) {
			d += w.syncLatency(n, c, pages(c.Len), start+d)
		}
		return d
	case disk.OpFsync, disk.OpFdatasync, disk.OpSyncRange, disk.OpDirSync, disk.OpSyncFS:
		return w.syncLatency(n, c, 0, start)
	case disk.OpStat, disk.OpList:
		return w.draw(&p.Read)
	default:
		return w.draw(&p.Names)
	}
}

// syncs reports whether a call makes data durable before it returns: a sync, or
// a write to a file opened with O_SYNC or O_DSYNC.
func syncs(c *disk.Call) bool {
	return c.Kind.IsSync() || c.Kind == disk.OpWrite && c.Flags&(disk.CallSync|disk.CallDataSync) != 0
}

// syncLatency is how long a sync takes that begins at start, with so many dirty
// pages besides those that were written before. The data of concurrent syncs
// goes through the device in turn; the rest of their time overlaps.
func (w *World) syncLatency(n *Node, c *disk.Call, more int64, start time.Duration) time.Duration {
	p := w.profile
	dirty := more + pages(n.takeDirty(c))
	n.device.free = max(n.device.free, start) + time.Duration(dirty)*p.PerPageSync
	end := n.device.free + w.draw(&p.Sync)
	return w.afterStall(&n.device, end) - start
}
