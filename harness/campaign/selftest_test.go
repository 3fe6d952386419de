package campaign

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
)

// TestEveryPlantIsFound: each recipe still meets the window of its bug.
func TestEveryPlantIsFound(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	for _, p := range experiment.AllPlants() {
		line, err := lookFor(t.Context(), s, p, 1)
		require.NoError(t, err)
		assert.True(t, line.Found, "%s: not in %d tries", p.Name, line.Tries)
	}
}
