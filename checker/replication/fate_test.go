package replication_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
)

// unique makes a run in which each write has a key of its own, with the converged
// state that the model says.
func unique(d draw) failover {
	f := run(d)
	state := f.h.States[0]
	state.Keys = nil
	for i := range f.h.Ops {
		op := &f.h.Ops[i]
		op.Key = op.Value
		if _, lost := f.lost[i]; !lost {
			state.Keys = append(state.Keys, history.KV{Key: op.Key, Value: op.Value})
		}
	}
	sortKeys(&state)
	for i, node := range []string{"n1", "n2"} {
		state.Node = node
		f.h.States[i] = state
	}
	return f
}

func sortKeys(s *history.State) {
	for i := range s.Keys {
		for k := i; k > 0 && s.Keys[k].Key < s.Keys[k-1].Key; k-- {
			s.Keys[k], s.Keys[k-1] = s.Keys[k-1], s.Keys[k]
		}
	}
}

func TestFatesAgreeWithTheOffsets(t *testing.T) {
	runs(t, 200, func(t *rapid.T, d draw) {
		f := unique(d)
		a := replication.Of(f.h, "n1")
		fates, ok := replication.Fate(f.h, &a, "n2")
		require.True(t, ok)
		require.Len(t, fates.Lost, len(f.lost))
		require.Equal(t, len(f.h.Ops)-len(f.lost), fates.Survived)
		require.Empty(t, fates.Unattributed)
		require.Empty(t, fates.Refuted)
		require.Empty(t, fates.Anomalies)
	})
	f := unique(seeded(1))
	a := replication.Of(f.h, "n1")
	_, ok := replication.Fate(f.h, &a, "n3")
	require.False(t, ok, "nothing is known of n3")
}

// TestFatesSeeWhatDoesNotFit plants what the offsets cannot explain.
func TestFatesSeeWhatDoesNotFit(t *testing.T) {
	survivor := func(f failover) int {
		for i := range f.h.Ops {
			if _, lost := f.lost[i]; !lost {
				return i
			}
		}
		panic("none")
	}
	for _, c := range []struct {
		name  string
		plant func(f failover)
		want  func(t *testing.T, f replication.Fates)
	}{
		{"a survivor vanishes", func(f failover) {
			f.h.States[1].Keys = f.h.States[1].Keys[1:]
		}, func(t *testing.T, f replication.Fates) { require.Len(t, f.Unattributed, 1) }},
		{"a lost write is there", func(f failover) {
			for i := range f.lost {
				f.h.States[1].Keys = append(f.h.States[1].Keys, history.KV{Key: f.h.Ops[i].Key})
				break
			}
			sortKeys(&f.h.States[1])
		}, func(t *testing.T, f replication.Fates) { require.Len(t, f.Refuted, 1) }},
		{"a lost write without an offset", func(f failover) {
			for i := range f.lost {
				f.h.Ops[i].More.Offset = -1
				break
			}
		}, func(t *testing.T, f replication.Fates) { require.Len(t, f.Unattributed, 1) }},
		{"a refused write is there", func(f failover) { f.h.Ops[survivor(f)].Outcome = history.Failed },
			func(t *testing.T, f replication.Fates) {
				require.Len(t, f.FailedThere, 1)
				require.Equal(t, anomaly.Refused, f.Anomalies[0].Name)
			}},
		{"a write without a reply is there", func(f failover) { f.h.Ops[survivor(f)].Outcome = history.Unknown },
			func(t *testing.T, f replication.Fates) { require.Equal(t, 1, f.UnknownSurvived) }},
		{"a key nobody wrote", func(f failover) {
			f.h.States[1].Keys = append(f.h.States[1].Keys, history.KV{Key: "zzz"})
		}, func(t *testing.T, f replication.Fates) {
			require.Equal(t, []string{"zzz"}, f.Phantoms)
			require.Equal(t, anomaly.Phantom, f.Anomalies[0].Name)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := unique(seeded(3))
			require.NotEmpty(t, f.lost)
			c.plant(f)
			a := replication.Of(f.h, "n1")
			fates, ok := replication.Fate(f.h, &a, "n2")
			require.True(t, ok)
			c.want(t, fates)
		})
	}
}

