package linear

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLimitsThatNobodyGave are what the documentation says.
func TestLimitsThatNobodyGave(t *testing.T) {
	require.Equal(t, Limits{Workers: runtime.GOMAXPROCS(0), Timeout: 5 * time.Second, Memory: 256 << 20}, Limits{}.withDefaults())
	given := Limits{Workers: 3, Timeout: time.Hour, Memory: 1, Steps: 7}
	require.Equal(t, given, given.withDefaults())
}
