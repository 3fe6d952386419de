package transactions

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAWalkIsCutDownToACycle: what meets a transaction twice is two cycles, of which one
// is left in which no two rw edges follow each other, around its end as well.
func TestAWalkIsCutDownToACycle(t *testing.T) {
	for _, tc := range []struct {
		name       string
		walk, want []step
	}{
		{"a cycle already", []step{{1, rw}, {2, wr}}, []step{{1, rw}, {2, wr}}},
		{"the inner one will do", []step{{1, rw}, {2, ww}, {3, rw}, {2, wr}}, []step{{2, ww}, {3, rw}}},
		{"the inner one has two in a row at its end", []step{{1, ww}, {2, rw}, {3, rw}, {2, wr}}, []step{{1, ww}, {2, wr}}},
		{"and one of a single edge", []step{{1, ww}, {2, rw}, {2, wr}}, []step{{1, ww}, {2, wr}}},
		{"twice", []step{{1, wr}, {2, rw}, {3, rw}, {2, rw}, {4, rw}, {2, ww}}, []step{{1, wr}, {2, ww}}},
	} {
		t.Run(tc.name, func(t *testing.T) { require.Equal(t, tc.want, simple(tc.walk)) })
	}
	for _, tc := range []struct {
		kinds []uint8
		want  bool
	}{
		{[]uint8{rw}, false}, {[]uint8{ww}, true}, {[]uint8{rw, rw}, false}, {[]uint8{rw, wr}, true}, {[]uint8{rw, wr, rw}, false}, {[]uint8{wr, rw, ww}, true}, {[]uint8{wr, ww}, true},
	} {
		var path []step
		for i, k := range tc.kinds {
			path = append(path, step{int32(i), k})
		}
		require.Equal(t, tc.want, alternates(path), "%v", tc.kinds)
	}
}
