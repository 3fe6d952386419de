package claims

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness"
)

// The embedded engine follows redis-server 7.0.15, so what is expected of that
// is expected of it, wherever it can be measured there.
func TestEngineShowsWhatIsExpected(t *testing.T) {
	for i := range Table {
		c := &Table[i]
		t.Run(c.ID, func(t *testing.T) {
			target := Engine(harness.Plants{})
			if why := c.Measurable(target); why != "" {
				assert.NotEmpty(t, why)
				return
			}
			m, err := c.Measure(context.Background(), target, 1)
			require.NoError(t, err)
			t.Logf("%s %s: %s", c.ID, m.Outcome, m.Figure)
			assert.True(t, c.As(m), "expected %s: %s: %s", c.Expected, m.Outcome, m.Figure)
		})
	}
}
