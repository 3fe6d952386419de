package zones

import (
	"github.com/torntail/torntail/checker/history"
)

func (r *Registers) addWrites() {
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		if n := r.KeyOf[i]; n >= 0 {
			r.addWrite(n, op, int32(i), none)
		} else if op.Kind == history.Txn && op.Outcome != history.Failed && op.More != nil {
			for p := range op.More.Parts {
				part := &op.More.Parts[p]
				r.addWrite(r.lookup(part.Key), part, int32(i), int32(p))
			}
		}
	}
}

// makesCluster reports whether an operation gives its key a new value, of the
// kinds that clusters know.
func makesCluster(k history.Kind) bool {
	return k == history.Write || k == history.Delete || k == history.Append || k == history.Push
}

// addWrite makes the cluster of a write: of operation i, or of its part.
func (r *Registers) addWrite(n int32, op *history.Op, i, part int32) {
	if !makesCluster(op.Kind) {
		return
	}
	whole := &r.In.Ops[i]
	k := &r.Keys[n]
	at := k.To
	k.To++
	c := &r.Clusters[at]
	*c = Cluster{
		Invoke: int64(whole.Invoke), Return: r.In.Crash,
		Write: i, Part: part, FirstOp: i, LastOp: i, Key: n,
		Acked: whole.Outcome == history.OK,
	}
	if c.Acked {
		c.Return = min(int64(whole.Return), r.In.Crash)
	}
	c.First, c.Last = c.Return, c.Invoke
	if op.Kind == history.Delete {
		c.Delete, c.Absent = true, true
	} else if !r.insertValue(n, op.Value, at) {
		k.Repeated = true
	}
}

func (r *Registers) addReads() {
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		if op.Outcome != history.OK {
			continue
		}
		if n := r.KeyOf[i]; n >= 0 {
			r.addRead(n, op, int32(i), none)
		} else if op.Kind == history.Txn && op.More != nil {
			for p := range op.More.Parts {
				part := &op.More.Parts[p]
				r.addRead(r.lookup(part.Key), part, int32(i), int32(p))
			}
		}
	}
}

// Read is the cluster whose value a read (or a write that returned what it
// replaced, or a part of a transaction) found, and -1 when that is not known.
func (r *Registers) Read(op *history.Op) int32 {
	n := r.lookup(op.Key)
	if n < 0 {
		return none
	}
	k := &r.Keys[n]
	if k.Unattributed() {
		return none
	}
	value, absent := op.Value, op.Absent
	switch {
	case op.Kind == history.ReadList:
		if op.More == nil || len(op.More.Values) <= len(r.lists[k.list].initial) {
			return k.From
		}
		value = op.More.Values[len(op.More.Values)-1]
	case op.Kind == history.Write && op.More != nil && op.More.HasReplaced:
		value = op.More.Replaced
	case op.Kind != history.Read:
		return none
	}
	if absent && op.Kind != history.ReadList {
		// Parts of transactions have no times of their own.
		if k.Deletes > 0 || k.Deadline != Late && (op.Return == 0 || int64(op.Return) >= k.Deadline) {
			return none
		}
		return k.From
	}
	at, _, _ := r.findValue(n, value)
	return at
}

// addRead puts a read into the cluster of the value it returned.
func (r *Registers) addRead(n int32, op *history.Op, i, part int32) {
	value, reads := op.Value, op.Kind == history.Read
	if op.Kind == history.Write && op.More != nil && op.More.HasReplaced {
		value, reads = op.More.Replaced, true
	}
	if !reads {
		return
	}
	k := &r.Keys[n]
	if k.Unattributed() {
		return
	}
	at := int32(none)
	if op.Absent {
		if k.Deletes > 0 || int64(r.In.Ops[i].Return) >= k.Deadline {
			k.AbsentReads++
			return
		}
		if r.Clusters[k.From].Absent {
			at = k.From
		}
	} else {
		at, _, _ = r.findValue(n, value)
	}
	if at < 0 || !r.ownWrites(op, i, part, at) {
		if k.Unwritten < 0 {
			k.Unwritten = i
		}
		return
	}
	r.observe(at, i)
}

// ownWrites reports whether a read fits the writes of its own operation: what
// comes after it is not there yet, and what came before it is what it finds.
func (r *Registers) ownWrites(op *history.Op, i, part, found int32) bool {
	c := &r.Clusters[found]
	if part < 0 {
		return c.Write != i
	}
	parts := r.In.Ops[i].More.Parts
	for p := part - 1; p >= 0; p-- {
		if parts[p].Key == op.Key && makesCluster(parts[p].Kind) {
			return c.Write == i && c.Part == p
		}
	}
	return c.Write != i
}

// observe adds a read to a cluster.
func (r *Registers) observe(at, read int32) {
	op, c := &r.In.Ops[read], &r.Clusters[at]
	c.Observed = true
	k := &r.Keys[c.Key]
	last := r.LastSeen(k, c)
	k.Outlived = k.Outlived || int64(op.Invoke) > last
	if ret := min(int64(op.Return), r.In.Crash, last); ret < c.First {
		c.First, c.FirstOp = ret, read
	}
	if inv := int64(op.Invoke); inv > c.Last {
		c.Last, c.LastOp = inv, read
	}
}

func (r *Registers) addRecovered() {
	if !r.In.HasRecovered {
		return
	}
	for i := range r.Keys {
		r.Keys[i].Recovered = NotThere
	}
	for i := range r.In.Recovered {
		kv := &r.In.Recovered[i]
		n := r.lookup(kv.Key)
		k := &r.Keys[n]
		k.RecoveredValue = kv.Value
		if kv.List != nil {
			r.listOf(k, n).recovered = kv.List
			k.Outlived = k.Outlived || kv.TTL > 0 // nothing gives a list a deadline but what makes it Searched
			continue
		}
		at, _, _ := r.findValue(n, kv.Value)
		if at < 0 {
			k.Recovered = Unwritten
			continue
		}
		k.Recovered = at
		c := &r.Clusters[at]
		c.Observed = !k.Unattributed()
		k.Outlived = k.Outlived || !r.SameDeadline(kv, c)
	}
}
