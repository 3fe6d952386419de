package sim

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// diskCall makes a call through the gate as a file system would, with no disk's effect.
func diskCall(n *Node, kind disk.OpKind, path string, ino disk.Ino, length int64) *disk.Call {
	c := &disk.Call{Kind: kind, Path: path, Ino: ino, Len: length, Return: disk.Never}
	g := gate{n}
	d := g.Enter(c)
	c.Err = d.Err
	g.Wait(c, d)
	g.Return(c)
	return c
}

// busyNode is a small server that touches every seam, with deferred calls that
// count how often they ran, so that a kill can strike anywhere in it.
type busyNode struct {
	n              *Node
	begun, unwound int
	served         int
}

func (b *busyNode) task(f func()) func() {
	return func() {
		b.begun++
		defer func() { b.unwound++ }()
		f()
	}
}

func (b *busyNode) main(e env.Env, fs vfs.FS) {
	must := func(f vfs.File, err error) vfs.File {
		if err != nil {
			panic(err)
		}
		return f
	}
	b.task(func() {
		log := must(fs.Open("log", vfs.WriteOnly|vfs.Create|vfs.Append))
		defer log.Close()
		l, err := e.Listen(":6379")
		if err != nil {
			panic(err)
		}
		wake := e.NewCond()
		dirty := 0
		e.Go("sync", b.task(func() {
			for {
				for dirty == 0 {
					wake.WaitFor(time.Millisecond)
				}
				dirty = 0
				if err := log.SyncData(); err != nil {
					panic(err)
				}
			}
		}))
		e.Fork("child", b.task(func() {
			f := must(fs.Open("temp", vfs.WriteOnly|vfs.Create|vfs.Truncate))
			for range 3 {
				if _, err := f.Write(make([]byte, 4096)); err != nil {
					panic(err)
				}
			}
			if err := errors.Join(f.Sync(), f.Close(), fs.Rename("temp", "snapshot"), vfs.SyncDir(fs, ".")); err != nil {
				panic(err)
			}
			e.Sleep(e.Now()%7 + 1)
		}))
		for {
			conn, err := l.Accept()
			if err != nil {
				panic(err)
			}
			e.Go("conn", b.task(func() {
				defer conn.Close()
				buf := make([]byte, 16)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if _, err := log.Write(buf[:n]); err != nil {
						panic(err)
					}
					dirty++
					wake.Signal()
					if e.Uint64()%4 == 0 {
						e.Sleep(0)
					}
					if _, err := conn.Write(buf[:n]); err != nil {
						return
					}
					b.served++
				}
			}))
		}
	})()
}

// client sends requests until the connection breaks and dials again.
func client(stop *bool) func(e env.Env) {
	return func(e env.Env) {
		buf := make([]byte, 16)
		for !*stop {
			conn, err := e.Dial("n1:6379")
			if err != nil {
				e.Sleep(time.Millisecond)
				continue
			}
			for !*stop {
				conn.SetReadDeadline(e.Now() + 50*time.Millisecond)
				if _, err := conn.Write(buf); err != nil {
					break
				}
				if _, err := conn.Read(buf); err != nil {
					break
				}
			}
			conn.Close()
		}
	}
}

// stopAt is a trace that stops the world as the k-th event happens.
type stopAt struct {
	w *World
	k int
}

func (s *stopAt) Write(p []byte) (int, error) {
	if s.k--; s.k == 0 {
		s.w.Stop()
	}
	return len(p), nil
}

// TestKillAtAnyPoint kills the busy node after its k-th event, for all k of its
// first part: everything that began is unwound, once, and nothing is left.
func TestKillAtAnyPoint(t *testing.T) {
	places := map[where]int{}
	for k := 1; k < 800; k++ {
		trace := &stopAt{}
		w := New(Options{Seed: uint64(k % 7), Trace: trace})
		trace.w = w
		b := &busyNode{n: w.Node("n1", disk.New(disk.Options{}))}
		stop := false
		b.n.Start(b.main)
		w.Node("c1", nil).Go("client", client(&stop))
		w.Node("c2", nil).Go("client", client(&stop))
		trace.k = k
		run(t, w, time.Minute)
		if w.Now() == time.Minute {
			t.Fatalf("no event %d", k)
		}
		for _, p := range b.n.processes() {
			for task := p.first; task != nil; task = task.nextInProc {
				places[task.where]++
			}
		}
		b.n.Kill(true)
		if b.begun != b.unwound {
			t.Fatalf("event %d: %d tasks began, %d were unwound", k, b.begun, b.unwound)
		}
		if b.n.Running() || b.n.Children() != 0 || len(b.n.listeners) != 0 || len(b.n.syncs) != 0 {
			t.Fatalf("event %d: the node still has a process, children, ports or syncs", k)
		}
		stop = true
		run(t, w, w.Now()+time.Minute)
		if len(w.idle) != len(w.coroutines) {
			t.Fatalf("event %d: %d of %d coroutines came back", k, len(w.idle), len(w.coroutines))
		}
		if len(w.streams) != 0 {
			t.Fatalf("event %d: %d connections left", k, len(w.streams))
		}
		w.Close()
	}
	for _, p := range []where{waitReady, waitSleep, waitCond, waitRead, waitAccept, waitDisk} {
		if places[p] == 0 {
			t.Errorf("no kill struck a task in place %d: %v", p, places)
		}
	}
}

