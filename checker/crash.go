package checker

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// recovery looks at how the server came back after the crash that ended e.
func (j *Judge) recovery(e *epoch) {
	if e.judged {
		j.out.Crashes++
	}
	until := history.Never
	if e.number+1 < len(j.h.Epochs) {
		until = j.h.Epochs[e.number+1].Began
	}
	how := ByItself
	var refusal *history.Event
	for i := range j.h.Events {
		ev := &j.h.Events[i]
		if ev.At < e.life.Ended || ev.At > until {
			continue
		}
		switch ev.Kind {
		case history.Refused:
			if how == ByItself {
				how = Refused
			}
			refusal = ev
		case history.Repaired:
			how = Repaired
		}
	}
	if worse(how, j.out.Recovery) {
		j.out.Recovery = how
	}
	switch {
	case how == Refused && !j.c.AllowRefusal && (e.judged || j.c.Crash == ""):
		j.found(anomaly.Anomaly{Name: anomaly.Unrecoverable, Epoch: e.number,
			Rule:  "the server must start on what the crash left",
			Story: fmt.Sprintf("at %s: %s\nat %s the server would not start: %s", e.life.Ended, crashWords(e.life.How), refusal.At, refusal.Text)})
	case how == Repaired && !j.c.AllowRepair && e.judged:
		j.found(anomaly.Anomaly{Name: anomaly.Unrecoverable, Epoch: e.number,
			Rule:  "the server must start on what the crash left without a repair",
			Story: fmt.Sprintf("at %s: %s\nthe server started only after its own repair tool had run", e.life.Ended, crashWords(e.life.How))})
	case how != Refused && e.after == nil:
		j.unknown(Reopened, fmt.Sprintf("nothing was read after the crash at %s", e.life.Ended))
	}
	if e.after != nil && e.after.Began < e.life.Ended {
		j.unknown(Reopened, fmt.Sprintf("the recovered state was read at %s, before the crash at %s", e.after.Began, e.life.Ended))
	}
}

func worse(a, b Recovery) bool {
	rank := func(r Recovery) int {
		return slices.Index([]Recovery{NoCrash, ByItself, Repaired, Refused}, r)
	}
	return rank(a) > rank(b)
}

func crashWords(how history.EventKind) string {
	switch how {
	case history.ProcessKill:
		return "the server was killed"
	case history.PowerCut:
		return "power was cut"
	case history.Terminated:
		return "the server was asked to terminate"
	case history.Exited:
		return "the server exited"
	}
	return string(how)
}

// empty judges a configuration that promises nothing: nothing may come back but what a
// snapshot left that somebody had asked for.
func (j *Judge) empty(e *epoch) {
	if len(e.after.Keys) > 0 && j.c.Keeps == contract.KeepsSync && j.fromSync(e) {
		return
	}
	j.loseAll(e)
	if len(e.after.Keys) == 0 {
		return
	}
	kv := &e.after.Keys[0]
	j.found(anomaly.Anomaly{Name: anomaly.Resurrection, Epoch: e.number, Key: kv.Key,
		Rule:  "without persistence the server must be empty after a restart",
		Story: fmt.Sprintf("at %s: %s\nread after recovery: %d keys, %q = %q among them", e.life.Ended, crashWords(e.life.How), len(e.after.Keys), kv.Key, kv.Value)})
}

// loseAll counts all acknowledged writes of a life as lost.
func (j *Judge) loseAll(e *epoch) {
	j.out.Lost += len(j.changes.Acked)
	j.out.PossiblyLost += len(j.changes.Acked)
	if len(j.changes.Acked) > 0 {
		first := slices.Min(j.changes.Acked)
		w := time.Duration(max(0, int64(e.life.Ended)-first))
		j.out.WindowCertain = max(j.out.WindowCertain, w)
		j.out.WindowPessimistic = max(j.out.WindowPessimistic, w)
		j.out.Censored = true
	}
}

