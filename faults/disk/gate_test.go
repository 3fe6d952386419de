package disk

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/vfs"
)

// stepGate makes every call take one second and asks decide and during about each.
type stepGate struct {
	now    time.Duration
	decide func(c *Call) Decision
	during func(c *Call, d Decision)
}

func (g *stepGate) Enter(c *Call) Decision {
	c.Enter = g.now
	if g.decide != nil {
		return g.decide(c)
	}
	return Decision{}
}

func (g *stepGate) Wait(c *Call, d Decision) {
	g.now += time.Second
	if g.during != nil {
		g.during(c, d)
	}
}

func (g *stepGate) Return(c *Call) { c.Return = g.now }

// gated is a disk, the gate of its file system, and an open file on it.
func gated(t *testing.T, o Options, flag vfs.Flag) (*Disk, *stepGate, vfs.FS, vfs.File) {
	t.Helper()
	d := New(o)
	g := &stepGate{}
	fsys := d.FS(g)
	f, err := fsys.Open("f", vfs.ReadWrite|vfs.Create|flag)
	if err != nil {
		t.Fatal(err)
	}
	return d, g, fsys, f
}

func mustWrite(t *testing.T, f vfs.File, data string) {
	t.Helper()
	if _, err := f.Write([]byte(data)); err != nil {
		t.Fatal(err)
	}
}

// left is what a power cut with this choice leaves, rendered.
func left(t *testing.T, d *Disk, choice string) string {
	t.Helper()
	c, err := ParseChoice(choice)
	if err != nil {
		t.Fatal(err)
	}
	image := &Disk{}
	d.Image(image, c)
	return render(t, image)
}

func wantLeft(t *testing.T, d *Disk, choice, want string) {
	t.Helper()
	if got := left(t, d, choice); got != want {
		t.Errorf("%s leaves %q, want %q", choice, got, want)
	}
}

// TestSyncCoversWhatWasDirtyOnEntry: what is written while an fsync is in flight
// is not durable when it returns, and what it covers is not durable before.
func TestSyncCoversWhatWasDirtyOnEntry(t *testing.T) {
	d, g, fsys, f := gated(t, Options{}, vfs.Append)
	mustWrite(t, f, "AAAA")
	struck := false
	g.during = func(c *Call, _ Decision) {
		if c.Kind != OpFdatasync {
			return
		}
		struck = true
		g.during = nil
		wantLeft(t, d, "none", "-")
		h, err := fsys.Open("f", vfs.WriteOnly|vfs.Append)
		if err != nil {
			t.Fatal(err)
		}
		mustWrite(t, h, "BBBB")
	}
	if err := f.SyncData(); err != nil {
		t.Fatal(err)
	}
	if !struck {
		t.Fatal("nothing happened while the sync was in flight")
	}
	wantLeft(t, d, "none", "f=AAAA")
	wantLeft(t, d, "all", "f=AAAABBBB")
}

// TestCutInsideSync: a power cut inside an fsync finds the share of its pages
// durable that the fault asked for, and the call never returns.
func TestCutInsideSync(t *testing.T) {
	for _, tt := range []struct {
		pers     string
		fraction float64
		want     string // with the sizes kept, which come last
	}{
		{"posix", 0, ".*16384"},
		{"posix", 0.5, "A*8192+.*8192"},
		{"posix", 1, "A*16384"},
		{"ext4", 0.25, "A*4096+.*12288"},
		{"ext4", 0.75, "A*12288+.*4096"},
	} {
		d, g, _, f := gated(t, Options{Personality: named(t, tt.pers), KeepLog: true}, 0)
		mustWrite(t, f, strings.Repeat("A", 4*4096))
		var image *Disk
		var cut Cut
		g.decide = func(c *Call) Decision {
			return Decision{Place: PlaceInFlight, Fraction: tt.fraction}
		}
		g.during = func(c *Call, dec Decision) {
			// The name and the sizes: parts 1, 3, 5 and 7 of the write.
			choice := Choice{Mode: KeepOnly, IDs: []PartID{{Call: 1, Part: -1}, {Call: 2, Part: 1}, {Call: 2, Part: 3}, {Call: 2, Part: 5}, {Call: 2, Part: 7}}}
			image, cut = d.PowerCut(choice, g.now)
		}
		if err := f.Sync(); !errors.Is(err, syscall.EIO) {
			t.Fatalf("the sync of a disk without power returned %v", err)
		}
		if got := render(t, image); got != "f="+tt.want {
			t.Errorf("%s at %v: %s, want f=%s", tt.pers, tt.fraction, got, tt.want)
		}
		if len(cut.InFlight) != 1 || cut.InFlight[0].Kind != OpFsync || cut.At != g.now {
			t.Errorf("in flight: %+v", cut.InFlight)
		}
		if log := d.Log(); log[len(log)-1].Kind != OpFsync || log[len(log)-1].Return != Never {
			t.Errorf("the log says that the sync returned: %+v", log[len(log)-1])
		}
	}
}

