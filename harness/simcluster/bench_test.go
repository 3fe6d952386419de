package simcluster

import (
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
)

// BenchmarkCluster is one experiment: 3 servers, 3 Sentinels, 20 s of virtual
// time, 2,000 writes of 2 clients; calm has no fault, cut a partition of 8 s.
func BenchmarkCluster(b *testing.B) {
	collectAsCommand(b)
	for _, kind := range []string{"calm", "cut"} {
		b.Run("faults="+kind, func(b *testing.B) {
			s := benchmarked(b, kind)
			c := New()
			defer c.Close()
			seed := uint64(0)
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				seed++
				if _, err := c.Run(s, Options{Seed: seed}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "experiments/s")
			// What the machine's other work does not change.
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
		})
	}
}

// benchmarked is the scenario: Sentinels at their own periods, a master given up
// after two seconds.
func benchmarked(b *testing.B, kind string) *splitbrain.Scenario {
	o := splitbrain.Options{Timing: "conf", Sentinel: []splitbrain.Directive{{Name: "down-after-milliseconds", Value: "2000"}, {Name: "failover-timeout", Value: "10000"}},
		Directives: []splitbrain.Directive{{Name: "repl-diskless-sync-delay", Value: "0"}}, Clients: 2, Routing: "both", Rate: 100, Writes: 2000, Span: 20 * time.Second, CutAt: 3 * time.Second, CutFor: 8 * time.Second}
	if kind == "calm" {
		o.Plan = &plan.Plan{}
	}
	s := scenario(b, o)
	s.Poll = 100 * time.Millisecond
	return s
}

// BenchmarkClusters is the rate with one simulator on each processor.
func BenchmarkClusters(b *testing.B) {
	collectAsCommand(b)
	s := benchmarked(b, "cut")
	var seed atomic.Uint64
	before := cpuTime(b)
	b.RunParallel(func(pb *testing.PB) {
		c := New()
		defer c.Close()
		for pb.Next() {
			if _, err := c.Run(s, Options{Seed: seed.Add(1)}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "experiments/s")
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N)/1000, "cpu-ms/op")
}

// collectAsCommand sets the garbage collector as the command does (cmd/torntail/main.go).
func collectAsCommand(b *testing.B) {
	before := debug.SetGCPercent(400)
	b.Cleanup(func() { debug.SetGCPercent(before) })
}

// cpuTime is what this process has used so far, the garbage collector included.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
