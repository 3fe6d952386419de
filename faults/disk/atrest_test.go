package disk

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/torntail/torntail/faults/vfs"
)

// TestDamageAtRest: it is seen, it survives the next cut, and only it changed.
func TestDamageAtRest(t *testing.T) {
	base := "f=" + "A*5000" + " g=BB"
	for _, tt := range []struct {
		name string
		do   func(d *Disk) error
		want string
	}{
		{"one bit", func(d *Disk) error { return d.CorruptAt("f", 4999, 'A'^'C') }, "f=A*4999+C g=BB"},
		{"one page", func(d *Disk) error { return d.ZeroAt("f", 4097) }, "f=A*4096+.*904 g=BB"},
		{"cut by one", func(d *Disk) error { return d.TruncateAtRest("g", 1) }, "f=A*5000 g=B"},
		{"cut by more than there is", func(d *Disk) error { return d.TruncateAtRest("g", 9) }, "f=A*5000 g="},
	} {
		d := New(Options{})
		if err := vfs.WriteFile(d.FS(nil), "f", []byte(strings.Repeat("A", 5000))); err != nil {
			t.Fatal(err)
		}
		if err := vfs.WriteFile(d.FS(nil), "g", []byte("BB")); err != nil {
			t.Fatal(err)
		}
		d, _ = d.PowerCut(Choice{Mode: KeepAll}, 0)
		other := d.Clone()
		if err := tt.do(d); err != nil {
			t.Fatal(err)
		}
		if got := render(t, d); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
		wantLeft(t, d, "none", tt.want)
		if got := render(t, other); got != base {
			t.Errorf("%s: a clone made before became %s", tt.name, got)
		}
		runStep(t, d, "write g CC")
		runStep(t, d, "fsync g")
		wantLeft(t, d, "none", tt.want+"CC")
	}
}

func TestDamageAtRestErrors(t *testing.T) {
	d := New(Options{})
	runStep(t, d, "mkdir d")
	runStep(t, d, "create f")
	for _, tt := range []struct {
		err  error
		want syscall.Errno
	}{
		{d.CorruptAt("x", 0, 1), syscall.ENOENT},
		{d.CorruptAt("d", 0, 1), syscall.EISDIR},
		{d.CorruptAt("f", 0, 1), syscall.EINVAL},
		{d.ZeroAt("f", -1), syscall.EINVAL},
		{d.TruncateAtRest("d/x", 1), syscall.ENOENT},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%v, want %v", tt.err, tt.want)
		}
	}
}

// TestReset: an image stays as it is when the disk it came from is used anew,
// also where the two share chunks.
func TestReset(t *testing.T) {
	d := New(Options{})
	big := strings.Repeat("A", 3*chunkSize+100)
	if err := vfs.WriteFile(d.FS(nil), "f", []byte(big)); err != nil {
		t.Fatal(err)
	}
	image := New(Options{})
	d.PowerCutInto(image, Choice{Mode: KeepAll}, 0)
	before := image.Hash()
	for range 3 {
		d.Reset(Options{KeepLog: true})
		if calls, _ := d.InPlay(); calls != 0 || d.Hash() != New(Options{}).Hash() || len(d.Log()) != 0 || d.Frozen() {
			t.Fatal("a reset disk is not a new one")
		}
		if err := vfs.WriteFile(d.FS(nil), "f", []byte(strings.Repeat("B", 4*chunkSize))); err != nil {
			t.Fatal(err)
		}
		runStep(t, d, "fsync f")
		runStep(t, d, "pwrite f 10 CCC")
		if image.Hash() != before {
			t.Fatal("the image changed")
		}
	}
	// And the other way round.
	runStep(t, d, "fsync f")
	left := d.Hash()
	twin := d.Clone()
	runStep(t, twin, "pwrite f 0 X*70000")
	runStep(t, twin, "trunc f 5")
	if d.Hash() != left {
		t.Fatal("a clone's writes reached the disk")
	}
}

func TestDirty(t *testing.T) {
	d, _, fsys, f := gated(t, Options{}, vfs.Append) // created at 0 s
	mustWrite(t, f, "AAAA")                          // at 1 s
	mustWrite(t, f, "BB")
	if err := fsys.Mkdir("d"); err != nil {
		t.Fatal(err)
	}
	if err := fsys.Rename("f", "d/f"); err != nil {
		t.Fatal(err)
	}
	got := d.Dirty()
	want := []DirtyFile{
		{Ino: Root, Path: ".", Dir: true, Ops: 3, Since: 0},
		{Ino: 2, Path: "d/f", Ops: 2, Bytes: 6, Since: 1e9},
		{Ino: 3, Path: "d", Dir: true, Ops: 1, Since: 4e9},
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := d.Dirty(); len(got) != 0 {
		t.Errorf("after fsync on ext4: %+v", got)
	}
}
