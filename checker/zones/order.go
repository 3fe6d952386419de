package zones

import (
	"cmp"
	"slices"
)

// Order looks for one order of the writes and transactions of several registers
// that transactions tie together, in which each key's clusters are in order and
// what was recovered of the keys is what they held at one time. Nothing of the
// registers may read and write at once, and no transaction may write a key twice.
//
// An order of the writes is good when instants can be given to them that never go
// back: each within its operation, none after the first reply that shows its
// value, and each after the last read of the values it replaces began. Reads then
// have room between their value's instant and the next. So it is enough to go
// through the writes once, always with the latest instant so far. Which write
// comes next is not tried out: one that nothing left must precede, and of several
// the one whose value was seen first. So an order that is found proves that
// there is one; that none is found proves nothing, and it takes a search.
//
// Order may be used again, and reuses its memory.
type Order struct {
	r    *Registers
	ops  []orderedOp // by invocation
	keys []orderedKey
	of   []int32 // of each key of Registers its place in keys, one more than it
	// firsts are the clusters of all keys, each key's by First.
	firsts []int32
	// Of each operation one of its clusters, and of each cluster the next one; one
	// more than their places in Registers.Clusters.
	clusterOf, nextOf []int32
	// The list of operations that are not in order yet, by invocation.
	next, prev []int32
	placed     []bool // of each cluster in Registers.Clusters

	// Before are the operations (places in Input.Ops) before the instant at which
	// what was recovered was there, which lies between From and To.
	Before   []int32
	From, To int64
	// Last: nothing comes after it that anybody was told of.
	Last bool
}

type orderedOp struct {
	op     int32
	invoke int64
	until  int64 // the first reply that shows one of its values
}

type orderedKey struct {
	key      int32 // in Registers.Keys
	from, to int32 // in Order.firsts
	// found is the cluster that was recovered, now the one whose value is there, and
	// seen the last invocation of a read of a value that is.
	found, now int32
	seen       int64
}

// Begin takes the operations that Find is then asked about.
func (o *Order) Begin(r *Registers) {
	o.r = r
	o.of = append(o.of[:0], make([]int32, len(r.Keys))...)
	o.clusterOf = append(o.clusterOf[:0], make([]int32, len(r.In.Ops))...)
	o.nextOf = append(o.nextOf[:0], make([]int32, len(r.Clusters))...)
	o.placed = append(o.placed[:0], make([]bool, len(r.Clusters))...)
}

// Find looks for an order of the operations on keys (places in Registers.Keys),
// none of which may be Ambiguous or a Chain, and which no operation ties to others.
func (o *Order) Find(keys []int32) bool {
	o.ops, o.firsts, o.Before, o.keys = o.ops[:0], o.firsts[:0], o.Before[:0], o.keys[:0]
	for _, n := range keys {
		if !o.add(n) {
			return false
		}
	}
	o.list()
	n := int32(len(o.ops))
	o.next, o.prev = o.next[:0], o.prev[:0]
	for i := range n + 1 { // the last is the list's head
		o.next, o.prev = append(o.next, i+1), append(o.prev, i-1)
	}
	o.next[n], o.prev[0] = 0, n
	return o.run()
}

// list puts the operations in order of invocation.
func (o *Order) list() {
	const few = 8
	if len(o.ops) < len(o.clusterOf)/few {
		slices.SortFunc(o.ops, func(a, b orderedOp) int { return cmp.Compare(a.op, b.op) })
		return
	}
	o.ops = o.ops[:0]
	for op, at := range o.clusterOf {
		if at > 0 && o.mine(at-1) {
			o.ops = append(o.ops, orderedOp{op: int32(op), invoke: o.r.Clusters[at-1].Invoke})
		}
	}
}

// mine reports whether a cluster is of a key that Find is about.
func (o *Order) mine(at int32) bool {
	key := o.r.Clusters[at].Key
	n := int(o.of[key])
	return n > 0 && n <= len(o.keys) && o.keys[n-1].key == key
}

