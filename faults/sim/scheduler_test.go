package sim

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/vfs"
)

// TestClockJumpsToTheNextTimer also holds that wake-ups come in order of time.
func TestClockJumpsToTheNextTimer(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	var got []string
	for _, d := range []time.Duration{3 * time.Hour, time.Nanosecond, time.Second} {
		w.Node(fmt.Sprint(d), nil).Go("sleeper", func(e env.Env) {
			e.Sleep(d)
			got = append(got, fmt.Sprint(e.Node(), " woke at ", e.Now()))
		})
	}
	if err := w.Run(forever); err != nil {
		t.Fatal(err)
	}
	want := []string{"1ns woke at 1ns", "1s woke at 1s", "3h0m0s woke at 3h0m0s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRunStopsAtItsTimeAndGoesOn(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	ticks := 0
	w.Node("n1", nil).Go("ticker", func(e env.Env) {
		for {
			e.Sleep(time.Second)
			ticks++
			if ticks == 5 {
				w.Stop()
			}
		}
	})
	for _, step := range []struct {
		until, now time.Duration
		ticks      int
	}{{2500 * time.Millisecond, 2500 * time.Millisecond, 2}, {4 * time.Second, 4 * time.Second, 4}, {time.Minute, 5 * time.Second, 5}, {7 * time.Second, 7 * time.Second, 7}} {
		if err := w.Run(step.until); err != nil {
			t.Fatal(err)
		}
		if w.Now() != step.now || ticks != step.ticks {
			t.Errorf("Run(%v): now %v after %d ticks, want %v and %d", step.until, w.Now(), ticks, step.now, step.ticks)
		}
	}
}

func TestCallbacksRunInOrderOutsideTasks(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	var got []int
	w.At(2*time.Second, func() { got = append(got, 2) })
	w.At(time.Second, func() {
		got = append(got, 1)
		w.After(time.Second, func() { got = append(got, 3) }) // same instant as the first: later armed, later run
	})
	if err := w.Run(forever); err != nil || !slices.Equal(got, []int{1, 2, 3}) {
		t.Errorf("callbacks ran in the order %v, %v", got, err)
	}
}

// TestSeedChoosesTheOrder: the scheduler explores orders, and one seed means one order.
func TestSeedChoosesTheOrder(t *testing.T) {
	order := func(seed uint64) string {
		w := New(Options{Seed: seed})
		defer w.Close()
		var b strings.Builder
		n := w.Node("n1", nil)
		for _, name := range []string{"a", "b", "c"} {
			n.Go(name, func(env.Env) { b.WriteString(name) })
		}
		if err := w.Run(forever); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	seen := map[string]int{}
	for seed := range uint64(200) {
		o := order(seed)
		if o != order(seed) {
			t.Fatalf("seed %d gave two orders", seed)
		}
		seen[o]++
	}
	if len(seen) != 6 {
		t.Errorf("200 seeds reached %d of the 6 orders of three tasks: %v", len(seen), seen)
	}
}

func TestCond(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	e := n.Env()
	c := e.NewCond()
	var got []string
	wait := func(name string, d time.Duration) {
		n.Go(name, func(env.Env) {
			ok := true
			if d == 0 {
				c.Wait()
			} else {
				ok = c.WaitFor(d)
			}
			got = append(got, fmt.Sprint(name, " ", ok, " ", w.Now()))
		})
	}
	step := func(until time.Duration, want ...string) {
		t.Helper()
		run(t, w, until)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("at %v: woken %q, want %q", until, got, want)
		}
		got = nil
	}
	wait("short", time.Second)
	wait("long", time.Minute)
	step(2*time.Second, "short false 1s")
	c.Signal()
	step(3*time.Second, "long true 2s")
	c.Signal() // nobody waits: lost, as a signal is
	wait("a", 0)
	wait("b", time.Hour)
	step(4 * time.Second)
	c.Broadcast()
	step(5*time.Second, "a true 4s", "b true 4s")
	if len(w.timers.h) != 0 {
		t.Errorf("%d timers left after all waits ended early", len(w.timers.h))
	}
}

func TestTaskWaitAndDone(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	var at time.Duration
	w.Node("n1", nil).Start(func(e env.Env, _ vfs.FS) {
		task := e.Go("worker", func() { e.Sleep(time.Second) })
		if task.Done() {
			t.Error("done before it ran")
		}
		task.Wait()
		at = e.Now()
		if !task.Done() {
			t.Error("not done after Wait")
		}
		task.Wait() // of an ended task: at once
	})
	if err := w.Run(forever); err != nil || at != time.Second {
		t.Errorf("waited until %v, %v", at, err)
	}
}

func TestPanicSurfacesWithItsStack(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	cause := errors.New("the engine is broken")
	w.Node("n1", nil).Go("loader", func(env.Env) { breakDown(cause) })
	w.Node("c1", nil).Go("client", func(e env.Env) { e.Sleep(time.Hour) })
	err := w.Run(forever)
	var p *PanicError
	if !errors.As(err, &p) || p.Node != "n1" || p.Task != "loader" || !errors.Is(err, cause) {
		t.Fatalf("Run returned %v", err)
	}
	if !strings.Contains(string(p.Stack), "breakDown") {
		t.Errorf("the stack does not show where: %s", p.Stack)
	}
	if again := w.Run(forever); again != err {
		t.Errorf("a second Run returned %v", again)
	}
	w.Reset(Options{})
	if err := w.Run(forever); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

func breakDown(err error) { panic(err) }

// TestGoexitIsNamed: a t.Fatal inside a task ends the goroutine that runs the
// world, and the world can still be closed.
func TestGoexitIsNamed(t *testing.T) {
	w := New(Options{})
	n := w.Node("n1", nil)
	n.Go("other", func(e env.Env) { e.Sleep(time.Hour) })
	n.Go("fatal", func(e env.Env) { e.Sleep(1); runtime.Goexit() })
	done := make(chan bool)
	go func() {
		defer close(done)
		defer w.Close()
		defer func() {
			var g *GoexitError
			if !errors.As(w.failure, &g) || g.Task != "fatal" {
				t.Errorf("failure is %v", w.failure)
			}
		}()
		w.Run(forever)
		t.Error("Run returned")
	}()
	<-done
}

func TestDeadlockReportSaysWhoWaitsWhere(t *testing.T) {
	w := New(Options{Profile: quick})
	defer w.Close()
	n := w.Node("n1", nil)
	n.Start(func(e env.Env, _ vfs.FS) {
		l, _ := e.Listen(":6379")
		e.Go("accept", func() { l.Accept(); l.Accept(); l.Accept() })
		task := e.Go("cond", func() { e.NewCond().Wait() })
		e.Fork("child", func() { task.Wait() })
		task.Wait()
	})
	w.Node("c1", nil).Go("client", func(e env.Env) {
		e.Sleep(time.Nanosecond)
		conn, _ := e.Dial("n1:6379")
		conn.Read(make([]byte, 1))
	})
	c2 := w.Node("c2", nil)
	c2.Go("flood", func(e env.Env) {
		e.Sleep(time.Nanosecond)
		conn, _ := e.Dial("n1:6379")
		conn.Write(make([]byte, window+1))
	})
	c2.Go("stopped", func(e env.Env) { e.Sleep(time.Millisecond) })
	w.After(time.Microsecond, c2.Pause)
	err := w.Run(forever)
	if err == nil {
		t.Fatal("no deadlock reported")
	}
	want := `nothing left to run, and these tasks wait:
  n1 main: end of task "cond"
  n1 accept: accept on n1:6379
  n1 cond: condition
  n1 child: end of task "cond"
  c1 client: read from n1:6379
  c2 flood: write to n1:6379
  c2 stopped: paused`
	if got := err.Error(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestPauseHoldsTasksNotTheClock(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	var woke, child time.Duration
	n.Start(func(e env.Env, _ vfs.FS) {
		e.Fork("child", func() { e.Sleep(time.Second); child = e.Now() })
		e.Sleep(time.Second)
		woke = e.Now()
	})
	w.At(500*time.Millisecond, n.Pause)
	w.At(10*time.Second, n.Resume)
	w.At(5*time.Second, func() {
		if !n.Paused() || !n.Running() {
			t.Error("a stopped process is paused and running")
		}
	})
	if err := w.Run(forever); err != nil {
		t.Fatal(err)
	}
	if woke != 10*time.Second || child != time.Second {
		t.Errorf("paused task woke at %v, its child at %v", woke, child)
	}
}

// TestPauseFromInsideStopsTheCaller: the task that stops its own process does
// not run on.
func TestPauseFromInsideStopsTheCaller(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	var after time.Duration
	n.Go("self", func(e env.Env) {
		n.Pause()
		after = e.Now()
	})
	w.At(time.Second, n.Resume)
	if err := w.Run(forever); err != nil || after != time.Second {
		t.Errorf("went on at %v, %v", after, err)
	}
}

func TestWallClockFollowsItsFault(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	n := w.Node("n1", nil)
	e := n.Env()
	if got := e.Wall().Format(time.RFC3339); got != "2026-01-01T00:00:00Z" {
		t.Errorf("the world begins at %s", got)
	}
	n.SetClock(-30 * time.Second)
	w.At(time.Minute, func() {})
	run(t, w, time.Minute)
	if got := e.Wall().Format(time.RFC3339); got != "2026-01-01T00:00:30Z" || e.Now() != time.Minute {
		t.Errorf("after a minute and a step of -30 s: %s, %v", got, e.Now())
	}
}

// TestCPUIsShared: calls of one process's tasks queue for its CPU, those of
// another node's do not.
func TestCPUIsShared(t *testing.T) {
	p := *quick
	p.Syscall = time.Second
	w := New(Options{Profile: &p})
	defer w.Close()
	var ends []time.Duration
	dial := func(e env.Env) {
		e.Dial("n9:1") // one call; there is no such node
		ends = append(ends, e.Now())
	}
	a, b := w.Node("a", nil), w.Node("b", nil)
	a.Go("1", dial)
	a.Go("2", dial)
	b.Go("1", dial)
	if err := w.Run(forever); err != nil {
		t.Fatal(err)
	}
	if want := []time.Duration{time.Second, time.Second, 2 * time.Second}; !slices.Equal(ends, want) {
		t.Errorf("calls ended at %v, want %v", ends, want)
	}
}

// TestReadsAreChargedToWhatFollows: a read returns at once, and the answer to it
// leaves when the CPU time of both calls has passed.
func TestReadsAreChargedToWhatFollows(t *testing.T) {
	p := even()
	p.Syscall = time.Second
	w := New(Options{Profile: p})
	defer w.Close()
	w.Node("n1", nil).Start(echo)
	var took time.Duration
	w.Node("c1", nil).Go("client", func(e env.Env) {
		conn, err := e.Dial("n1:6379")
		if err != nil {
			t.Error(err)
			return
		}
		began := e.Now()
		conn.Write([]byte("x"))
		conn.Read(make([]byte, 1))
		took = e.Now() - began
	})
	run(t, w, time.Minute)
	if want := 3020 * time.Millisecond; took != want {
		t.Errorf("a round trip took %v, want %v: a write, 10 ms, a read and a write, 10 ms", took, want)
	}
}
