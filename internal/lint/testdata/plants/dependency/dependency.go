// Package dependency goes round the fence through a dependency.
package dependency

import (
	"os"

	"example.org/pool"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

type counter interface{ Count() int64 }

func Goroutine(e env.Env) {
	p := &pool.Pool{}
	e.Go("task", func() {
		p.Do()
		pool.Secret() // want use: example.org/pool.Secret
	})
}

func Interface(e env.Env) {
	var c counter = &pool.Pool{}
	e.Go("task", func() { _ = c.Count() })
}

func Closure(e env.Env) {
	e.Go("task", func() {
		pool.Each(3, func(int) {
			_ = os.Getppid() // want use: os.Getppid
		})
	})
}

func Generic(e env.Env) {
	e.Go("task", func() {
		_, _ = pool.Retry(func() (int, error) { return 1, nil })
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Goroutine(n.Env())
	Interface(n.Env())
	Closure(n.Env())
	Generic(n.Env())
}
