package claims

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/internal/needs"
)

// quick are the claims that are measured on the engine in well under a second;
// `torntail suite suites/claims.yaml` measures all, on real servers too.
var quick = []string{"P2b", "P4a", "P4c", "P4d", "P5c", "P5d", "P6", "P7b", "P8", "P10", "P11a", "P12", "P16", "P17", "P18", "P20", "P21",
	"H1", "H2b", "H4b", "H5", "H7c", "H8", "H9b", "H11", "H13", "D1b", "D7", "D9"}

// claim is one of the table.
func claim(t *testing.T, id string) *Claim {
	t.Helper()
	i := slices.IndexFunc(Table, func(c Claim) bool { return c.ID == id })
	require.GreaterOrEqual(t, i, 0, "no claim %s", id)
	return &Table[i]
}

func measure(t *testing.T, id string, target *Target) Measurement {
	t.Helper()
	m, err := claim(t, id).Measure(context.Background(), target, 1)
	require.NoError(t, err)
	require.NotEmpty(t, m.Figure, id)
	require.Positive(t, m.Runs, id)
	return m
}

// The embedded engine follows redis-server 7.0.15: it shows what that shows.
func TestEngineShowsWhatIsExpected(t *testing.T) {
	target := Engine(experiment.Plants{})
	clusters, done := simcluster.Backend(0)
	defer done()
	target.Clusters = clusters
	for _, id := range quick {
		c := claim(t, id)
		m := measure(t, id, target)
		assert.True(t, c.As(m), "%s: expected %s, not %s: %s", id, c.Expected, m.Outcome, m.Figure)
	}
}

// A measurement can come out the other way: a bug planted in the engine changes it.
func TestPlantedBugsChangeOutcomes(t *testing.T) {
	for plant, id := range map[string]string{
		"reply-before-fsync":       "P1",
		"rdb-rename-without-fsync": "P4c",
		"rewrite-loses-writes":     "P8",
	} {
		plants, err := experiment.ParsePlants(plant)
		require.NoError(t, err, plant)
		m := measure(t, id, Engine(plants))
		c := claim(t, id)
		assert.NotEqual(t, c.Expected, m.Outcome, "%s with %s: %s", id, plant, m.Figure)
	}
}

// A claim that nothing measures says why, and fails to be measured.
func TestWhatIsNotMeasuredSaysWhy(t *testing.T) {
	for i := range Table {
		c := &Table[i]
		if c.measure != nil {
			continue
		}
		assert.NotEmpty(t, c.Why, c.ID)
		_, err := c.Measure(context.Background(), Engine(experiment.Plants{}), 1)
		assert.ErrorContains(t, err, "not measured", c.ID)
	}
}

// The real server, on a few claims that take little time.
func TestRealServerShowsWhatIsExpected(t *testing.T) {
	binary := needs.Program(t, "redis-server")
	needs.Working(t, fusefs.Available())
	rig, err := machine.NewRig(redis.Store, binary, machine.FaultDisks)
	require.NoError(t, err)
	defer rig.Close()
	target := Server(campaign.RealServer(rig, "7.0.15"))
	for _, id := range []string{"P4d", "P6", "P17"} {
		c := claim(t, id)
		m := measure(t, id, target)
		assert.True(t, c.As(m), "%s: expected %s, not %s: %s", id, c.Expected, m.Outcome, m.Figure)
	}
}

func TestMain(m *testing.M) {
	guard.Main()
	os.Exit(m.Run())
}
