// Package embedding embeds what another package's row puts on the other side of a seam.
package embedding

import (
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/plants/embedded"
)

// Its own types are of the world.
type far struct{ *embedded.Real }

func (far) Look() int {
	return time.Now().Nanosecond() // want use: time.Now
}

// Real has the name alone.
type Real struct{}

type near struct{ Real }

func (near) Look() int {
	return time.Now().Nanosecond() // want use: time.Now
}

func Look(e env.Env) {
	all := []embedded.Looker{far{}, near{}}
	e.Go("task", func() {
		for _, l := range all {
			l.Look()
		}
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) { Look(n.Env()) }
