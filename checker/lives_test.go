package checker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/internal/digest"
)

// TestClausesOfDrawnLivesAreAsBefore compares with testdata/lives what the clauses about
// the disk say of lives in which anything may have been under way: where several things
// excuse the same time, and which of them comes first. Of each a number; -rewrite writes
// the file anew.
func TestClausesOfDrawnLivesAreAsBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/lives", func(t *testing.T, d *datadriven.TestData) string {
		return digest.Told(t, d, func(b *strings.Builder, mode string, i int) {
			rng := rand.New(rand.NewPCG(uint64(i), 9))
			life, ops := drawnLife(rng)
			var changes durability.Changes
			changes.Gather(ops)
			conf := contract.Config{NoSyncOnRewrite: rng.IntN(2) == 0, SavePoints: []contract.SavePoint{{After: time.Second, Changes: 2}, {After: 3 * time.Second, Changes: 1}}}
			for _, crash := range []contract.Crash{contract.Kill, contract.Power} {
				c, err := contract.For(mode, crash, conf)
				require.NoError(t, err)
				tellClauses(b, life, &c, ops, &changes)
			}
		})
	})
}

// drawnLife is a life with some of everything, in hundredths of a second.
func drawnLife(rng *rand.Rand) (*history.Epoch, []history.Op) {
	at := func(most int) time.Duration { return time.Duration(rng.IntN(most)) * 10 * time.Millisecond }
	life := &history.Epoch{DiskSeen: rng.IntN(8) > 0, How: history.PowerCut, Ended: 2*time.Second + at(600)}
	long := func() time.Duration {
		if rng.IntN(3) == 0 {
			return at(400)
		}
		return at(30)
	}
	// Of some kinds there are many, so that excuses overlap.
	some := func(f func(from, to time.Duration)) {
		from := at(100)
		for range rng.IntN(6) {
			to := from + long()
			if to >= life.Ended {
				to = history.Never
			}
			f(from, to)
			from += at(200)
		}
	}
	some(func(from, to time.Duration) {
		life.LogWrites = append(life.LogWrites, history.DiskWrite{Enter: from, Return: to, Bytes: 1})
	})
	some(func(from, to time.Duration) {
		s := history.DiskSync{Enter: from, Return: to, Covers: -1, Failed: rng.IntN(5) == 0 && to != history.Never}
		for _, w := range life.LogWrites {
			if w.Return <= from {
				s.Covers = max(s.Covers, w.Return)
			}
		}
		life.LogSyncs = append(life.LogSyncs, s)
	})
	interval := func(to *[]history.Interval) func(from, to time.Duration) {
		return func(from, until time.Duration) { *to = append(*to, history.Interval{From: from, To: until}) }
	}
	some(interval(&life.Blocked))
	some(interval(&life.ChildRunning))
	some(func(from, to time.Duration) {
		if to != history.Never {
			life.Waits = append(life.Waits, history.Wait{From: from, To: to, By: at(100)})
		}
	})
	some(func(from, to time.Duration) {
		s := history.Snapshot{Fork: from, Began: from, Renamed: to, Durable: history.Never, Failed: rng.IntN(4) == 0}
		if to != history.Never && rng.IntN(2) == 0 {
			s.Durable = to + at(20)
		}
		life.Snapshots = append(life.Snapshots, s)
	})
	var ops []history.Op
	for range 2 + rng.IntN(6) {
		op := history.Op{Kind: history.Write, Key: "k", Value: "v", Invoke: at(int(life.Ended / (10 * time.Millisecond))), Outcome: history.OK}
		if op.Return = op.Invoke + at(5); op.Return > life.Ended {
			op.Outcome, op.Return = history.Unknown, history.Never
		}
		ops = append(ops, op)
	}
	slices.SortStableFunc(ops, func(a, b history.Op) int { return int(a.Invoke - b.Invoke) })
	return life, ops
}

func tellClauses(b *strings.Builder, life *history.Epoch, c *contract.Contract, ops []history.Op, changes *durability.Changes) {
	fmt.Fprintln(b, durability.Recorded(life), durability.KeptBefore(life, c))
	op, failed := durability.WentOn(life, c, ops)
	fmt.Fprintln(b, op, failed)
	for at := time.Duration(0); at < life.Ended; at += 70 * time.Millisecond {
		fmt.Fprintln(b, durability.Postponed(life, c, int64(at)), durability.InChild(life, c, int64(at), int64(at+30*time.Millisecond)), durability.Waited(life, at, at+500*time.Millisecond))
	}
	short := *life
	for life = &short; ; short.Ended -= 290 * time.Millisecond {
		for _, clause := range []func(*history.Epoch, *contract.Contract) (durability.Lateness, bool){durability.LateSync, durability.LateRename,
			func(life *history.Epoch, c *contract.Contract) (durability.Lateness, bool) {
				return durability.LateSnapshot(life, c, changes)
			}} {
			late, is := clause(life, c)
			fmt.Fprintf(b, "%v %+v\n", is, late)
		}
		if life.Ended < time.Second {
			return
		}
	}
}
