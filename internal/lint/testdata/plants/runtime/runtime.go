// Package runtime asks Go's runtime, which answers differently each time.
package runtime

import (
	"runtime"
	"runtime/debug"
	"sync"
	"unique"
	"weak"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Direct(e env.Env, x *int, p *sync.Pool) {
	e.Go("task", func() {
		runtime.Gosched()                      // want use: runtime.Gosched
		_ = runtime.NumGoroutine()             // want use: runtime.NumGoroutine
		_ = runtime.NumCPU()                   // want use: runtime.NumCPU
		runtime.SetFinalizer(x, func(*int) {}) // want use: runtime.SetFinalizer
		runtime.AddCleanup(x, func(int) {}, 1) // want use: runtime.AddCleanup
		_, _, _, _ = runtime.Caller(0)         // want use: runtime.Caller
		_, _ = debug.ReadBuildInfo()           // want use: runtime/debug.ReadBuildInfo
		_ = weak.Make(x)                       // want use: weak.Make
		_ = unique.Make(1)                     // want use: unique.Make
		_ = p.Get()                            // want use: sync.Pool.Get
		runtime.Goexit()                       // want use: runtime.Goexit
	})
}

// memory is told through an interface.
type memory interface{ ReadMemStats() }

type statistics struct{ m runtime.MemStats }

func (s *statistics) ReadMemStats() {
	runtime.ReadMemStats(&s.m) // want use: runtime.ReadMemStats
}

func Interface(e env.Env) {
	var m memory = &statistics{}
	e.Go("task", m.ReadMemStats)
}

func Swallowed(e env.Env) {
	e.Go("task", func() {
		defer func() {
			_ = recover() // want recover: recover
		}()
	})
	e.Go("task", func() {
		defer func() {
			if r := recover(); r != nil {
				panic(r)
			}
		}()
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env(), nil, nil)
	Interface(n.Env())
	Swallowed(n.Env())
}
