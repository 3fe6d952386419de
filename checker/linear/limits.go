package linear

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Limits bound a search. The zero Limits take the defaults.
type Limits struct {
	Workers int           // searches at once; default one a CPU
	Timeout time.Duration // of one search; default 5 s
	Memory  int64         // what one search may remember, in bytes; default 256 MiB
	// Steps is how many steps one search may take; 0: as many as there is time for.
	// With it alone the answer does not depend on the machine.
	Steps int64
}

func (l Limits) withDefaults() Limits {
	if l.Workers == 0 {
		l.Workers = runtime.GOMAXPROCS(0)
	}
	if l.Timeout == 0 {
		l.Timeout = 5 * time.Second
	}
	if l.Memory == 0 {
		l.Memory = 256 << 20
	}
	return l
}

// deadline is a function that reports whether the time is over. The time begins
// when it is first called: few searches are so long that they ask.
func (l Limits) deadline() (over func() bool, cancel func()) {
	var ctx context.Context
	stop := func() {}
	over = func() bool {
		if ctx == nil {
			ctx, stop = context.WithTimeout(context.Background(), l.Timeout)
		}
		return ctx.Err() != nil
	}
	return over, func() { stop() }
}

// SearchAll searches each problem under its limits (the last ones count for
// those that have none of their own), as many at a time as the first say. Once
// one is not linearizable, those that have not begun are skipped.
func SearchAll(problems []*Problem, limits ...Limits) []Result {
	results := make([]Result, len(problems))
	limit := func(i int) Limits {
		if len(limits) == 0 {
			return Limits{}
		}
		return limits[min(i, len(limits)-1)]
	}
	var broken atomic.Bool
	search := func(i int) {
		results[i] = Result{Stuck: -1, Skipped: true}
		if broken.Load() {
			return
		}
		if results[i] = problems[i].Search(limit(i)); results[i].Answer == No {
			broken.Store(true)
		}
	}
	workers := limit(0).withDefaults().Workers
	if workers == 1 || len(problems) == 1 {
		for i := range problems {
			search(i)
		}
		return results
	}
	var g errgroup.Group
	var next atomic.Int64
	for range min(workers, len(problems)) {
		g.Go(func() error {
			var memory Memory
			for i := int(next.Add(1)) - 1; i < len(problems); i = int(next.Add(1)) - 1 {
				problems[i].Memory = &memory
				search(i)
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no errors
	return results
}
