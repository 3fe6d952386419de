package checker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/linear"
	"github.com/torntail/torntail/checker/zones"
)

// storyOps is how many operations a story tells; a longer list only tires.
const storyOps = 6

// linear judges what the clients saw before the crash. It returns false when
// that is already broken, so that the recovered state would explain nothing.
func (j *Judge) linear(e *epoch) bool {
	for i := range j.regs.Keys {
		k := &j.regs.Keys[i]
		conflict, ok := j.regs.Check(k)
		if ok {
			continue
		}
		j.found(j.conflictStory(e, k, conflict))
		return false
	}
	return true
}

func (j *Judge) conflictStory(e *epoch, k *zones.Key, c zones.Conflict) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.NonLinearizable, Epoch: e.number, Key: k.Name}
	for _, op := range j.regs.Evidence(c) {
		a.Ops = append(a.Ops, e.from+op)
	}
	switch c.Shape {
	case zones.UnwrittenRead:
		a.Name = anomaly.Phantom
		a.Rule = "a read returns a value that somebody wrote"
	case zones.AbsentRead:
		a.Rule = "a key that is there and that nobody deleted is found by every read"
	case zones.ForkedList:
		a.Rule = "lists that were only appended to are each a beginning of the longer ones"
	case zones.OutOfOrder:
		a.Rule = "elements of a list are in the order in which they were appended"
	case zones.ReadBeforeWrite:
		a.Rule = "a value is not read before its write begins"
	case zones.ForwardOverlap, zones.BackwardInForward:
		a.Rule = "once a value has been replaced it is not read again"
	}
	if stale := j.staleRead(k); stale != nil {
		a.Name, a.Rule = anomaly.StaleRead, "a read does not return a value that was replaced before it began"
		a.Ops = a.Ops[:0]
		for _, op := range stale {
			a.Ops = append(a.Ops, e.from+op)
		}
	}
	if c.Shape == zones.UnwrittenRead {
		if aborted, ok := j.aborted(e, k, int(c.Read)); ok {
			return aborted
		}
	}
	for _, op := range a.Ops { // an Append says neither
		switch j.h.Ops[op].Kind {
		case history.StringAppend, history.Read:
			switch c.Shape {
			case zones.ForkedList:
				a.Rule = "strings that were only appended to are each a beginning of the longer ones"
			case zones.OutOfOrder:
				a.Rule = "the pieces of a string are in the order in which they were appended"
			}
		case history.SetAdd, history.ReadSet:
			a.Rule = "what was read of a set that only grows is there in every later read of it, and its members are there once they were added"
		}
	}
	a.Story = j.tell(a.Ops)
	return a
}

// aborted is told instead of a phantom when the value that was read was written,
// by an operation that was told it failed.
func (j *Judge) aborted(e *epoch, k *zones.Key, read int) (anomaly.Anomaly, bool) {
	a := anomaly.Anomaly{Name: anomaly.AbortedRead, Epoch: e.number, Key: k.Name, Rule: abortedRule}
	op := &j.h.Ops[e.from+read]
	var values []element
	for part := range op.Each() {
		if part.Key == k.Name {
			values = sees(values, part)
		}
	}
	for _, v := range values {
		if k.Wrote(&j.regs, v.word) {
			continue
		}
		if i := j.failedWriter(e, k.Name, v.word); i >= 0 {
			a.Ops = []int{i, e.from + read}
			slices.Sort(a.Ops)
			a.Story = j.tell(a.Ops) + fmt.Sprintf("\nonly a write that was told it failed wrote %q: %s", v.word, abortedWords)
			return a, true
		}
		if made, is := j.failedOf(e, k.Name).madeByFailed(one(v.word)); is {
			made.Epoch, made.Key, made.Ops = e.number, k.Name, append(made.Ops, e.from+read)
			slices.Sort(made.Ops)
			made.Story = j.tell(made.Ops) + "\n" + made.Story
			return made, true
		}
	}
	return a, false
}

