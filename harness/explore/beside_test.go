package explore

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/workloads"
)

// The client beside the workload comes through all its steps in a recorded run, also
// where it waits for each reply, and every state that they leave comes back.
func TestEveryStepBesideIsExplored(t *testing.T) {
	o := options(t, "always", "ext4", "", "prefix", 500)
	o.Workload.Beside = true
	e, err := newExplorer(t.Context(), o)
	require.NoError(t, err)
	defer e.close()
	h, _, err := e.record(e.moment)
	require.NoError(t, err)
	want, got, steps := map[string]bool{}, map[string]bool{}, map[int]bool{}
	for _, s := range workloads.BesideStates() {
		want[s] = true
	}
	for i := range h.Beside {
		steps[h.Beside[i].Step%len(workloads.BesideStates())] = true
	}
	for _, r := range e.results {
		got[r.State.Beside] = true
	}
	assert.Len(t, steps, len(workloads.BesideStates()))
	assert.Equal(t, want, got)
}
