package campaign

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/reports/result"
)

// Under no-appendfsync-on-rewrite yes what was acknowledged while a child ran may be
// lost, and nothing else: the clean engine holds, one that replies before its fsync
// does not.
func TestWritesOfARewriteMayBeLostWhereNothingSyncsThem(t *testing.T) {
	for plant, want := range map[string]result.Verdict{"": result.Holds, "reply-before-fsync": result.Violated} {
		c := campaignOf(t, 1, 60, []string{"always"}, []string{"power", "power-in-rewrite"})
		c.Modes[0] = c.Modes[0].With([]product.Directive{{Name: "no-appendfsync-on-rewrite", Value: "yes"}})
		var err error
		c.Plants, err = experiment.ParsePlants(plant)
		require.NoError(t, err)
		results, err := c.Run(context.Background(), Simulation())
		require.NoError(t, err)
		assert.Equal(t, want, results[0].Verdict, "%q: %s", plant, results[0].Why)
		if plant == "" {
			assert.Equal(t, want, results[1].Verdict, results[1].Why)
			assert.Positive(t, results[0].Lost+results[1].Lost, "what the directive costs shows")
		}
	}
}
