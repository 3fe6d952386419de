package disk

import (
	"slices"
	"testing"

	"github.com/torntail/torntail/faults/vfs"
)

func TestParseChoice(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"none", "none"}, {"all", "all"}, {"prefix 0", "prefix 0"}, {"torn 512", "torn 512"},
		{"drop 3,5", "drop 3,5"}, {"keep 3-7,9.0,9.12", "keep 3-7,9.0,9.12"}, {"random 18446744073709551615", "random 18446744073709551615"},
		{"  keep   4  stale ", "keep 4 stale"}, {"none stale", "none stale"},
		{"6-7", "keep 6-7"}, {"3,5.1 stale", "keep 3,5.1 stale"},
	} {
		c, err := ParseChoice(tt.text)
		if err != nil || c.String() != tt.want {
			t.Errorf("%q: %q, %v", tt.text, c, err)
		}
	}
	for _, text := range []string{"", "stale", "some", "none 1", "prefix", "prefix x", "prefix -1", "torn", "torn 1 2", "random -1", "keep",
		"keep 3,", "keep x", "keep 5-3", "keep 3-3", "keep 3-4.1", "keep 3.x", "keep 3.-1", "drop 3.99999999999", "all 2"} {
		if c, err := ParseChoice(text); err == nil {
			t.Errorf("%q was read as %q", text, c)
		}
	}
}

// FuzzParseChoice: what is read prints and reads again as the same.
func FuzzParseChoice(f *testing.F) {
	for _, s := range []string{"none", "all", "prefix 3", "torn 17", "drop 1,2-4,5.6", "keep 9 stale", "random 7"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseChoice(s)
		if err != nil {
			return
		}
		again, err := ParseChoice(c.String())
		if err != nil || again.String() != c.String() {
			t.Fatalf("%q -> %q -> %q, %v", s, c, again, err)
		}
	})
}

// threeWrites is a disk with a durable file and three appends in play, calls 4, 5 and 6.
func threeWrites(t *testing.T, pers string) *Disk {
	t.Helper()
	d := New(Options{Personality: named(t, pers)})
	for _, s := range []string{"create f", "sync"} {
		runStep(t, d, s)
	}
	f, err := d.FS(nil).Open("f", vfs.WriteOnly|vfs.Append)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"AAAA", "BBBB", "CCCC"} {
		mustWrite(t, f, s)
	}
	if calls := d.play().calls(); len(calls) != 3 {
		t.Fatal(calls)
	}
	return d
}

// TestChoices: what each way of choosing keeps.
func TestChoices(t *testing.T) {
	for _, tt := range []struct{ pers, choice, want string }{
		{"ext4", "none", "f="},
		{"ext4", "all", "f=AAAABBBBCCCC"},
		{"ext4", "prefix 0", "f="},
		{"ext4", "prefix 2", "f=AAAABBBB"},
		{"ext4", "prefix 9", "f=AAAABBBBCCCC"},
		{"ext4", "torn 0", "f=AAAABBBB"},
		{"ext4", "torn 3", "f=AAAABBBBCCC"},
		{"ext4", "torn 4", "f=AAAABBBBCCCC"},
		{"ext4", "torn 99", "f=AAAABBBBCCCC"},
		{"ext4", "drop 6", "f=AAAABBBB"},
		{"ext4", "drop 5", "f=AAAA........"}, // the third's bytes are on the second's page; its size stands alone
		{"ext4", "drop 5.0", "f=AAAA........"},
		{"ext4-dioread-lock", "drop 5", "f=AAAA"}, // there its size does not
		{"ext4", "drop 6.1", "f=AAAABBBB"},
		{"ext4", "keep 5", "f=AAAABBBB"},
		{"ext4", "keep 5.1", "f=........"},
		{"ext4", "keep 4.0,6.1", "f=AAAA........"},
		{"ext4", "keep 4-5", "f=AAAABBBB"},
		{"ext4", "keep 1,99", "f="},
		{"xfs", "keep 6.1", "f=AAAABBBBCCCC"}, // the size needs its data, that the page
		{"prefix", "torn 3", "f=AAAABBBB"},
		{"prefix", "drop 5", "f=AAAA"},
		{"prefix", "keep 5.0", "f=AAAABBBB"},
		{"posix", "keep 5.0", "f="},
		{"posix", "keep 5", "f=....BBBB"},
		{"posix", "keep 5 stale", "f=~~~~BBBB"},
		{"ext4", "keep 5.1 stale", "f=........"}, // no old bytes there
	} {
		d := threeWrites(t, tt.pers)
		if got := left(t, d, tt.choice); got != tt.want {
			t.Errorf("%s: %s leaves %s, want %s", tt.pers, tt.choice, got, tt.want)
		}
	}
}