// failedOf are the operations on a string that were told that they failed.
func (j *Judge) failedOf(e *epoch, key string) *facts {
	f := &facts{key: key, model: linear.Register, kinds: map[history.Kind]bool{}}
	for i := e.from; i < e.to; i++ {
		op := &j.h.Ops[i]
		for part := range op.Each() {
			if part.Key == key && op.Outcome == history.Failed {
				f.add(part, op, i)
			}
		}
	}
	return f
}

// staleRead looks for a read of key k that returned a value which an
// acknowledged write had replaced before the read began, and returns the three
// (old write, new write, read); nil when there is none.
func (j *Judge) staleRead(k *zones.Key) []int {
	clusters := j.regs.ClustersOf(k)
	for i := range j.regs.In.Ops {
		r := &j.regs.In.Ops[i]
		if r.Kind != history.Read || r.Outcome != history.OK || r.Key != k.Name {
			continue
		}
		at := j.regs.Read(r)
		if at < 0 {
			continue
		}
		old := &j.regs.Clusters[at]
		for n := range clusters {
			c := &clusters[n]
			if c.Acked && c.Write != zones.Initial && c.Invoke > old.Return && c.Return < int64(r.Invoke) {
				if old.Write == zones.Initial {
					return []int{int(c.Write), i}
				}
				return []int{int(old.Write), int(c.Write), i}
			}
		}
	}
	return nil
}

// tell writes down operations, by their places in the history.
func (j *Judge) tell(ops []int) string { return j.tellWith(ops, noOp) }

// tellWith is tell with the operation that is wrong among those told.
func (j *Judge) tellWith(ops []int, wrong int) string {
	var b strings.Builder
	left := 0
	for i, n := range ops {
		if i >= storyOps && len(ops) > storyOps+1 && n != wrong {
			left++
			continue
		}
		if left > 0 {
			fmt.Fprintf(&b, "... and %d more\n", left)
			left = 0
		}
		b.WriteString(Tell(&j.h.Ops[n]))
		b.WriteByte('\n')
	}
	if left > 0 {
		fmt.Fprintf(&b, "... and %d more\n", left)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const prefixRule = "what is recovered is the state after some prefix: nothing survives that came after something lost"

// prefixAnomalies reports what keeps the recovered state from being the state
// after a prefix. It returns false when it found something.
func (j *Judge) prefixAnomalies(e *epoch, cut *durability.Cut) bool {
	if cut.Consistent {
		return true
	}
	for _, n := range cut.Phantoms {
		j.found(j.phantom(e, &j.regs.Keys[n]))
	}
	for _, n := range cut.Vanished {
		k := &j.regs.Keys[n]
		j.found(anomaly.Anomaly{Name: anomaly.LostWrite, Epoch: e.number, Key: k.Name,
			Rule: "a key that was there when the epoch began, and that nobody deleted, is still there",
			Story: fmt.Sprintf("%q was read after the crash before this one\nat %s: %s\nread after recovery: no %q",
				k.Name, e.life.Ended, crashWords(e.life.How), k.Name)})
	}
	for _, n := range cut.Scrambled {
		j.found(j.scrambled(e, &j.regs.Keys[n], cut))
	}
	for _, op := range cut.Torn {
		j.found(j.torn(e, op))
	}
	if len(cut.Phantoms)+len(cut.Vanished)+len(cut.Scrambled)+len(cut.Torn) > 0 {
		return false
	}
	if j.c.Keeps == contract.KeepsAll && len(cut.Certain) > 0 {
		// Under a contract of no loss a missing write is the plainer thing to say.
		var lost []int
		for _, op := range cut.Certain {
			lost = append(lost, e.from+int(op))
		}
		j.found(j.lostWrites(e, lost, zones.Late))
	}
	j.found(j.hole(e, cut))
	return false
}

func (j *Judge) phantom(e *epoch, k *zones.Key) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.Phantom, Epoch: e.number, Key: k.Name,
		Rule: "a recovered value is one that somebody wrote"}
	if i := j.writtenBefore(e, k.Name, one(k.RecoveredValue)); i >= 0 {
		a.Name, a.Ops = anomaly.Resurrection, []int{i}
		a.Rule = "a value that an earlier recovery did not have does not come back"
	}
	story := j.tell(a.Ops)
	if story != "" {
		story += "\nit was not there after an earlier crash\n"
	}
	a.Story = story + fmt.Sprintf("at %s: %s\nread after recovery: %q = %q", e.life.Ended, crashWords(e.life.How), k.Name, k.RecoveredValue)
	return a
}

