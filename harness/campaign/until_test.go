package campaign

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

func TestConditionsReadBack(t *testing.T) {
	seen := &tally{Result: &result.Result{Struck: 3, Lost: 2, Findings: map[string]int{"F2": 1}}, windows: []time.Duration{time.Second, 1500 * time.Millisecond}}
	for text, want := range map[string]bool{
		"lost>0": true, "lost>2": false, "lost>=2": true, "window > 1s": true, "window>1.5s": false, "window>=1500ms": true,
		"F2>0": true, "F3>0": false, "violated>=0": true, "refused>0": false,
	} {
		u, err := ParseUntil(text)
		require.NoError(t, err)
		assert.Equal(t, want, u.met(seen), text)
		assert.False(t, u.met(&tally{Result: &result.Result{}}), "nothing has struck")
	}
	for text, want := range map[string]string{
		"lost": "want a figure, one of >", "loss>0": `"loss" is none of lost, violated`, "lost>-1": "not a number from 0 on",
		"window>3": "is not a duration", "lost>x": "not a number from 0 on",
	} {
		_, err := ParseUntil(text)
		assert.ErrorContains(t, err, want, text)
	}
}

// A pair ends with the first run that shows what was waited for, whatever the
// number of workers; what it shows is judged as ever.
func TestUntilEndsAPair(t *testing.T) {
	var runs []int
	for _, workers := range []int{1, 4} {
		everysec, err := redis.ModeByName("everysec")
		require.NoError(t, err)
		power, err := experiment.CrashByName("power")
		require.NoError(t, err)
		until, err := ParseUntil("lost>=100")
		require.NoError(t, err)
		c := &Campaign{Modes: []product.Mode{everysec}, Crashes: []*experiment.CrashKind{power}, Workload: workloads.Default(),
			Personality: "ext4", Profile: "cloud-ssd", Seed: 1, Runs: 200, Workers: workers, Until: until}
		results, err := c.Run(context.Background(), Simulation())
		require.NoError(t, err)
		r := results[0]
		assert.Equal(t, result.Holds, r.Verdict, r.Why)
		assert.Less(t, r.Runs, 200)
		assert.GreaterOrEqual(t, r.Lost, int64(100))
		runs = append(runs, r.Runs)
	}
	assert.Equal(t, runs[0], runs[1])
}
