package harness

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/workloads"
)

// shortExperiment is the experiment whose rate the search engine is measured
// by: 4 clients, 100 acknowledged writes, a power cut, the restart, a full read
// and the judgement.
func shortExperiment(tb testing.TB, mode string, n int) *Experiment {
	m, err := ModeByName(mode)
	require.NoError(tb, err)
	m.Span = time.Minute
	w := workloads.Default()
	w.ReadRatio, w.Rate = 0, 0
	return &Experiment{
		Mode: m, Crash: "power", Workload: w, Personality: "ext4", Profile: "cloud-ssd", Seed: mix(1, uint64(n)),
		Plan: &plan.Plan{Statements: []plan.Statement{{
			At:     plan.Instant{Kind: plan.AtAck, N: 100},
			Action: &plan.PowerCut{Node: Server, HasKeep: true, Keep: disk.Choice{Mode: disk.KeepRandom, Seed: uint64(n)}},
		}}},
	}
}

// BenchmarkExperiment measures whole experiments, one at a time.
func BenchmarkExperiment(b *testing.B) {
	for _, mode := range DefaultModes {
		b.Run("acks=100/mode="+mode, func(b *testing.B) {
			s := NewSimulator()
			defer s.Close()
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				o, err := s.Run(shortExperiment(b, mode, n), nil)
				if err != nil {
					b.Fatal(err)
				}
				if !o.Struck || o.Acked < 99 {
					b.Fatalf("experiment %d: struck %v, %d acknowledged: %s", n, o.Struck, o.Acked, o.Why)
				}
				n++
			}
		})
	}
}
