package sim

import (
	"math/bits"

	"github.com/torntail/torntail/internal/seeding"
)

// rng is xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom
// number generators", 2018). The package has its own so that a seed means the
// same in every Go version.
type rng struct{ s [4]uint64 }

// seed fills the state with splitmix64, as the authors advise: no seed, zero
// included, gives the forbidden all-zero state.
func (r *rng) seed(x uint64) {
	g := seeding.SplitMix(x)
	for i := range r.s {
		r.s[i] = g.Next()
	}
}

func (r *rng) uint64() uint64 {
	s := &r.s
	out := bits.RotateLeft64(s[1]*5, 7) * 9
	t := s[1] << 17
	s[2] ^= s[0]
	s[3] ^= s[1]
	s[1] ^= s[2]
	s[0] ^= s[3]
	s[2] ^= t
	s[3] = bits.RotateLeft64(s[3], 45)
	return out
}

// below draws from [0, n). The bias of the multiplication, under n/2^32, does
// not matter for choosing among tasks.
func (r *rng) below(n int) int {
	return int(r.uint64() >> 32 * uint64(n) >> 32)
}
