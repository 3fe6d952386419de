package splitbrain

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseSweep: what --sweep and --until take is refused, or makes cells; a line of
// sentinel.conf that is taken names something.
func FuzzParseSweep(f *testing.F) {
	f.Add("min-replicas-max-lag=0,1,3,10", "lost>0", "sentinel down-after-milliseconds mymaster 5000")
	f.Add("down-after=500ms,5s", "window>1s", "sentinel monitor mymaster 127.0.0.1 6379 2")
	f.Add("quorum=-1", "F1>=0", "sentinel")
	f.Fuzz(func(t *testing.T, sweep, until, line string) {
		if s, err := ParseSweep(sweep); err == nil {
			if cells, err := Cells(Options{}, []Sweep{s, s}); err == nil {
				require.LessOrEqual(t, len(cells), mostCells)
			}
		}
		if u, err := ParseUntil(until); err == nil {
			require.NotNil(t, u)
		}
		if d, ok := SentinelLine(line); ok {
			require.NotEmpty(t, d.Name)
		}
	})
}
