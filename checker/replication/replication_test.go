package replication_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
)

const ms = time.Millisecond

// failover is a run in which n1 is cut off, n2 is promoted, and n1 goes on
// serving for a while: what a model of replication says happened.
type failover struct {
	h     *history.History
	lost  map[int]replication.Phase
	split map[int]bool // operation: lost
}

// draw is where the choices of a run come from: a number from 0 to n-1.
type draw func(n int) int

// seeded draws for an example that is always the same.
func seeded(seed uint64) draw { return rand.New(rand.NewPCG(seed, 5)).IntN }

// runs calls f with runs as rapid draws them, and shrinks one on which it fails.
// Each number is as likely as any other, of which rapid's own ranges prefer small ones.
func runs(t *testing.T, n int, f func(t *rapid.T, d draw)) {
	t.Helper()
	if testing.Short() {
		n *= 5 // of which rapid takes a fifth
	}
	for name, value := range map[string]string{"rapid.checks": strconv.Itoa(n), "rapid.nofailfile": "true", "rapid.shrinktime": "5s"} {
		require.NoError(t, flag.Set(name, value))
	}
	below := make([]int, 100)
	for i := range below {
		below[i] = i
	}
	rapid.Check(t, func(t *rapid.T) {
		f(t, func(n int) int { return rapid.SampledFrom(below[:n]).Draw(t, "") })
	})
}

// run makes one. Each write adds 10 to the offset of the node that takes it; n2
// follows n1 with a lag until the cut.
func run(d draw) failover {
	f := failover{h: &history.History{}, lost: map[int]replication.Phase{}, split: map[int]bool{}}
	cut := time.Duration(100+d(100)) * ms
	odown := cut + time.Duration(10+d(50))*ms
	promoted := odown + time.Duration(10+d(50))*ms
	demoted := promoted + time.Duration(d(100))*ms
	lag := time.Duration(d(30)) * ms
	offset := map[string]int64{"n1": 0, "n2": 0}
	state := map[string]map[string]string{"n1": {}, "n2": {}}
	type entry struct {
		at         time.Duration
		key, value string
		op         int
	}
	var log []entry // of n1
	shared := 0     // entries of it that n2 has
	for i := range 150 {
		at := time.Duration(i) * 3 * ms
		for shared < len(log) && log[shared].at+lag <= min(at, cut) {
			state["n2"][log[shared].key] = log[shared].value
			shared++
		}
		node := "n1"
		if at >= promoted && (d(2) == 0 || at >= demoted) {
			node = "n2"
		}
		if at >= promoted && offset["n2"] == 0 {
			offset["n2"] = int64(shared) * 10
			f.h.Events = append(f.h.Events, history.Event{At: promoted, Kind: history.Promoted, Node: "n2", Offset: int64(shared)*10 + 1})
		}
		op := history.Op{ID: i, Client: d(4), Kind: history.Write, Key: fmt.Sprint("k", d(5)), Value: fmt.Sprint("v", i),
			Invoke: at, Return: at + ms, Outcome: history.OK}
		offset[node] += 10
		op.More = &history.More{Node: node, Offset: offset[node]}
		state[node][op.Key] = op.Value
		if node == "n1" {
			log = append(log, entry{at, op.Key, op.Value, i})
		}
		if node == "n1" && at >= promoted {
			f.split[i] = true
		}
		f.h.Ops = append(f.h.Ops, op)
	}
	for _, e := range log[shared:] {
		ack := f.h.Ops[e.op].Return
		switch {
		case ack >= promoted:
			f.lost[e.op] = replication.AfterPromotion
		case ack >= odown:
			f.lost[e.op] = replication.DownToPromoted
		case ack >= cut:
			f.lost[e.op] = replication.CutToDown
		default:
			f.lost[e.op] = replication.BeforeCut
		}
	}
	f.h.Events = append(f.h.Events,
		history.Event{At: cut, Kind: history.CutOff, Node: "n1", Text: "n2 s1 s2"},
		history.Event{At: odown, Kind: history.DownSeen, Node: "n1"},
		history.Event{At: 450 * ms, Kind: history.Healed})
	for at := time.Duration(0); at < 450*ms; at += 10 * ms {
		role := func(master bool) string {
			if master {
				return "master"
			}
			return "slave"
		}
		f.h.Events = append(f.h.Events,
			history.Event{At: at, Kind: history.RoleSeen, Node: "n1", Text: role(at < demoted)},
			history.Event{At: at, Kind: history.RoleSeen, Node: "n2", Text: role(at >= promoted)})
	}
	for _, node := range []string{"n1", "n2"} {
		s := history.State{Node: node, Began: 500 * ms, At: 501 * ms, Converged: true}
		for k, v := range state["n2"] { // any order: sorted below
			s.Keys = append(s.Keys, history.KV{Key: k, Value: v})
		}
		sort.Slice(s.Keys, func(i, j int) bool { return s.Keys[i].Key < s.Keys[j].Key })
		f.h.States = append(f.h.States, s)
	}
	return f
}