// TestEnumerations: what each way of trying many choices tries.
func TestEnumerations(t *testing.T) {
	d := threeWrites(t, "posix")
	collect := func(seq func(func(Choice) bool)) []string {
		var out []string
		for c := range seq {
			out = append(out, c.String())
		}
		return out
	}
	for _, tt := range []struct {
		name string
		got  []string
		want []string
	}{
		{"prefixes", collect(d.Prefixes()), []string{"prefix 0", "prefix 1", "prefix 2", "prefix 3"}},
		{"tears", collect(d.Tears(1)), []string{"torn 0", "torn 1", "torn 2", "torn 3"}},
		{"sector tears", collect(d.Tears(SectorSize)), []string{"torn 0"}},
		{"drop one", collect(d.DropOne()), []string{"drop 4", "drop 4.0", "drop 4.1", "drop 5", "drop 5.0", "drop 5.1", "drop 6", "drop 6.0", "drop 6.1"}},
		{"keep one", collect(d.KeepOne())[:3], []string{"keep 4", "keep 4.0", "keep 4.1"}},
		{"subsets of one", collect(d.Subsets(1)), []string{"keep 4.0", "keep 4.1", "keep 5.0", "keep 5.1", "keep 6.0", "keep 6.1"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, tt.got, tt.want)
		}
	}
	if n := len(collect(d.Subsets(2))); n != 6+15 {
		t.Errorf("%d subsets of at most two", n)
	}
	seq, few := d.All()
	if n := len(collect(seq)); n != 2*64-1 || !few { // all but the full set also with old bytes
		t.Errorf("%d sets", n)
	}
	for c := range seq { // stopping early is allowed
		if c.Mode != KeepNone {
			break
		}
	}
}

// TestCutsRepeat: an image can be cut again, to any depth, and a cut of each
// loses what was not synced in its own life only.
func TestCutsRepeat(t *testing.T) {
	d := New(Options{})
	runStep(t, d, "create f")
	runStep(t, d, "fsync f")
	want := "f="
	for life := range 5 {
		letter := string(rune('A' + life))
		runStep(t, d, "write f "+letter)
		runStep(t, d, "fdatasync f")
		runStep(t, d, "write f lost")
		image, cut := d.PowerCut(Choice{}, 0)
		want += letter
		if got := render(t, image); got != want || cut.Ops != 1 || cut.LostBytes != 4 {
			t.Fatalf("life %d: %s, want %s; %+v", life, got, want, cut)
		}
		d = image
	}
}

// TestF1 and TestF2 name the two findings about stock Redis that follow from the
// model and not from Redis alone.
func TestF1(t *testing.T) {
	for _, tt := range []struct{ pers, want string }{
		{"posix", "-"}, // Redis syncs appendonlydir and what is in it, never the directory that holds it
		{"ext4", "appendonlydir/ appendonlydir/incr=SET"},
		{"prefix", "appendonlydir/ appendonlydir/incr=SET"},
	} {
		d := New(Options{Personality: named(t, tt.pers)})
		for _, s := range []string{"mkdir appendonlydir", "create appendonlydir/incr", "dirsync appendonlydir",
			"write appendonlydir/incr SET", "fdatasync appendonlydir/incr"} {
			runStep(t, d, s)
		}
		wantLeft(t, d, "none", tt.want)
	}
}

func TestF2(t *testing.T) {
	for _, tt := range []struct{ pers, want string }{
		{"ext4", "incr=SET..."},   // a tail of NUL bytes on the incr file
		{"xfs", "incr=SETSET"},    // the size needs its data
		{"prefix", "incr=SETSET"}, // an append is atomic
	} {
		d := New(Options{Personality: named(t, tt.pers)})
		for _, s := range []string{"create incr", "write incr SET", "fdatasync incr", "write incr SET"} {
			runStep(t, d, s)
		}
		last := d.play().calls()[0]
		c := Choice{Mode: KeepOnly, IDs: []PartID{{Call: last, Part: 1}}}
		image := &Disk{}
		d.Image(image, c)
		if got := render(t, image); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.pers, got, tt.want)
		}
	}
}