func named(t *testing.T, name string) *Personality {
	t.Helper()
	p, err := PersonalityByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestFailedCallsHaveNoEffect: each kind of call, failed by a fault, changes nothing.
// A syncfs that has returned has made everything durable, names and data, of
// every file; what comes after it is in play.
func TestSyncFSMakesEverythingDurable(t *testing.T) {
	for _, p := range Personalities {
		d := New(Options{Personality: p})
		fsys := d.FS(nil)
		require.NoError(t, fsys.Mkdir("d"))
		require.NoError(t, vfs.WriteFile(fsys, "d/f", []byte("data")))
		require.NoError(t, vfs.WriteFile(fsys, "gone", []byte("x")))
		require.NoError(t, fsys.Remove("gone"))
		require.NoError(t, fsys.SyncFS())
		require.NoError(t, vfs.WriteFile(fsys, "late", []byte("late")))
		image, _ := d.PowerCut(Choice{Mode: KeepNone}, 0)
		data, err := vfs.ReadFile(image.FS(nil), "d/f")
		require.NoError(t, err, p.Name)
		require.Equal(t, "data", string(data), p.Name)
		names, err := image.FS(nil).List(".")
		require.NoError(t, err)
		require.Equal(t, []string{"d"}, names, p.Name)
	}
}

func TestFailedCallsHaveNoEffect(t *testing.T) {
	calls := []struct {
		word string
		do   func(fsys vfs.FS, f vfs.File) error
	}{
		{"open", func(fsys vfs.FS, _ vfs.File) error { _, err := fsys.Open("f", vfs.WriteOnly|vfs.Truncate); return err }},
		{"open", func(fsys vfs.FS, _ vfs.File) error { _, err := fsys.Open("new", vfs.WriteOnly|vfs.Create); return err }},
		{"open", func(fsys vfs.FS, _ vfs.File) error { _, err := fsys.OpenDir("."); return err }},
		{"read", func(_ vfs.FS, f vfs.File) error { _, err := f.ReadAt(make([]byte, 2), 0); return err }},
		{"write", func(_ vfs.FS, f vfs.File) error { _, err := f.Write([]byte("x")); return err }},
		{"write", func(_ vfs.FS, f vfs.File) error { _, err := f.WriteAt([]byte("x"), 0); return err }},
		{"truncate", func(_ vfs.FS, f vfs.File) error { return f.Truncate(1) }},
		{"allocate", func(_ vfs.FS, f vfs.File) error { return f.Allocate(0, 100) }},
		{"rename", func(fsys vfs.FS, _ vfs.File) error { return fsys.Rename("f", "g") }},
		{"link", func(fsys vfs.FS, _ vfs.File) error { return fsys.Link("f", "g") }},
		{"unlink", func(fsys vfs.FS, _ vfs.File) error { return fsys.Remove("f") }},
		{"rmdir", func(fsys vfs.FS, _ vfs.File) error { return fsys.Remove("d") }},
		{"mkdir", func(fsys vfs.FS, _ vfs.File) error { return fsys.Mkdir("e") }},
		{"stat", func(fsys vfs.FS, _ vfs.File) error { _, err := fsys.Stat("f"); return err }},
		{"list", func(fsys vfs.FS, _ vfs.File) error { _, err := fsys.List("."); return err }},
		{"dirsync", func(fsys vfs.FS, _ vfs.File) error {
			h, err := fsys.OpenDir(".")
			if err != nil {
				return nil // seen by the caller as a success that is not wanted
			}
			return h.Sync()
		}},
	}
	for _, tt := range calls {
		for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC, syscall.EDQUOT} {
			d, g, fsys, f := gated(t, Options{KeepLog: true}, 0)
			mustWrite(t, f, "AAAA")
			if err := fsys.Mkdir("d"); err != nil {
				t.Fatal(err)
			}
			before := d.Hash()
			struck := 0
			g.decide = func(c *Call) Decision {
				if c.Kind.Word() != tt.word {
					return Decision{}
				}
				struck++
				return Decision{Err: errno}
			}
			if err := tt.do(fsys, f); !errors.Is(err, errno) || struck != 1 {
				t.Errorf("%s: %v, struck %d times", tt.word, err, struck)
			}
			if d.Hash() != before {
				t.Errorf("%s failed with %v and left %s", tt.word, errno, render(t, d))
			}
		}
	}
}

