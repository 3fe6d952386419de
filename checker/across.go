package checker

import (
	"cmp"
	"maps"
	"slices"

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
	out := inner.Judge(j.asOneLife(first, e), *j.c)
	if out.Verdict != verdict.Holds {
		return
	}
	acked, crashes := j.out.Acked, j.out.Crashes
	*j.out = before
	j.out.Anomalies = before.Anomalies[:anomalies:anomalies]
	j.out.Acked, j.out.Crashes = acked, crashes
	j.out.Lost += out.Lost
	j.out.PossiblyLost += out.PossiblyLost
	j.out.LostBytes += out.LostBytes
	j.out.WindowCertain = max(j.out.WindowCertain, out.WindowCertain)
	j.out.WindowPessimistic = max(j.out.WindowPessimistic, out.WindowPessimistic)
	j.out.Censored = j.out.Censored || out.Censored
	j.note(acrossNote)
}

// asOneLife is the history of the lives from first to e's as one.
func (j *Judge) asOneLife(first int, e *epoch) *history.History {
	life := history.Epoch{Began: j.h.Epochs[first].Began, Ended: e.life.Ended, How: e.life.How, DiskSeen: e.life.DiskSeen}
	one := &history.History{}
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
		for _, op := range j.h.Ops[l.from:l.to] {
			if op.Outcome == history.OK {
				op.Return = max(op.Invoke, min(op.Return, l.life.Ended))
			}
			one.Ops = append(one.Ops, op)
			writes(written, &op)
		}
		life.LogWrites = append(life.LogWrites, l.life.LogWrites...)
		life.LogSyncs = append(life.LogSyncs, l.life.LogSyncs...)
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
		one.Ops[i].ID = i
	}
	one.Epochs = []history.Epoch{life}
	after := *e.after
	after.Epoch = 1
	one.States = append(one.States, after)
	return one
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
		op.Client, op.Outcome, op.Invoke, op.Return = -1, history.OK, s.Began, s.At
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
