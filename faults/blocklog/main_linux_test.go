package blocklog

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/needs"
)

// TestAnAgentStartsNoAgent: a program that forgets Main would otherwise start itself
// again and again.
func TestAnAgentStartsNoAgent(t *testing.T) {
	t.Setenv(envAgent, "1")
	_, err := startAgent(nil)
	require.ErrorContains(t, err, "blocklog.Main")
}

// TestAConnectionIsAborted also where nobody has mounted fusectl: who serves it is told that
// it is over.
func TestAConnectionIsAborted(t *testing.T) {
	needs.Working(t, Available())
	h, err := NewHost()
	require.NoError(t, err)
	guard.Abort(h.conn)
	<-h.served
	require.NoError(t, h.Close())
	table, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	require.NotContains(t, string(table), h.dir)
}
