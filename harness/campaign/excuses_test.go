package campaign

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
)

// lookalikes are planted faults that do what a known finding does, without its cause.
var lookalikes = []struct {
	plant, finding string
	mode           string
	personality    string
	from           time.Duration // the power is cut then or later; 0: soon after a rewrite
}{
	{"disk-ignores-fsync", "F1", "everysec+rdb", "posix", 5 * time.Second}, // the root was synced with the first snapshot
	{"old-incr-never-synced", "F3", "everysec", "ext4", 0},
	{"disk-ignores-fsync", "F4", "everysec", "ext4", time.Second},
	{"rename-without-dirsync", "F5", "always", "btrfs", 0},
}

// TestNoFindingHidesAPlant: of the runs with a plant that looks like a finding, some are
// violated, and none is counted under it.
func TestNoFindingHidesAPlant(t *testing.T) {
	s := experiment.NewSimulator()
	defer s.Close()
	for _, l := range lookalikes {
		c := campaignOf(t, 1, 1, []string{l.mode}, []string{"power"})
		c.Personality = l.personality
		m := &c.Modes[0]
		counts := map[string]int{}
		plants, err := experiment.ParsePlants(l.plant)
		require.NoError(t, err)
		for n := range 60 {
			x := c.Experiment(m, c.Crashes[0], uint64(n))
			x.Plants = plants
			d := seeding.NewDraws(x.Seed)
			if l.from == 0 {
				x.Plan = afterRewrite(m, d)
			} else {
				x.Plan = &plan.Plan{Statements: []plan.Statement{experiment.At(d.Between(l.from, m.Span), experiment.PowerCut(d))}}
			}
			o, err := s.Run(x, nil)
			require.NoError(t, err)
			if o.Verdict == result.Violated {
				counts["violated"]++
			}
			for _, f := range o.Findings {
				counts[f]++
			}
		}
		t.Logf("%s, which looks like %s: %v", l.plant, l.finding, counts)
		assert.Positive(t, counts["violated"], "%s in mode %s", l.plant, l.mode)
		assert.Zero(t, counts[l.finding], "%s in mode %s is counted under %s", l.plant, l.mode, l.finding)
	}
}
