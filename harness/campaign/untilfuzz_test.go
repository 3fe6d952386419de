package campaign

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/result"
)

// FuzzParseUntil: a condition is refused, or is not met by nothing and says what it was.
func FuzzParseUntil(f *testing.F) {
	for _, text := range []string{"lost>0", "window >= 1500ms", "F2>0", "lost>-1", "window>9223372036854775807h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseUntil(text)
		if err != nil {
			return
		}
		require.False(t, u.met(&tally{Result: &result.Result{}}), "nothing has struck")
		require.Contains(t, u.Text(), text)
	})
}
