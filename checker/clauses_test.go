package checker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
)

// TestClausesHoldUpToTheInstant compares with testdata/clauses where each clause
// about the disk begins and ends to hold, to the millisecond: a comparison that is
// off by one instant shows. The scripts have one life that crashes; -rewrite writes
// the file anew.
//
//	always, everysec, rdb and so on: crash=power save=(SECONDS,CHANGES) delay
//
// What must be kept is told once. Of acknowledgements it is told from when to when
// one may be postponed, or falls into a child's time; of crashes, from when on a
// sync or a snapshot that is missing by then is late.
func TestClausesHoldUpToTheInstant(t *testing.T) {
	datadriven.RunTest(t, "testdata/clauses", func(t *testing.T, d *datadriven.TestData) string {
		var crash string
		var conf contract.Config
		d.ScanArgs(t, "crash", &crash)
		if d.HasArg("save") {
			var seconds, changes int
			d.ScanArgs(t, "save", &seconds, &changes)
			conf.SavePoints = []contract.SavePoint{{After: time.Duration(seconds) * time.Second, Changes: changes}}
		}
		conf.NoSyncOnRewrite = d.HasArg("delay")
		c, err := contract.For(d.Cmd, contract.Crash(crash), conf)
		require.NoError(t, err)
		h := script(t, d.Input)
		life := h.Epochs[0]
		var acks []int64
		for i := range h.Ops {
			acks = append(acks, int64(h.Ops[i].Return))
		}
		slices.Sort(acks)
		var b strings.Builder
		fmt.Fprintf(&b, "kept: what was acknowledged before %s\n", time.Duration(durability.KeptBefore(&life, &c)))
		each := func(what string, f func(at time.Duration) string) {
			last, from := "", time.Duration(0)
			for at := time.Duration(0); at <= life.Ended+time.Millisecond; at += time.Millisecond {
				text := ""
				if at <= life.Ended {
					text = f(at)
				}
				if text == last {
					continue
				}
				if last != "" {
					fmt.Fprintf(&b, "%s %s to %s%s\n", what, from, at-time.Millisecond, last)
				}
				last, from = text, at
			}
		}
		says := func(yes bool) string {
			if yes {
				return " "
			}
			return ""
		}
		each("postponed: acknowledged from", func(at time.Duration) string { return says(durability.Postponed(&life, &c, int64(at))) })
		each("in a child's time: acknowledged from", func(at time.Duration) string { return says(durability.InChild(&life, &c, int64(at), int64(at))) })
		late := func(l durability.Lateness, is bool) string {
			if !is {
				return ""
			}
			return fmt.Sprintf(": since %s, due %s", l.Since, l.Due)
		}
		each("late sync: crashed from", func(at time.Duration) string {
			short := life
			short.Ended = at
			return late(durability.LateSync(&short, &c))
		})
		each("late rename: crashed from", func(at time.Duration) string {
			short := life
			short.Ended = at
			return late(durability.LateRename(&short, &c))
		})
		each("late snapshot: crashed from", func(at time.Duration) string {
			short := life
			short.Ended = at
			return late(durability.LateSnapshot(&short, &c, &durability.Changes{Invoked: acks, Acked: acks}))
		})
		if op, failed := durability.WentOn(&life, &c, h.Ops); op >= 0 {
			fmt.Fprintf(&b, "went on: a sync failed at %s, asked at %s and acknowledged at %s\n", failed, h.Ops[op].Invoke, h.Ops[op].Return)
		}
		return strings.ReplaceAll(strings.ReplaceAll(b.String(), " \n", "\n"), history.Never.String(), "ever")
	})
}
