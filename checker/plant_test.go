package checker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
)

// plants change one thing in a history of their family, and say whether they
// found where to: something that no order of the operations can explain.
var plants = []struct {
	name   anomaly.Name
	family string
	mode   string
	plant  func(s *store, f family) bool
}{
	{anomaly.StaleRead, "register", "everysec", plantStaleRead},
	{anomaly.Phantom, "cas-register", "everysec", plantReply},
	{anomaly.NonLinearizable, "counter", "everysec", plantReply},
	{anomaly.NonLinearizable, "append-list", "everysec", plantReply},
	{anomaly.NonLinearizable, "queue", "everysec", plantOldRead},
	{anomaly.Phantom, "set", "everysec", plantReply},
	{anomaly.NonLinearizable, "hash", "everysec", plantOldRead},
	{anomaly.NonLinearizable, "sorted-set", "everysec", plantOldRead},
	{anomaly.LostWrite, "register", "always", plantLostWrite},
	{anomaly.LostWrite, "register", "everysec", plantLostTail},
	{anomaly.LostWrite, "append-list", "everysec", plantLostTail},
	{anomaly.Hole, "register", "everysec", plantHole},
	{anomaly.Hole, "counter", "everysec", plantOldKey},
	{anomaly.Hole, "queue", "everysec", plantOldKey},
	{anomaly.Hole, "hash", "everysec", plantOldKey},
	{anomaly.Hole, "sorted-set", "everysec", plantOldKey},
	{anomaly.TornTransaction, "transactions", "everysec", plantTorn},
	{anomaly.Phantom, "register", "everysec", plantPhantom},
	{anomaly.SilentTruncation, "append-list", "everysec", plantTruncation},
	{anomaly.Resurrection, "register", "everysec", plantResurrection},
	{anomaly.Unrecoverable, "register", "always", plantUnrecoverable},
	{anomaly.LateSync, "register", "everysec", plantLateSync},
}

// plantStaleRead: a read returns a value that was overwritten before it began.
func plantStaleRead(s *store, _ family) bool {
	ops := s.h.Ops
	for _, i := range s.rng.Perm(len(ops)) {
		r := &ops[i]
		if r.Kind != history.Read {
			continue
		}
		for _, k := range s.rng.Perm(i) {
			old := &ops[k]
			if old.Kind != history.Write || old.Key != r.Key || old.Outcome != history.OK {
				continue
			}
			for n := k + 1; n < i; n++ {
				over := &ops[n]
				if over.Kind == history.Write && over.Key == r.Key && over.Outcome == history.OK && over.Invoke > old.Return && over.Return < r.Invoke {
					r.Value, r.Absent = old.Value, false
					return true
				}
			}
		}
	}
	return false
}

// plantReply makes one reply wrong in a way that no order explains.
func plantReply(s *store, f family) bool {
	for _, i := range s.rng.Perm(len(s.h.Ops)) {
		op := &s.h.Ops[i]
		if op.Outcome != history.OK {
			continue
		}
		switch op.Kind {
		case history.CAS:
			if op.More.Result == "0" && op.More.Expect == "never" {
				op.More.Result = "1" // it found a value that never was
				return true
			}
		case history.Incr:
			// Amounts are positive: no two additions leave the same sum.
			for k := range s.h.Ops {
				if o := &s.h.Ops[k]; k != i && o.Key == op.Key && o.Outcome == history.OK {
					op.More.Result = o.More.Result
					return true
				}
			}
		case history.ReadList, history.ReadHash, history.ReadSorted, history.ReadSet:
			if v := op.More.Values; len(v) > 3 {
				v[0], v[2] = v[2], v[0] // two elements (or fields, or members) have changed places
				if f.name == "set" {
					op.More.Values = append(v[:3:3], "never") // a member that was never added
				}
				return true
			}
		}
	}
	return false
}

