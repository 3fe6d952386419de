package disk

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/torntail/torntail/faults/vfs/script"
)

// drawProgram is a random program of steps as in promised/images.txt. Steps that
// fail (a file that is not there) are part of it and change nothing.
func drawProgram(t *rapid.T, most int) []string {
	names := []string{"a", "b", "d/a", "d/b", "e/a"}
	name := func() string { return rapid.SampledFrom(names).Draw(t, "name") }
	size := func() int {
		return rapid.SampledFrom([]int{1, 3, 100, 4000, 4096, 5000}).Draw(t, "size")
	}
	fill := func() string { return string(rune(rapid.IntRange('A', 'Z').Draw(t, "fill"))) }
	steps := make([]string, 0, most)
	if rapid.Bool().Draw(t, "files") {
		steps = append(steps, "mkdir d", "create a", "write a Z*100", "create d/a", "write d/a Y*5000", "sync")
	}
	for range rapid.IntRange(1, most).Draw(t, "steps") {
		var s string
		switch rapid.IntRange(0, 17).Draw(t, "step") {
		case 0, 1:
			s = "create " + name()
			if len(steps) == 0 {
				s = "create a"
			}
		case 2, 3, 4, 5:
			s = fmt.Sprintf("write %s %s*%d", name(), fill(), size())
		case 6:
			s = fmt.Sprintf("pwrite %s %d %s*%d", name(), rapid.IntRange(0, 9000).Draw(t, "at"), fill(), size())
		case 7:
			s = fmt.Sprintf("trunc %s %d", name(), rapid.IntRange(0, 9000).Draw(t, "to"))
		case 8:
			s = fmt.Sprintf("alloc %s 0 %d", name(), rapid.IntRange(1, 9000).Draw(t, "to"))
		case 9:
			s = "fsync " + name()
		case 10:
			s = "fdatasync " + name()
		case 11:
			s = "range " + name()
		case 12:
			s = "dirsync " + rapid.SampledFrom([]string{".", "d", "e"}).Draw(t, "dir")
		case 13:
			s = "rename " + name() + " " + name()
		case 14:
			s = "link " + name() + " " + name()
		case 15:
			s = "unlink " + name()
		case 16:
			s = "mkdir " + rapid.SampledFrom([]string{"d", "e", "d/e"}).Draw(t, "dir")
		case 17:
			s = rapid.SampledFrom([]string{"rename d e", "rename e d", "rmdir d", "rmdir e", "sync"}).Draw(t, "other")
		}
		steps = append(steps, s)
	}
	return steps
}

func drawPersonality(t *rapid.T) *Personality {
	return Personalities[rapid.IntRange(0, len(Personalities)-1).Draw(t, "personality")]
}

// runAll runs the steps and tells which of them succeeded.
func runAll(d *Disk, steps []string) []string {
	var done []string
	for _, s := range steps {
		if tryStep(d, s) == nil {
			done = append(done, s)
		}
	}
	return done
}

// TestEveryImageCanBeMadeAgain: the choice that a cut reports makes the same
// image, also after being printed and parsed, and takes nothing else.
func TestEveryImageCanBeMadeAgain(t *testing.T) {
	first, second := &Disk{}, &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Personality: drawPersonality(t)})
		runAll(d, drawProgram(t, 25))
		for seed := range uint64(20) {
			asked := Choice{Mode: KeepRandom, Seed: seed}
			if seed == 0 {
				asked = Choice{Mode: KeepTorn, K: rapid.Int64Range(0, 6000).Draw(t, "torn")}
			}
			cut := d.Image(first, asked)
			again, err := ParseChoice(cut.Choice.String())
			if err != nil {
				t.Fatal(err)
			}
			cut2 := d.Image(second, again)
			if first.Hash() != second.Hash() {
				t.Fatalf("%s became %s, which makes another image:\n%s\n%s", asked, cut.Choice, tree(first), tree(second))
			}
			if cut.LostBytes != cut2.LostBytes || cut.LostOps != cut2.LostOps || cut.Ops != cut2.Ops || cut.Bytes != cut2.Bytes {
				t.Fatalf("%s: %+v and %+v", asked, cut, cut2)
			}
		}
	})
}

