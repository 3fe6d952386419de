package sim

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// ledger is the smallest server that promises something: it answers each byte
// once it is in its log, after a sync if it is honest.
func ledger(sync bool) func(e env.Env, fs vfs.FS) {
	return func(e env.Env, fs vfs.FS) {
		log, err := fs.Open("log", vfs.WriteOnly|vfs.Create|vfs.Append)
		if err == nil {
			err = vfs.SyncDir(fs, ".")
		}
		if err != nil {
			panic(err)
		}
		l, err := e.Listen(":1")
		if err != nil {
			panic(err)
		}
		conn, err := l.Accept()
		if err != nil {
			panic(err)
		}
		buf := make([]byte, 1)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			if _, err := log.Write(buf); err != nil {
				panic(err)
			}
			if sync {
				if err := log.SyncData(); err != nil {
					panic(err)
				}
			}
			if _, err := conn.Write(buf); err != nil {
				return
			}
		}
	}
}

// TestCrashAgainstALedger crashes the ledger in the middle of its k-th log
// call, starts a process on what is left and reads the log. The honest ledger
// never loses an answered byte; the other one does by power cut, never by kill.
func TestCrashAgainstALedger(t *testing.T) {
	type crash struct {
		sync, power bool
	}
	w := New(Options{})
	defer w.Close()
	struck := map[crash]int{}
	lost := map[crash]int{}
	for seed := range uint64(200) {
		for _, c := range []crash{{true, true}, {true, false}, {false, true}, {false, false}} {
			calls, inFlight := 0, false
			w.Reset(Options{Seed: seed, Hook: func(n *Node, call *disk.Call) disk.Decision {
				if call.Kind != disk.OpWrite && call.Kind != disk.OpFdatasync {
					return disk.Decision{}
				}
				calls++
				if calls != 3+int(seed%40) {
					return disk.Decision{}
				}
				return disk.Decision{Place: disk.PlaceInFlight, Fraction: float64(seed%5) / 4, Strike: func() {
					inFlight = call.Return == disk.Never
					if c.power {
						n.PowerCut(disk.Choice{Mode: disk.KeepRandom, Seed: seed})
					} else {
						n.Kill(true)
					}
				}}
			}})
			before := disk.New(disk.Options{})
			n := w.Node("n1", before)
			n.Start(ledger(c.sync))
			acked := 0
			w.Node("c1", nil).Go("client", func(e env.Env) {
				var conn env.Conn
				err := env.ErrRefused
				for errors.Is(err, env.ErrRefused) {
					e.Sleep(time.Millisecond)
					conn, err = e.Dial("n1:1")
				}
				conn.SetReadDeadline(time.Second)
				for {
					if _, err := conn.Write([]byte{byte(acked)}); err != nil {
						return
					}
					if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
						return
					}
					acked++
				}
			})
			run(t, w, 2*time.Second)
			if n.Running() || !inFlight {
				t.Fatalf("seed %d %+v: the crash did not strike in flight", seed, c)
			}
			if (n.Disk() == before) == c.power {
				t.Fatalf("seed %d %+v: restarted on the wrong disk", seed, c)
			}
			struck[c]++
			var found []byte
			n.Start(func(e env.Env, fs vfs.FS) {
				var err error
				if found, err = vfs.ReadFile(fs, "log"); err != nil {
					t.Errorf("seed %d %+v: %v", seed, c, err)
				}
			})
			run(t, w, 3*time.Second)
			for i := range acked {
				if i >= len(found) || found[i] != byte(i) {
					lost[c]++
					break
				}
			}
		}
	}
	for c, n := range struck {
		loses := !c.sync && c.power
		if (lost[c] > 0) != loses {
			t.Errorf("%+v: %d of %d crashes lost answered bytes", c, lost[c], n)
		}
	}
	if testing.Verbose() {
		fmt.Println("crashes", struck, "lost", lost)
	}
}

// TestBackgroundWriteBack: the scheduler drives the disk's own writing, so that
// unsynced data older than its expiry survives.
func TestBackgroundWriteBack(t *testing.T) {
	for _, after := range []time.Duration{20 * time.Second, 45 * time.Second} {
		w := New(Options{})
		n := w.Node("n1", disk.New(disk.Options{}))
		n.Start(func(e env.Env, fs vfs.FS) {
			if err := errors.Join(vfs.WriteFile(fs, "log", []byte("x")), vfs.SyncDir(fs, ".")); err != nil {
				t.Error(err)
			}
			e.Sleep(time.Hour)
		})
		w.At(after, func() { n.PowerCut(disk.Choice{}) })
		run(t, w, time.Minute)
		got, err := vfs.ReadFile(n.Disk().FS(nil), "log")
		survived := err == nil && string(got) == "x"
		if survived != (after > 35*time.Second) {
			t.Errorf("power cut after %v: read %q, %v", after, got, err)
		}
		w.Close()
	}
}