// TestManyKillsLeaveNothing: 100,000 processes killed in one world, and as many
// experiments as that in one process, do not grow it.
func TestManyKillsLeaveNothing(t *testing.T) {
	kills := 100_000
	if testing.Short() {
		kills = 5_000
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	w := New(Options{Profile: quick})
	n := w.Node("n1", nil)
	unwound := 0
	main := func(e env.Env, _ vfs.FS) {
		defer func() { unwound++ }()
		e.Go("a", func() { defer func() { unwound++ }(); e.Sleep(time.Hour) })
		e.NewCond().Wait()
	}
	cycle := func(times int) {
		for range times {
			n.Start(main)
			run(t, w, w.Now()+1)
			n.Kill(true)
		}
	}
	goroutines := runtime.NumGoroutine()
	cycle(1000)
	before, coroutines := heap(), len(w.coroutines)
	cycle(kills)
	if unwound != 2*(kills+1000) {
		t.Errorf("%d tasks unwound, want %d", unwound, 2*(kills+1000))
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("%d kills grew the heap from %d to %d bytes", kills, before, after)
	}
	if len(w.coroutines) != coroutines {
		t.Errorf("%d kills made %d coroutines of %d", kills, len(w.coroutines), coroutines)
	}
	w.Close()
	if now := runtime.NumGoroutine(); now > goroutines {
		t.Errorf("after Close %d goroutines, %d before New", now, goroutines)
	}
}

// TestDeadSeamsPanicAgain calls every seam from a deferred function of a killed
// task: none may return.
func TestDeadSeamsPanicAgain(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", disk.New(disk.Options{}))
	peer := w.Node("n2", nil)
	peer.Start(func(e env.Env, _ vfs.FS) {
		l, _ := e.Listen(":1")
		l.Accept()
		e.NewCond().Wait()
	})
	panicked := map[string]bool{}
	n.Start(func(e env.Env, _ vfs.FS) {
		e.Sleep(time.Millisecond)
		l, err := e.Listen(":2")
		if err != nil {
			t.Error(err)
		}
		conn, err := e.Dial("n2:1")
		if err != nil {
			t.Error(err)
		}
		cond := e.NewCond()
		task := e.Go("other", func() { e.Sleep(time.Hour) })
		seams := map[string]func(){
			"Now": func() { e.Now() }, "Wall": func() { e.Wall() }, "Sleep": func() { e.Sleep(0) },
			"Go": func() { e.Go("x", func() {}) }, "Fork": func() { e.Fork("x", func() {}) },
			"NewCond": func() { e.NewCond() }, "Uint64": func() { e.Uint64() },
			"Listen": func() { e.Listen(":3") }, "Dial": func() { e.Dial("n2:1") },
			"Task.Wait": task.Wait, "Task.Done": func() { task.Done() },
			"Cond.Wait": cond.Wait, "Cond.WaitFor": func() { cond.WaitFor(0) },
			"Cond.Signal": cond.Signal, "Cond.Broadcast": cond.Broadcast,
			"Accept": func() { l.Accept() }, "Listener.Close": func() { l.Close() },
			"Read": func() { conn.Read(nil) }, "Write": func() { conn.Write([]byte("ack")) }, "Conn.Close": func() { conn.Close() },
			"SetReadDeadline": func() { conn.SetReadDeadline(1) }, "SetWriteDeadline": func() { conn.SetWriteDeadline(1) },
			"disk":    func() { diskCall(n, disk.OpWrite, "x", 2, 1) },
			"Outside": func() { w.Outside(func() {}) }, "Kill": func() { peer.Kill(true) },
		}
		defer func() {
			for name, seam := range seams { // any order: each is on its own
				func() {
					defer func() { _, panicked[name] = recover().(unwound) }()
					seam()
				}()
			}
		}()
		cond.Wait()
	})
	run(t, w, time.Second)
	n.Kill(false)
	if len(panicked) != 25 {
		t.Errorf("%d seams tried", len(panicked))
	}
	for name, ok := range panicked {
		if !ok {
			t.Errorf("%s returned in a dead task", name)
		}
	}
	if !peer.Running() {
		t.Error("a dead task killed its peer")
	}
}

// TestUnwindingHidesFailuresOfDeferredFunctions: a killed process runs no
// deferred functions in reality, so what they do wrong is nobody's bug.
func TestUnwindingHidesFailuresOfDeferredFunctions(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	n.Start(func(e env.Env, _ vfs.FS) {
		defer panic("deferred")
		e.Sleep(time.Hour)
	})
	w.After(time.Second, func() { n.Kill(false) })
	if err := w.Run(time.Minute); err != nil || n.Running() {
		t.Errorf("%v, running %v", err, n.Running())
	}
}

func TestForkedChildren(t *testing.T) {
	tests := []struct {
		name     string
		end      func(n *Node)
		survives bool
	}{
		{"kill of the parent alone", func(n *Node) { n.Kill(false) }, true},
		{"kill of the tree", func(n *Node) { n.Kill(true) }, false},
		{"power cut", func(n *Node) { n.PowerCut(disk.Choice{}) }, false},
		{"nothing", func(n *Node) {}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := New(Options{})
			defer w.Close()
			n := w.Node("n1", disk.New(disk.Options{}))
			finished, thread := false, false
			n.Start(func(e env.Env, _ vfs.FS) {
				e.Fork("child", func() {
					e.Go("thread of the child", func() { e.Sleep(3 * time.Second); thread = true })
					e.Sleep(5 * time.Second)
					finished = true
				})
				e.Sleep(time.Hour)
			})
			w.At(time.Second, func() {
				if n.Children() != 1 {
					t.Errorf("%d children before", n.Children())
				}
				tt.end(n)
				if (n.Children() == 1) != tt.survives {
					t.Errorf("%d children after", n.Children())
				}
			})
			run(t, w, time.Minute)
			if finished != tt.survives || thread != tt.survives {
				t.Errorf("child finished: %v, its thread: %v", finished, thread)
			}
			if n.Children() != 0 {
				t.Errorf("%d children at the end", n.Children())
			}
		})
	}
}

