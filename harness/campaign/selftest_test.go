package campaign

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
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

// TestPlantsAreTabled: docs/proof/plants.md has a row for each planted bug.
func TestPlantsAreTabled(t *testing.T) {
	doc, err := os.ReadFile("../../docs/proof/plants.md")
	require.NoError(t, err)
	for _, p := range experiment.AllPlants() {
		assert.Regexp(t, `(?m)^\| [a-z]+ \| \*?`+p.Name+`\*? \|`, string(doc))
	}
	for _, b := range bugs.All() {
		assert.Regexp(t, `(?m)^\| `+string(b.Kind)+` \| \*?`+b.Name+`\*? \|`, string(doc))
	}
}
