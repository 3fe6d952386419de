package checker

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// TestRefusedWritesAreCounted: how many writes were refused for now, for how long at a
// stretch none was taken, and what a contract that bounds them says.
func TestRefusedWritesAreCounted(t *testing.T) {
	const ms = time.Millisecond
	type op struct {
		kind     history.Kind
		err      string // "": acknowledged
		from, to time.Duration
	}
	w, r := history.Write, history.Read
	for _, c := range []struct {
		name string
		ops  []op
		end  time.Duration // history.Never: no crash
		n    int
		for_ time.Duration
	}{
		{"none", []op{{w, "", 1, 2}, {w, "", 3, 4}}, 100, 0, 0},
		{"until the next that is acknowledged", []op{{w, "MISCONF x", 1, 10}, {w, "MISCONF x", 11, 20}, {w, "", 21, 30}}, 100, 2, 20},
		{"until the crash", []op{{w, "", 1, 2}, {w, "NOREPLICAS x", 3, 10}}, 100, 1, 90},
		{"the longer of two stretches", []op{{w, "OOM x", 1, 10}, {w, "", 11, 15}, {w, "OOM x", 16, 20}, {w, "", 21, 40}}, 100, 2, 20},
		{"the first is longer", []op{{w, "OOM x", 1, 10}, {w, "", 11, 35}, {w, "OOM x", 36, 37}, {w, "", 38, 40}}, 100, 2, 25},
		{"by the order of replies", []op{{w, "OOM x", 1, 20}, {w, "OOM x", 2, 10}, {w, "", 30, 31}}, 100, 2, 21},
		{"one asked before it was refused ends nothing", []op{{w, "", 1, 30}, {w, "OOM x", 2, 10}, {w, "", 10, 50}}, 100, 1, 40},
		{"a read ends nothing", []op{{w, "OOM x", 1, 10}, {r, "", 11, 12}, {w, "", 13, 20}}, 100, 1, 10},
		{"a read that is refused is no write", []op{{r, "OOM x", 1, 10}, {w, "", 11, 12}}, 100, 0, 0},
		{"a transaction", []op{{w, "EXECABORT x", 1, 10}, {w, "", 13, 20}}, 100, 1, 10},
		{"another error", []op{{w, "WRONGTYPE x", 1, 10}, {w, "", 13, 20}}, 100, 0, 0},
		{"without a crash, until the last reply", []op{{w, "", 1, 2}, {w, "OOM x", 3, 10}, {r, "", 11, 15}}, history.Never, 1, 5},
	} {
		h := &history.History{}
		for i, o := range c.ops {
			x := history.Op{ID: i, Client: i, Kind: o.kind, Key: "k" + string(rune('a'+i)), Value: "v", Invoke: o.from * ms, Return: o.to * ms, Outcome: history.OK}
			if x.Kind == r {
				x.Value, x.Absent = "", true
			}
			if o.err != "" {
				x.Outcome, x.More = history.Failed, &history.More{Err: o.err}
			}
			h.Ops = append(h.Ops, x)
		}
		if c.end != history.Never {
			h.Epochs = []history.Epoch{{Ended: c.end * ms, How: history.ProcessKill, DiskSeen: true}}
			h.States = []history.State{{Began: 200 * ms, At: 201 * ms, Epoch: 1}}
		}
		judged := func(most *int, for_ *time.Duration) Judgement {
			k := contract.Clients()
			k.MaxRefused, k.MaxRefusedFor = most, for_
			var j Judge
			return j.Judge(h, k)
		}
		v := judged(nil, nil)
		require.Equal(t, c.n, v.RefusedWrites, c.name)
		require.Equal(t, c.for_*ms, v.RefusedFor, c.name)
		require.Empty(t, v.Anomalies, c.name)
		if c.n == 0 {
			continue
		}
		less, shorter := c.n-1, v.RefusedFor-1
		require.Empty(t, judged(&c.n, &v.RefusedFor).Anomalies, c.name)
		for _, v := range []Judgement{judged(&less, nil), judged(nil, &shorter)} {
			require.Equal(t, verdict.Violated, v.Verdict, c.name)
			require.Equal(t, anomaly.Refused, v.Anomalies[0].Name)
			require.NotEmpty(t, v.Anomalies[0].Story)
		}
	}
}

// TestGoingOnInALaterLife: a write that is acknowledged after a failed sync is told by its own
// number, in whatever life.
func TestGoingOnInALaterLife(t *testing.T) {
	const ms = time.Millisecond
	op := func(id int, key string, at time.Duration) history.Op {
		return history.Op{ID: id, Kind: history.Write, Key: key, Value: "v", Invoke: at, Return: at + ms, Outcome: history.OK}
	}
	write := func(at time.Duration) history.DiskWrite {
		return history.DiskWrite{Enter: at, Return: at + ms/2, Bytes: 1}
	}
	sync := func(at time.Duration, failed bool) history.DiskSync {
		return history.DiskSync{Enter: at, Return: at + ms/4, Covers: at - ms/2, Failed: failed}
	}
	h := &history.History{
		Ops: []history.Op{op(0, "a", 10*ms), op(1, "b", 110*ms), op(2, "c", 120*ms)},
		Epochs: []history.Epoch{
			{Ended: 50 * ms, How: history.PowerCut, DiskSeen: true, LogWrites: []history.DiskWrite{write(10 * ms)}, LogSyncs: []history.DiskSync{sync(11*ms-ms/4, false)}},
			{Began: 100 * ms, Ended: 200 * ms, How: history.PowerCut, DiskSeen: true, LogWrites: []history.DiskWrite{write(110 * ms), write(120 * ms)},
				LogSyncs: []history.DiskSync{sync(111*ms-ms/4, false), sync(115*ms, true)}},
		},
		States: []history.State{
			{Began: 60 * ms, At: 61 * ms, Epoch: 1, Keys: []history.KV{{Key: "a", Value: "v"}}},
			{Began: 260 * ms, At: 261 * ms, Epoch: 2, Keys: []history.KV{{Key: "a", Value: "v"}, {Key: "b", Value: "v"}, {Key: "c", Value: "v"}}},
		},
	}
	c, err := contract.For("always", contract.Power, contract.Config{Modelled: true})
	require.NoError(t, err)
	out := (&Judge{Options: unhurried}).Judge(h, c)
	i := slices.IndexFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == anomaly.Refused })
	require.GreaterOrEqual(t, i, 0, "%s %v", out.Why, out.Anomalies)
	require.Equal(t, []int{2}, out.Anomalies[i].Ops)
	require.Equal(t, "c", out.Anomalies[i].Key)
}