// plantOldRead: a read returns what its key held long before it began, and
// never held again.
func plantOldRead(s *store, f family) bool {
	for _, i := range s.rng.Perm(len(s.effects)) {
		r := &s.h.Ops[s.effects[i].op]
		if r.Writes() || r.Outcome != history.OK || i < 60 {
			continue
		}
		then := &s.effects[i-60+s.rng.IntN(20)]
		old := then.after[r.Key]
		if len(old) == 0 || slices.ContainsFunc(s.effects[i-30:], func(e effect) bool { return slices.Equal(e.after[r.Key], old) }) {
			continue
		}
		if f.name != "queue" && !s.replacedBetween(old, then.at, r) {
			continue
		}
		r.More.Values = slices.Clone(old)
		return true
	}
	return false
}

// replacedBetween reports whether a pair of old (of a hash or sorted set), whose
// writer was acknowledged, was replaced by one that was acknowledged as well,
// after then and before r, so that it cannot be there any more when r reads.
func (s *store) replacedBetween(old content, then time.Duration, r *history.Op) bool {
	const longest = time.Millisecond // no operation takes longer
	for i := range s.h.Ops {
		w := &s.h.Ops[i]
		if w.Key != r.Key || w.Outcome != history.OK || w.Invoke <= then+longest || w.Return >= r.Invoke {
			continue
		}
		name := w.More.Field
		if w.Kind == history.SortedAdd {
			name = w.Value
		} else if w.Kind != history.HashSet {
			continue
		}
		for p := 0; p < len(old); p += 2 {
			id, err := strconv.Atoi(strings.TrimPrefix(old[p+1], "v"))
			if err == nil && old[p] == name && s.h.Ops[id].Outcome == history.OK {
				return true
			}
		}
	}
	return false
}

// plantLostWrite: an acknowledged write is gone although all is synced.
func plantLostWrite(s *store, f family) bool {
	for i := len(s.effects) - 1; i > 0; i-- {
		e := &s.effects[i]
		op := &s.h.Ops[e.op]
		if op.Kind != history.Write || op.Outcome != history.OK || s.observed(op) || !s.wroteBefore(s.before(i, e.key), op) {
			continue
		}
		if !slices.Equal(s.effects[len(s.effects)-1].after[e.key], content{op.Value}) {
			continue
		}
		s.put(f, e.key, s.before(i, e.key))
		return true
	}
	return false
}

// wroteBefore reports whether the writer of a value had returned before op
// began, so that the value cannot have replaced op's.
func (s *store) wroteBefore(v content, op *history.Op) bool {
	return len(v) == 0 || slices.ContainsFunc(s.h.Ops, func(o history.Op) bool {
		return o.Kind == history.Write && o.Value == v[0] && o.Outcome == history.OK && o.Return < op.Invoke
	})
}

// observed reports whether a read saw the value: then more than durability is broken.
func (s *store) observed(op *history.Op) bool {
	return slices.ContainsFunc(s.h.Ops, func(o history.Op) bool { return o.Kind == history.Read && o.Value == op.Value })
}

// plantLostTail: what came back is older than what the sync covers.
func plantLostTail(s *store, f family) bool {
	for i := s.cut - 1; i > s.cut/2; i-- {
		last := s.effects[s.cut-1].at
		for k := i; k < s.cut; k++ {
			if op := &s.h.Ops[s.effects[k].op]; op.Writes() && op.Outcome == history.OK && op.Return < last && k-i > 20 {
				state := s.effects[i].after
				st := &s.h.States[len(s.h.States)-1]
				*st = s.found(f, state)
				st.Epoch = 1
				return true
			}
		}
	}
	return false
}