// torn: a transaction survived in one key and not in another.
func (j *Judge) torn(e *epoch, op int32) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.TornTransaction, Epoch: e.number, Ops: []int{e.from + int(op)},
		Rule: "a transaction survives in all of its keys or in none"}
	var b strings.Builder
	b.WriteString(j.tell(a.Ops))
	fmt.Fprintf(&b, "\nat %s: %s\n", e.life.Ended, crashWords(e.life.How))
	if m := j.regs.In.Ops[op].More; m != nil {
		for i := range m.Parts {
			if k := j.regs.Find(m.Parts[i].Key); k != nil && m.Parts[i].Writes() {
				b.WriteString(j.recovered(k))
			}
		}
	}
	a.Story = strings.TrimSuffix(b.String(), "\n")
	return a
}

// scrambled: a list came back that the key never held.
func (j *Judge) scrambled(e *epoch, k *zones.Key, cut *durability.Cut) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.SilentTruncation, Epoch: e.number, Key: k.Name,
		Rule: "a recovered list is one that the key held at some time"}
	for _, op := range cut.Certain {
		if j.regs.In.Ops[op].Key == k.Name {
			a.Ops = append(a.Ops, e.from+int(op))
		}
	}
	slices.Sort(a.Ops)
	a.Story = j.story(e, j.tell(a.Ops), []int32{j.regs.Number(k.Name)})
	return a
}

func (j *Judge) hole(e *epoch, cut *durability.Cut) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.Hole, Epoch: e.number,
		Rule: prefixRule}
	add := func(op int32) {
		if op >= 0 && !slices.Contains(a.Ops, e.from+int(op)) {
			a.Ops = append(a.Ops, e.from+int(op))
		}
	}
	add(cut.LowOp)
	add(cut.HighOp)
	for _, op := range cut.Blocked {
		add(op)
	}
	slices.Sort(a.Ops)
	if cut.HighKey >= 0 {
		a.Key = j.regs.Keys[cut.HighKey].Name
	}
	var b strings.Builder
	b.WriteString(j.tell(a.Ops))
	fmt.Fprintf(&b, "\nat %s: %s\n", e.life.Ended, crashWords(e.life.How))
	for _, n := range []int32{cut.LowKey, cut.HighKey} {
		if n >= 0 {
			b.WriteString(j.recovered(&j.regs.Keys[n]))
		}
	}
	a.Story = strings.TrimSuffix(b.String(), "\n")
	return a
}

// recovered is what was read of a key after the crash.
func (j *Judge) recovered(k *zones.Key) string { return j.recoveredOf(k.Name) + "\n" }

func (j *Judge) recoveredOf(key string) string {
	kv := kvOf(j.e.after, key)
	switch {
	case kv == nil:
		return fmt.Sprintf("read after recovery: no %q", key)
	case kv.List != nil:
		return fmt.Sprintf("read after recovery: %q = %q", key, kv.List) + expiry(kv)
	}
	return fmt.Sprintf("read after recovery: %q = %q", key, kv.Value) + expiry(kv)
}

// expiry is when an observed key expires, if it does.
func expiry(kv *history.KV) string {
	switch {
	case kv.Deadline != 0:
		return fmt.Sprintf(" until %s", kv.Deadline)
	case kv.TTL > 0:
		return fmt.Sprintf(" for %s", kv.TTL)
	}
	return ""
}

