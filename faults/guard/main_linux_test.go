package guard

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAWatchdogStartsNoWatchdog: a program that forgets Main would otherwise start
// itself again and again.
func TestAWatchdogStartsNoWatchdog(t *testing.T) {
	t.Setenv(envWatchdog, "1")
	_, err := startWatchdog(nil)
	require.ErrorContains(t, err, "guard.Main")
}
