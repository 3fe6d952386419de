package checker

import (
	"cmp"
	"maps"
	"slices"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/verdict"
)

// A process kill leaves the page cache alone, and a restart does not sync what it
// loads: a power cut soon after can take what was written before the kill, too,
// although it was read after it. So when a power cut seems to have broken
// something, and the lives before it ended without losing the page cache, all of
// them are judged as one. What was read at the restarts in between is part of
// that life: reads of every key by one more client.

const acrossNote = "the power cut reached back behind a kill before it: both lives were judged as one"

// reachesBack is the first life that the crash which ended e can reach back
// into; e.number when it is none but its own.
func (j *Judge) reachesBack(e *epoch) int {
	first := e.number
	if e.life.How != history.PowerCut {
		return first
	}
	for first > 0 {
		how := j.h.Epochs[first-1].How
		if how != history.ProcessKill && how != history.Exited {
			break
		}
		first--
	}
	return first
}

// durableAcross is durable, and once more over the lives that the crash can
// reach back into when that found something.
func (j *Judge) durableAcross(e *epoch) {
	before := *j.out
	anomalies := len(before.Anomalies)
	j.durable(e)
	first := j.reachesBack(e)
	if first == e.number || len(j.out.Anomalies) == anomalies {
		return
	}
	inner := Judge{Options: j.Options}
	inner.Options.Lives = nil
	one, places := j.asOneLife(first, e)
	out := inner.Judge(one, j.acrossBy(first, e))
	var instead []anomaly.Anomaly
	switch {
	case out.Verdict == verdict.Holds:
	case out.Verdict == verdict.Violated && j.out.Anomalies[anomalies].Name == anomaly.Resurrection && out.Anomalies[0].Name == anomaly.LostWrite:
		// What is back from behind the restart is only what lost writes have uncovered.
		for _, a := range out.Anomalies {
			for i, op := range a.Ops {
				a.Ops[i] = places[op]
			}
			a.Ops = slices.DeleteFunc(a.Ops, func(op int) bool { return op == noOp })
			a.Epoch = e.number
			instead = append(instead, a)
		}
	default:
		return
	}
	acked, crashes := j.out.Acked, j.out.Crashes
	*j.out = before
	j.out.Anomalies = append(before.Anomalies[:anomalies:anomalies], instead...)
	j.out.Acked, j.out.Crashes = acked, crashes
	j.out.Lost += out.Lost
	j.out.PossiblyLost += out.PossiblyLost
	j.out.LostBytes += out.LostBytes
	j.out.WindowCertain = max(j.out.WindowCertain, out.WindowCertain)
	j.out.WindowPessimistic = max(j.out.WindowPessimistic, out.WindowPessimistic)
	j.out.Censored = j.out.Censored || out.Censored
	j.note(acrossNote)
}

// acrossBy is the contract of lives that are judged as one. The page cache is one for all
// of them: where they were to write it down by rules of their own, what came back need only
// be a prefix.
func (j *Judge) acrossBy(first int, e *epoch) contract.Contract {
	c := *j.c
	if j.Options.Lives == nil {
		return c
	}
	for n := first; n < e.number; n++ {
		life := j.h.Epochs[n]
		life.How = e.life.How
		if its := j.Options.Lives(n, &life); its != nil && (its.Level != c.Level || its.Keeps != c.Keeps || its.AllFrom != c.AllFrom) {
			c.Level, c.Keeps, c.MaxWindow, c.MaxLost, c.AllFrom = contract.Buffered, contract.KeepsNothing, -1, -1, 0
			c.SyncWithin, c.DurableWithin, c.SavePoints = 0, 0, nil
		}
	}
	return c
}

