package sim

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// quick is a profile in which only the scheduler takes (real) time.
var quick = &Profile{Name: "quick"}

const forever = 1 << 62

func BenchmarkSleep(b *testing.B) {
	for _, tasks := range []int{1, 2, 16} {
		b.Run(map[int]string{1: "tasks=1", 2: "tasks=2", 16: "tasks=16"}[tasks], func(b *testing.B) {
			w := New(Options{})
			defer w.Close()
			n := w.Node("n1", nil)
			for range tasks {
				n.Go("sleeper", func(e env.Env) {
					for range b.N/tasks + 1 {
						e.Sleep(time.Microsecond)
					}
				})
			}
			b.ReportAllocs()
			b.ResetTimer()
			run(b, w, forever)
		})
	}
}

func BenchmarkCondPingPong(b *testing.B) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	e := n.Env()
	ping, pong := e.NewCond(), e.NewCond()
	ball := 0
	n.Go("ping", func(env.Env) {
		for range b.N {
			ball = 1
			pong.Signal()
			for ball != 0 {
				ping.Wait()
			}
		}
	})
	n.Go("pong", func(env.Env) {
		for range b.N {
			for ball != 1 {
				pong.Wait()
			}
			ball = 0
			ping.Signal()
		}
	})
	b.ReportAllocs()
	b.ResetTimer()
	run(b, w, forever)
}

// BenchmarkConnRoundTrip is one request and one reply of 64 bytes.
func BenchmarkConnRoundTrip(b *testing.B) {
	w := New(Options{})
	defer w.Close()
	s, c := w.Node("n1", nil), w.Node("c1", nil)
	s.Start(func(e env.Env, _ vfs.FS) {
		l, _ := e.Listen(":1")
		conn, _ := l.Accept()
		buf := make([]byte, 64)
		for {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			conn.Write(buf)
		}
	})
	c.Go("client", func(e env.Env) {
		conn, _ := e.Dial("n1:1")
		buf := make([]byte, 64)
		for range b.N {
			conn.Write(buf)
			if n, err := conn.Read(buf); n != 64 || err != nil {
				b.Errorf("read %d bytes, %v", n, err)
			}
		}
		conn.Close()
	})
	b.ReportAllocs()
	b.ResetTimer()
	run(b, w, forever)
}

// BenchmarkStartKill starts a process of three tasks, lets them run to a wait, and kills it.
func BenchmarkStartKill(b *testing.B) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	main := func(e env.Env, _ vfs.FS) {
		e.Go("a", func() { e.Sleep(time.Hour) })
		e.Go("b", func() { e.NewCond().Wait() })
		e.Sleep(time.Hour)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n.Start(main)
		run(b, w, w.Now()+time.Millisecond)
		n.Kill(true)
	}
}

// BenchmarkReset is an experiment with nothing in it: what a world itself costs.
func BenchmarkReset(b *testing.B) {
	w := New(Options{})
	defer w.Close()
	main := func(e env.Env, _ vfs.FS) {
		l, _ := e.Listen(":1")
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}
	dial := func(e env.Env) {
		conn, _ := e.Dial("n1:1")
		conn.Read(make([]byte, 1))
		conn.Close()
	}
	b.ReportAllocs()
	for i := uint64(0); b.Loop(); i++ {
		w.Reset(Options{Seed: i})
		w.Node("n1", nil).Start(main)
		for _, name := range []string{"c1", "c2", "c3", "c4"} {
			w.Node(name, nil).Go("client", dial)
		}
		run(b, w, time.Second)
	}
}

// run runs a world; a deadlock is how most small tests end.
func run(t testing.TB, w *World, until time.Duration) {
	t.Helper()
	err := w.Run(until)
	if _, ok := err.(*DeadlockError); err != nil && !ok {
		t.Fatal(err)
	}
}

// BenchmarkDiskCalls is one call to the disk of a simulated node, through its
// gate, with the latencies of a profile: an append of 58 bytes, after every so
// many an fdatasync.
func BenchmarkDiskCalls(b *testing.B) {
	for _, every := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("profile=nvme/appends-per-sync=%d", every), func(b *testing.B) {
			w := New(Options{})
			defer w.Close()
			n := w.Node("n1", disk.New(disk.Options{}))
			command := bytes.Repeat([]byte("x"), 58)
			n.Start(func(_ env.Env, fs vfs.FS) {
				var f vfs.File
				for i := range b.N {
					if i%100_000 == 0 { // a new file now and then: an AOF is rewritten too
						f, _ = fs.Open("appendonly.aof", vfs.WriteOnly|vfs.Create|vfs.Append|vfs.Truncate)
					}
					if i%(every+1) == every {
						f.SyncData()
					} else {
						f.Write(command)
					}
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			used := processorTime(b)
			run(b, w, forever)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
			b.ReportMetric(float64(b.N)/(processorTime(b)-used).Seconds(), "calls/cpu-s")
		})
	}
}

// processorTime is what the process has had of the processors, which on a busy
// machine says more than the time that went by.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
