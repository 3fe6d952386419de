package simcluster

import (
	"testing"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
)

// BenchmarkCluster is one experiment: 3 servers, 3 Sentinels, 20 s of virtual
// time, 2,000 writes of 5 clients; calm has no fault, cut a partition of 8 s.
func BenchmarkCluster(b *testing.B) {
	for _, kind := range []string{"calm", "cut"} {
		b.Run("faults="+kind, func(b *testing.B) {
			o := splitbrain.Options{Timing: "conf", Sentinel: []splitbrain.Directive{{Name: "down-after-milliseconds", Value: "2000"}, {Name: "failover-timeout", Value: "10000"}},
				Directives: []splitbrain.Directive{{Name: "repl-diskless-sync-delay", Value: "0"}}, Rate: 125, Writes: 2000, Span: 20 * time.Second, CutAt: 3 * time.Second, CutFor: 8 * time.Second}
			if kind == "calm" {
				o.Plan = &plan.Plan{}
			}
			s := scenario(b, o)
			s.Poll = 100 * time.Millisecond
			c := New()
			defer c.Close()
			seed := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				seed++
				if _, _, err := c.Run(s, Options{Seed: seed}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "experiments/s")
		})
	}
}
