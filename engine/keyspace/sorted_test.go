package keyspace

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// number is an entry of a sequence in tests; tag is not a part of its order.
type number struct{ n, tag int }

//lint:ignore U1000 the order of sorted
func (a number) before(b number) bool { return a.n < b.n }

// A sequence is what a sorted slice is, whatever is put in and taken out, its copies
// stay as they were, and it has no more leaves than it needs.
func TestSequencesAreSortedSlices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 16))
	s := sorted[number]{own: 1}
	var want []number
	var forks []sorted[number]
	var wants [][]number
	same := func(s *sorted[number], want []number) {
		var got []number
		s.from(number{n: -1}, func(e *number) bool { got = append(got, *e); return true })
		require.Equal(t, want, got)
		require.Equal(t, len(want), s.n)
	}
	find := func(n int) (int, bool) {
		return slices.BinarySearchFunc(want, n, func(e number, n int) int { return cmp.Compare(e.n, n) })
	}
	for step := range 30_000 {
		growing := step/6000%2 == 0
		n, tag := rng.IntN(5000), step
		if step < 1500 {
			n = step // ascending
		}
		i, there := find(n)
		if growing {
			s.set(number{n, tag})
			if there {
				want[i].tag = tag
			} else {
				want = slices.Insert(want, i, number{n, tag})
			}
		} else {
			require.Equal(t, there, s.cut(number{n: n}))
			if there {
				want = slices.Delete(want, i, i+1)
			}
		}
		if step == 1500 {
			require.LessOrEqual(t, len(s.leaves), 1500/(sortedLeaf-1)+1, "ascending entries fill one leaf after the other")
		}
		require.LessOrEqual(t, len(s.leaves), 2+4*len(want)/leafEntries, "few entries in many leaves")
		if step%500 == 0 {
			hi := len(want) - rng.IntN(len(want)/3+1)
			lo := rng.IntN(hi + 1)
			for _, backwards := range []bool{false, true} {
				var got []number
				most := rng.IntN(len(want) + 2)
				s.ranks(lo, hi, backwards, func(e *number) bool { got = append(got, *e); return len(got) < most })
				all := slices.Clone(want[lo:hi])
				if backwards {
					slices.Reverse(all)
				}
				require.True(t, slices.Equal(all[:min(max(most, 1), len(all))], got), "ranks %d to %d", lo, hi)
			}
			same(&s, want)
		}
		if step%4000 == 3999 {
			forks, wants = append(forks, s), append(wants, slices.Clone(want))
			s = s.fork(s.own + 1)
		}
		if step%4000 == 1999 {
			forks, wants = append(forks, s.clone(s.own+1)), append(wants, slices.Clone(want))
			s.own += 2
		}
	}
	for i := range forks {
		same(&forks[i], wants[i])
	}
	for len(want) > 0 {
		require.True(t, s.cut(want[0]))
		want = want[1:]
	}
	require.Empty(t, s.leaves)
	require.False(t, s.cut(number{}))
}
