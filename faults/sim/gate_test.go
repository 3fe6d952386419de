package sim

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// fixed makes every sync take one second and every write a millisecond.
func fixed() *Profile {
	second, milli := time.Second, time.Millisecond
	return &Profile{Name: "fixed",
		Sync:  Dist{second, second, second, second, second, second},
		Write: Dist{milli, milli, milli, milli, milli, milli},
	}
}

// TestStrikesInACall: where in a call a fault strikes, and what the caller still does.
func TestStrikesInACall(t *testing.T) {
	tests := []struct {
		place    disk.Place
		fraction float64
		kill     bool
		at       time.Duration // of the strike
		reached  string        // how far the call came
	}{
		{disk.PlaceEnter, 0, true, 0, ""},
		{disk.PlaceEnter, 0, false, 0, "entered returned"},
		{disk.PlaceInFlight, 0, true, 0, "entered "},
		{disk.PlaceInFlight, 0.25, true, 250 * time.Millisecond, "entered "},
		{disk.PlaceInFlight, 0.5, false, 500 * time.Millisecond, "entered returned"},
		{disk.PlaceInFlight, 1, true, time.Second, "entered "},
		{disk.PlaceInFlight, 7, true, time.Second, "entered "}, // out of range: the end
		{disk.PlaceReturn, 0, true, time.Second, "entered "},
		{disk.PlaceReturn, 0, false, time.Second, "entered returned"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("place=%d fraction=%v kill=%v", tt.place, tt.fraction, tt.kill), func(t *testing.T) {
			struck := time.Duration(-1)
			reached := ""
			var w *World
			w = New(Options{Profile: fixed(), Hook: func(n *Node, c *disk.Call) disk.Decision {
				return disk.Decision{Place: tt.place, Fraction: tt.fraction, Strike: func() {
					if struck >= 0 {
						t.Error("struck twice")
					}
					struck = w.Now()
					if tt.kill {
						n.Kill(true)
					}
				}}
			}})
			defer w.Close()
			n := w.Node("n1", disk.New(disk.Options{}))
			n.Start(func(e env.Env, _ vfs.FS) {
				c := &disk.Call{Kind: disk.OpFsync, Path: "log", Ino: 2}
				g := gate{n}
				d := g.Enter(c)
				reached = "entered "
				g.Wait(c, d)
				g.Return(c)
				reached += "returned"
				if c.Enter != 0 || c.Return != time.Second {
					t.Errorf("call from %v to %v", c.Enter, c.Return)
				}
			})
			if err := w.Run(time.Minute); err != nil {
				t.Fatal(err)
			}
			if struck != tt.at || reached != tt.reached {
				t.Errorf("struck at %v, caller %q; want %v and %q", struck, reached, tt.at, tt.reached)
			}
		})
	}
}

func TestDelayStallAndError(t *testing.T) {
	decisions := map[string]disk.Decision{
		"slow": {Delay: 2 * time.Second}, "stuck": {Stall: true}, "broken": {Err: syscall.EIO},
	}
	w := New(Options{Profile: fixed(), Hook: func(n *Node, c *disk.Call) disk.Decision { return decisions[c.Path] }})
	defer w.Close()
	n := w.Node("n1", disk.New(disk.Options{}))
	got := map[string]string{}
	for _, path := range []string{"slow", "stuck", "broken", "fine"} {
		n.Go(path, func(e env.Env) {
			c := diskCall(n, disk.OpFsync, path, disk.Ino(len(path)), 0)
			got[path] = fmt.Sprint(c.Return, " ", c.Err == syscall.EIO)
		})
	}
	w.At(time.Minute, func() {
		if n.Stalled() != 1 {
			t.Errorf("%d calls stalled", n.Stalled())
		}
		n.ReleaseStalled()
	})
	if err := w.Run(time.Hour); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"slow": "3s false", "stuck": "1m0s false", "broken": "1s true", "fine": "1s false"} {
		if got[path] != want {
			t.Errorf("%s: returned %s, want %s", path, got[path], want)
		}
	}
}

// TestWriteWaitsBehindSync: only a write to the same file, and it goes on when
// the sync returns or its process dies.
func TestWriteWaitsBehindSync(t *testing.T) {
	for _, kill := range []bool{false, true} {
		p := fixed()
		p.WriteBehindSync = 1024
		w := New(Options{Profile: p})
		n := w.Node("n1", disk.New(disk.Options{}))
		got := map[string]time.Duration{}
		n.Start(func(e env.Env, _ vfs.FS) {
			e.Fork("writer", func() {
				e.Sleep(100 * time.Millisecond)
				got["other"] = diskCall(n, disk.OpWrite, "other", 3, 1).Return
				got["same"] = diskCall(n, disk.OpWrite, "log", 2, 1).Return
			})
			diskCall(n, disk.OpFsync, "log", 2, 0)
		})
		want := 1001 * time.Millisecond
		if kill {
			want = 501 * time.Millisecond
			w.At(500*time.Millisecond, func() { n.Kill(false) })
		}
		run(t, w, time.Minute)
		if got["other"] != 101*time.Millisecond || got["same"] != want {
			t.Errorf("kill %v: writes returned at %v", kill, got)
		}
		w.Close()
	}
}

