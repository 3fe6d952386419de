package checker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/checker/zones"
)

// clients have operations one after another, and some at once with each other.
type clients struct {
	rng  *rand.Rand
	free []time.Duration // of each, when its last operation had returned
}

// op is operation number i, without its kind, and when it takes effect.
func (c *clients) op(i int, key string) (op history.Op, effect time.Duration) {
	n := i % len(c.free)
	begin := c.free[n] + time.Duration(c.rng.IntN(1000))
	c.free[n] = begin + time.Duration(1000+c.rng.IntN(20000))
	op = history.Op{Client: n, Key: key, Invoke: begin, Return: c.free[n], Outcome: history.OK}
	return op, begin + time.Duration(c.rng.Int64N(int64(op.Return-begin)+1))
}

// large is a good history of many operations: clients on one correct store, a
// quarter of the operations reads, a power cut after the last, and the state of
// some time before it recovered.
func large(ops, n, keys int) *history.History {
	rng := rand.New(rand.NewPCG(7, uint64(ops)))
	names := make([]string, keys)
	for i := range names {
		names[i] = "key:" + strconv.Itoa(i)
	}
	h := &history.History{Ops: make([]history.Op, 0, ops)}
	type job struct {
		effect time.Duration
		op     history.Op
	}
	c := clients{rng, make([]time.Duration, n)}
	jobs := make([]job, ops)
	for i := range jobs {
		op, effect := c.op(i, names[rng.IntN(keys)])
		if op.Kind = history.Read; rng.IntN(4) > 0 {
			op.Kind, op.Value = history.Write, strconv.Itoa(i)
		}
		jobs[i] = job{effect, op}
	}
	sort.Slice(jobs, func(i, j int) bool { return jobs[i].effect < jobs[j].effect })
	state := make(map[string]string, keys)
	recovered := map[string]string{}
	var covered time.Duration
	for i := range jobs {
		op := &jobs[i].op
		if op.Kind == history.Write {
			state[op.Key] = op.Value
		} else {
			v, ok := state[op.Key]
			op.Value, op.Absent = v, !ok
		}
		if i == ops-ops/10 {
			covered = jobs[i].effect
			for k, v := range state { // any order: a copy
				recovered[k] = v
			}
		}
	}
	sort.Slice(jobs, func(i, j int) bool { return jobs[i].op.Invoke < jobs[j].op.Invoke })
	end := time.Duration(0)
	for i := range jobs {
		jobs[i].op.ID = i
		h.Ops = append(h.Ops, jobs[i].op)
		end = max(end, jobs[i].op.Return)
	}
	life := history.Epoch{Ended: end + 1, How: history.PowerCut, DiskSeen: true,
		LogWrites: []history.DiskWrite{{Enter: 1, Return: covered}},
		LogSyncs:  []history.DiskSync{{Enter: covered, Return: covered + 1, Covers: covered}}}
	st := history.State{Began: end + 2, At: end + 3, Epoch: 1}
	for k, v := range recovered { // any order: sorted below
		st.Keys = append(st.Keys, history.KV{Key: k, Value: v})
	}
	sortKVs(st.Keys)
	h.Epochs, h.States = []history.Epoch{life}, []history.State{st}
	return h
}

// peak runs f with the collector watching and reports the most memory that was
// in use above what was before, in MB, sampled at every collection and at the end.
func peak(b *testing.B, f func()) {
	b.Helper()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	// Everything that was allocated, collected or not, bounds the peak from above.
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/1e6, "MB/op")
}

func BenchmarkZones(b *testing.B) {
	h := large(1_000_000, 20, 1)
	b.Run("ops=1000000/keys=1/clients=20", func(b *testing.B) {
		for b.Loop() {
			peak(b, func() {
				var r zones.Registers
				r.Build(zones.Input{Ops: h.Ops, Crash: zones.Late})
				if c, ok := r.Check(&r.Keys[0]); !ok {
					b.Fatal(c)
				}
			})
		}
	})
}

func BenchmarkPrefix(b *testing.B) {
	h := large(1_000_000, 20, 10_000)
	b.Run("ops=1000000/keys=10000", func(b *testing.B) {
		for b.Loop() {
			peak(b, func() {
				var r zones.Registers
				var p durability.Prefix
				r.Build(zones.Input{Ops: h.Ops, Crash: int64(h.Epochs[0].Ended), Recovered: h.States[0].Keys, HasRecovered: true})
				for i := range r.Keys {
					if c, ok := r.Check(&r.Keys[i]); !ok {
						b.Fatal(c)
					}
				}
				if cut := p.Check(&r); !cut.Consistent || len(cut.Certain) == 0 {
					b.Fatal(fmt.Sprint(cut.Consistent, len(cut.Certain)))
				}
			})
		}
	})
}

func BenchmarkFile(b *testing.B) {
	var file bytes.Buffer
	if err := history.Encode(&file, large(1_000_000, 20, 10_000)); err != nil {
		b.Fatal(err)
	}
	b.Run("ops=1000000/read+judge", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		for b.Loop() {
			h, err := history.Decode(bytes.NewReader(file.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			c, err := contract.For("no", contract.Power, contract.Config{})
			if err != nil {
				b.Fatal(err)
			}
			var j Judge
			if out := j.Judge(h, c); out.Verdict != verdict.Holds {
				b.Fatal(out.Why)
			}
		}
	})
}
