package cluster

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/result"
)

// proving skips what takes minutes unless make prove asks for it.
func proving(t *testing.T) {
	t.Helper()
	if os.Getenv("TORNTAIL_SEEDS") == "" {
		t.Skip("minutes; make prove runs it")
	}
	needs.Program(t, "redis-server")
}

func named(t *testing.T, name string, seed uint64) *splitbrain.Report {
	t.Helper()
	n, err := splitbrain.Find(name, name)
	require.NoError(t, err)
	s, err := splitbrain.New(n.Options)
	require.NoError(t, err)
	out, err := Run(context.Background(), s, Options{Seed: seed})
	require.NoError(t, err)
	r := splitbrain.Judge(s, out)
	t.Log(r.Line())
	return r
}

// TestTwentyRunsInARow: each converges, and every lost write is attributed.
func TestTwentyRunsInARow(t *testing.T) {
	proving(t)
	for seed := range uint64(20) {
		r := named(t, "aphyr-2013", seed)
		require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
		require.GreaterOrEqual(t, r.ConvergeMS, 0.0)
		require.Zero(t, r.Unattributed+r.Refuted+r.AOFDiffer)
	}
}

// TestSentinelsOwnTiming: one run with everything at Sentinel's defaults.
func TestSentinelsOwnTiming(t *testing.T) {
	proving(t)
	r := named(t, "default-timing", 1)
	require.Equal(t, result.Holds, r.Verdict, r.Why+r.Story)
	require.Greater(t, r.DetectMS, 29000.0, "down-after is 30 s")
	require.Positive(t, r.Lost)
	require.Equal(t, 1, r.Promotions)
}
