package disk

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestImagesOnlyGrowAndShrink: a change adds images to those that were possible
// before it and takes none away; a sync, whole or in part, and the kernel's
// write-back take some away and add none.
func TestImagesOnlyGrowAndShrink(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Personality: drawPersonality(t)})
		type flight struct {
			id   SyncID
			call *Call
		}
		var flights []flight
		now := time.Duration(0)
		before := imageSet(d)
		for _, step := range drawProgram(t, 12) {
			if len(d.play().parts) > 10 {
				step = "sync"
			}
			f := strings.Fields(step)
			shrinks := strings.Contains(step, "sync") || f[0] == "range"
			switch rapid.IntRange(0, 5).Draw(t, "instead") {
			case 0: // a sync enters
				if ino, e := d.Find(f[1%len(f)]); e == 0 {
					c := &Call{Kind: OpFsync, Ino: ino, Enter: now}
					if d.inodes[ino].dir {
						c.Kind = OpDirSync
					}
					d.Begin(c)
					flights = append(flights, flight{d.BeginSync(c), c})
					shrinks = true
				}
			case 1: // one goes on
				if len(flights) > 0 {
					d.SyncProgress(flights[0].id, 0.5)
					shrinks = true
				}
			case 2: // one returns
				if len(flights) > 0 {
					d.EndSync(flights[0].id, 0, nil)
					d.End(flights[0].call)
					flights = flights[1:]
					shrinks = true
				}
			case 3: // time passes
				now += 7 * time.Second
				d.Tick(now)
				shrinks = true
			default:
				tryStep(d, step)
			}
			after := imageSet(d)
			small, big := before, after
			if shrinks {
				small, big = after, before
			}
			for h, text := range small { // any order: each is checked alone
				if _, ok := big[h]; !ok {
					t.Fatalf("%s on %s: %q is possible %s", step, d.p.Name, text, map[bool]string{true: "only after it", false: "no longer"}[shrinks])
				}
			}
			before = after
		}
	})
}

// imageSet is every image that is possible now, by hash.
func imageSet(d *Disk) map[uint64]string {
	image := &Disk{}
	out := map[uint64]string{}
	seq, _ := d.All()
	for c := range seq {
		d.Image(image, c)
		h := image.Hash()
		if _, ok := out[h]; !ok {
			out[h] = tree(image)
		}
	}
	return out
}

// TestFailedSyncsNeverBreakTheDisk: with syncs that fail at random, and every
// failure mode, what calls see stays consistent with what cuts leave.
func TestFailedSyncsNeverBreakTheDisk(t *testing.T) {
	image, again := &Disk{}, &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		mode := FailureModes[rapid.IntRange(0, len(FailureModes)-1).Draw(t, "mode")]
		d := New(Options{Personality: drawPersonality(t), Failure: &mode})
		for _, step := range drawProgram(t, 40) {
			f := strings.Fields(step)
			if !strings.HasSuffix(f[0], "sync") || len(f) < 2 || rapid.Bool().Draw(t, "works") {
				tryStep(d, step)
				continue
			}
			ino, e := d.Find(f[1])
			if e != 0 {
				continue
			}
			c := &Call{Kind: OpFsync, Ino: ino}
			if d.inodes[ino].dir {
				c.Kind = OpDirSync
			}
			d.Begin(c)
			d.EndSync(d.BeginSync(c), syscall.EIO, nil)
			d.End(c)
		}
		live := tree(d)
		for seed := range uint64(10) {
			cut := d.Image(image, Choice{Mode: KeepRandom, Seed: seed})
			d.Image(again, cut.Choice)
			if image.Hash() != again.Hash() {
				t.Fatalf("%s leaves %s or %s", cut.Choice, tree(image), tree(again))
			}
		}
		if tree(d) != live {
			t.Fatal("looking at images changed the disk")
		}
		// Writing every file anew and syncing everything makes the disk whole again.
		for ino, n := range d.inodes {
			if n == nil || n.dir || n.links == 0 {
				continue
			}
			c := &Call{Kind: OpTruncate, Ino: Ino(ino)}
			d.Begin(c)
			d.Truncate(c)
			c = &Call{Kind: OpWrite, Ino: Ino(ino)}
			d.Begin(c)
			d.Write(c, []byte("whole"))
		}
		tryStep(d, "sync")
		d.Image(image, Choice{})
		if image.Hash() != d.Hash() {
			t.Fatalf("calls see %s, the disk has %s", tree(d), tree(image))
		}
	})
}