// otherDeadline: what was found of a key has a deadline that nobody gave it, or lacks
// the one that its only writer gave it. false: it has not, or others may have given it one.
func (j *Judge) otherDeadline(e *epoch, key int32) (anomaly.Anomaly, bool) {
	k := &j.regs.Keys[key]
	a := anomaly.Anomaly{Name: anomaly.Phantom, Epoch: e.number, Key: k.Name,
		Rule: "a recovered key expires when somebody said that it does, and not otherwise"}
	kv := kvOf(e.after, k.Name)
	if kv == nil {
		return a, false
	}
	given := func(d time.Duration) bool { return kv.Deadline == 0 || (kv.Deadline-d).Abs() <= linear.Slack }
	if before := kvOf(e.before, k.Name); before != nil && before.TTL > 0 && (before.Deadline == 0 || given(before.Deadline)) {
		return a, false
	}
	for i := e.from; i < e.to; i++ {
		for op := range j.h.Ops[i].Each() {
			switch m := op.More; {
			case op.Key != k.Name || j.h.Ops[i].Outcome == history.Failed || !op.Writes():
			case kv.TTL == 0 && (op.Kind != history.Write || op.Value == kv.Value && (m == nil || m.Deadline == 0)):
				return a, false // it may have taken the deadline off, or never given one
			case kv.TTL > 0 && m != nil && m.Deadline > 0 && given(m.Deadline):
				return a, false
			case op.Kind == history.Write && op.Value == kv.Value:
				a.Ops = append(a.Ops, i)
			}
		}
	}
	a.Story = j.story(e, j.tell(a.Ops), []int32{key})
	return a, len(a.Ops) > 0
}

// unread: what was found of a key, or of the keys that are tied to it, is of
// before something that a client was told: mostly a write that nobody had
// acknowledged, but that a client had read before it was safe. op is the place in
// the epoch of the operation whose reply says so; -1 when it takes several.
func (j *Judge) unread(e *epoch, key, op int32) anomaly.Anomaly {
	a := anomaly.Anomaly{Name: anomaly.LostWrite, Epoch: e.number, Key: j.regs.Keys[key].Name, Rule: "what an acknowledged read has found survives"}
	if op >= 0 {
		a.Ops = []int{e.from + int(op)}
	} else {
		a.Ops = j.lastTold(e, key)
	}
	a.Story = j.story(e, j.tell(a.Ops), []int32{key})
	return a
}

// lastTold are the last acknowledged read and write of a key.
func (j *Judge) lastTold(e *epoch, key int32) []int {
	read, wrote := noOp, noOp
	for i := range j.regs.In.Ops {
		switch op := &j.regs.In.Ops[i]; {
		case op.Outcome != history.OK || !touches(op, j.regs.Keys[key].Name):
		case op.Writes():
			wrote = e.from + i
		default:
			read = e.from + i
		}
	}
	ops := slices.DeleteFunc([]int{wrote, read}, func(i int) bool { return i < 0 })
	slices.Sort(ops)
	return ops
}

// touches reports whether an operation is on a key.
func touches(op *history.Op, key string) bool {
	if op.More == nil || op.Kind != history.Txn {
		return op.Key == key || op.More != nil && op.More.To == key
	}
	return slices.ContainsFunc(op.More.Parts, func(p history.Op) bool { return touches(&p, key) })
}

func (j *Judge) lostWrites(e *epoch, lost []int, before int64) anomaly.Anomaly {
	slices.Sort(lost)
	a := anomaly.Anomaly{Name: anomaly.LostWrite, Epoch: e.number, Ops: lost, Key: j.h.Ops[lost[0]].Key}
	switch j.c.Keeps {
	case contract.KeepsAll:
		a.Rule = "every acknowledged write survives"
	case contract.KeepsSynced:
		a.Rule = "every write acknowledged before the last write(2) that a returned sync covers survives"
		if before == zones.Early {
			a.Rule = "a write acknowledged while no child ran survives"
		}
	case contract.KeepsWritten:
		a.Rule = "what was written survives the process; only a write postponed behind a sync in flight may be missing"
	case contract.KeepsSnapshot:
		a.Rule = "every write acknowledged before the fork of the last snapshot in place survives"
	}
	var b strings.Builder
	b.WriteString(j.tell(lost))
	if before != zones.Late && before != zones.Early {
		fmt.Fprintf(&b, "\nwhat was acknowledged before %s had to survive", time.Duration(before))
	}
	fmt.Fprintf(&b, "\nat %s: %s\n", e.life.Ended, crashWords(e.life.How))
	if k := j.regs.Find(a.Key); k != nil {
		b.WriteString(j.recovered(k))
	}
	a.Story = strings.TrimSuffix(b.String(), "\n")
	return a
}
