package sim

import (
	"runtime"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// TestNoAllocationPerEvent: sleeping, signalling, talking and calling the disk's
// gate costs no memory once the world is warm.
func TestNoAllocationPerEvent(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n, c := w.Node("n1", disk.New(disk.Options{})), w.Node("c1", nil)
	events := 0
	n.Start(func(e env.Env, _ vfs.FS) {
		g := gate{n}
		l, _ := e.Listen(":1")
		conn, _ := l.Accept()
		cond := e.NewCond()
		e.Go("idle", func() {
			for {
				cond.WaitFor(time.Millisecond)
			}
		})
		buf := make([]byte, 64)
		call := &disk.Call{}
		for {
			conn.Read(buf)
			*call = disk.Call{Kind: disk.OpFdatasync, Path: "log", Ino: 2}
			d := g.Enter(call)
			g.Wait(call, d)
			g.Return(call)
			conn.Write(buf)
			cond.Signal()
			events++
		}
	})
	c.Go("client", func(e env.Env) {
		e.Sleep(time.Millisecond)
		conn, _ := e.Dial("n1:1")
		buf := make([]byte, 64)
		for {
			conn.SetReadDeadline(e.Now() + time.Second)
			conn.Write(buf)
			conn.Read(buf)
		}
	})
	run(t, w, time.Second)
	before := events
	allocs := testing.AllocsPerRun(10, func() { run(t, w, w.Now()+time.Second) })
	if events < before+1000 {
		t.Fatalf("only %d requests", events-before)
	}
	if allocs > 1 {
		t.Errorf("%v allocations a second of %d requests", allocs, (events-before)/11)
	}
}

// TestManyExperimentsLeaveNothing runs experiments in one world, each left in
// the middle of its work, and sees that memory and goroutines stay.
func TestManyExperimentsLeaveNothing(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	w := New(Options{})
	d := disk.New(disk.Options{})
	served := 0
	experiments := func(from, to uint64) {
		for seed := from; seed < to; seed++ {
			w.Reset(Options{Seed: seed})
			d.Reset(disk.Options{})
			b := &busyNode{n: w.Node("n1", d)}
			b.n.Start(b.main)
			stop := false
			for _, name := range []string{"c1", "c2", "c3"} {
				w.Node(name, nil).Go("client", client(&stop))
			}
			w.At(3*time.Millisecond, func() { b.n.PowerCut(disk.Choice{Mode: disk.KeepRandom, Seed: seed}) })
			w.At(4*time.Millisecond, func() { b.n.Start(b.main) })
			run(t, w, 7*time.Millisecond)
			served += b.served
		}
	}
	goroutines := runtime.NumGoroutine()
	experiments(0, 500)
	before, coroutines := heap(), runtime.NumGoroutine()
	experiments(500, 5000)
	if after := heap(); after > before+1<<20 {
		t.Errorf("4,500 experiments grew the memory from %d to %d bytes", before, after)
	}
	if now := runtime.NumGoroutine(); now > coroutines+4 {
		t.Errorf("4,500 experiments grew the coroutines from %d to %d", coroutines, now)
	}
	if served < 50_000 {
		t.Errorf("only %d requests served", served)
	}
	w.Close()
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("after Close %d goroutines, %d before", now, goroutines)
	}
}

// TestWorldsAreIndependent runs worlds in parallel; the race detector looks on,
// and each has the hash that it has alone.
func TestWorldsAreIndependent(t *testing.T) {
	alone := New(Options{})
	want, _ := experiment(t, alone, Options{Seed: 9})
	alone.Close()
	for range 4 {
		t.Run("world", func(t *testing.T) {
			t.Parallel()
			w := New(Options{})
			defer w.Close()
			for range 5 {
				if got, _ := experiment(t, w, Options{Seed: 9}); got != want {
					t.Errorf("hash %016x beside other worlds, %016x alone", got, want)
				}
			}
		})
	}
}
