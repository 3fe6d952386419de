package disk

import (
	"syscall"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/vfs"
)

// TestByNumber walks through the calls that a file server makes.
func TestByNumber(t *testing.T) {
	d := New(Options{KeepLog: true})
	call := func(kind OpKind) *Call {
		c := &Call{Kind: kind, Enter: time.Second}
		d.Begin(c)
		return c
	}
	ino, e := d.Create(call(OpCreate), Root, "f")
	if e != 0 {
		t.Fatal(e)
	}
	c := call(OpWrite)
	c.Ino, c.Off = ino, 3
	if n, e := d.Write(c, []byte("AAAA")); n != 4 || e != 0 {
		t.Fatal(n, e)
	}
	c.Return = 2 * time.Second
	d.End(c)
	if e := d.SetMode(ino, 0o100600); e != 0 {
		t.Fatal(e)
	}
	if e := d.SetOwner(ino, 5, 6); e != 0 {
		t.Fatal(e)
	}
	if e := d.SetTime(ino, 7); e != 0 {
		t.Fatal(e)
	}
	a, e := d.Attr(ino)
	if want := (Attr{Ino: ino, Size: 7, Links: 1, Mode: 0o600, UID: 5, GID: 6, MTime: 7, CTime: time.Second}); e != 0 || a != want {
		t.Errorf("%+v, %v", a, e)
	}
	link, e := d.Symlink(call(OpSymlink), Root, "s", "f")
	if e != 0 {
		t.Fatal(e)
	}
	if target, e := d.Readlink(link); target != "f" || e != 0 {
		t.Errorf("%q, %v", target, e)
	}
	if _, e := d.Readlink(ino); e != syscall.EINVAL {
		t.Error(e)
	}
	p := make([]byte, 9)
	if n, e := d.Read(ino, 2, p); n != 5 || e != 0 || string(p[:n]) != "\x00AAAA" {
		t.Errorf("%d %v %q", n, e, p)
	}
	if _, e := d.Read(Root, 0, p); e != syscall.EISDIR {
		t.Error(e)
	}
	if _, e := d.Read(99, 0, p); e != syscall.ESTALE {
		t.Error(e)
	}
	if d.PathOf(ino) != "f" || d.PathOf(Root) != "." || d.PathOf(99) != "" {
		t.Error(d.PathOf(ino), d.PathOf(Root), d.PathOf(99))
	}
	c = call(OpRename)
	c.Flags = CallNoReplace
	if e := d.Rename(c, Root, "f", Root, "s"); e != syscall.EEXIST {
		t.Error(e)
	}
	if ents, e := d.ReadDir(Root); e != 0 || len(ents) != 2 || ents[0] != (Dirent{"f", ino}) {
		t.Error(ents, e)
	}
	if d.Used() != 8 {
		t.Error(d.Used())
	}

	d.Freeze()
	for name, e := range map[string]syscall.Errno{ // any order: each is checked alone
		"write":    func() syscall.Errno { c := call(OpWrite); c.Ino = ino; _, e := d.Write(c, p); return e }(),
		"read":     func() syscall.Errno { _, e := d.Read(ino, 0, p); return e }(),
		"truncate": func() syscall.Errno { c := call(OpTruncate); c.Ino = ino; return d.Truncate(c) }(),
		"unlink":   d.Unlink(call(OpUnlink), Root, "f"),
		"mode":     d.SetMode(ino, 0),
		"sync": func() syscall.Errno {
			c := call(OpFsync)
			c.Ino = ino
			return d.EndSync(d.BeginSync(c), 0, nil)
		}(),
	} {
		if e != syscall.EIO {
			t.Errorf("%s on a frozen disk: %v", name, e)
		}
	}
	if !d.Frozen() || d.Used() != 8 {
		t.Error("a frozen disk changed")
	}
}

// TestGoneDirectory: what happened in a directory that is durably gone does not
// stay in play for ever.
func TestGoneDirectory(t *testing.T) {
	d := New(Options{Personality: Personalities[0]}) // posix: nobody can sync those names any more
	for _, s := range []string{"mkdir d", "dirsync .", "create d/a", "write d/a A", "unlink d/a", "rmdir d", "dirsync ."} {
		runStep(t, d, s)
	}
	if calls, _ := d.InPlay(); calls != 0 || len(d.micros) != 0 {
		t.Errorf("%d calls in play, %d micro-operations listed", calls, len(d.micros))
	}
	for ino, n := range d.inodes {
		if n != nil && Ino(ino) != Root {
			t.Errorf("file %d is still there", ino)
		}
	}
}

// TestConcurrentSyncs: more than one may be in flight, on one file and on several.
func TestConcurrentSyncs(t *testing.T) {
	d := New(Options{Personality: Personalities[0]})
	for _, s := range []string{"create a", "create b", "sync", "write a A", "write b B"} {
		runStep(t, d, s)
	}
	begin := func(name string) SyncID {
		ino, _ := d.Find(name)
		c := &Call{Kind: OpFsync, Ino: ino}
		d.Begin(c)
		return d.BeginSync(c)
	}
	first, other := begin("a"), begin("b")
	runStep(t, d, "write a A")
	second := begin("a")
	wantLeft(t, d, "none", "a= b=")
	for _, tt := range []struct {
		id   SyncID
		want string
	}{{second, "a=AA b="}, {other, "a=AA b=B"}, {first, "a=AA b=B"}} {
		if e := d.EndSync(tt.id, 0, nil); e != 0 {
			t.Fatal(e)
		}
		wantLeft(t, d, "none", tt.want)
	}
	if e := d.EndSync(first, 0, nil); e != syscall.EBADF {
		t.Errorf("a sync ended twice: %v", e)
	}
}

// TestReuseAllocatesLittle: a world runs a million experiments on one disk.
func TestReuseAllocatesLittle(t *testing.T) {
	d, image := New(Options{}), New(Options{})
	life := func() {
		d.Reset(Options{KeepLog: true})
		f, err := d.FS(nil).Open("f", vfs.WriteOnly|vfs.Create|vfs.Append)
		if err != nil {
			t.Fatal(err)
		}
		for range 150 {
			f.Write(command)
			f.SyncData()
		}
		d.PowerCutInto(image, Choice{}, 0)
	}
	life()
	if n := testing.AllocsPerRun(20, life); n > 8 {
		t.Errorf("%v allocations for 300 calls and a power cut", n)
	}
}