// TestTwoTasksShareAFile: a background thread syncs a file to which the main
// thread goes on writing, as redis-server does under everysec; each call keeps
// what it is, and both return.
func TestTwoTasksShareAFile(t *testing.T) {
	p := fixed()
	p.WriteBehindSync = 1024
	w := New(Options{Profile: p})
	defer w.Close()
	n := w.Node("n1", disk.New(disk.Options{KeepLog: true}))
	synced, wrote := false, false
	n.Start(func(e env.Env, fsys vfs.FS) {
		f, err := fsys.Open("log", vfs.WriteOnly|vfs.Append|vfs.Create)
		if err != nil {
			t.Error(err)
			return
		}
		f.Write([]byte("one"))
		sync := e.Go("bio", func() { synced = f.SyncData() == nil })
		e.Sleep(100 * time.Millisecond)
		_, err = f.Write([]byte("two"))
		wrote = err == nil
		sync.Wait()
	})
	run(t, w, time.Minute)
	if !synced || !wrote {
		t.Fatalf("synced %v, wrote %v", synced, wrote)
	}
	log := slices.DeleteFunc(n.Disk().Log(), func(r disk.Record) bool { return r.ID == 0 }) // the kernel's own
	sync, second := log[len(log)-2], log[len(log)-1]
	if sync.Kind != disk.OpFdatasync || second.Kind != disk.OpWrite {
		t.Fatalf("the log ends with %s, %s", sync.Kind, second.Kind)
	}
	if sync.Return <= second.Enter || second.Return < sync.Return || second.Return == disk.Never {
		t.Errorf("the sync returned at %v, the write ran from %v to %v", sync.Return, second.Enter, second.Return)
	}
	if sync.Covers != log[len(log)-3].ID {
		t.Errorf("the sync covers write %d, want %d", sync.Covers, log[len(log)-3].ID)
	}
}

// TestSyncTimeGrowsWithDirtyPages: transfers of concurrent syncs queue, and a
// second sync of a file has nothing to transfer.
func TestSyncTimeGrowsWithDirtyPages(t *testing.T) {
	p := fixed()
	p.PerPageSync = 100 * time.Millisecond
	w := New(Options{Profile: p})
	defer w.Close()
	n := w.Node("n1", disk.New(disk.Options{}))
	var took [4]time.Duration
	n.Go("main", func(e env.Env) {
		for range 4 {
			diskCall(n, disk.OpWrite, "a", 2, 5*4096/4)
		}
		diskCall(n, disk.OpWrite, "b", 3, 2*4096)
		sync := func(i int, ino disk.Ino) {
			c := diskCall(n, disk.OpFdatasync, "", ino, 0)
			took[i] = c.Return - c.Enter
		}
		a := e.Go("a", func() { sync(0, 2) })
		e.Sleep(time.Nanosecond)
		sync(1, 3)
		a.Wait()
		sync(2, 2)
	})
	if err := w.Run(time.Minute); err != nil {
		t.Fatal(err)
	}
	want := [4]time.Duration{1500 * time.Millisecond, 1700*time.Millisecond - 1, time.Second}
	if took != want {
		t.Errorf("syncs took %v, want %v", took, want)
	}
}

// TestStallsHoldSyncs: the stall variants do what they are for, and the others never stall for seconds.
func TestStallsHoldSyncs(t *testing.T) {
	for _, name := range ProfileNames() {
		p, err := ProfileByName(name)
		if err != nil {
			t.Fatal(err)
		}
		w := New(Options{Profile: p, Seed: 1})
		n := w.Node("n1", disk.New(disk.Options{}))
		long := 0
		n.Go("syncer", func(e env.Env) {
			for e.Now() < 100*time.Second {
				c := diskCall(n, disk.OpFdatasync, "log", 2, 0)
				if c.Return-c.Enter > 2*time.Second {
					long++
				}
				e.Sleep(100 * time.Millisecond)
			}
		})
		if err := w.Run(time.Hour); err != nil {
			t.Fatal(err)
		}
		if (p.Stalls.Last.Max > 0) != (long > 0) {
			t.Errorf("%s: %d syncs of over 2 s in 100 s", name, long)
		}
		w.Close()
	}
	if _, err := ProfileByName("floppy"); err == nil {
		t.Error("unknown profile accepted")
	}
}

// TestDistributions: quantiles rise, draws stay inside and lie where the quantiles say.
func TestDistributions(t *testing.T) {
	w := New(Options{Seed: 3})
	defer w.Close()
	for _, name := range ProfileNames() {
		p, _ := ProfileByName(name)
		for what, d := range map[string]Dist{"write": p.Write, "read": p.Read, "names": p.Names, "sync": p.Sync, "oneway": p.OneWay, "loopback": p.Loopback, "every": p.Stalls.Every, "last": p.Stalls.Last} {
			if d.Min > d.P50 || d.P50 > d.P90 || d.P90 > d.P99 || d.P99 > d.P999 || d.P999 > d.Max {
				t.Errorf("%s %s: quantiles do not rise: %v", name, what, d)
			}
			if d.Max == 0 {
				continue
			}
			var below50, below99 int
			const draws = 20000
			for range draws {
				x := w.draw(&d)
				if x < d.Min || x > d.Max {
					t.Fatalf("%s %s: drew %v outside %v", name, what, x, d)
				}
				if x <= d.P50 {
					below50++
				}
				if x <= d.P99 {
					below99++
				}
			}
			if below50 < draws*48/100 || below50 > draws*52/100 || below99 < draws*985/1000 || below99 > draws*995/1000 {
				t.Errorf("%s %s: of %d draws %d are below p50, %d below p99", name, what, draws, below50, below99)
			}
		}
	}
}

func TestDrawEnds(t *testing.T) {
	d := Dist{1, 2, 3, 4, 5, 6}
	if d.draw(0) != 1 || d.draw(1<<32-1) != 5 || d.draw(1<<31) != 2 {
		t.Errorf("draws at 0, 1/2 and almost 1: %d %d %d", d.draw(0), d.draw(1<<31), d.draw(1<<32-1))
	}
}