// TestExitEndsThreadsAndSparesChildren: main's return is the end of the process.
func TestExitEndsThreadsAndSparesChildren(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	thread, child, exits := false, false, 0
	n.OnExit(func() { exits++ })
	n.Start(func(e env.Env, _ vfs.FS) {
		e.Go("thread", func() { e.Sleep(2 * time.Second); thread = true })
		e.Fork("child", func() { e.Sleep(2 * time.Second); child = true })
		e.Sleep(time.Second)
	})
	if err := w.Run(time.Minute); err != nil || thread || !child || exits != 1 || n.Running() {
		t.Errorf("%v: thread went on %v, child %v, %d exits, running %v", err, thread, child, exits, n.Running())
	}
	n.Start(func(e env.Env, _ vfs.FS) { e.Sleep(time.Hour) })
	n.Kill(false)
	if exits != 1 {
		t.Error("a kill was reported as an exit")
	}
}

// TestFaultsAskedForByTasks: a task may kill, cut and start; it goes on only if it lives.
func TestFaultsAskedForByTasks(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n, m := w.Node("n1", disk.New(disk.Options{})), w.Node("n2", disk.New(disk.Options{}))
	sleeper := func(e env.Env, _ vfs.FS) { e.Sleep(time.Hour) }
	n.Start(sleeper)
	var steps []string
	m.Start(func(e env.Env, _ vfs.FS) {
		defer func() { steps = append(steps, "unwound") }()
		n.Kill(false)
		if n.Running() {
			t.Error("n1 survived its kill")
		}
		n.Start(sleeper)
		steps = append(steps, "restarted")
		old := n.Disk()
		n.PowerCut(disk.Choice{})
		if n.Running() || old == nil {
			t.Error("n1 survived the power cut")
		}
		steps = append(steps, "cut")
		m.Kill(true)
		steps = append(steps, "outlived its own kill")
	})
	if err := w.Run(time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(steps) != 3 || steps[2] != "unwound" || m.Running() {
		t.Errorf("steps: %q", steps)
	}
}