func TestShortWrites(t *testing.T) {
	for _, tt := range []struct {
		name string
		dec  Decision
		free int64
		n    int
		err  error
	}{
		{"a fault takes three bytes", Decision{Short: 3}, -1, 3, io.ErrShortWrite},
		{"a fault takes three bytes and says why", Decision{Short: 3, Err: syscall.ENOSPC}, -1, 3, syscall.ENOSPC},
		{"a fault that takes more than there is", Decision{Short: 99}, -1, 5, nil},
		{"the disk has room for two", Decision{}, 2, 2, syscall.ENOSPC},
		{"the disk is full: an error, never 0 bytes", Decision{}, 0, 0, syscall.ENOSPC},
		{"the disk has room", Decision{}, 5, 5, nil},
	} {
		d, g, _, f := gated(t, Options{}, vfs.Append)
		d.SetFree(tt.free)
		g.decide = func(c *Call) Decision { return tt.dec }
		n, err := f.Write([]byte("ABCDE"))
		if n != tt.n || !errors.Is(err, tt.err) || tt.err == nil && err != nil {
			t.Errorf("%s: %d, %v", tt.name, n, err)
		}
		if want := "f=" + "ABCDE"[:tt.n]; render(t, d) != want {
			t.Errorf("%s: left %s", tt.name, render(t, d))
		}
	}
}

func TestSpaceComesBack(t *testing.T) {
	d, _, fsys, f := gated(t, Options{}, vfs.Append)
	d.SetFree(10)
	mustWrite(t, f, "0123456789")
	if err := f.Truncate(20); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(4); err != nil {
		t.Fatal(err)
	}
	if err := f.Allocate(0, 11); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	mustWrite(t, f, "456789")
	if err := fsys.Remove("f"); err != nil {
		t.Fatal(err)
	}
	if err := vfs.WriteFile(fsys, "g", []byte("0123456789")); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnly(t *testing.T) {
	d, _, fsys, f := gated(t, Options{}, 0)
	mustWrite(t, f, "AAAA")
	d.SetReadOnly(true)
	for _, err := range []error{
		fsys.Mkdir("d"), fsys.Remove("f"), fsys.Rename("f", "g"), fsys.Link("f", "g"), f.Truncate(0), f.Allocate(0, 9),
		vfs.WriteFile(fsys, "f", nil), vfs.WriteFile(fsys, "h", nil),
	} {
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("%v", err)
		}
	}
	if got := render(t, d); got != "f=AAAA" {
		t.Errorf("left %s", got)
	}
}

