package disk

import (
	"testing"
	"time"

	"github.com/torntail/torntail/faults/vfs"
)

// TestWriteBack: when the kernel writes by itself what nobody synced.
func TestWriteBack(t *testing.T) {
	const s = time.Second
	type look struct {
		at   time.Duration
		want string // durable then
	}
	for _, tt := range []struct {
		name string
		o    Options
		// The file is made at 1 s and written at 2 s and 20 s.
		looks []look
	}{
		{"ext4: names at the commit, data after 30 s at the next look, its size with the commit after", Options{},
			[]look{{5 * s, "-"}, {6 * s, "f="}, {34 * s, "f="}, {40 * s, "f=AB"}}},
		{"posix: data after 30 s, names never", Options{Personality: Personalities[0]},
			[]look{{34 * s, "-"}, {3600 * s, "-"}}},
		{"xfs: names after 30 s", Options{Personality: named(t, "xfs")},
			[]look{{30 * s, "-"}, {31 * s, "f="}, {35 * s, "f="}, {65 * s, "f=AB"}}},
		{"prefix: the commit of the name stops before the write", Options{Personality: named(t, "prefix")},
			[]look{{5 * s, "-"}, {6 * s, "f="}, {34 * s, "f="}, {35 * s, "f=AB"}}},
		{"other parameters: at 6 s a look and the commit meet", Options{WriteBack: WriteBack{Expire: 3 * s, Interval: 2 * s}},
			[]look{{5 * s, "-"}, {6 * s, "f=A"}, {11 * s, "f=A"}, {20 * s, "f=A"}, {29 * s, "f=AB"}}},
		{"never", Options{Personality: Personalities[0], WriteBack: WriteBack{Expire: -1}},
			[]look{{3600 * s, "-"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := New(tt.o)
			g := &stepGate{now: 1 * s}
			f, err := d.FS(g).Open("f", vfs.WriteOnly|vfs.Create|vfs.Append)
			if err != nil {
				t.Fatal(err)
			}
			g.now = 2 * s
			mustWrite(t, f, "A")
			wrote := false
			for _, l := range tt.looks {
				if l.at >= 20*s && !wrote {
					tickTo(t, d, 20*s)
					g.now, wrote = 20*s, true
					mustWrite(t, f, "B")
				}
				tickTo(t, d, l.at)
				if got := left(t, d, "none"); got != l.want {
					t.Errorf("at %v %q is durable, want %q", l.at, got, l.want)
				}
			}
		})
	}
}

// tickTo does the background work in the way a world does: at the times that
// NextTick names, and only then.
func tickTo(t *testing.T, d *Disk, now time.Duration) {
	t.Helper()
	last := time.Duration(-1)
	for {
		at, ok := d.NextTick()
		if !ok || at > now {
			return
		}
		if at <= last {
			t.Fatalf("NextTick stays at %v", at)
		}
		last = at
		d.Tick(at)
	}
}

// TestWriteBackStops: a disk on which all is durable asks for no more ticks, in
// the end, and a cut of it loses nothing.
func TestWriteBackStops(t *testing.T) {
	for _, p := range Personalities[1:] {
		d := New(Options{Personality: p})
		if err := vfs.WriteFile(d.FS(nil), "f", []byte("AAAA")); err != nil {
			t.Fatal(err)
		}
		tickTo(t, d, time.Hour)
		if at, ok := d.NextTick(); ok {
			t.Errorf("%s: still wants a tick at %v", p.Name, at)
		}
		if calls, _ := d.InPlay(); calls != 0 {
			t.Errorf("%s: %d calls in play after an hour", p.Name, calls)
		}
		wantLeft(t, d, "none", "f=AAAA")
	}
}
