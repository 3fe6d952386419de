package transactions

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTheHeapGivesTheSmallestFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h nodeHeap
		var want []int32
		for _, push := range rapid.SliceOfN(rapid.Int32Range(-1, 30), 1, 60).Draw(t, "nodes, or -1 to take one") {
			if push >= 0 {
				h.push(push)
				want = append(want, push)
				slices.Sort(want)
			} else if len(want) > 0 {
				require.Equal(t, want[0], h.pop())
				want = want[1:]
			}
		}
		for _, w := range want {
			require.Equal(t, w, h.pop())
		}
		require.Empty(t, h)
	})
}
