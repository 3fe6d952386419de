// Package random draws from generators that no seed rules.
package random

import (
	crand "crypto/rand"
	"hash/maphash"
	old "math/rand"
	"math/rand/v2"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/sim"
)

func Global(e env.Env) {
	e.Go("task", func() {
		_ = rand.IntN(3)                    // want use: math/rand/v2.IntN
		_ = old.Int()                       // want use: math/rand.Int
		old.Shuffle(1, nil)                 // want use: math/rand.Shuffle
		_, _ = crand.Read(nil)              // want use: crypto/rand.Read
		_, _ = crand.Int(nil, nil)          // want use: crypto/rand.Int
		_ = crand.Reader                    // want use: crypto/rand.Reader
		var h maphash.Hash                  //
		_ = h.Sum64()                       // want use: hash/maphash.Hash.Sum64
		_ = maphash.Comparable(h.Seed(), 1) // want use: hash/maphash.Comparable // want use: hash/maphash.Hash.Seed
	})
}

// pick is generic in what it draws from.
func pick[T any](draw func() T) T {
	return draw() // want use: math/rand/v2.Uint64 is not on the list of what the world may use (through a function value)
}

func Generic(e env.Env) {
	draw := rand.Uint64
	e.Go("task", func() { pick(draw) })
}

// endless is a source for a generator with a seed, and has none.
type endless struct{}

func (endless) Uint64() uint64 {
	return rand.Uint64() // want use: math/rand/v2.Uint64
}

func Source(e env.Env) {
	r := rand.New(endless{})
	e.Go("task", func() { r.IntN(3) })
}

func Seeded(e env.Env) {
	seed := e.Uint64()
	e.Go("task", func() { rand.New(rand.NewPCG(seed, 1)).IntN(3) })
}

// all is the outside: what runs before the world does.
func all(n *sim.Node) {
	Global(n.Env())
	Generic(n.Env())
	Source(n.Env())
	Seeded(n.Env())
}
