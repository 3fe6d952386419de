package campaign

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// shortExperiment is the experiment whose rate the search engine is measured
// by: 4 clients, 100 acknowledged writes, a power cut, the restart, a full read
// and the judgement.
func shortExperiment(tb testing.TB, mode string, n int) *experiment.Experiment {
	m, err := redis.ModeByName(mode)
	require.NoError(tb, err)
	m.Span = 60e9 // long enough for the crash to come by count
	w := workloads.Default()
	w.ReadRatio, w.Rate = 0, 0
	return &experiment.Experiment{
		Mode: m, Crash: experiment.PowerLoss(), Workload: w, Personality: "ext4", Profile: "cloud-ssd", Seed: seeding.Derive(1, uint64(n)),
		Plan: &plan.Plan{Statements: []plan.Statement{{
			At:     plan.Instant{Kind: plan.AtAck, N: 100},
			Action: &plan.PowerCut{Node: experiment.Server, HasKeep: true, Keep: disk.Choice{Mode: disk.KeepRandom, Seed: uint64(n)}},
		}}},
	}
}

// BenchmarkExperiment measures whole experiments, one at a time.
func BenchmarkExperiment(b *testing.B) {
	for _, mode := range redis.Store.DefaultModes() {
		b.Run("acks=100/mode="+mode, func(b *testing.B) {
			s := experiment.NewSimulator()
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

// BenchmarkExperiments measures the rate of the search engine: workers side by
// side, one for each CPU, as torntail run has them.
func BenchmarkExperiments(b *testing.B) {
	b.Run("acks=100/mode=always", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			s := experiment.NewSimulator()
			defer s.Close()
			for n := 0; pb.Next(); n++ {
				o, err := s.Run(shortExperiment(b, "always", n), nil)
				if err != nil || !o.Struck || o.Verdict != result.Holds {
					b.Errorf("experiment %d: %v, %v", n, err, o)
					return
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "experiments/s")
	})
}

// BenchmarkBeside is what the client beside the workload costs: experiments of all modes
// and crash kinds, in turn, without it and with it. Processor time, which a busy machine does
// not change much, is told too.
func BenchmarkBeside(b *testing.B) {
	for _, beside := range []bool{false, true} {
		b.Run(fmt.Sprintf("beside=%v", beside), func(b *testing.B) {
			c := campaignOf(b, 7, 1, modeNames(), crashNames())
			c.Workload.Beside = beside
			list := pairs(c)
			s := experiment.NewSimulator()
			defer s.Close()
			b.ReportAllocs()
			n, before := 0, processorTime(b)
			for b.Loop() {
				p := list[n%len(list)]
				_, err := s.Run(c.Experiment(&c.Modes[p[0]], c.Crashes[p[1]], uint64(n)), nil)
				require.NoError(b, err)
				n++
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(n), "cpu-ns/op")
		})
	}
}

// processorTime is what this process has used, garbage collection included.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestExperimentsDoNotGrowTheProcess runs experiment after experiment in one
// process (a million in `make prove`) and compares the live heap and the number
// of goroutines after a tenth of them with those at the end.
func TestExperimentsDoNotGrowTheProcess(t *testing.T) {
	total := seeds(t, 2000)
	if total > 2000 {
		total *= 50 // 20,000 seeds are 1,000,000 experiments
	}
	s := experiment.NewSimulator()
	defer s.Close()
	live := func() (bytes uint64, goroutines int) {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	var heap uint64
	var tasks int
	for n := range total {
		if n == total/10 {
			heap, tasks = live()
		}
		o, err := s.Run(shortExperiment(t, redis.Store.DefaultModes()[n%len(redis.Store.DefaultModes())], n), nil)
		require.NoError(t, err)
		require.True(t, o.Struck, o.Why)
	}
	endHeap, endTasks := live()
	t.Logf("%d experiments: live heap %d KiB after a tenth, %d KiB at the end; goroutines %d and %d", total, heap>>10, endHeap>>10, tasks, endTasks)
	require.Less(t, endHeap, heap+heap/2+1<<20, "the live heap grows")
	require.LessOrEqual(t, endTasks, tasks+8, "coroutines are left behind")
}