// TestPrefixIsInEveryPersonality: what an ideal disk may leave, every other may.
func TestPrefixIsInEveryPersonality(t *testing.T) {
	ideal, other := &Disk{}, &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		steps := drawProgram(t, 25)
		pers := drawPersonality(t)
		a := New(Options{Personality: Personalities[len(Personalities)-1]})
		b := New(Options{Personality: pers})
		runAll(a, steps)
		runAll(b, steps)
		calls := a.play().calls()
		for k := range len(calls) + 1 {
			a.Image(ideal, Choice{Mode: KeepPrefix, K: int64(k)})
			end := a.nextID
			if k < len(calls) {
				end = calls[k] - 1
			}
			b.Image(other, Choice{Mode: KeepOnly, IDs: []PartID{{Call: 0, To: end, Part: -1}}})
			if ideal.Hash() != other.Hash() {
				t.Fatalf("calls up to %d: %s leaves %s, an ideal disk %s", end, pers.Name, tree(other), tree(ideal))
			}
		}
	})
}

// TestAllIsEverySetThatStands: the enumeration finds the images that trying
// every subset of micro-operations finds, and random cuts leave no others.
func TestAllIsEverySetThatStands(t *testing.T) {
	image := &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Personality: drawPersonality(t)})
		runAll(d, drawProgram(t, 9))
		parts := d.play().parts
		if len(parts) > 12 {
			t.Skip()
		}
		want := map[uint64]string{}
		for set := range 1 << len(parts) {
			c := Choice{Mode: KeepOnly}
			for i, id := range parts {
				if set>>i&1 != 0 {
					c.IDs = append(c.IDs, id)
				}
			}
			for _, c.Stale = range []bool{false, true} {
				cut := d.Image(image, c)
				if kept(d, cut.Choice) == len(c.IDs) { // nothing had to be added
					want[image.Hash()] = cut.Choice.String()
				}
			}
		}
		got := map[uint64]string{}
		seq, _ := d.All()
		for c := range seq {
			d.Image(image, c)
			got[image.Hash()] = c.String()
		}
		for h, c := range want {
			if _, ok := got[h]; !ok {
				t.Fatalf("%s is missing", c)
			}
		}
		for h, c := range got {
			if _, ok := want[h]; !ok {
				t.Fatalf("%s is not a set that stands", c)
			}
		}
		for seed := range uint64(50) {
			cut := d.Image(image, Choice{Mode: KeepRandom, Seed: seed})
			if _, ok := got[image.Hash()]; !ok && cut.Choice.Mode != KeepTorn {
				t.Fatalf("%s left %s", cut.Choice, tree(image))
			}
		}
	})
}

// kept counts the micro-operations that a choice keeps.
func kept(d *Disk, c Choice) int {
	n := 0
	for _, k := range d.survivors(d.relate(), c).keep {
		if k {
			n++
		}
	}
	return n
}

// TestSyncedDataIsInEveryImage: a file that was synced and afterwards at most
// appended to keeps what it held, in whatever image it is in; and where a
// file's sync persists its name, it is in every image.
func TestSyncedDataIsInEveryImage(t *testing.T) {
	image := &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		pers := drawPersonality(t)
		d := New(Options{Personality: pers})
		synced := map[Ino]string{}     // contents
		named := map[string]Ino{}      // names that must be there
		moved := map[string]bool{}     // directories that were renamed: a file's sync does not persist that
		changed := func(name string) { // a name that no promise holds for any more
			for n := range named { // any order: the result is a set
				if n == name || strings.HasPrefix(n, name+"/") || name == "" {
					delete(named, n)
				}
			}
		}
		for _, step := range drawProgram(t, 40) {
			f := strings.Fields(step)
			if tryStep(d, step) != nil {
				continue
			}
			switch f[0] {
			case "pwrite", "trunc":
				ino, _ := d.Find(f[1])
				delete(synced, ino)
			case "fsync", "fdatasync":
				ino, _ := d.Find(f[1])
				n := d.inodes[ino]
				p := make([]byte, n.vol.size)
				n.vol.read(p, 0, n.vol.size)
				synced[ino] = string(p)
				if dir, _, ok := strings.Cut(f[1], "/"); f[0] == "fsync" && pers.Has(SyncNames) && !(ok && moved[dir]) {
					named[f[1]] = ino
				}
			case "dirsync":
				ino, _ := d.Find(f[1])
				if ino == Root {
					for _, e := range d.inodes[ino].ents {
						named[e.Name] = e.Ino
					}
				}
			case "rename":
				changed(f[1])
				changed(f[2])
				moved[f[2]] = true
			case "unlink", "rmdir":
				changed(f[1])
			}
		}
		for seed := range uint64(30) {
			cut := d.Image(image, Choice{Mode: KeepRandom, Seed: seed})
			for ino, want := range synced { // any order: each is checked alone
				if int(ino) >= len(image.inodes) || image.inodes[ino] == nil {
					continue
				}
				n := image.inodes[ino]
				p := make([]byte, len(want))
				got := n.vol.read(p, 0, n.vol.size)
				if string(p[:got]) != want {
					t.Fatalf("%s on %s: file %d held %s when it was synced and now %s", cut.Choice, pers.Name, ino,
						script.Content([]byte(want), OldBytesText), script.Content(p[:got], OldBytesText))
				}
			}
			for name, ino := range named { // any order: each is checked alone
				if got, e := image.Find(name); e != 0 || got != ino {
					t.Fatalf("%s on %s: the name %s was synced and leads to %d, %v", cut.Choice, pers.Name, name, got, e)
				}
			}
		}
	})
}

