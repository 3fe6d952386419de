// Package embedded has a type that a row puts on the other side of a seam together with
// what embeds it, and types that only look like it.
package embedded

import (
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

type Looker interface{ Look() int }

// Real is in the row, and so is OnDisk.
type Real struct{}

func (*Real) Look() int { return time.Now().Nanosecond() }

type OnDisk struct{ *Real }

func (OnDisk) Look() int { return func() int { return time.Now().Nanosecond() }() }

// beside has one in a field, which makes it none.
type beside struct{ real *Real }

func (beside) Look() int {
	return time.Now().Nanosecond() // want use: time.Now
}

// twice embeds what embeds it.
type twice struct{ OnDisk }

func (twice) Look() int {
	return time.Now().Nanosecond() // want use: time.Now
}

// renamed is made from it.
type renamed Real

func (renamed) Look() int {
	return time.Now().Nanosecond() // want use: time.Now
}

// free is a function beside them.
func free() int {
	return time.Now().Nanosecond() // want use: time.Now
}

func Look(e env.Env) {
	all := []Looker{&Real{}, OnDisk{}, beside{}, twice{}, renamed{}}
	e.Go("task", func() {
		for _, l := range all {
			l.Look()
		}
		free()
	})
}

// Called by its name.
func ByName(e env.Env, d OnDisk) {
	e.Go("task", func() {
		d.Look() // want use: harness/plants/embedded.OnDisk.Look
	})
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Look(n.Env())
	ByName(n.Env(), OnDisk{})
}