// fromSync judges what came back of a life in which a snapshot was made that the
// configuration does not ask for: it is the state that the last of them holds, neither more
// nor less. false: there was none in place, so that nothing may come back.
func (j *Judge) fromSync(e *epoch) bool {
	life := *e.life
	life.Snapshots = slices.DeleteFunc(slices.Clone(life.Snapshots), func(s history.Snapshot) bool { return s.For == "" })
	last := -1 // the last that may be in place
	for i := range life.Snapshots {
		// A child that outlives its killed server gives a small snapshot its name (redis 7.0.15
		// rdb.c rdbSaveBackground: it ends when it cannot report, after the rename).
		orphan := life.How == history.ProcessKill && i == len(life.Snapshots)-1 && len(e.after.Keys) > 0
		if s := &life.Snapshots[i]; s.Renamed <= life.Ended || orphan && (life.DiskSeen || s.Fork != history.Never) {
			last = i
		} else if !life.DiskSeen {
			j.unknown(DiskLog, fmt.Sprintf("a snapshot was made at %s (%s), and nobody saw whether it was in place: what came back may be from it", s.Began, s.For))
			return true
		}
	}
	if last < 0 {
		if e.before != nil && sameKeys(e.before.Keys, e.after.Keys) && len(e.before.Keys) > 0 {
			j.out.FromSync = "what it had come back with before" // the file is there still
			j.loseAll(e)
			return true
		}
		return false
	}
	s := &life.Snapshots[last]
	from, contracted := *e, *j.c
	from.life, contracted.Level, contracted.Keeps = &life, contract.Buffered, contract.KeepsSnapshot
	was := j.c
	j.c = &contracted
	anomalies := len(j.out.Anomalies)
	j.durable(&from)
	j.c = was
	if op := j.after(&from, s.Began); op != noOp {
		j.found(anomaly.Anomaly{Name: anomaly.Resurrection, Epoch: e.number, Ops: []int{op}, Key: j.h.Ops[op].Key,
			Rule:  "without persistence a server comes back with the last snapshot that was asked for, and with nothing that came after it",
			Story: fmt.Sprintf("a snapshot was written from %s on (%s)\n%s\nat %s: %s\nread after recovery: it is there", s.Began, s.For, j.tell([]int{op}), life.Ended, crashWords(life.How))})
	}
	if len(j.out.Anomalies) == anomalies {
		j.out.FromSync = s.For
		j.note(fmt.Sprintf("without persistence the server came back with the snapshot that was written at %s: %s", s.Began, s.For))
	}
	return true
}

func sameKeys(a, b []history.KV) bool {
	return slices.EqualFunc(a, b, func(a, b history.KV) bool {
		return a.Key == b.Key && a.Type == b.Type && a.Value == b.Value && slices.Equal(a.List, b.List)
	})
}

// after is a write of the life, invoked after an instant, of which nothing that came before
// explains that it came back: an element that nobody had written yet, and a counter that is
// out of the bounds of what had been added; noOp: none.
func (j *Judge) after(e *epoch, begun time.Duration) int {
	type element struct{ key, value string }
	there, counters := map[element]bool{}, map[string]bool{} // what was found; keys that are out of bounds
	for i := range e.after.Keys {
		kv := &e.after.Keys[i]
		for _, v := range append(slices.Clone(kv.List), kv.Value) {
			there[element{kv.Key, v}] = v != ""
		}
		counters[kv.Key] = !j.addedBy(e, kv, begun)
	}
	known, pushed := map[element]bool{}, map[string]bool{} // elements of lists move to other keys
	if e.before != nil {
		for i := range e.before.Keys {
			kv := &e.before.Keys[i]
			known[element{kv.Key, kv.Value}] = true
			for _, v := range kv.List {
				known[element{kv.Key, v}], pushed[v] = true, true
			}
		}
	}
	late := noOp
	for i := e.from; i < e.to; i++ {
		op := &j.h.Ops[i]
		for part := range op.Each() {
			at, isList := element{part.Key, part.Value}, part.Kind == history.Append || part.Kind == history.Push
			switch {
			case !part.Writes():
			case op.Invoke <= begun:
				known[at] = true
				pushed[part.Value] = pushed[part.Value] || isList
			case late != noOp || op.Outcome == history.Failed:
			case part.Kind == history.Incr && counters[part.Key],
				setsValue(part.Kind) && there[at] && !known[at] && !(isList && pushed[part.Value]):
				late = i
			}
		}
	}
	return late
}

