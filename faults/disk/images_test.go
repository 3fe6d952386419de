package disk

import (
	"slices"
	"testing"

	"github.com/torntail/torntail/faults/disk/promised"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/script"
)

// TestImages compares, for each small program and each personality, the images
// that the model allows with those written down by hand.
func TestImages(t *testing.T) {
	for _, p := range promised.Programs() {
		for name := range p.Why { // any order: each is checked alone
			if _, err := PersonalityByName(name); err != nil {
				t.Errorf("line %d: %s: %v", p.Line, p.Name, err)
			}
		}
		for _, pers := range Personalities {
			t.Run(p.Name+"/"+pers.Name, func(t *testing.T) {
				want, ok := p.Images[pers.Name]
				if !ok {
					t.Fatalf("line %d: nothing written down for %s", p.Line, pers.Name)
				}
				got := imagesOf(t, p, pers)
				for _, image := range got {
					if !slices.Contains(want, image) {
						t.Errorf("the model allows %q; expected not, because %s", image, p.Why[pers.Name])
					}
				}
				for _, image := range want {
					if !slices.Contains(got, image) {
						t.Errorf("the model does not allow %q; expected, because %s", image, p.Why[pers.Name])
					}
				}
			})
		}
	}
}

// TestPersonalitiesDiffer: for each pair at least one program tells them apart.
func TestPersonalitiesDiffer(t *testing.T) {
	programs := promised.Programs()
	for i, a := range Personalities {
		for _, b := range Personalities[:i] {
			by := ""
			for _, p := range programs {
				if !slices.Equal(p.Images[a.Name], p.Images[b.Name]) {
					by = p.Name
					break
				}
			}
			if by == "" {
				t.Errorf("no program tells %s and %s apart", a.Name, b.Name)
			}
			t.Logf("%s and %s: %s", a.Name, b.Name, by)
		}
	}
}

// TestEveryRuleMatters: each personality without one of its rules allows, for
// some program, other images than those written down. The programs would notice
// if a rule were not applied.
func TestEveryRuleMatters(t *testing.T) {
	programs := promised.Programs()
	for _, pers := range Personalities {
		for _, b := range pers.Rules {
			less := *pers
			less.set &^= b.Rule
			if !slices.ContainsFunc(programs, func(p promised.Program) bool {
				return !slices.Equal(imagesOf(t, p, &less), p.Images[pers.Name])
			}) {
				t.Errorf("%s is the same without %s", pers.Name, b.Rule)
			}
		}
	}
}

func imagesOf(t *testing.T, p promised.Program, pers *Personality) []string {
	t.Helper()
	d := New(Options{Personality: pers})
	for _, step := range p.Base {
		runStep(t, d, step)
	}
	runStep(t, d, "sync")
	if calls, _ := d.InPlay(); calls != 0 {
		t.Fatalf("%d calls in play after a sync of everything", calls)
	}
	for _, step := range p.Run {
		runStep(t, d, step)
	}
	return allImages(t, d)
}

// allImages renders every image a disk may leave, sorted, each once.
func allImages(t *testing.T, d *Disk) []string {
	t.Helper()
	seq, ok := d.All()
	if !ok {
		t.Fatal("too many calls in play to try them all")
	}
	byHash := map[uint64]string{}
	var got []string
	image := &Disk{}
	for c := range seq {
		cut := d.Image(image, c)
		if cut.Choice.Mode == KeepOnly && len(cut.Choice.IDs) == 0 {
			t.Fatalf("choice %s has an empty normal form", c)
		}
		text := render(t, image)
		h := image.Hash()
		if old, ok := byHash[h]; ok && old != text {
			t.Fatalf("%q and %q have the same hash", old, text)
		}
		byHash[h] = text
		got = append(got, text)
	}
	slices.Sort(got)
	got = slices.Compact(got)
	if len(got) != len(byHash) {
		t.Fatalf("%d images and %d hashes", len(got), len(byHash))
	}
	return got
}

// runStep carries out one step of a program.
func runStep(t *testing.T, d *Disk, step string) {
	t.Helper()
	if err := tryStep(d, step); err != nil {
		t.Fatalf("%s: %v", step, err)
	}
}

// tryStep carries out one step of a program, which may fail.
func tryStep(d *Disk, step string) error { return script.Run(whole{d.FS(nil), d}, step) }

// whole is a disk with a sync of everything.
type whole struct {
	vfs.FS
	d *Disk
}

func (w whole) SyncAll() error {
	c := Call{Kind: OpSyncFS}
	w.d.Begin(&c)
	defer w.d.End(&c)
	if e := w.d.EndSync(w.d.BeginSync(&c), 0, nil); e != 0 {
		return e
	}
	return nil
}

// render writes a disk as images.txt does.
func render(t testing.TB, d *Disk) string {
	t.Helper()
	text, err := script.Tree(d.FS(nil), OldBytesText)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
