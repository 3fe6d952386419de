package disk

import (
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fingerprint is what a disk shows and what cuts would leave of it.
func fingerprint(d, scratch *Disk) [7]uint64 {
	f := [7]uint64{d.Hash(), d.Signature(Choice{}), d.Signature(Choice{Mode: KeepAll})}
	for i := range uint64(4) {
		c := Choice{Mode: KeepRandom, Seed: i}
		if i == 0 {
			c = Choice{}
		}
		d.Image(scratch, c)
		f[3+i] = scratch.Hash()
	}
	return f
}

// drawSync carries a sync out piece by piece, as one in flight is seen, and
// calls look after each piece.
func drawSync(t *rapid.T, d *Disk, now time.Duration, look func()) {
	ino, errno := d.Find(rapid.SampledFrom([]string{"a", "b", "d/a", "."}).Draw(t, "file"))
	if errno != 0 {
		return
	}
	c := &Call{Kind: OpFsync, Ino: ino, Enter: now}
	if ino == Root {
		c.Kind = OpDirSync
	}
	d.Begin(c)
	id := d.BeginSync(c)
	look()
	if rapid.Bool().Draw(t, "progress") {
		d.SyncProgress(id, 0.5)
		look()
	}
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		d.AbandonSync(id)
		return
	case 1:
		c.Err = d.EndSync(id, syscall.EIO, nil)
	default:
		c.Err = d.EndSync(id, 0, nil)
	}
	look()
	c.Return = now
	d.End(c)
}

// TestTapePlaysTheSameDisk: whatever is done to a disk, at each step of the tape
// the disk that it is played to shows the same, and may leave the same.
func TestTapePlaysTheSameDisk(t *testing.T) {
	scratch := &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		tape := &Tape{}
		d := New(Options{Personality: drawPersonality(t), KeepLog: true, Tape: tape})
		type look struct {
			at   int
			seen [7]uint64
		}
		var looks []look
		see := func() { looks = append(looks, look{tape.Len(), fingerprint(d, scratch)}) }
		now := time.Duration(0)
		for _, s := range drawProgram(t, 20) {
			tryStep(d, s)
			see()
			switch rapid.IntRange(0, 9).Draw(t, "also") {
			case 0:
				now += time.Duration(rapid.IntRange(1, 40).Draw(t, "s")) * time.Second
				d.Tick(now)
			case 1:
				drawSync(t, d, now, see)
			case 2:
				if ino, errno := d.Find("a"); errno == 0 {
					d.Retain(ino)
				}
			case 3:
				d.SetFree(int64(rapid.IntRange(0, 9000).Draw(t, "free")))
			}
			see()
		}
		p := tape.Play()
		steps := 0
		for _, l := range looks {
			for ; steps < l.at; steps++ {
				if _, ok := p.Next(); !ok {
					t.Fatalf("the tape ends after %d steps of %d", steps, tape.Len())
				}
			}
			if got := fingerprint(p.Disk(), scratch); got != l.seen {
				t.Fatalf("after step %d the played disk shows\n%v, the taped one showed\n%v\n%s\n%s", steps, got, l.seen, tree(p.Disk()), tree(d))
			}
		}
		if p.Disk().o.Tape != nil || d.Clone().tape != nil {
			t.Fatal("a disk that is played to, or a clone, writes on the tape")
		}
		log, again := d.Log(), p.Disk().Log()
		if len(log) != len(again) {
			t.Fatalf("%d records in the log, %d when it is played", len(log), len(again))
		}
		for i := range log {
			a, b := log[i], again[i]
			a.tape, b.tape, a.Flags, b.Flags = 0, 0, 0, 0 // an append went where it went
			if a != b {
				t.Fatalf("record %d: %+v, played %+v", i, a, b)
			}
		}
	})
}