func TestLossesAreAttributedExactly(t *testing.T) {
	phases := map[replication.Phase]int{}
	runs(t, 300, func(t *rapid.T, d draw) {
		f := run(d)
		a := replication.Of(f.h, "n1")
		require.Equal(t, 150, a.Acked)
		require.Zero(t, a.Unattributed)
		lost := map[int]replication.Phase{}
		for _, l := range a.Lost {
			lost[l.Op] = l.Phase
			phases[l.Phase]++
		}
		require.Equal(t, f.lost, lost)
		split := map[int]bool{}
		for _, s := range a.SplitBrain {
			split[s.Op] = s.Lost
		}
		require.Equal(t, f.split, split)
		require.Empty(t, a.Diverged)
		for _, x := range a.Anomalies {
			require.Equal(t, anomaly.SplitBrainWrite, x.Name)
		}
	})
	for _, p := range replication.Phases() {
		switch p {
		case replication.StaleMaster: // TestAStaleMasterIsPromotedAgain
			continue
		case replication.RestartedWithout, replication.LostOnDisk: // TestWhatIsLostOnDisk
			continue
		}
		require.Greater(t, phases[p], 50, "hardly any loss %s", p)
	}
}

func TestDualMastersAreMeasured(t *testing.T) {
	h := &history.History{}
	poll := func(at time.Duration, node, role string) {
		h.Events = append(h.Events, history.Event{At: at * ms, Kind: history.RoleSeen, Node: node, Text: role})
	}
	poll(0, "n1", "master")
	poll(1, "n2", "slave")
	poll(20, "n2", "master")
	poll(30, "n1", "master")
	poll(40, "n1", "slave")
	poll(50, "n2", "master")
	for _, at := range []time.Duration{10, 25, 35, 45} {
		h.Ops = append(h.Ops, history.Op{Kind: history.Write, Key: "k", Value: fmt.Sprint(at), Invoke: at * ms, Return: at * ms, Outcome: history.OK, More: &history.More{Node: "n1", Offset: 1}})
	}
	a := replication.Of(h, "n1")
	require.Equal(t, 20*ms, a.DualMaster)
	require.Equal(t, map[string]int{"n1": 2}, a.DualAcked)
}

func TestDivergenceIsFoundByKey(t *testing.T) {
	f := run(seeded(1))
	s := &f.h.States[0]
	gone := s.Keys[0].Key
	s.Keys = s.Keys[1:]
	s.Keys[0].Value = "other"
	a := replication.Of(f.h, "n1")
	require.Len(t, a.Diverged, 2)
	require.Equal(t, gone, a.Diverged[0].Key)
	require.Equal(t, [2]string{"n2", "n1"}, a.Diverged[0].Nodes, "the master's side first")
	require.Equal(t, [2]bool{false, true}, a.Diverged[0].Absent)
	require.Equal(t, "other", a.Diverged[1].Values[1])
	require.Equal(t, anomaly.Divergence, a.Anomalies[len(a.Anomalies)-1].Name)
}

func TestStaleReadsHaveAnAge(t *testing.T) {
	write := func(value string, from, to time.Duration) history.Op {
		return history.Op{Kind: history.Write, Key: "k", Value: value, Invoke: from * ms, Return: to * ms, Outcome: history.OK}
	}
	read := func(value string, from, to time.Duration) history.Op {
		return history.Op{Kind: history.Read, Key: "k", Value: value, Absent: value == "", Invoke: from * ms, Return: to * ms, Outcome: history.OK, More: &history.More{Node: "n2"}}
	}
	for _, tc := range []struct {
		name string
		ops  []history.Op
		ages []time.Duration
	}{
		{"fresh", []history.Op{write("1", 0, 10), write("2", 20, 30), read("2", 40, 41)}, nil},
		{"while it is replaced", []history.Op{write("1", 0, 10), write("2", 20, 30), read("1", 25, 41)}, nil},
		{"old", []history.Op{write("1", 0, 10), write("2", 20, 30), read("1", 45, 46)}, []time.Duration{15 * ms}},
		{"age counts from the first successor", []history.Op{write("1", 0, 10), write("2", 20, 30), write("3", 31, 35), read("1", 45, 46)}, []time.Duration{15 * ms}},
		{"from before everything", []history.Op{write("1", 0, 10), read("", 45, 46)}, []time.Duration{35 * ms}},
		{"nothing is found of what was deleted", []history.Op{write("1", 0, 10), {Kind: history.Delete, Key: "k", Invoke: 20 * ms, Return: 30 * ms, Outcome: history.OK}, read("", 45, 46)}, nil},
		{"concurrent writes may come in either order", []history.Op{write("1", 0, 10), write("2", 5, 12), read("1", 45, 46)}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := replication.Of(&history.History{Ops: tc.ops}, "n1")
			var ages []time.Duration
			for _, s := range a.Stale {
				ages = append(ages, s.Age)
			}
			require.Equal(t, tc.ages, ages)
			require.Len(t, a.Anomalies, len(tc.ages))
		})
	}
}

func TestWritesWithoutOffsetAreNotGuessedAt(t *testing.T) {
	f := run(seeded(2))
	for i := range f.h.Ops {
		f.h.Ops[i].More.Offset = -1
	}
	a := replication.Of(f.h, "n1")
	require.Equal(t, 150, a.Unattributed)
	require.Empty(t, a.Lost)
}
