package reporttest

import (
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/result"
)

// History is a run with every kind of operation and its power cut: what two
// clients wrote, one key named as an attacker would, and what was there after.
func History() *history.History {
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	op := func(client int, kind history.Kind, key, value string, from, to int, o history.Outcome) history.Op {
		x := history.Op{Client: client, Kind: kind, Key: key, Value: value, Invoke: at(from), Return: at(to), Outcome: o}
		if o == history.Unknown {
			x.Return = history.Never
		}
		return x
	}
	const hostile = "<script>alert(1)</script>"
	h := &history.History{
		Ops: []history.Op{
			op(1, history.Write, hostile, "c1-1", 10, 12, history.OK),
			op(2, history.Write, "k1", "c2-1", 11, 14, history.OK),
			op(2, history.Write, "k1", "c2-2", 20, 23, history.OK),
			op(1, history.Read, "k1", "c2-2", 24, 25, history.OK),
			op(1, history.Write, "k2", "c1-2", 30, 31, history.Failed),
			op(2, history.Write, "k2", "c2-3", 33, 0, history.Unknown),
			{Client: 1, Kind: history.Txn, Invoke: at(34), Return: at(36), Outcome: history.OK, More: &history.More{Parts: []history.Op{
				{Kind: history.Write, Key: "k3", Value: "c1-3"}, {Kind: history.Write, Key: "k1", Value: "c2-2"}}}},
			op(1, history.Write, "k4", "c1-4", 37, 38, history.OK),
		},
		Events: []history.Event{
			{At: at(28), Kind: history.FaultStruck, Node: "n1", Text: "slow fsync(*) 2ms"},
			{At: at(40), Kind: history.PowerCut, Node: "n1"},
			{At: at(43), Kind: history.Restarted, Node: "n1"}, {At: at(45), Kind: history.Ready, Node: "n1"},
		},
		Epochs: []history.Epoch{{Began: at(5), Ended: at(40), How: history.PowerCut, DiskSeen: true,
			LogWrites: []history.DiskWrite{{Enter: at(11), Return: at(11), Bytes: 40}, {Enter: at(21), Return: at(21), Bytes: 40}},
			LogSyncs:  []history.DiskSync{{Enter: at(21), Return: at(22)}, {Enter: at(38), Return: history.Never}}}},
		States: []history.State{{Began: at(45), At: at(46), Node: "n1", Epoch: 1, Keys: []history.KV{{Key: "k1", Value: "c2-2"}, {Key: "k3", Value: "c1-3"}}}},
	}
	for i := range h.Ops {
		h.Ops[i].ID = i
	}
	return h
}

// Policies is a comparison of settings.
func Policies() *result.Report {
	r := Usual()
	over := func(rate, p99 float64) (list []result.Tick) {
		for i := range 15 {
			list = append(list, result.Tick{AtMS: float64(100 * i), Rate: rate * (1 + float64(i%3)/20), P99: p99 * (1 + float64(i%4)/10)})
		}
		return list
	}
	policy := func(mode string, d []string, rate, p99, fsyncs, bytes float64) result.Policy {
		cost := func(rate float64) *result.Cost {
			return &result.Cost{Rate: rate, P50: p99 / 3, P99: p99, P999: 3 * p99, Rounds: []float64{rate, rate, rate}, Over: over(rate, p99)}
		}
		return result.Policy{Mode: mode, Directives: d, Host: cost(rate), FaultDisk: cost(0.8 * rate), FsyncsPerOp: fsyncs, BytesPerOp: bytes, RestartMS: 400, FileBytes: 27_200_000}
	}
	limit := 1100.0
	r.Policies = &result.Policies{
		Load: result.Offered{Clients: 50, Pipeline: 1, ValueSize: 100, Keys: 10_000}, Rounds: 3, RoundS: 1.5, RestartWrites: 100_000,
		Host: result.Place{Dir: "/srv/data", FileSystem: "ext4", Device: "/dev/vda", Fsync: &result.Fsync{P50: 0.57, P99: 4}},
		Disk: result.Place{FileSystem: "fuse.torntail", Fsync: &result.Fsync{P50: 0.57, P99: 4}},
		Policies: []result.Policy{policy("always", always, 12_800, 9, 0.034, 135), policy("everysec", everysec, 58_600, 6.7, 0.00002, 135),
			policy("no", no, 83_700, 2.6, 0, 135), policy("rdb", rdb, 101_000, 2, 0, 0)},
		MaxLossMS: &limit, MinRate: 20_000, Choice: "everysec",
		Advice: "Choose everysec, because it lost at most the last 1.02s in 600 crashes and took 58.6k operations a second.",
	}
	r.Policies.Policies[3].Host = nil
	return r
}