// TestExtremes: "all" is what calls saw, "none" on a disk that was never synced
// is the empty disk, and what a cut leaves is all durable.
func TestExtremes(t *testing.T) {
	image, again := &Disk{}, &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Personality: drawPersonality(t)})
		steps := drawProgram(t, 30)
		runAll(d, steps)
		live := d.Hash()
		d.Image(image, Choice{Mode: KeepAll})
		if image.Hash() != live {
			t.Fatalf("calls saw %s, everything kept is %s", tree(d), tree(image))
		}
		d.Clone().Image(image, Choice{Mode: KeepAll})
		if image.Hash() != live {
			t.Fatal("a clone is something else")
		}
		cut := d.PowerCutInto(image, Choice{Mode: KeepRandom, Seed: rapid.Uint64().Draw(t, "seed")}, 1)
		if err := tryStep(d, "create z"); err == nil {
			t.Fatal("a disk without power works")
		}
		if calls, bytes := image.InPlay(); calls != 0 || bytes != 0 || len(image.Dirty()) != 0 {
			t.Fatalf("%d calls in play after a crash", calls)
		}
		image.Image(again, Choice{})
		if again.Hash() != image.Hash() || image.Hash() != cut.Image {
			t.Fatal("the image of an image is something else")
		}
		// The image is a disk like any other: use it, cut it again.
		runAll(image, steps)
		live = image.Hash()
		image.Image(again, Choice{Mode: KeepAll})
		if again.Hash() != live {
			t.Fatalf("second life: calls saw %s, everything kept is %s", tree(image), tree(again))
		}
		image.PowerCutInto(again, Choice{}, 2)
		if calls, _ := again.InPlay(); calls != 0 {
			t.Fatalf("%d calls in play after a second crash", calls)
		}
	})
}

func TestNothingSyncedNothingLeft(t *testing.T) {
	empty := New(Options{}).Hash()
	image := &Disk{}
	rapid.Check(t, func(t *rapid.T) {
		d := New(Options{Personality: drawPersonality(t)})
		for _, s := range drawProgram(t, 30) {
			if !strings.Contains(s, "sync") && !strings.HasPrefix(s, "range") {
				tryStep(d, s)
			}
		}
		calls, bytes := d.InPlay()
		cut := d.PowerCutInto(image, Choice{}, 0)
		if image.Hash() != empty {
			t.Fatalf("left %s", tree(image))
		}
		if cut.Ops != calls || cut.LostOps != calls || cut.Bytes != bytes || cut.LostBytes != bytes {
			t.Fatalf("%+v, in play %d calls, %d bytes", cut, calls, bytes)
		}
	})
}

// tree is render for rapid's tests.
func tree(d *Disk) string { return render(noTB{}, d) }

// noTB panics where a testing.TB would fail.
type noTB struct{ testing.TB }

func (noTB) Helper()           {}
func (noTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
