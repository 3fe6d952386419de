package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Steps lie one behind the other, and are no wider than two digits allow.
func TestStepsOfTime(t *testing.T) {
	next := int64(0)
	for index := int64(0); next <= longestTold; index++ {
		least, most := step{index: index}.bounds()
		assert.Equal(t, next, least, index)
		assert.Equal(t, index, stepOf(least))
		assert.Equal(t, index, stepOf(most))
		assert.LessOrEqual(t, (most-least)*128, max(least, 1))
		next = most + 1
	}
}

func TestPercentilesAndSteps(t *testing.T) {
	var h histogram
	for us := range int64(1000) {
		h.add((us + 1) * 1000)
	}
	for _, c := range []struct {
		share    float64
		at, most int64 // ns
	}{{0, 1000, 1000}, {50, 500_000, 504_000}, {99, 990_000, 998_000}, {99.9, 999_000, 1_004_000}, {100, 1_000_000, 1_004_000}} {
		assert.InDelta(t, (c.at+c.most)/2, h.percentile(c.share), float64(c.most-c.at)/2+1, c.share)
	}
	var told [][2]int64
	assert.Equal(t, 11, h.cumulative(func(us, count int64) { told = append(told, [2]int64{us, count}) }))
	assert.Equal(t, [][2]int64{{1, 1}, {2, 2}, {4, 4}, {8, 8}, {16, 16}, {33, 33}, {66, 66}, {132, 132}, {264, 264}, {528, 528}, {1056, 1000}}, told)
	h.add(0)
	h.add(2 * longestTold) // counted as the longest that is told of, which is beyond the last step
	assert.EqualValues(t, 1002, h.total)
}