// setsValue: what it writes can be found as it stands.
func setsValue(k history.Kind) bool {
	switch k {
	case history.Write, history.CAS, history.Append, history.Push, history.HashSet, history.SetAdd, history.SortedAdd:
		return true
	}
	return false
}

// addedBy reports whether a key that was found may be what had been added to it by an
// instant: always, where anything else wrote to it.
func (j *Judge) addedBy(e *epoch, kv *history.KV, at time.Duration) bool {
	found, err := strconv.ParseInt(kv.Value, 10, 64)
	if err != nil || kv.List != nil {
		return true
	}
	least, most := int64(0), int64(0)
	if e.before != nil {
		for i := range e.before.Keys {
			if b := &e.before.Keys[i]; b.Key == kv.Key {
				if least, err = strconv.ParseInt(b.Value, 10, 64); err != nil {
					return true
				}
				most = least
			}
		}
	}
	for i := e.from; i < e.to; i++ {
		op := &j.h.Ops[i]
		for part := range op.Each() {
			switch {
			case part.Key != kv.Key || !part.Writes() || op.Outcome == history.Failed:
				continue
			case part.Kind != history.Incr:
				return true
			case op.Invoke > at:
				continue
			}
			by, err := strconv.ParseInt(part.Value, 10, 64)
			if err != nil {
				return true
			}
			least, most = least+min(by, 0), most+max(by, 0)
		}
	}
	return least <= found && found <= most
}

// durable judges what came back: clause (a), a prefix; (b), what every prefix
// must hold; (c), when syncs and snapshots must begin.
func (j *Judge) durable(e *epoch) {
	cut := j.prefix.Check(&j.regs)
	whole := j.prefixAnomalies(e, cut)
	if whole && !j.cutOf(e, cut) {
		j.found(j.noCut(e, cut))
		whole = false
	}
	whole = whole && j.serialCut(e, cut)
	j.measure(e, cut)
	if !whole {
		cut = nil
	}
	j.promises(e, cut)
}

// lateSnapshot looks for a save point that was due; there may be none.
func (j *Judge) lateSnapshot(e *epoch) (late durability.Lateness, ok bool) {
	if len(j.c.SavePoints) == 0 {
		return late, false
	}
	return durability.LateSnapshot(e.life, j.c, j.countedOf(e))
}

// countedOf are the changes of an epoch that save points count.
func (j *Judge) countedOf(e *epoch) *durability.Changes {
	j.counted.GatherCounted(j.h.Ops[e.from:e.to])
	return &j.counted
}