// TestLog: what a harness learns from the log about an append-only file.
func TestLog(t *testing.T) {
	d, g, _, f := gated(t, Options{KeepLog: true}, vfs.Append)
	mustWrite(t, f, "AA") // enters at 1 s, returns at 2 s
	g.during = func(c *Call, _ Decision) {
		if c.Kind == OpWrite && c.Off == 2 {
			g.during = nil
			if err := f.(*file).fs.d.FS(g).Mkdir("d"); err != nil { // enters at 3 s, inside the write
				t.Fatal(err)
			}
			h, _ := d.FS(g).Open("f", vfs.ReadOnly)
			if err := h.SyncData(); err != nil { // enters at 5 s: the second write has not returned
				t.Fatal(err)
			}
		}
	}
	mustWrite(t, f, "BBB") // enters at 2 s
	if err := f.SyncData(); err != nil {
		t.Fatal(err)
	}
	type row struct {
		id            uint64
		kind          OpKind
		enter, ret    int
		off, len      int64
		covers        uint64
		coversSeconds int
	}
	want := []row{
		{1, OpCreate, 0, 1, 0, 0, 0, -1},
		{2, OpWrite, 1, 2, 0, 2, 0, -1},
		{3, OpWrite, 2, 6, 2, 3, 0, -1},
		{4, OpMkdir, 3, 4, 0, 0, 0, -1},
		{6, OpFdatasync, 5, 6, 0, 0, 2, 2},
		{7, OpFdatasync, 6, 7, 0, 0, 3, 6},
	}
	log := d.Log()
	if len(log) != len(want) {
		t.Fatalf("%d records: %+v", len(log), log)
	}
	for i, r := range log {
		sec := -1
		if r.CoversAt >= 0 {
			sec = int(r.CoversAt / time.Second)
		}
		got := row{r.ID, r.Kind, int(r.Enter / time.Second), int(r.Return / time.Second), r.Off, r.Len, r.Covers, sec}
		if got != want[i] || r.Err != 0 {
			t.Errorf("record %d: %+v, want %+v", i, got, want[i])
		}
	}
	d.DropLog(3)
	mustWrite(t, f, "C")
	if log := d.Log(); len(log) != 4 || log[3].Kind != OpWrite || log[3].Return == Never {
		t.Errorf("after dropping three records: %+v", log)
	}
}

// TestKilledInCall: a task that is unwound in a call leaves its effects in play,
// nothing durable, and nothing in flight.
func TestKilledInCall(t *testing.T) {
	d, g, _, f := gated(t, Options{KeepLog: true}, vfs.Append)
	mustWrite(t, f, "AAAA")
	type kill struct{}
	for _, do := range []func(){func() { f.Sync() }, func() { f.Write([]byte("BB")) }} {
		struck := false
		g.during = func(*Call, Decision) { struck = true; panic(kill{}) }
		func() {
			defer func() {
				if _, ok := recover().(kill); !ok {
					t.Error("the seam swallowed the kill")
				}
			}()
			do()
		}()
		if !struck {
			t.Fatal("no call was struck")
		}
	}
	if calls, bytes := d.InPlay(); calls != 3 || bytes != 6 {
		t.Errorf("%d calls and %d bytes in play", calls, bytes)
	}
	log := d.Log()
	if log[len(log)-1].Return != Never || log[len(log)-2].Return != Never {
		t.Error("the log says that calls returned which did not")
	}
	_, cut := d.PowerCut(Choice{}, 0)
	if len(cut.InFlight) != 0 {
		t.Errorf("in flight: %+v", cut.InFlight)
	}
}

// TestSyncWrites: with O_SYNC and O_DSYNC a write is durable when it returns.
func TestSyncWrites(t *testing.T) {
	for _, flag := range []vfs.Flag{vfs.SyncWrite, vfs.DataSync} {
		d, g, _, f := gated(t, Options{}, flag|vfs.Append)
		inside := ""
		g.during = func(c *Call, _ Decision) { inside = left(t, d, "none") }
		mustWrite(t, f, "AAAA")
		if inside != "-" {
			t.Errorf("inside the write %s was durable", inside)
		}
		wantLeft(t, d, "none", "f=AAAA")
	}
}

// TestPlants: the deliberate faults do what they say.
func TestPlants(t *testing.T) {
	d, _, _, f := gated(t, Options{Plant: PlantLoseNothing}, vfs.Append)
	mustWrite(t, f, "AAAA")
	wantLeft(t, d, "none", "f=AAAA")
	if _, cut := d.PowerCut(Choice{}, 0); cut.Ops != 2 || cut.LostOps != 0 || cut.Choice.Mode != KeepAll {
		t.Errorf("%+v", cut)
	}
	d, _, _, f = gated(t, Options{Plant: PlantIgnoreSync}, vfs.Append)
	mustWrite(t, f, "AAAA")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLeft(t, d, "none", "-")
}