// asOneLife is the history of the lives from first to e's as one, and where its operations
// are in that of them all; noOp: nowhere, it is a read of the state between two lives.
func (j *Judge) asOneLife(first int, e *epoch) (one *history.History, places []int) {
	life := history.Epoch{Began: j.h.Epochs[first].Began, Ended: e.life.Ended, How: e.life.How, DiskSeen: e.life.DiskSeen}
	one = &history.History{}
	written := map[string]bool{}
	from := 0
	for n := 0; n <= e.number; n++ {
		l := j.life(j.h, n, from)
		from = l.to
		if n < first {
			continue
		}
		if n > first && l.before != nil {
			one.Ops = append(one.Ops, reads(l.before, written)...)
		}
		for i, op := range j.h.Ops[l.from:l.to] {
			op.ID = l.from + i
			if op.Outcome == history.OK {
				op.Return = max(op.Invoke, min(op.Return, l.life.Ended))
			}
			one.Ops = append(one.Ops, op)
			writes(written, &op)
		}
		life.LogWrites = append(life.LogWrites, l.life.LogWrites...)
		for _, sync := range l.life.LogSyncs {
			// Who was told that it failed has ended; the server that was started on what it
			// left knows of no failure.
			sync.Left = sync.Left || sync.Failed && n < e.number
			life.LogSyncs = append(life.LogSyncs, sync)
		}
		life.Snapshots = append(life.Snapshots, l.life.Snapshots...)
		life.ChildRunning = append(life.ChildRunning, l.life.ChildRunning...)
		life.Blocked = append(life.Blocked, l.life.Blocked...)
		life.Waits = append(life.Waits, l.life.Waits...)
		if n == first && l.before != nil {
			s := *l.before
			s.Epoch = 0
			one.States = append(one.States, s)
		}
	}
	slices.SortStableFunc(one.Ops, func(a, b history.Op) int { return cmp.Compare(a.Invoke, b.Invoke) })
	for i := range one.Ops {
		places = append(places, one.Ops[i].ID)
		one.Ops[i].ID = i
	}
	one.Epochs = []history.Epoch{life}
	after := *e.after
	after.Epoch = 1
	one.States = append(one.States, after)
	return one, places
}

// wholeReads read all of a value of each type; Read is of strings.
var wholeReads = map[*linear.Model]history.Kind{linear.List: history.ReadList, linear.Set: history.ReadSet, linear.Hash: history.ReadHash,
	linear.Sorted: history.ReadSorted, linear.Stream: history.ReadStream}

// writes notes the keys that an operation may write.
func writes(keys map[string]bool, op *history.Op) {
	switch {
	case op.Outcome == history.Failed || !op.Writes():
	case op.Kind != history.Txn:
		keys[op.Key] = true
		if op.Kind == history.ListMove && op.More != nil {
			keys[op.More.To] = true
		}
	case op.More != nil:
		for i := range op.More.Parts {
			writes(keys, &op.More.Parts[i])
		}
	}
}

// reads are a state as reads of its keys, and of those that were written and that it
// lacks: GET finds nothing there, of whatever type they had been.
func reads(s *history.State, written map[string]bool) []history.Op {
	var ops []history.Op
	read := func(op history.Op) {
		op.ID, op.Client, op.Outcome, op.Invoke, op.Return = noOp, -1, history.OK, s.Began, s.At
		ops = append(ops, op)
	}
	there := map[string]bool{}
	for i := range s.Keys {
		kv := &s.Keys[i]
		there[kv.Key] = true
		kind, is := wholeReads[linear.TypeOfValue(kv)]
		if !is {
			read(history.Op{Kind: history.Read, Key: kv.Key, Value: kv.Value})
			continue
		}
		read(history.Op{Kind: kind, Key: kv.Key, More: &history.More{Offset: history.NoOffset, Values: kv.List}})
		for _, g := range kv.Groups {
			read(history.Op{Kind: history.ReadPending, Key: kv.Key, More: &history.More{Offset: history.NoOffset, Group: g.Name, Values: g.Pending}})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(written)) {
		if !there[key] {
			read(history.Op{Kind: history.Read, Key: key, Absent: true})
		}
	}
	return ops
}