// promises judges clauses (b), of the cut when there is one and anything may be
// missing, and (c).
func (j *Judge) promises(e *epoch, cut *durability.Cut) {
	if !e.judged {
		if e.life.How == history.PowerCut && !j.c.Crash.LosesPageCache() {
			return // loses more than the contract is about
		}
	}
	if j.c.Keeps != contract.KeepsAll && j.c.Keeps != contract.KeepsNothing && !durability.Recorded(e.life) {
		j.unknown(DiskLog, "what was written and synced is not on record, so what had to survive is not known")
		return
	}
	if j.c.Logged && j.c.Keeps != contract.KeepsAll && e.life.DiskSeen && len(e.life.LogWrites) == 0 && len(j.countedOf(e).Acked) > 0 {
		j.unknown(DiskLog, "writes were acknowledged, and not one write(2) to a file that is known as the log was seen")
		return
	}
	if cut != nil {
		j.kept(e, cut)
	}
	if op, failed := durability.WentOn(e.life, j.c, j.regs.In.Ops); op >= 0 {
		j.found(anomaly.Anomaly{Name: anomaly.Refused, Epoch: e.number, Ops: []int{e.from + op}, Key: j.h.Ops[e.from+op].Key,
			Rule:  "after a failed sync no write is acknowledged before one has succeeded",
			Story: fmt.Sprintf("at %s a sync of the log failed\n%s", failed, j.tell([]int{e.from + op}))})
	}
	if late, ok := durability.LateSync(e.life, j.c); late.Waited > 0 {
		j.starved("a sync was late", &late)
	} else if ok {
		j.found(anomaly.Anomaly{Name: anomaly.LateSync, Epoch: e.number,
			Rule:  fmt.Sprintf("a sync must start within %s of the first write that none covers", j.c.SyncWithin),
			Story: fmt.Sprintf("data was written to the log by %s\nno sync of it had started by %s", late.Since, late.Due)})
	}
	if late, ok := durability.LateRename(e.life, j.c); late.Waited > 0 {
		j.starved("the sync of a renamed snapshot's directory was late", &late)
	} else if ok {
		j.found(anomaly.Anomaly{Name: anomaly.LateSync, Epoch: e.number,
			Rule:  fmt.Sprintf("the sync of its directory must start within %s after a snapshot has got its name", j.c.DurableWithin),
			Story: fmt.Sprintf("a snapshot got its name by %s\nno sync of the directory had started by %s", late.Since, late.Due)})
	}
	if late, ok := j.lateSnapshot(e); late.Waited > 0 {
		j.starved("a snapshot was late", &late)
	} else if ok {
		j.found(anomaly.Anomaly{Name: anomaly.LateSync, Epoch: e.number,
			Rule:  fmt.Sprintf("a snapshot must begin once save %d %d is due", int(late.Save.After/time.Second), late.Save.Changes),
			Story: fmt.Sprintf("%d changes had been made by %s\nno snapshot had begun by %s", late.Save.Changes, late.Since, late.Due)})
	}
}

// starved notes that a clause about time was broken while the server waited for a processor.
func (j *Judge) starved(what string, late *durability.Lateness) {
	j.unknown(Scheduled, fmt.Sprintf("%s, due by %s, while the server was seen to wait %s for a processor", what, late.Due, late.Waited))
}

// measure adds up what was lost.
func (j *Judge) measure(e *epoch, cut *durability.Cut) {
	out := j.out
	out.Lost += len(cut.Certain)
	out.PossiblyLost += max(cut.Possible, len(cut.Certain))
	for _, op := range cut.Certain {
		out.LostBytes += valueBytes(&j.regs.In.Ops[op])
	}
	ended := int64(e.life.Ended)
	if len(cut.Certain) > 0 {
		out.WindowCertain = max(out.WindowCertain, time.Duration(max(0, ended-cut.FirstCertain)))
		// A life in which nothing but evictions was lost has no acknowledged write that they reach back to.
		if len(j.changes.Acked) > 0 && cut.FirstCertain <= slices.Min(j.changes.Acked) {
			out.Censored = true
		}
	}
	if first := min(cut.FirstPossible, cut.FirstCertain); first != zones.Late {
		out.WindowPessimistic = max(out.WindowPessimistic, time.Duration(max(0, ended-first)))
	}
}

func valueBytes(op *history.Op) int64 {
	n := int64(len(op.Value))
	if op.Kind == history.Txn && op.More != nil {
		for i := range op.More.Parts {
			if p := &op.More.Parts[i]; p.Writes() {
				n += int64(len(p.Value))
			}
		}
	}
	return n
}

