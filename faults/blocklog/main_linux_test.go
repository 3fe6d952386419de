package blocklog

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnAgentStartsNoAgent: a program that forgets Main would otherwise start itself
// again and again.
func TestAnAgentStartsNoAgent(t *testing.T) {
	t.Setenv(envAgent, "1")
	_, err := startAgent(nil)
	require.ErrorContains(t, err, "blocklog.Main")
}
