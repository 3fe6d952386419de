// Package seeding makes seeds of seeds: independent streams for the parts of an
// experiment, each of which can be drawn again by itself. All of it is splitmix64
// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014), so that a seed means the same on every machine and in every
// version of Go. What a seed gives is for ever: saved failures name it.
package seeding

import "time"

// golden is the odd number nearest to 2^64 over the golden ratio.
const golden = 0x9e3779b97f4a7c15

// finish spreads every bit of z over the whole of it.
func finish(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// SplitMix is a generator of 64 bits of state; its value is its seed.
type SplitMix uint64

// Next draws.
func (g *SplitMix) Next() uint64 {
	*g += golden
	return finish(uint64(*g))
}

// Derive is the seed at the end of a path of numbers below a seed: the
// experiments of a campaign, the parts of an experiment.
func Derive(seed uint64, path ...uint64) uint64 {
	for _, p := range path {
		seed = finish(seed + golden*(p+1))
	}
	return seed
}

// Hash makes one number of several.
func Hash(words ...uint64) uint64 {
	h := uint64(0)
	for _, w := range words {
		h = finish(h + w + golden)
	}
	return h
}

// Draws is a generator for what is decided before a run begins, or beside it.
type Draws struct{ state uint64 }

// NewDraws begins at a state; two that begin alike draw alike.
func NewDraws(state uint64) *Draws { return &Draws{state} }

// drawing tells Draws from other users of a seed: "torntail".
const drawing = 0x746f726e7461696c

// Next draws 64 bits.
func (d *Draws) Next() uint64 {
	d.state++
	return Derive(drawing, d.state)
}

// Below draws a number in [0, n).
func (d *Draws) Below(n int) int { return int(d.Next() >> 33 % uint64(n)) }

// Between draws a duration in [from, to); from when there is none.
func (d *Draws) Between(from, to time.Duration) time.Duration {
	if to <= from {
		return from
	}
	return from + time.Duration(d.Next()>>1%uint64(to-from))
}