// add adds a key.
func (o *Order) add(n int32) bool {
	r := o.r
	k := &r.Keys[n]
	key := orderedKey{key: n, from: int32(len(o.firsts)), found: none, now: k.From, seen: r.Clusters[k.From].Last}
	if r.In.HasRecovered {
		switch {
		case k.Recovered >= 0:
			key.found = k.Recovered
		case k.Recovered == NotThere && k.Deletes == 0 && r.Clusters[k.From].Absent:
			key.found = k.From
		default:
			return false
		}
	}
	for at := k.From + 1; at < k.To; at++ {
		c := &r.Clusters[at]
		if !c.Present {
			continue
		}
		if o.clusterOf[c.Write] == 0 {
			o.ops = append(o.ops, orderedOp{op: c.Write, invoke: c.Invoke})
		}
		o.nextOf[at], o.clusterOf[c.Write] = o.clusterOf[c.Write], at+1
		o.firsts = append(o.firsts, at)
	}
	key.to = int32(len(o.firsts))
	byFirst := func(a, b int32) int { return cmp.Compare(r.Clusters[a].First, r.Clusters[b].First) }
	if firsts := o.firsts[key.from:]; !slices.IsSortedFunc(firsts, byFirst) {
		slices.SortFunc(firsts, byFirst)
	}
	o.keys = append(o.keys, key)
	o.of[n] = int32(len(o.keys))
	return true
}

func (o *Order) run() bool {
	for i := range o.ops {
		op := &o.ops[i]
		op.until = Late
		for at := o.clusterOf[op.op]; at > 0; at = o.nextOf[at-1] {
			op.until = min(op.until, o.r.Clusters[at-1].First)
		}
	}
	head := int32(len(o.ops))
	now := int64(Early)
	found := !o.r.In.HasRecovered
	for left := len(o.ops); ; left-- {
		// None may be put off behind the first reply that shows a value of those
		// left. Whose value was seen that early was invoked that early.
		limit := o.r.In.Crash
		for i := o.next[head]; i != head && o.ops[i].invoke <= limit; i = o.next[i] {
			limit = min(limit, o.ops[i].until)
		}
		if !found && o.recovered() {
			found = true
			o.From, o.To, o.Last = now, limit, left == 0
		}
		if left == 0 {
			return found
		}
		best, bestAt := int32(none), int64(Late)
		for i := o.next[head]; i != head && o.ops[i].invoke <= limit; i = o.next[i] {
			if op := &o.ops[i]; best < 0 || op.until < o.ops[best].until {
				if at := o.instant(op, now, found); at <= limit {
					best, bestAt = i, at
				}
			}
		}
		if best < 0 {
			return false
		}
		now = bestAt
		o.put(best)
		if !found {
			o.Before = append(o.Before, o.ops[best].op)
		}
	}
}

// recovered reports whether what is there is what was recovered.
func (o *Order) recovered() bool {
	for i := range o.keys {
		if o.keys[i].now != o.keys[i].found {
			return false
		}
	}
	return true
}

// instant is the earliest one that an operation can be given next; Late when it
// must not come next.
func (o *Order) instant(op *orderedOp, now int64, found bool) int64 {
	now = max(now, op.invoke)
	for next := o.clusterOf[op.op]; next > 0; next = o.nextOf[next-1] {
		at := next - 1
		c := &o.r.Clusters[at]
		k := &o.keys[o.of[c.Key]-1]
		if !found && k.now == k.found {
			return Late
		}
		now = max(now, k.seen)
		// One of the others that has to come before it is left.
		for k.from < k.to && o.placed[o.firsts[k.from]] {
			k.from++
		}
		other := k.from
		for other < k.to && (o.firsts[other] == at || o.placed[o.firsts[other]]) {
			other++
		}
		if other < k.to && o.r.Clusters[o.firsts[other]].First < c.Last {
			return Late
		}
	}
	return now
}

// put makes an operation the next one.
func (o *Order) put(i int32) {
	for next := o.clusterOf[o.ops[i].op]; next > 0; next = o.nextOf[next-1] {
		at := next - 1
		c := &o.r.Clusters[at]
		k := &o.keys[o.of[c.Key]-1]
		o.placed[at] = true
		k.now, k.seen = at, max(k.seen, c.Last)
	}
	o.next[o.prev[i]] = o.next[i]
	o.prev[o.next[i]] = o.prev[i]
}

// Held is the cluster whose value a key that Find was asked about holds at the end of
// the order found, a place in Registers.Clusters.
func (o *Order) Held(key int32) int32 { return o.keys[o.of[key]-1].now }
