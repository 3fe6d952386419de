package sim

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
)

// experiment is a busy node, two clients, and faults of every kind, all drawn
// from the seed. It returns what the world's hash is at the end.
func experiment(t testing.TB, w *World, o Options) (hash uint64, served int) {
	o.Hook = func(n *Node, c *disk.Call) disk.Decision {
		switch n.w.rng.below(200) {
		case 0:
			return disk.Decision{Place: disk.PlaceInFlight, Fraction: 0.5, Strike: func() { n.Kill(false) }}
		case 1:
			return disk.Decision{Place: disk.PlaceReturn, Strike: func() { n.PowerCut(disk.Choice{Mode: disk.KeepRandom, Seed: n.w.rng.uint64()}) }}
		case 2:
			return disk.Decision{Delay: 3 * time.Millisecond}
		}
		return disk.Decision{}
	}
	w.Reset(o)
	b := &busyNode{n: w.Node("n1", disk.New(disk.Options{}))}
	b.n.Start(b.main)
	stop := false
	for _, name := range []string{"c1", "c2"} {
		w.Node(name, nil).Go("client", client(&stop))
	}
	var watch func()
	watch = func() {
		if !b.n.Running() {
			b.n.Start(b.main)
		}
		switch w.rng.below(8) {
		case 0:
			w.Cut("c1", "n1", network.Cut(1+w.rng.below(3)))
		case 1:
			w.Cut("n1", "c2", network.Cut(1+w.rng.below(3)))
		case 2, 3:
			w.HealAll()
		case 4:
			w.Delay("c2", "n1", time.Millisecond)
		case 5:
			b.n.Pause()
			w.After(time.Millisecond, b.n.Resume)
		}
		w.Mark("watch", uint64(b.served))
		w.MarkText("watch", "tick")
		if w.Now() < 150*time.Millisecond {
			w.After(5*time.Millisecond, watch)
		}
	}
	w.After(5*time.Millisecond, watch)
	w.At(200*time.Millisecond, func() { stop = true })
	run(t, w, time.Second)
	return w.Hash(), b.served
}

// TestSameSeedSameRun runs 200 seeds twice, in a new world and in one that has
// run all the others before, with and without a text trace.
func TestSameSeedSameRun(t *testing.T) {
	used := New(Options{})
	defer used.Close()
	seen := map[uint64]bool{}
	served := 0
	for seed := range uint64(200) {
		fresh := New(Options{})
		first, n := experiment(t, fresh, Options{Seed: seed})
		fresh.Close()
		served += n
		var text bytes.Buffer
		second, _ := experiment(t, used, Options{Seed: seed, Trace: &text})
		if first != second {
			t.Fatalf("seed %d: hash %016x in a new world, %016x in a used one", seed, first, second)
		}
		if seen[first] {
			t.Errorf("seed %d has the hash of another", seed)
		}
		seen[first] = true
		if seed == 7 {
			for _, what := range []string{"run n1/main", "disk n1/", " returns ", "send conn", "dial conn", "mark watch", "start n1/"} {
				if !strings.Contains(text.String(), what) {
					t.Errorf("the text trace shows no %q", what)
				}
			}
		}
	}
	if served < 5_000 {
		t.Errorf("only %d requests served: the experiment has become too small", served)
	}
	if testing.Verbose() {
		fmt.Println("requests served:", served)
	}
}

// TestResetIsNew: a world that is reset in the middle of anything has forgotten it.
func TestResetIsNew(t *testing.T) {
	w := New(Options{})
	defer w.Close()
	want, _ := experiment(t, w, Options{Seed: 42})
	for k := range 50 {
		w.Reset(Options{Seed: uint64(k), Profile: profiles[k%len(profiles)]})
		b := &busyNode{n: w.Node("n1", disk.New(disk.Options{}))}
		b.n.Start(b.main)
		stop := false
		w.Node("c1", nil).Go("client", client(&stop))
		w.Node("c2", nil)
		w.Cut("n1", "c2", network.Hold)
		w.SlowLink("n1", "c1", 100)
		w.At(time.Hour, func() { t.Error("a callback of an earlier experiment ran") })
		b.n.SetClock(time.Hour)
		run(t, w, time.Duration(k)*100*time.Microsecond)
		switch k % 4 {
		case 0:
			b.n.Pause()
		case 1:
			b.n.PowerCut(disk.Choice{})
		case 2:
			b.n.Kill(false)
		}
		if b.begun > 0 && k%4 == 1 && b.begun != b.unwound {
			t.Fatalf("%d tasks began, %d ended", b.begun, b.unwound)
		}
		if got, _ := experiment(t, w, Options{Seed: 42}); got != want {
			t.Fatalf("after interruption %d the same experiment has hash %016x, not %016x", k, got, want)
		}
	}
}