// keptAll is clause (b) where everything counts and no acknowledged write is lost
// for certain: a write that nobody acknowledged may have been read, or of several
// that were acknowledged one may have to be lost and nobody knows which. Durable
// linearizability is local (Izraelevitz, Mendes, Scott 2016), so each component
// is asked by itself whether what was found fits behind all that clients were told.
func (j *Judge) keptAll(e *epoch) {
	skip := j.answered(func(c *component) bool { return !(c.undecided && c.registers) }) // otherwise its clusters answer
	if n, op := j.prefix.Unkept(skip); n >= 0 {
		j.found(j.unread(e, n, op))
		return
	}
	if op := j.unkept; op >= 0 {
		key := j.regs.KeyOf[op]
		if key < 0 {
			key = j.regs.Number(j.regs.In.Ops[op].More.Parts[0].Key)
		}
		j.found(j.unread(e, key, op))
		return
	}
	for _, c := range j.parts {
		if c.kept || c.undecided || j.allBefore(c) {
			continue
		}
		if c.problem == nil {
			j.pose(e, []*component{c})
		}
		p := c.problem
		p.FoundFrom, p.FoundTo, p.Last = beforeAll, p.Crash, true
		r := j.ask(c)
		p.Last = false
		switch r.Answer {
		case linear.No:
			j.found(j.unread(e, c.keys[0], noOp))
			return
		case linear.Unknown:
			c.undecided = true
			j.gaveUp(c, r)
		}
	}
}

// allBefore reports whether an order that was found has everything that was
// acknowledged before what was found.
func (j *Judge) allBefore(c *component) bool {
	return slices.ContainsFunc(c.orders, func(r linear.Result) bool {
		for i, op := range c.problem.Ops {
			if op.Outcome == history.OK && !r.Before[i] {
				return false
			}
		}
		return true
	})
}

// kept is clause (b).
func (j *Judge) kept(e *epoch, cut *durability.Cut) {
	if len(cut.Certain) == 0 {
		if j.c.Keeps == contract.KeepsAll {
			j.keptAll(e)
		}
		return
	}
	before := durability.KeptBefore(e.life, j.c)
	var lost []int
	var starved *durability.Lateness
	unsynced := false // something is lost that must have been synced before the reply
	for _, op := range cut.Certain {
		acked := int64(j.regs.In.Ops[op].Return)
		switch {
		case acked < before || j.c.AllFrom > 0 && j.regs.In.Ops[op].Invoke >= j.c.AllFrom:
			lost = append(lost, e.from+int(op))
		case j.c.Keeps == contract.KeepsWritten:
			patient := *j.c
			waited := durability.Waited(e.life, time.Duration(acked), e.life.Ended)
			patient.SyncSlack += waited
			switch {
			case durability.Postponed(e.life, j.c, acked):
				j.out.PostponedLost++
			case waited > 0 && durability.Postponed(e.life, &patient, acked):
				starved = &durability.Lateness{Due: time.Duration(acked) + j.c.PostponeUpTo + j.c.SyncSlack, Waited: waited}
			default:
				lost = append(lost, e.from+int(op))
			}
		case j.c.SyncedFirst && !durability.InChild(e.life, j.c, int64(j.regs.In.Ops[op].Invoke), acked):
			unsynced = true
			lost = append(lost, e.from+int(op))
		}
	}
	if unsynced {
		before = zones.Early
	}
	if len(lost) > 0 {
		j.found(j.lostWrites(e, lost, before))
	} else if starved != nil {
		j.starved("a write that was acknowledged had not been made", starved)
	}
	window := time.Duration(max(0, int64(e.life.Ended)-cut.FirstCertain))
	// The kernel writes back what it has been given: while the server could not write, it had not.
	unwritten := durability.BlockedFor(e.life, time.Duration(cut.FirstCertain), e.life.Ended)
	if j.c.MaxWindow >= 0 && window-unwritten > j.c.MaxWindow && len(lost) == 0 {
		j.found(anomaly.Anomaly{Name: anomaly.LostWrite, Epoch: e.number,
			Rule:  fmt.Sprintf("the loss window must not exceed %s", j.c.MaxWindow),
			Story: fmt.Sprintf("%d acknowledged writes are gone, back to %s before the crash", len(cut.Certain), window)})
	}
	if j.c.MaxLost >= 0 && len(cut.Certain) > j.c.MaxLost && len(lost) == 0 {
		j.found(anomaly.Anomaly{Name: anomaly.LostWrite, Epoch: e.number,
			Rule:  fmt.Sprintf("at most %d acknowledged writes may be lost", j.c.MaxLost),
			Story: fmt.Sprintf("%d acknowledged writes are gone", len(cut.Certain))})
	}
}
