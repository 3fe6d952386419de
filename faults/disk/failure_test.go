package disk

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/torntail/torntail/faults/vfs"
)

// TestFailedSync: what is left of a page whose sync failed, in memory, on the
// disk, and after the next sync that succeeds (ATC 2020).
func TestFailedSync(t *testing.T) {
	for _, tt := range []struct {
		mode          string
		first, second error  // what the failing sync and the next one return
		memory        string // after the failing sync
		synced        string // on the disk after an append to a new page and a sync
	}{
		{"ext4", syscall.EIO, nil, "A*4096+B*4096", "A*4096+.*4096+CC"},
		{"xfs", syscall.EIO, nil, "A*4096+B*4096", "A*4096+.*4096+CC"},
		{"btrfs", syscall.EIO, nil, "A*4096", "A*4096+CC"},
		{"ext4-journal", nil, syscall.EIO, "A*4096+B*4096", "A*4096+.*4096+CC"},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			mode, err := FailureModeByName(tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			d, g, _, f := gated(t, Options{Failure: mode}, vfs.Append)
			mustWrite(t, f, strings.Repeat("A", 4096))
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
			mustWrite(t, f, strings.Repeat("B", 4096))
			struck := false
			g.decide = func(c *Call) Decision {
				if c.Kind != OpFsync || struck {
					return Decision{}
				}
				struck = true
				return Decision{Err: syscall.EIO}
			}
			if err := f.Sync(); !errors.Is(err, tt.first) || tt.first == nil && err != nil || !struck {
				t.Fatalf("the failing sync returned %v", err)
			}
			if got := render(t, d); got != "f="+tt.memory {
				t.Errorf("memory holds %s, want f=%s", got, tt.memory)
			}
			if got := left(t, d, "all"); strings.Contains(got, "B") {
				t.Errorf("a power cut leaves %s: the pages are clean, nothing writes them", got)
			}
			if calls, bytes := d.InPlay(); bytes != 0 {
				t.Errorf("%d calls and %d bytes in play: pages are to be clean", calls, bytes)
			}
			if got := strings.Join(d.Dropped(), " "); got != "f" {
				t.Errorf("of %q data was dropped, want f", got)
			}
			mustWrite(t, f, "CC")
			if err := f.Sync(); !errors.Is(err, tt.second) || tt.second == nil && err != nil {
				t.Fatalf("the next sync returned %v", err)
			}
			wantLeft(t, d, "none", "f="+tt.synced)
			wantLeft(t, d, "all", "f="+tt.synced)
		})
	}
}

// TestFailedSyncHeals: a page that is written again is written whole, with what
// a failed sync had dropped.
func TestFailedSyncHeals(t *testing.T) {
	d, g, _, f := gated(t, Options{}, vfs.Append)
	mustWrite(t, f, "AAAA")
	g.decide = func(c *Call) Decision {
		if c.Kind == OpFsync {
			return Decision{Err: syscall.EIO}
		}
		return Decision{}
	}
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	g.decide = nil
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLeft(t, d, "none", "f=....")
	mustWrite(t, f, "BB")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLeft(t, d, "none", "f=AAAABB")
	if got := d.Dropped(); len(got) > 0 {
		t.Errorf("of %q data was dropped, and written again", got)
	}
}

// TestEachDescriptorIsTold: every descriptor that was open when a sync failed is
// told of it once, at its next sync; one that is opened later is not.
func TestEachDescriptorIsTold(t *testing.T) {
	d, g, fsys, f := gated(t, Options{}, vfs.Append)
	other, err := fsys.Open("f", vfs.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, f, "AAAA")
	g.decide = func(c *Call) Decision { return Decision{Err: syscall.ENOSPC} }
	if err := f.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	g.decide = nil
	late, err := fsys.Open("f", vfs.ReadOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		f    vfs.File
		want error
	}{
		{"the one that failed", f, nil}, {"another", other, syscall.ENOSPC}, {"another, again", other, nil}, {"a later one", late, nil},
	} {
		if err := tt.f.Sync(); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if d.InPlay(); render(t, d) != "f=AAAA" {
		t.Error(render(t, d))
	}
}

// TestFailedDirSync: names stay in play.
func TestFailedDirSync(t *testing.T) {
	d, g, fsys, _ := gated(t, Options{}, 0)
	h, err := fsys.OpenDir(".")
	if err != nil {
		t.Fatal(err)
	}
	g.decide = func(c *Call) Decision { return Decision{Err: syscall.EIO} }
	if err := h.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	wantLeft(t, d, "none", "-")
	wantLeft(t, d, "all", "f=")
	g.decide = nil
	if err := h.Sync(); err != nil {
		t.Fatal(err)
	}
	wantLeft(t, d, "none", "f=")
}
