package replication_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
)

// story is a history told in a few words.
type story struct{ h history.History }

func (s *story) write(node, key string, at time.Duration, offset int64) {
	s.h.Ops = append(s.h.Ops, history.Op{ID: len(s.h.Ops), Kind: history.Write, Key: key, Value: key, Invoke: at - ms, Return: at, Outcome: history.OK,
		More: &history.More{Node: node, Offset: offset}})
}

func (s *story) event(at time.Duration, kind history.EventKind, node string, offset int64, text string) {
	s.h.Events = append(s.h.Events, history.Event{At: at, Kind: kind, Node: node, Offset: offset, Text: text})
}

// fates are the writes lost, by key.
func (s *story) fates(a *replication.Account) map[string]replication.Phase {
	m := map[string]replication.Phase{}
	for _, l := range a.Lost {
		m[s.h.Ops[l.Op].Key] = l.Phase
	}
	return m
}

// killed is a master that dies, and another that takes its place from offset 25 on.
func killed() *story {
	s := new(story)
	for _, node := range []string{"n1", "n2"} {
		s.event(0, history.RoleSeen, node, 0, map[string]string{"n1": "master", "n2": "slave"}[node])
	}
	s.write("n1", "kept", 50*ms, 20)
	s.write("n1", "tail", 90*ms, 30)
	s.event(100*ms, history.CutOff, "n1", 0, "kill n1")
	s.event(100*ms, history.RoleSeen, "n1", 0, "down")
	s.event(300*ms, history.Promoted, "n2", 25, "a b")
	s.event(300*ms, history.RoleSeen, "n2", 0, "master")
	s.write("n2", "second", 350*ms, 40)
	return s
}

// TestADeadMasterIsNone: two masters at once are two that are up.
func TestADeadMasterIsNone(t *testing.T) {
	s := killed()
	s.event(900*ms, history.RoleSeen, "n2", 0, "master")
	a := replication.Of(&s.h, "n1")
	require.Zero(t, a.DualMaster)
	require.Equal(t, map[string]replication.Phase{"tail": replication.BeforeCut}, s.fates(&a))
	require.Equal(t, []replication.Promotion{{Event: 4, At: 300 * ms, Node: "n2", From: "n1", Lost: 1, Ended: history.Never, Left: true}}, a.Promotions)

	// Back from the dead, before it is told that it is a replica now: its offsets begin
	// anew, so that they say nothing beside those of n2.
	s = killed()
	s.event(500*ms, history.Returned, "n1", 0, "c")
	s.event(500*ms, history.RoleSeen, "n1", 0, "master")
	s.write("n1", "stale", 550*ms, 5)
	s.event(600*ms, history.RoleSeen, "n1", 0, "slave")
	s.event(900*ms, history.RoleSeen, "n2", 0, "master")
	a = replication.Of(&s.h, "n1")
	require.Equal(t, 100*ms, a.DualMaster)
	require.Equal(t, map[string]replication.Phase{"tail": replication.BeforeCut, "stale": replication.AfterPromotion}, s.fates(&a))
	require.Equal(t, []replication.SplitBrainWrite{{Op: 3, Lost: true}}, a.SplitBrain)
	require.Len(t, a.Promotions, 1)
	require.Equal(t, "stale", s.h.Ops[a.Lost[1].Op].Key)
	exposed := replication.Exposures(&s.h, &a, "n1", []string{"all"})
	require.Equal(t, 50*ms, exposed[0].For, "from its return to its last acknowledgement")
}

// TestAStaleMasterIsPromotedAgain: what its successor had acknowledged is gone with it, and
// nobody was deposed when that was acknowledged.
func TestAStaleMasterIsPromotedAgain(t *testing.T) {
	for _, c := range []struct {
		how      string
		returned bool   // else it had only been paused
		text     string // of the promotion
	}{{"back from the dead", true, "c c"}, {"paused, and its history not asked for", false, " "}} {
		t.Run(c.how, func(t *testing.T) {
			s := killed()
			s.event(400*ms, history.RoleSeen, "n2", 0, "down")
			if c.returned {
				s.event(500*ms, history.Returned, "n1", 0, "c")
			}
			s.event(500*ms, history.RoleSeen, "n1", 0, "master")
			s.write("n1", "third", 550*ms, 35)
			s.event(700*ms, history.Promoted, "n1", -1, c.text)
			s.write("n1", "fourth", 750*ms, 45)
			s.event(900*ms, history.RoleSeen, "n1", 0, "master")
			a := replication.Of(&s.h, "n1")
			require.Equal(t, map[string]replication.Phase{"second": replication.StaleMaster}, s.fates(&a), "what n1 alone had is there again")
			require.Zero(t, a.DualMaster)
			require.Equal(t, []replication.Promotion{
				{Event: 4, At: 300 * ms, Node: "n2", From: "n1", Ended: 400 * ms, How: "down"},
				{Event: len(s.h.Events) - 2, At: 700 * ms, Node: "n1", From: "n2", Again: true, Lost: 1, Ended: history.Never, Left: true},
			}, a.Promotions)
			require.Len(t, a.SplitBrain, 1, "third: nobody had promoted n1 yet")
		})
	}
}

