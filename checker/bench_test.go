package checker

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// experiment makes a history as one simulated experiment records it: clients
// on a correct store with everysec, a power cut, and what was synced read back.
func experiment(seed uint64, clients, ops, keys int) *history.History {
	rng := rand.New(rand.NewPCG(seed, 1))
	h := &history.History{}
	state := map[string]string{}
	var synced map[string]string
	now := time.Duration(0)
	life := history.Epoch{DiskSeen: true, How: history.PowerCut}

	busy := make([]time.Duration, clients)
	covered := 0
	for i := range ops {
		now += time.Duration(rng.IntN(200)) * time.Microsecond
		c := rng.IntN(clients)
		start := max(now, busy[c])
		now = start
		key := fmt.Sprintf("key:%d", rng.IntN(keys))
		op := history.Op{ID: i, Client: c, Key: key, Invoke: start, Return: start + time.Duration(50+rng.IntN(400))*time.Microsecond, Outcome: history.OK}
		if rng.IntN(4) == 0 {
			op.Kind = history.Read
			v, ok := state[key]
			op.Value, op.Absent = v, !ok
		} else {
			op.Kind, op.Value = history.Write, fmt.Sprintf("v%d", i)
			state[key] = op.Value
			life.LogWrites = append(life.LogWrites, history.DiskWrite{Enter: start + 1000, Return: start + 2000, Bytes: 40})
		}
		busy[c] = op.Return
		h.Ops = append(h.Ops, op)
		if i == ops/2 {
			synced = map[string]string{}
			for k, v := range state {
				synced[k] = v
			}
			covered = len(life.LogWrites)
		}
	}

	if covered > 0 {
		at := life.LogWrites[covered-1].Return
		life.LogSyncs = []history.DiskSync{{Enter: at + 1, Return: at + 5000, Covers: at}}
	}
	life.Ended = now + 20*time.Microsecond
	h.Epochs = []history.Epoch{life, {Began: life.Ended + time.Millisecond, Ended: history.Never}}
	st := history.State{Began: life.Ended + time.Millisecond, At: life.Ended + 2*time.Millisecond, Epoch: 1}
	for k := range keys {
		name := fmt.Sprintf("key:%d", k)
		if v, ok := synced[name]; ok {
			st.Keys = append(st.Keys, history.KV{Key: name, Value: v})
		}
	}
	sortKVs(st.Keys)
	h.States = []history.State{st}
	for i := range h.Ops {
		if op := &h.Ops[i]; op.Return > life.Ended {
			op.Outcome, op.Return = history.Unknown, history.Never
		}
	}
	return h
}

func BenchmarkJudge(b *testing.B) {
	for _, ops := range []int{100, 1500} {
		b.Run(fmt.Sprintf("ops=%d/keys=20", ops), func(b *testing.B) {
			h := experiment(1, 4, ops, 20)
			c, err := contract.For("everysec", contract.Power, contract.Config{})
			if err != nil {
				b.Fatal(err)
			}
			var j Judge
			b.ReportAllocs()
			for b.Loop() {
				if out := j.Judge(h, c); out.Verdict != verdict.Holds {
					b.Fatal(out)
				}
			}
		})
	}
}

// BenchmarkModels judges good histories of every model: 200 operations a key, ten clients.
func BenchmarkModels(b *testing.B) {
	for _, l := range loads {
		b.Run(fmt.Sprintf("model=%s/ops=10000", strings.ReplaceAll(l.name, " ", "-")), func(b *testing.B) {
			h := load(l.kinds, l.as, 10_000, 10)
			var j Judge
			b.ReportAllocs()
			for b.Loop() {
				if out := j.Judge(h, contract.Clients()); out.Verdict != verdict.Holds {
					b.Fatal(out)
				}
			}
		})
	}
}