// TestHashSeesEverything: two runs that differ in one thing have different hashes.
func TestHashSeesEverything(t *testing.T) {
	base := func(change func(w *World, e env.Env, n *Node)) uint64 {
		w := New(Options{})
		defer w.Close()
		n := w.Node("n1", disk.New(disk.Options{}))
		w.Node("n2", nil)
		n.Go("main", func(e env.Env) {
			e.Listen(":1")
			change(w, e, n)
			e.Sleep(time.Second)
		})
		run(t, w, time.Minute)
		return w.Hash()
	}
	send := func(text string) func(*World, env.Env, *Node) {
		return func(_ *World, e env.Env, _ *Node) {
			conn, _ := e.Dial("n1:1")
			conn.Write([]byte(text))
		}
	}
	runs := map[string]uint64{}
	for name, change := range map[string]func(w *World, e env.Env, n *Node){
		"nothing":         func(*World, env.Env, *Node) {},
		"sleep":           func(_ *World, e env.Env, _ *Node) { e.Sleep(1) },
		"task":            func(_ *World, e env.Env, _ *Node) { e.Go("x", func() {}) },
		"mark":            func(w *World, _ env.Env, _ *Node) { w.Mark("m") },
		"other mark":      func(w *World, _ env.Env, _ *Node) { w.Mark("n") },
		"mark with 1":     func(w *World, _ env.Env, _ *Node) { w.Mark("m", 1) },
		"mark with 2":     func(w *World, _ env.Env, _ *Node) { w.Mark("m", 2) },
		"text":            func(w *World, _ env.Env, _ *Node) { w.MarkText("m", "a text longer than a word") },
		"other text":      func(w *World, _ env.Env, _ *Node) { w.MarkText("m", "a text longer than a worm") },
		"write":           func(_ *World, _ env.Env, n *Node) { diskCall(n, disk.OpWrite, "f", 2, 1) },
		"longer write":    func(_ *World, _ env.Env, n *Node) { diskCall(n, disk.OpWrite, "f", 2, 2) },
		"write elsewhere": func(_ *World, _ env.Env, n *Node) { diskCall(n, disk.OpWrite, "g", 3, 1) },
		"message":         send("hello"),
		"other message":   send("hellp"),
		"cut":             func(w *World, _ env.Env, _ *Node) { w.Cut("n1", "n2", network.Hold) },
		"other cut":       func(w *World, _ env.Env, _ *Node) { w.Cut("n2", "n1", network.Hold) },
		"cut that drops":  func(w *World, _ env.Env, _ *Node) { w.Cut("n1", "n2", network.Drop) },
		"clock":           func(_ *World, _ env.Env, n *Node) { n.SetClock(1) },
		"kill":            func(w *World, _ env.Env, n *Node) { w.lookup("n2").Kill(false) },
		"callback":        func(w *World, _ env.Env, _ *Node) { w.After(1, func() {}) },
	} {
		h := base(change)
		for other, o := range runs {
			if o == h {
				t.Errorf("%q and %q have the same hash", name, other)
			}
		}
		runs[name] = h
	}
}

// TestTimerHeap compares the heap with a sorted list over random arming, moving and disarming.
func TestTimerHeap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q timerHeap
	type entry struct {
		at  time.Duration
		seq int
		t   *timer
	}
	var list []entry
	timers := make([]timer, 50)
	drop := func(tm *timer) { list = slices.DeleteFunc(list, func(e entry) bool { return e.t == tm }) }
	for i := range 20_000 {
		tm := &timers[r.IntN(len(timers))]
		switch r.IntN(3) {
		case 0, 1:
			at := time.Duration(r.IntN(100))
			q.arm(tm, at)
			drop(tm)
			list = append(list, entry{at, i, tm})
		case 2:
			q.disarm(tm)
			drop(tm)
		}
		if len(q.h) != len(list) {
			t.Fatalf("step %d: %d timers in the heap, %d in the list", i, len(q.h), len(list))
		}
		if len(list) > 0 {
			first := slices.MinFunc(list, func(a, b entry) int {
				if a.at != b.at {
					return int(a.at - b.at)
				}
				return a.seq - b.seq
			})
			if q.h[0].t != first.t {
				t.Fatalf("step %d: wrong first timer", i)
			}
		}
		for j, e := range q.h {
			if int(e.t.pos) != j+1 {
				t.Fatalf("step %d: timer at %d thinks that it is at %d", i, j+1, e.t.pos)
			}
		}
	}
}

// TestGeneratorIsXoshiro holds the generator to the authors' algorithm: seeds
// in reports and suites must mean the same in every version of torntail.
func TestGeneratorIsXoshiro(t *testing.T) {
	r := rng{s: [4]uint64{1, 2, 3, 4}}
	// The first outputs for this state, published with the rand_xoshiro crate's tests.
	for i, want := range []uint64{11520, 0, 1509978240, 1215971899390074240, 1216172134540287360} {
		if got := r.uint64(); got != want {
			t.Fatalf("output %d is %d, want %d", i, got, want)
		}
	}
	r.seed(0)
	// splitmix64 from 0, as in its reference implementation.
	if want := uint64(0xe220a8397b1dcdaf); r.s[0] != want {
		t.Errorf("seed 0 begins with %#x, want %#x", r.s[0], want)
	}
	counts := make([]int, 7)
	for range 70_000 {
		counts[r.below(7)]++
	}
	for i, c := range counts {
		if c < 9_500 || c > 10_500 {
			t.Errorf("below(7) gave %d %d times of 70,000", i, c)
		}
	}
}