// plantHole: one key is as it was before its last write, while another has a
// write that began after that one was acknowledged.
func plantHole(s *store, f family) bool {
	for i := s.cut - 1; i > 0; i-- {
		e := &s.effects[i]
		op := &s.h.Ops[e.op]
		if !op.Writes() || op.Outcome != history.OK {
			continue
		}
		later := false
		for k := i + 1; k < s.cut; k++ {
			o := &s.h.Ops[s.effects[k].op]
			if o.Key != op.Key && o.Writes() && o.Outcome == history.OK && o.Invoke > op.Return && slices.Equal(s.effects[s.cut-1].after[o.Key], s.effects[k].after[o.Key]) {
				later = true
			}
		}
		if later && (f.name != "register" || s.wroteBefore(s.before(i, e.key), op)) {
			s.put(f, e.key, s.before(i, e.key))
			return true
		}
	}
	return false
}

// plantOldKey: one key is as it was long before the others.
func plantOldKey(s *store, f family) bool {
	for i := s.cut - 1; i > s.cut/2; i-- {
		e := &s.effects[i]
		old := s.effects[s.cut/4].after[e.key]
		if op := &s.h.Ops[e.op]; !op.Writes() || len(old) == 0 {
			continue
		}
		s.put(f, e.key, old)
		if !s.everWas(f) {
			return true
		}
		s.put(f, e.key, s.effects[s.cut-1].after[e.key])
	}
	return false
}

// everWas reports whether what was recovered is what the store held at some time.
func (s *store) everWas(f family) bool {
	found := s.h.States[len(s.h.States)-1].Keys
	return slices.ContainsFunc(s.effects, func(e effect) bool {
		return slices.EqualFunc(s.found(f, e.after).Keys, found, func(a, b history.KV) bool {
			return a.Key == b.Key && a.Value == b.Value && slices.Equal(a.List, b.List)
		})
	})
}

// plantTorn: of the last transaction that survived in two keys, one has the
// value from before, of a writer that had returned before the transaction began.
func plantTorn(s *store, f family) bool {
	final := s.effects[s.cut-1].after
	for i := s.cut - 1; i > 0; i-- {
		op := &s.h.Ops[s.effects[i].op]
		if op.Kind != history.Txn || op.Outcome != history.OK {
			continue
		}
		var whole []string
		for _, p := range op.More.Parts {
			if slices.Equal(final[p.Key], content{p.Value}) {
				whole = append(whole, p.Key)
			}
		}
		if len(whole) < 2 {
			continue
		}
		for k := range s.h.Ops {
			w := &s.h.Ops[k]
			if w.Kind != history.Txn || w.Outcome != history.OK || w.Return >= op.Invoke {
				continue
			}
			for _, p := range w.More.Parts {
				if p.Key == whole[0] {
					s.put(f, p.Key, content{p.Value})
					return true
				}
			}
		}
	}
	return false
}

func plantPhantom(s *store, f family) bool {
	s.put(f, "k0", content{"never"})
	return true
}

// plantTruncation: an element in the middle of a recovered list is missing.
func plantTruncation(s *store, f family) bool {
	for _, kv := range s.h.States[0].Keys {
		if n := len(kv.List); n > 4 {
			s.put(f, kv.Key, slices.Delete(slices.Clone(kv.List), n/2, n/2+1))
			return true
		}
	}
	return false
}

// plantResurrection: a second life and crash, after which a value is back that
// the first recovery had lost.
func plantResurrection(s *store, f family) bool {
	lost := -1
	for i := s.cut; i < len(s.effects); i++ {
		if s.h.Ops[s.effects[i].op].Kind == history.Write {
			lost = s.effects[i].op
		}
	}
	if lost < 0 {
		return false
	}
	again := s.end + 100*time.Millisecond
	s.h.Epochs = append(s.h.Epochs, history.Epoch{Began: s.end + 50*time.Millisecond, Ended: again, How: history.PowerCut, DiskSeen: true})
	st := s.h.States[0]
	st.Keys = slices.Clone(st.Keys)
	st.Epoch, st.Began, st.At = 2, again+1, again+2
	s.h.States = append(s.h.States, st)
	s.put(f, s.h.Ops[lost].Key, content{s.h.Ops[lost].Value})
	return true
}