// TestAMasterComesBackBeforeItIsReplaced: its offsets begin anew, and those of a later
// promotion are of the new ones.
func TestAMasterComesBackBeforeItIsReplaced(t *testing.T) {
	s := new(story)
	s.event(0, history.RoleSeen, "n1", 0, "master")
	s.write("n1", "old", 50*ms, 5000)
	s.event(100*ms, history.RoleSeen, "n1", 0, "down")
	s.event(200*ms, history.Returned, "n1", 0, "b")
	s.event(200*ms, history.RoleSeen, "n1", 0, "master")
	s.event(150*ms, history.CutOff, "n1", 0, "kill n1")
	s.write("n1", "shared", 250*ms, 10)
	s.write("n1", "tail", 300*ms, 30)
	s.event(500*ms, history.Promoted, "n2", 20, "b c")
	s.event(500*ms, history.RoleSeen, "n2", 0, "master")
	s.event(600*ms, history.RoleSeen, "n1", 0, "slave")
	a := replication.Of(&s.h, "n1")
	require.Equal(t, map[string]replication.Phase{"tail": replication.BeforeCut}, s.fates(&a))
	require.Len(t, a.Promotions, 1)
	require.Equal(t, 100*ms, a.DualMaster, "n1 was polled as a master until then")
	steps, ok := replication.StepsOf(&s.h, "n1")
	require.True(t, ok)
	require.Equal(t, 500*ms, steps.Promoted, "nobody was promoted at 200 ms")
}

// TestWhatIsLostOnDisk: a master, or the replica that is promoted, is started again on files
// without some writes.
func TestWhatIsLostOnDisk(t *testing.T) {
	s := new(story)
	s.event(0, history.RoleSeen, "n1", 0, "master")
	s.event(0, history.RoleSeen, "n2", 0, "slave")
	s.write("n1", "kept", 50*ms, 10)
	s.write("n1", "tail", 90*ms, 30)
	s.event(100*ms, history.CutOff, "n1", 0, "kill n1")
	s.event(200*ms, history.Restarted, "n1", 30, "")
	s.event(200*ms, history.Returned, "n1", 0, "b")
	s.event(200*ms, history.RoleSeen, "n1", 0, "master")
	s.event(205*ms, history.Lacks, "n1", 0, "tail")
	s.write("n1", "handed-on", 250*ms, 12)
	s.write("n1", "not-handed-on", 260*ms, 18)
	s.event(300*ms, history.CutOff, "n1", 0, "power-cut all")
	s.event(400*ms, history.Restarted, "n2", 15, "")
	s.event(500*ms, history.Promoted, "n2", 1, "x c")
	s.event(500*ms, history.RoleSeen, "n2", 0, "master")
	s.event(505*ms, history.Lacks, "n2", 0, "tail handed-on not-handed-on")
	s.write("n2", "new", 550*ms, 9)
	s.event(900*ms, history.RoleSeen, "n1", 0, "slave")
	a := replication.Of(&s.h, "n1")
	require.Equal(t, map[string]replication.Phase{"tail": replication.RestartedWithout,
		"handed-on": replication.LostOnDisk, "not-handed-on": replication.BeforeCut}, s.fates(&a))
	require.Len(t, a.Promotions, 1)
	require.Equal(t, 2, a.Promotions[0].Lost)

	// Where nobody looked, what came back with a master stays unattributed: the data tell.
	s.h.Events = slices.DeleteFunc(s.h.Events, func(e history.Event) bool { return e.Kind == history.Lacks })
	a = replication.Of(&s.h, "n1")
	require.NotContains(t, s.fates(&a), "tail")
}

