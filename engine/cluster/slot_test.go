package cluster

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Slots are those of the specification of Redis Cluster and of redis-server (CLUSTER KEYSLOT).
func TestKeySlot(t *testing.T) {
	for key, slot := range map[string]int{
		"": 0, "123456789": 12739, "a": 15495, "foo": 12182, "{foo}bar": 12182, "x{foo}{bar}": 12182, "foo{}{bar}": 8363,
		"foo{{bar}}zap": 4015, "{bar": 4015, "{": 4092, "{}": 15257, "}{foo}": 12182,
	} {
		assert.Equal(t, slot, KeySlot([]byte(key)), "%q", key)
	}
}

func TestRanges(t *testing.T) {
	var s SlotSet
	for _, slot := range []int{0, 1, 2, 7, 8, 9, 100, 16382, 16383} {
		s.add(slot)
	}
	assert.Equal(t, []Range{{0, 2}, {7, 9}, {100, 100}, {16382, 16383}}, s.Ranges())
	assert.Equal(t, 9, s.Len())
	s.remove(8)
	assert.Equal(t, []Range{{0, 2}, {7, 7}, {9, 9}, {100, 100}, {16382, 16383}}, s.Ranges())
}
