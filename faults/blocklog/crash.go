package blocklog

import (
	"fmt"
	"iter"
	"strings"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/seeding"
)

// Crash is a power cut at a position of a log, and what of the writes in play it leaves.
type Crash struct {
	At   int   // position in the log
	Keep []int // places of the writes that survive, ascending
	// Torn: of the last of Keep only the first so many bytes survive; 0: all of it.
	Torn int
}

// String names the position and what is kept by the numbers of the records.
func (l *Log) String(c Crash) string {
	var b strings.Builder
	seq := uint64(0)
	if c.At > 0 {
		seq = l.records[c.At-1].Seq
	}
	fmt.Fprintf(&b, "after %d of the block log, ", seq)
	play := len(l.InPlay(c.At))
	switch {
	case len(c.Keep) == 0:
		fmt.Fprintf(&b, "keep none of %d", play)
	case len(c.Keep) == play:
		fmt.Fprintf(&b, "keep all %d", play)
	default:
		fmt.Fprintf(&b, "keep ")
		for i, k := range c.Keep {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%d", l.records[k].Seq)
		}
		fmt.Fprintf(&b, " of %d", play)
	}
	if c.Torn > 0 {
		fmt.Fprintf(&b, ", %d bytes of the last", c.Torn)
	}
	return b.String()
}

// Image is what a crash leaves.
func (l *Log) Image(c Crash) *Image { return l.imageOn(l.Durable(c.At), c) }

// imageOn is Image on what is durable at the position, which it changes.
func (l *Log) imageOn(m *Image, c Crash) *Image {
	for n, i := range c.Keep {
		data := l.records[i].Data
		if c.Torn > 0 && n == len(c.Keep)-1 {
			data = data[:min(c.Torn, len(data))]
			if from := len(data) % PageSize; from != 0 {
				// Whole pages are shared with the record; a part of one is copied anyway.
				data = append([]byte(nil), data...)
			}
		}
		m.write(data, l.records[i].Off)
	}
	return m
}

// ExhaustiveLimit is the number of writes in play up to which [Log.Crashes] tries
// every subset.
const ExhaustiveLimit = 6

// Crashes are the crashes at a position: all subsets of the writes in play when
// they are few, else all prefixes, each write left out or alone, each pair alone,
// and random subsets drawn from seed; and each write with more than a sector torn,
// as the last of a prefix.
//
// Writes before the last but one flush are never in play at the position; the
// positions just before each flush, and the end, have every window at its widest.
func (l *Log) Crashes(at int, random int, seed uint64) iter.Seq[Crash] {
	play := l.InPlay(at)
	return func(yield func(Crash) bool) {
		give := func(keep []int, torn int) bool { return yield(Crash{At: at, Keep: keep, Torn: torn}) }
		if len(play) <= ExhaustiveLimit {
			for set := range 1 << len(play) {
				if !give(pick(play, func(i int) bool { return set&(1<<i) != 0 }), 0) {
					return
				}
			}
		} else if !l.sampled(play, random, seed, give) {
			return
		}
		for n, i := range play {
			size := len(l.records[i].Data)
			for _, torn := range tears(size) {
				if !give(play[:n+1:n+1], torn) {
					return
				}
			}
		}
	}
}

// tears are the lengths to which a write of so many bytes is torn: at the first
// sector, in the middle, before the last sector, and around its first page.
func tears(size int) []int {
	if size <= SectorSize {
		return nil
	}
	at := []int{SectorSize}
	for _, k := range []int{size / 2 / SectorSize * SectorSize, PageSize, size - SectorSize} {
		if k > at[len(at)-1] && k < size {
			at = append(at, k)
		}
	}
	return at
}

func pick(play []int, in func(i int) bool) []int {
	var keep []int
	for i, place := range play {
		if in(i) {
			keep = append(keep, place)
		}
	}
	return keep
}

// sampled are subsets of many writes.
func (l *Log) sampled(play []int, random int, seed uint64, give func([]int, int) bool) bool {
	n := len(play)
	for k := range n + 1 {
		if !give(play[:k:k], 0) {
			return false
		}
	}
	for k := range n {
		if !give(pick(play, func(i int) bool { return i != k }), 0) || !give(play[k:k+1:k+1], 0) {
			return false
		}
	}
	for range random {
		seed = seeding.Hash(seed)
		set := seed
		// Near a prefix, which is what disks leave most often, or anything.
		cut := int(seeding.Hash(set) % uint64(n+1))
		near := set&1 == 0
		keep := pick(play, func(i int) bool {
			set = seeding.Hash(set)
			if near {
				return i < cut && set%4 != 0
			}
			return set%2 == 0
		})
		if !give(keep, 0) {
			return false
		}
	}
	return true
}

// CrashOf is the crash that a choice of a fault plan makes at a position. IDs are
// numbers of records.
func (l *Log) CrashOf(at int, c disk.Choice) Crash {
	play := l.InPlay(at)
	crash := Crash{At: at}
	switch c.Mode {
	case disk.KeepNone:
	case disk.KeepAll:
		crash.Keep = play
	case disk.KeepPrefix:
		crash.Keep = play[:min(int(c.K), len(play))]
	case disk.KeepTorn:
		crash.Keep = play
		if len(play) > 0 {
			if crash.Torn = int(c.K) / SectorSize * SectorSize; crash.Torn == 0 {
				crash.Keep = play[:len(play)-1]
			}
		}
	case disk.KeepBut, disk.KeepOnly:
		crash.Keep = pick(play, func(i int) bool {
			seq, named := l.records[play[i]].Seq, false
			for _, id := range c.IDs {
				named = named || seq >= id.Call && seq <= max(id.Call, id.To)
			}
			return named == (c.Mode == disk.KeepOnly)
		})
	case disk.KeepRandom:
		crash.Keep, crash.Torn = l.draw(play, c.Seed)
	}
	return crash
}

// draw is a random crash: in three ways, for one alone would hardly ever visit
// some kinds of images.
func (l *Log) draw(play []int, seed uint64) (keep []int, torn int) {
	if len(play) == 0 {
		return nil, 0
	}
	set := seeding.Hash(seed)
	style, cut := set%3, int(seeding.Hash(set)%uint64(len(play)+1))
	keep = pick(play, func(i int) bool {
		set = seeding.Hash(set)
		switch style {
		case 0:
			return i < cut
		case 1:
			return i < cut && (i+8 < cut || set%4 != 0)
		}
		return set%2 == 0
	})
	if len(keep) > 0 && style == 0 {
		// Pages stay whole: not every file system survives a torn page of its own
		// (btrfs' superblock), and that says nothing about the server.
		if pages := len(l.records[keep[len(keep)-1]].Data) / PageSize; pages > 1 {
			torn = int(seeding.Hash(set)%uint64(pages)) * PageSize
		}
	}
	return keep, torn
}
