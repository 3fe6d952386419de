package history_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	. "github.com/torntail/torntail/checker/history"
)

// TestIdle: what had nothing to do, by its own reply, is no change; what nobody answered may be one.
func TestIdle(t *testing.T) {
	for _, c := range []struct {
		op   Op
		idle bool
	}{
		{Op{Kind: SetRemove, Outcome: OK, More: &More{Result: "0"}}, true},
		{Op{Kind: SetRemove, Outcome: OK, More: &More{Result: "1"}}, false},
		{Op{Kind: SetRemove, More: &More{Result: "0"}}, false},
		{Op{Kind: Delete, Outcome: OK}, false},
		{Op{Kind: SortedAdd, Outcome: OK, More: &More{Result: "0"}}, false}, // it has another score
		{Op{Kind: HashSet, Outcome: OK, More: &More{Result: "0"}}, false},   // another value
		{Op{Kind: SetBit, Outcome: OK, More: &More{Result: "0"}}, false},    // the bit before
		{Op{Kind: Pop, Outcome: OK, Absent: true}, true},
		{Op{Kind: GetDelete, Outcome: OK, More: &More{Result: "v"}}, false},
		{Op{Kind: CAS, Outcome: OK, More: &More{Result: "0"}}, true},
	} {
		require.Equal(t, c.idle, c.op.Idle(), "%+v", c.op)
	}
}
