package disk

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// drawChoice is a choice of any kind, with IDs that may name something in play.
func drawChoice(t *rapid.T, d *Disk) Choice {
	c := Choice{Mode: ChoiceMode(rapid.IntRange(int(KeepNone), int(KeepRandom)).Draw(t, "mode")), Stale: rapid.Bool().Draw(t, "stale")}
	switch c.Mode {
	case KeepPrefix, KeepTorn:
		c.K = rapid.Int64Range(0, 6000).Draw(t, "k") >> (rapid.IntRange(0, 1).Draw(t, "small") * 9)
	case KeepRandom:
		c.Seed = rapid.Uint64().Draw(t, "seed")
	case KeepBut, KeepOnly:
		parts := d.Parts(nil)
		for range rapid.IntRange(0, 3).Draw(t, "ids") {
			id := PartID{Call: rapid.Uint64Range(0, d.nextID+1).Draw(t, "call"), Part: int32(rapid.IntRange(-1, 3).Draw(t, "part"))}
			switch {
			case len(parts) > 0 && rapid.Bool().Draw(t, "in play"):
				id = rapid.SampledFrom(parts).Draw(t, "id").ID
			case rapid.Bool().Draw(t, "range"):
				id.To, id.Part = id.Call+rapid.Uint64Range(1, 5).Draw(t, "more"), -1
			}
			c.IDs = append(c.IDs, id)
		}
	}
	return c
}

// all is what that calls and further cuts can learn of a disk.
func all(t testing.TB, d *Disk) string {
	frozen := d.frozen
	d.frozen = false // or nothing could be read
	defer func() { d.frozen = frozen }()
	text := fmt.Sprintf("%x %s next %d seq %d free %d used %d frozen %v readonly %v", d.Hash(), render(t, d), d.nextID, d.seq, d.free, d.Used(), frozen, d.readOnly)
	for ino := range d.inodes {
		if a, e := d.Attr(Ino(ino)); e == 0 {
			n := d.inodes[ino]
			text += fmt.Sprintf("\n%+v %q parent %d alias %v base %d,%d allocated %d opens %d names %d dirty %d err %v", a, d.PathOf(Ino(ino)), n.parent,
				n.alias, n.baseSize, n.baseEnd, n.allocated, n.opens, n.names, n.dirty, d.ErrSeq(Ino(ino)))
		}
	}
	return text
}

// TestImagerMakesTheSameImages: whatever was chosen before, and whatever has
// been done with the images before, an Imager makes the image that Image makes,
// and says the signature that Signature says.
func TestImagerMakesTheSameImages(t *testing.T) {
	im, fresh := &Imager{}, &Disk{}
	d := New(Options{})
	patched := 0
	rapid.Check(t, func(rt *rapid.T) {
		o := Options{Personality: drawPersonality(rt)}
		if rapid.IntRange(0, 9).Draw(rt, "plant") == 0 {
			o.Plant = PlantLoseNothing
		}
		d.Reset(o)
		if rapid.IntRange(0, 4).Draw(rt, "limited") == 0 {
			d.SetFree(20_000)
		}
		steps := drawProgram(rt, 30)
		at := 0
		for range rapid.IntRange(1, 3).Draw(rt, "moments") {
			next := min(len(steps), at+rapid.IntRange(1, 30).Draw(rt, "steps until the moment"))
			runAll(d, steps[at:next])
			at = next
			if rapid.IntRange(0, 5).Draw(rt, "fail") == 0 {
				failSyncOf(d, "a")
			}
			im.Begin(d)
			for range rapid.IntRange(1, 12).Draw(rt, "choices") {
				c := drawChoice(rt, d)
				if got, want := im.Choose(c), d.Signature(c); got != want {
					rt.Fatalf("%s: signature %x, want %x", c, got, want)
				}
				cut := d.Image(fresh, c)
				if got, want := im.Normal().String(), cut.Choice.String(); got != want {
					rt.Fatalf("%s: the normal form is %s, want %s", c, got, want)
				}
				made := 0
				for i := range im.painter.canvases {
					if im.painter.canvases[i].made {
						made++
					}
				}
				image := im.Image()
				for i := range im.painter.canvases {
					if im.painter.canvases[i].made {
						made--
					}
				}
				if made == 0 {
					patched++
				}
				if got, want := all(t, image), all(t, fresh); got != want {
					rt.Fatalf("%s: painted\n%s\nwant\n%s", c, got, want)
				}
				use(rt, image, fresh)
				if got, want := all(t, image), all(t, fresh); got != want {
					rt.Fatalf("%s: after use painted\n%s\nwant\n%s", c, got, want)
				}
			}
		}
	})
	if patched < 100 {
		t.Fatalf("only %d images were painted over others", patched)
	}
}

// use does the same with two disks, as a recovery would, or nothing.
func use(t *rapid.T, disks ...*Disk) {
	kind := rapid.IntRange(0, 6).Draw(t, "use")
	var steps []string
	if kind <= 2 {
		steps = drawProgram(t, 6)
	}
	seed := rapid.Uint64().Draw(t, "use seed")
	for _, d := range disks {
		runAll(d, steps)
		switch kind {
		case 2:
			d.Image(&Disk{}, Choice{Mode: KeepRandom, Seed: seed})
		case 3:
			d.CorruptAt("a", int64(seed%100), 0xff)
			d.TruncateAtRest("d/a", int64(seed%100))
			d.SetReadOnly(true)
		case 4:
			if ino, e := d.Find("a"); e == 0 {
				d.Retain(ino)
				d.SetMode(ino, 0o600)
				d.SetTime(ino, 7)
			}
			d.SetFree(10)
		case 5:
			failSyncOf(d, "a")
			d.Freeze()
		}
	}
}

// failSyncOf makes an fsync of a file fail, if it is there.
func failSyncOf(d *Disk, name string) {
	if ino, e := d.Find(name); e == 0 {
		c := Call{Kind: OpFsync, Ino: ino}
		d.Begin(&c)
		id := d.BeginSync(&c)
		c.Err = d.EndSync(id, 5, nil)
		d.End(&c)
	}
}