// TestACalledOffFailover: a server is promoted, follows its predecessor again, and is promoted
// once more. Its second history branches off where the second promotion says; what its
// predecessor has acknowledged in between is that of a rightful master.
func TestACalledOffFailover(t *testing.T) {
	for name, told := range map[string]bool{"whom it follows is known": true, "nobody has seen whom it follows": false} {
		t.Run(name, func(t *testing.T) {
			s := new(story)
			s.event(0, history.Began, "n1", 0, "a")
			for _, node := range []string{"n1", "n2"} {
				s.event(0, history.RoleSeen, node, 0, map[string]string{"n1": "master", "n2": "slave"}[node])
			}
			s.write("n1", "first", 50*ms, 20)
			s.event(100*ms, history.Promoted, "n2", 25, "a b")
			s.event(100*ms, history.RoleSeen, "n2", 0, "master")
			s.write("n1", "deposed", 150*ms, 30)
			s.write("n2", "called-off", 160*ms, 35)
			if told {
				s.event(200*ms, history.Resumed, "n1", 0, "")
			}
			s.event(200*ms, history.RoleSeen, "n2", 0, "slave")
			s.write("n1", "rightful", 250*ms, 40)
			s.event(300*ms, history.CutOff, "n1", 0, "cut n1")
			s.write("n1", "cut-off", 350*ms, 50)
			s.event(400*ms, history.DownSeen, "n1", 0, "")
			s.write("n1", "down", 450*ms, 60)
			s.event(500*ms, history.Promoted, "n2", 45, "a c")
			s.event(500*ms, history.RoleSeen, "n2", 0, "master")
			s.write("n2", "second", 550*ms, 55)
			s.event(600*ms, history.RoleSeen, "n1", 0, "slave")
			a := replication.Of(&s.h, "n1")
			want := map[string]replication.Phase{"called-off": replication.AfterPromotion, "cut-off": replication.CutToDown, "down": replication.DownToPromoted}
			from, deposed := "n1", []replication.SplitBrainWrite{{Op: 1}}
			if !told {
				want["cut-off"], want["down"] = replication.AfterPromotion, replication.AfterPromotion
				from, deposed = "n2", append(deposed, replication.SplitBrainWrite{Op: 3}, replication.SplitBrainWrite{Op: 4, Lost: true}, replication.SplitBrainWrite{Op: 5, Lost: true})
			}
			require.Equal(t, want, s.fates(&a))
			require.Equal(t, deposed, a.SplitBrain)
			require.Len(t, a.Promotions, 2)
			require.Equal(t, []any{"n2", "n1", 1, 200 * ms, "slave"}, []any{a.Promotions[0].Node, a.Promotions[0].From, a.Promotions[0].Lost, a.Promotions[0].Ended, a.Promotions[0].How})
			require.Equal(t, []any{"n2", from, true, 2, true}, []any{a.Promotions[1].Node, a.Promotions[1].From, a.Promotions[1].Again, a.Promotions[1].Lost, a.Promotions[1].Left})
		})
	}

	// Called off for good: its writes are gone, and its predecessor is left.
	s := new(story)
	s.event(0, history.Began, "n1", 0, "a")
	s.event(0, history.RoleSeen, "n1", 0, "master")
	s.event(100*ms, history.Promoted, "n2", 25, "a b")
	s.event(100*ms, history.RoleSeen, "n2", 0, "master")
	s.write("n2", "called-off", 160*ms, 35)
	s.event(200*ms, history.Resumed, "n1", 0, "")
	s.event(200*ms, history.RoleSeen, "n2", 0, "slave")
	s.write("n1", "rightful", 250*ms, 40)
	// n3 takes over from n1, whom it had followed all along.
	s.event(500*ms, history.Promoted, "n3", 35, "a d")
	s.event(500*ms, history.RoleSeen, "n3", 0, "master")
	s.event(600*ms, history.RoleSeen, "n1", 0, "slave")
	a := replication.Of(&s.h, "n1")
	require.Equal(t, map[string]replication.Phase{"called-off": replication.AfterPromotion, "rightful": replication.BeforeCut}, s.fates(&a))
	require.Empty(t, a.SplitBrain)
	require.Equal(t, "n1", a.Promotions[1].From)

	// Started again meanwhile, it goes on with the history of that life.
	s = new(story)
	s.event(0, history.Began, "n1", 0, "a")
	s.event(0, history.RoleSeen, "n1", 0, "master")
	s.write("n1", "before", 50*ms, 9000)
	s.event(100*ms, history.Restarted, "n1", 9000, "")
	s.event(100*ms, history.Returned, "n1", 0, "b")
	s.event(100*ms, history.RoleSeen, "n1", 0, "master")
	s.event(105*ms, history.Lacks, "n1", 0, "")
	s.event(150*ms, history.Promoted, "n2", 9001, "a x")
	s.event(150*ms, history.RoleSeen, "n2", 0, "master")
	s.event(200*ms, history.Began, "n1", 0, "c")
	s.event(250*ms, history.Resumed, "n1", 0, "")
	s.event(250*ms, history.RoleSeen, "n2", 0, "slave")
	s.write("n1", "life", 300*ms, 50)
	s.event(400*ms, history.Promoted, "n2", 60, "c y")
	s.event(400*ms, history.RoleSeen, "n2", 0, "master")
	s.event(600*ms, history.RoleSeen, "n1", 0, "slave")
	a = replication.Of(&s.h, "n1")
	require.Empty(t, a.Lost)
	require.Empty(t, a.SplitBrain)
}
