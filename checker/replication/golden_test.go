package replication_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/replication"
	"github.com/torntail/torntail/internal/digest"
)

// TestAccountsAreGivenAsBefore compares with testdata/accounts all that is said of
// failovers: the figures, each write that was lost, and every word of the evidence.
// -rewrite writes the file anew.
//
//	failover from=0 to=5      as run makes them
//	unique from=0 to=5        each write with a key of its own, with its fate
//	changed from=0 to=20      a few things changed at random, without regard for sense
//	back from=0 to=20         and masters that come back, are promoted and are seen as they please
//	digest of=changed from=0 to=20     of each only a number made of all that is said
func TestAccountsAreGivenAsBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/accounts", func(t *testing.T, d *datadriven.TestData) string {
		return digest.Told(t, d, func(b *strings.Builder, of string, n int) {
			seed := uint64(n)
			f := run(seeded(seed))
			switch of {
			case "unique":
				f = unique(seeded(seed))
				fateless(f.h, seed)
			case "changed":
				change(f.h, seed)
			case "back":
				change(f.h, seed)
				back(f.h, seed)
			}
			a := replication.Of(f.h, "n1")
			fmt.Fprintf(b, "%d acked %d, unattributed %d, lost %v by phase %v\n", seed, a.Acked, a.Unattributed, places(a.Lost), a.LostBy())
			fmt.Fprintf(b, "  split brain %v, dual master for %s, acked %v\n", a.SplitBrain, a.DualMaster, a.DualAcked)
			fmt.Fprintf(b, "  diverged %+v, stale %v\n", a.Diverged, a.Stale)
			for _, p := range a.Promotions {
				fmt.Fprintf(b, "  promoted: %s\n", strings.ReplaceAll(fmt.Sprintf("%+v", p), history.Never.String(), "never"))
			}
			tell(b, a.Anomalies)
			for _, e := range replication.Exposures(f.h, &a, "n1", []string{"near", "far", "near"}) {
				fmt.Fprintf(b, "  exposed %+v, %.3f a second\n", e, e.PerSecond())
			}
			steps, ok := replication.StepsOf(f.h, "n1")
			fmt.Fprintf(b, "  steps %v %v\n", ok, strings.ReplaceAll(fmt.Sprintf("%+v", steps), history.Never.String(), "never"))
			if fates, ok := replication.Fate(f.h, &a, "n2"); ok && of == "unique" {
				fmt.Fprintf(b, "  survived %d, lost %v, unattributed %v, refuted %v, unanswered %d there, %d gone, refused and there %v, phantoms %v\n", fates.Survived, fates.Lost,
					fates.Unattributed, fates.Refuted, fates.UnknownSurvived, fates.UnknownGone, fates.FailedThere, fates.Phantoms)
				tell(b, fates.Anomalies)
			}
		})
	})
}

// places are where lost writes are in the history, and by which events.
func places(lost []replication.LostWrite) (ops [][2]int) {
	for _, l := range lost {
		ops = append(ops, [2]int{l.Op, l.Promotion})
	}
	return ops
}

// tell writes anomalies, of each name no more than two.
func tell(b *strings.Builder, list []anomaly.Anomaly) {
	seen := map[anomaly.Name]int{}
	for _, a := range list {
		if seen[a.Name]++; seen[a.Name] > 2 {
			continue
		}
		fmt.Fprintf(b, "  %s of %q by %v: %s\n", a.Name, a.Key, a.Ops, a.Rule)
		for line := range strings.Lines(a.Story) {
			fmt.Fprintf(b, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		fmt.Fprintf(b, "  %d times %s\n", seen[name], name)
	}
}

// fateless makes some writes unanswered or refused, and takes from what is there.
func fateless(h *history.History, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 6))
	for range 6 {
		op := &h.Ops[rng.IntN(len(h.Ops))]
		switch rng.IntN(3) {
		case 0:
			op.Outcome = history.Unknown
		case 1:
			op.Outcome, op.More.Err = history.Failed, "READONLY"
		case 2:
			op.More.Offset = -1
		}
	}
	s := &h.States[1]
	s.Keys = slices.Delete(s.Keys, 3, 5)
	s.Keys = append(s.Keys, history.KV{Key: "zzz"})
}

// back adds promotions, returns and polls, in time and out of it.
func back(h *history.History, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 8))
	for range 5 {
		if m := h.Ops[rng.IntN(len(h.Ops))].More; m != nil {
			m.Node = "n9" // was never a master
		}
	}
	for range 2 + rng.IntN(6) {
		ev := history.Event{At: time.Duration(rng.IntN(45)) * 10 * ms, Kind: []history.EventKind{history.Promoted, history.Returned, history.RoleSeen, history.RoleSeen}[rng.IntN(4)],
			Node: fmt.Sprint("n", 1+rng.IntN(3)), Text: fmt.Sprint("id", rng.IntN(3))}
		switch ev.Kind {
		case history.Promoted:
			ev.Offset, ev.Text = int64(rng.IntN(900)), ev.Text+fmt.Sprint(" id", rng.IntN(3))
		case history.RoleSeen:
			ev.Text = []string{"master", "slave", "down"}[rng.IntN(3)]
		}
		h.Events = append(h.Events, ev)
	}
}

// change makes reads of some operations, and changes roles, outcomes and times.
func change(h *history.History, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	at := func() time.Duration { return time.Duration(rng.IntN(450)) * ms }
	for range 40 {
		op := &h.Ops[rng.IntN(len(h.Ops))]
		other := &h.Ops[rng.IntN(len(h.Ops))]
		switch rng.IntN(7) {
		case 0, 1:
			op.Kind, op.Key, op.Value = history.Read, other.Key, other.Value
		case 2:
			op.Kind, op.Value, op.Absent = history.Read, "", true
		case 3:
			op.Outcome = history.Unknown
		case 4:
			op.Outcome = history.Failed
		case 5:
			op.Return += time.Duration(rng.IntN(60)) * ms
		case 6:
			op.More.Offset = int64(rng.IntN(3)) - 1
		}
	}
	for range 3 {
		ev := history.Event{At: at(), Kind: []history.EventKind{history.Promoted, history.CutOff, history.DownSeen, history.RoleSeen}[rng.IntN(4)], Node: fmt.Sprint("n", 1+rng.IntN(3))}
		switch ev.Kind {
		case history.Promoted:
			ev.Offset = int64(max(0, rng.IntN(900)-450))
		case history.RoleSeen:
			ev.Text = []string{"master", "slave"}[rng.IntN(2)]
		}
		h.Events = append(h.Events, ev)
	}
	for i := range h.States {
		s := &h.States[i]
		if len(s.Keys) > 1 && rng.IntN(2) == 0 {
			n := rng.IntN(len(s.Keys))
			s.Keys[n].Value = "other"
			if rng.IntN(2) == 0 {
				s.Keys = slices.Delete(s.Keys, n, n+1)
			}
		}
	}
	if rng.IntN(4) == 0 {
		h.States[1].Keys[0] = history.KV{Key: h.States[1].Keys[0].Key, List: []string{"a", "b"}, Type: "set"}
	}
}