func TestExposureIsTheTimeWithTheOldMaster(t *testing.T) {
	write := func(client int, node string, at time.Duration, offset int64) history.Op {
		return history.Op{Client: client, Kind: history.Write, Key: "k", Invoke: at - ms, Return: at, Outcome: history.OK,
			More: &history.More{Node: node, Offset: offset}}
	}
	h := &history.History{
		Events: []history.Event{
			{At: 100 * ms, Kind: history.CutOff, Node: "n1"},
			{At: 200 * ms, Kind: history.DownSeen, Node: "n1"},
			{At: 300 * ms, Kind: history.Promoted, Node: "n2", Offset: 20},
			{At: 700 * ms, Kind: history.RoleSeen, Node: "n1", Text: "slave"},
		},
		Ops: []history.Op{
			write(0, "n1", 50*ms, 10), write(1, "n1", 50*ms, 15),
			write(0, "n1", 150*ms, 20), // lost, client 0 exposed for 50 ms
			write(2, "n1", 600*ms, 30), // lost, client 2 exposed for 500 ms
			write(0, "n2", 610*ms, 25),
		},
	}
	a := replication.Of(h, "n1")
	got := replication.Exposures(h, &a, "n1", []string{"near", "far", "near"})
	require.Equal(t, []replication.Exposure{
		{Group: "near", Clients: 2, Acked: 4, Lost: 2, For: 550 * ms},
		{Group: "far", Clients: 1, Acked: 1},
	}, got)
	require.InDelta(t, 2/0.55, got[0].PerSecond(), 1e-9)
	require.Zero(t, got[1].PerSecond())
	steps, ok := replication.StepsOf(h, "n1")
	require.True(t, ok)
	require.Equal(t, replication.Steps{Cut: 100 * ms, Odown: 200 * ms, Promoted: 300 * ms, LastAck: 600 * ms, Demoted: 700 * ms}, steps)
}

// TestAFailoverThatWasCalledOff: a promoted server that goes back to the old master
// costs what it alone had acknowledged, and nothing of the old master's.
func TestAFailoverThatWasCalledOff(t *testing.T) {
	h := &history.History{
		Events: []history.Event{
			{At: 10 * ms, Kind: history.RoleSeen, Node: "n1", Text: "master"},
			{At: 100 * ms, Kind: history.CutOff, Node: "n1"},
			{At: 300 * ms, Kind: history.Promoted, Node: "n2", Offset: 20, Text: "aaa bbb"},
			{At: 300 * ms, Kind: history.RoleSeen, Node: "n2", Text: "master"},
			{At: 500 * ms, Kind: history.RoleSeen, Node: "n2", Text: "slave"},
			{At: 900 * ms, Kind: history.RoleSeen, Node: "n1", Text: "master"},
			{At: 900 * ms, Kind: history.RoleSeen, Node: "n2", Text: "slave"},
		},
	}
	write := func(node, key string, at time.Duration, offset int64) {
		h.Ops = append(h.Ops, history.Op{ID: len(h.Ops), Kind: history.Write, Key: key, Value: key, Invoke: at - ms, Return: at, Outcome: history.OK,
			More: &history.More{Node: node, Offset: offset}})
	}
	write("n1", "a", 50*ms, 10)
	write("n1", "b", 150*ms, 30)
	write("n2", "c", 350*ms, 25)
	write("n1", "d", 600*ms, 40)
	a := replication.Of(h, "n1")
	require.Equal(t, []replication.LostWrite{{Op: 2, Phase: replication.AfterPromotion, Promotion: 2}}, a.Lost)

	// The old master is cut off again, and n3 takes over from it: its history branched
	// from the old master's, not from that of n2.
	h.Events = append(h.Events, history.Event{At: 1000 * ms, Kind: history.Promoted, Node: "n3", Offset: 35, Text: "aaa ccc"},
		history.Event{At: 1000 * ms, Kind: history.RoleSeen, Node: "n3", Text: "master"}, history.Event{At: 1100 * ms, Kind: history.RoleSeen, Node: "n1", Text: "slave"})
	a = replication.Of(h, "n1")
	lost := map[int]bool{}
	for _, l := range a.Lost {
		lost[l.Op] = true
	}
	require.Equal(t, map[int]bool{2: true, 3: true}, lost, "b is at an offset that n3 shares, c is in nobody's history, d is behind it")
}
