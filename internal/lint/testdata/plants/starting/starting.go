// Package starting starts what the scheduler does not run.
package starting

import (
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Direct(e env.Env) {
	e.Go("task", func() {
		go func() {}() // want go: go statement
	})
}

// job is started through an interface.
type job interface{ start() }

type goroutine struct{ f func() }

func (g goroutine) start() {
	go g.f() // want go: go statement
}

func Interface(e env.Env) {
	jobs := []job{goroutine{}}
	e.Go("task", func() {
		for _, j := range jobs {
			j.start()
		}
	})
}

func Group(e env.Env, wg *sync.WaitGroup) {
	e.Go("task", func() {
		var g errgroup.Group
		g.Go(nil)        // want use: golang.org/x/sync/errgroup.Group.Go
		wg.Go(func() {}) // want use: sync.WaitGroup.Go
		f := wg.Wait     // want use: sync.WaitGroup.Wait
		f()              //
	})
}

func Once(e env.Env) {
	once := sync.OnceFunc(func() {})
	e.Go("task", func() {
		once() // want use: calls what sync.OnceFunc has made
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env())
	Interface(n.Env())
	Group(n.Env(), nil)
	Once(n.Env())
}
