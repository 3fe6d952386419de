package checker

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
)

// TestALifeThatLosesAnEvictionAlone: an eviction is no acknowledged write that a loss could
// reach back to.
func TestALifeThatLosesAnEvictionAlone(t *testing.T) {
	var out Judgement
	j := Judge{out: &out}
	j.regs.In.Ops = []history.Op{{Kind: history.Delete, Key: "k", Outcome: history.OK, Return: time.Second, More: &history.More{Offset: history.NoOffset, Evicted: true}}}
	j.changes.Gather(j.regs.In.Ops)
	require.Empty(t, j.changes.Acked)
	e := epoch{life: &history.Epoch{Ended: 3 * time.Second}, to: 1}
	j.measure(&e, &durability.Cut{Certain: []int32{0}, FirstCertain: int64(time.Second), FirstPossible: int64(time.Second), Possible: 1})
	require.Equal(t, 1, out.Lost)
	require.Equal(t, 2*time.Second, out.WindowCertain)
	require.False(t, out.Censored)
}
