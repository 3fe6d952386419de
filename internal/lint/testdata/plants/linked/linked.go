// Package linked has functions whose bodies are elsewhere.
package linked

import (
	"time"
	_ "unsafe" // for linkname

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

//go:linkname nanotime runtime.nanotime
func nanotime() int64

func Direct(e env.Env) {
	e.Go("task", func() {
		_ = nanotime() // want body: harness/plants/linked.nanotime has no body
	})
}

type clock interface{ read() time.Duration }

type monotonic struct{}

func (monotonic) read() time.Duration {
	return time.Duration(nanotime()) // want body: harness/plants/linked.nanotime has no body
}

func Interface(e env.Env) {
	var c clock = monotonic{}
	e.Go("task", func() { c.read() })
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Direct(n.Env())
	Interface(n.Env())
}