func plantUnrecoverable(s *store, _ family) bool {
	s.h.Events = append(s.h.Events, history.Event{At: s.end + 1, Kind: history.Refused, Text: "Bad file format"})
	s.h.States = nil
	return true
}

// plantLateSync: the life goes on for three seconds after the last write, and
// no sync follows it.
func plantLateSync(s *store, _ family) bool {
	life := &s.h.Epochs[0]
	life.Ended += 3 * time.Second
	s.h.States[0].Began += 3 * time.Second
	s.h.States[0].At += 3 * time.Second
	return s.cut < len(s.effects)
}

// planted is a history of a plant's family, with the plant when with is true.
func planted(t *testing.T, n int, seed uint64, ops int, with bool) (*store, contract.Contract, bool) {
	t.Helper()
	return drawPlanted(t, storeRand(seed), n, ops, with)
}

func drawPlanted(t require.TestingT, rng drawer, n, ops int, with bool) (*store, contract.Contract, bool) {
	p := plants[n]
	f := familyOf(p.family)
	s := drawStore(rng, f, ops, 6, 3)
	cut := len(s.effects)
	if p.mode != "always" {
		cut -= 5 + s.rng.IntN(len(s.effects)/4)
	}
	s.crash(f, cut)
	c, err := contract.For(p.mode, contract.Power, contract.Config{})
	require.NoError(t, err)
	return s, c, !with || p.plant(s, f)
}

// power is how many histories each plant is tried in: 20, or up to 1,000 with
// TORNTAIL_HISTORIES (see histories); with -short 4.
func power(t *testing.T) int {
	if testing.Short() {
		return 4
	}
	return min(1000, histories(t)/100)
}

// TestPlantsAreFoundAndCleanHistoriesAreNot prints the share of the planted
// anomalies that was found: the table of docs/checkers.md.
func TestPlantsAreFoundAndCleanHistoriesAreNot(t *testing.T) {
	tries := power(t)
	table := fmt.Sprintf("%-18s %-14s %8s %8s %8s %8s\n", "anomaly", "values", "planted", "found", "unknown", "alarms")
	for n, p := range plants {
		t.Run(string(p.name)+" of "+p.family, func(t *testing.T) {
			made, found, unknown, explained := 0, 0, 0, 0
			// One history in thousands is one over which a search would sit for many minutes.
			j := Judge{Options: Options{Limits: linear.Limits{Timeout: unhurried.Limits.Timeout, Steps: 10_000_000}}}
			checks(t, tries, func(t *rapid.T) {
				clean, c, _ := drawPlanted(t, dice{t}, n, 200, false)
				out := j.Judge(clean.h, c)
				if out.Verdict == verdict.Unknown {
					unknown++
				} else {
					require.Equal(t, verdict.Holds, out.Verdict, "false alarm in %s: %s", p.family, out.Why)
				}
				s, c, ok := drawPlanted(t, dice{t}, n, 200, true)
				if !ok {
					return
				}
				made++
				if out = j.Judge(s.h, c); out.Verdict == verdict.Unknown {
					unknown++
					return
				}
				if p.name == anomaly.Hole && out.Verdict == verdict.Holds {
					// The store never held it, but another order of operations that were under
					// way together may have.
					explained++
					return
				}
				require.True(t, slices.ContainsFunc(out.Anomalies, func(a anomaly.Anomaly) bool { return a.Name == p.name }),
					"%s of %s: %s %s", p.name, p.family, out.Verdict, out.Why)
				found++
			})
			table += fmt.Sprintf("%-18s %-14s %8d %8d %8d %8d\n", p.name, p.family, made, found, unknown, 0)
			require.Greater(t, made, tries/5, "%s of %s is hardly ever planted", p.name, p.family)
			require.LessOrEqual(t, unknown, max(1, made/100), "%s of %s", p.name, p.family)
			require.LessOrEqual(t, explained*10, made, "%s of %s", p.name, p.family)
		})
	}
	t.Log("\n" + table)
}
