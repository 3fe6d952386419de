// Package zones judges registers whose writes are unique, in O(n log n).
//
// Gibbons and Korach ("Testing shared memories", SIAM J. Comput. 26, 1997):
// a cluster is a write with the reads that returned its value. With First the
// earliest return and Last the latest invocation in a cluster, cluster A must
// come before cluster B exactly when A.First < B.Last. A history is
// linearizable if and only if no read precedes its own write and no two clusters
// must each come before the other. Only two shapes can do that: two forward
// zones (First < Last) that overlap, and a backward zone inside a forward one.
//
// Intervals are closed: operations that touch at one instant are concurrent.
package zones

import (
	"hash/maphash"
	"math"

	"github.com/torntail/torntail/checker/history"
)

const (
	// Early is an instant before everything.
	Early = math.MinInt64
	// Late is an instant after everything: the return of an operation that got no reply.
	Late = math.MaxInt64
	// Initial stands for the write of a cluster whose value was there at the start.
	Initial = -1
)

// Cluster is one write (or the value that was there at the start) with the
// reads that returned its value. Times are nanoseconds on the history's clock.
type Cluster struct {
	First  int64 // earliest return of any of its operations
	Last   int64 // latest invocation of any of its operations
	Invoke int64 // invocation of the write; Early for the initial value
	Return int64 // return of the write, the crash at the latest; Early for the initial value
	Write  int32 // place of the write in Input.Ops, or Initial
	// Part is the place of the write in its transaction, -1 when it is none.
	Part int32
	Key  int32 // place in Registers.Keys
	// FirstOp and LastOp are the operations that give First and Last.
	FirstOp, LastOp int32
	Acked           bool
	Delete          bool // its value is "no such key"
	// Rank is the place of the value in the key's order of versions, when that is
	// known (Key.Chain); 0 is the initial value, Unranked is an append that is in no list that was seen.
	Rank     int32
	Absent   bool // delete, or an initial value that is not there
	Survived bool // its element is in a recovered list that is Scrambled
	Observed bool // a read returned its value, or the recovered state has it
	Present  bool // it takes part: false for a write nobody acknowledged and nobody saw
}

// Forward reports whether the cluster's value was current for sure during (First, Last).
func (c *Cluster) Forward() bool { return c.First < c.Last }

// Key is one register with its clusters.
type Key struct {
	Name string
	// Clusters[From:To] are its clusters; the one at From is the initial value.
	From, To int32
	// Recovered is the cluster whose value was found after the crash: a place in
	// Clusters, or one of NotRead, NotThere, Unwritten.
	Recovered int32
	// RecoveredValue is the value found, when there was one.
	RecoveredValue string

	Deletes     int32 // deletes, acknowledged or not
	AbsentReads int32 // acknowledged reads that found nothing, where several things can explain it
	Reads       int32 // acknowledged reads that found a value
	// Chain: the order of the key's values is known, because each list holds its
	// predecessor. Then ranks decide what must come before what.
	Chain bool
	// Forked is a read of a list that is no prefix of the longest, or an append
	// whose reply does not fit its place in the list (place in Input.Ops), or -1.
	Forked int32
	// General: the key has operations that are not reads, writes and deletes of a
	// register with unique values, so that the clusters say nothing about it.
	General bool
	// Repeated: one value was written twice.
	Repeated bool
	// Unwritten is a read of a value that nobody wrote (place in Input.Ops), or -1.
	Unwritten int32
	plain     bool  // it has register operations
	list      int32 // place in Registers.lists of a Chain key
	known     int32 // elements of the longest list that was seen
	// Deadline is the earliest instant at which the key may expire; Late when it may not.
	Deadline int64
	expire   int64 // the same of EXPIRE and of the initial value: of whatever value is there then
}

// Values of Key.Recovered that are not places of clusters.
const (
	NotRead   = -1 // there is no recovered state
	NotThere  = -2 // the recovered state does not have the key
	Unwritten = -3 // the recovered value was written by nobody
	Scrambled = -4 // the recovered list is not one that the key ever held
)

// Unranked is the rank of an append that is in no list that was seen: it comes
// after all that are.
const Unranked = math.MaxInt32

// Ambiguous reports whether the clusters do not decide this key: it has
// operations of another kind or repeated values, or reads that found nothing
// while several things (the start, deletes, expiry) can explain that.
func (k *Key) Ambiguous() bool {
	return k.General || k.Repeated || k.AbsentReads > 0
}

// Input is one epoch as the judge sees it.
type Input struct {
	Ops       []history.Op // in order of invocation
	Initial   []history.KV // what was there at the start
	Recovered []history.KV // what was found after the crash
	// HasRecovered: Recovered was read; otherwise there was no crash, or nothing came back.
	HasRecovered bool
	// Crash is when the epoch ended; Late when it did not. No operation takes
	// effect after it: the process and its connections are gone.
	Crash int64
	// InitialAt and Dump are when Initial and Recovered were read: keys may have
	// expired by then. Nanoseconds.
	InitialAt, Dump int64
}

// Registers groups the operations of one epoch by key and value. Build may be
// called again; memory is reused.
type Registers struct {
	In       Input
	Keys     []Key // in order of first appearance: initial state, operations, recovered state
	Clusters []Cluster
	KeyOf    []int32 // of each operation; -1 when it takes no part

	seed   maphash.Seed
	seeded bool
	names  []slot
	values []slot
	sorted []int32
	parts  bool
	rmw    bool
	seen   []bool
	lists  []list
}

// slot is one entry of an open-addressed table: place is one more than the
// index it stands for, so that the zero slot is free.
type slot struct {
	hash  uint32
	place int32
}

func table(old []slot, n int) []slot {
	size := 16
	for size < 2*n {
		size *= 2
	}
	if cap(old) < size {
		return make([]slot, size)
	}
	old = old[:size]
	clear(old)
	return old
}

// HasTransactions reports whether any operation of the epoch is a transaction.
// In the clusters its parts are operations of their own that share its times;
// that they took effect together is for package durability.
func (r *Registers) HasTransactions() bool { return r.parts }

// KnowsVersions reports whether operations say which value they replaced: a
// write that returns it, or a transaction that reads. Package versions uses that.
func (r *Registers) KnowsVersions() bool { return r.rmw }

// Build groups in. The slices of in are kept until the next Build and not changed.
func (r *Registers) Build(in Input) {
	if !r.seeded {
		r.seed, r.seeded = maphash.MakeSeed(), true
	}
	r.In = in
	r.parts, r.rmw = false, false
	r.lists = r.lists[:0]
	r.names = table(r.names, len(r.names)/2)
	r.Keys = r.Keys[:0]
	r.assignKeys()
	r.placeClusters()
	r.addWrites()
	r.addReads()
	r.addRecovered()
	r.addLists()
	for i := range r.Clusters {
		c := &r.Clusters[i]
		c.Present = c.Acked || c.Observed
	}
	if r.parts {
		r.completeTransactions()
	}
}

// completeTransactions: of a transaction that nobody acknowledged, a part that
// was seen says that all of it took effect.
func (r *Registers) completeTransactions() {
	if cap(r.seen) < len(r.In.Ops) {
		r.seen = make([]bool, len(r.In.Ops))
	}
	r.seen = r.seen[:len(r.In.Ops)]
	clear(r.seen)
	for i := range r.Clusters {
		if c := &r.Clusters[i]; c.Part >= 0 && c.Present {
			r.seen[c.Write] = true
		}
	}
	for i := range r.Clusters {
		if c := &r.Clusters[i]; c.Part >= 0 && r.seen[c.Write] {
			c.Present = true
		}
	}
}

// ClustersOf are the clusters of k.
func (r *Registers) ClustersOf(k *Key) []Cluster { return r.Clusters[k.From:k.To] }

// MayHaveExpired reports whether the value of cluster c of key k may be missing
// from the recovered state because its time was over.
func (r *Registers) MayHaveExpired(k *Key, c *Cluster) bool {
	if c.Absent || k.Deadline > r.In.Dump {
		return false
	}
	deadline := k.expire
	if c.Write != Initial {
		if m := r.OpOf(c).More; m != nil && m.Deadline > 0 {
			deadline = min(deadline, int64(m.Deadline))
		}
	}
	return deadline <= r.In.Dump
}

// Find is the key called name, or nil.
func (r *Registers) Find(name string) *Key {
	if i := r.lookup(name); i >= 0 {
		return &r.Keys[i]
	}
	return nil
}

func (r *Registers) lookup(name string) int32 {
	h := maphash.String(r.seed, name)
	mask := uint64(len(r.names) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := r.names[i]
		if s.place == 0 {
			return -1
		}
		if s.hash == uint32(h>>32) && r.Keys[s.place-1].Name == name {
			return s.place - 1
		}
	}
}

// key is the number of the key called name, new when it was not there.
func (r *Registers) key(name string) int32 {
	h := maphash.String(r.seed, name)
	mask := uint64(len(r.names) - 1)
	i := h & mask
	for ; r.names[i].place != 0; i = (i + 1) & mask {
		s := r.names[i]
		if s.hash == uint32(h>>32) && r.Keys[s.place-1].Name == name {
			return s.place - 1
		}
	}
	r.Keys = append(r.Keys, Key{Name: name, Recovered: NotRead, Unwritten: -1, Forked: -1, Deadline: Late, expire: Late})
	r.names[i] = slot{uint32(h >> 32), int32(len(r.Keys))}
	if 2*len(r.Keys) > len(r.names) {
		r.growNames()
	}
	return int32(len(r.Keys) - 1)
}

func (r *Registers) growNames() {
	r.names = table(r.names, len(r.names))
	mask := uint64(len(r.names) - 1)
	for n := range r.Keys {
		h := maphash.String(r.seed, r.Keys[n].Name)
		i := h & mask
		for r.names[i].place != 0 {
			i = (i + 1) & mask
		}
		r.names[i] = slot{uint32(h >> 32), int32(n + 1)}
	}
}

// assignKeys numbers the keys, and counts the clusters that each will have in To.
func (r *Registers) assignKeys() {
	for i := range r.In.Initial {
		kv := &r.In.Initial[i]
		k := &r.Keys[r.key(kv.Key)]
		if kv.List != nil {
			r.listOf(k, int32(i)).initial = kv.List
		}
		if kv.TTL > 0 {
			k.expire = r.In.InitialAt + int64(kv.TTL)
			k.Deadline = min(k.Deadline, k.expire)
		}
	}
	if cap(r.KeyOf) < len(r.In.Ops) {
		r.KeyOf = make([]int32, len(r.In.Ops))
	}
	r.KeyOf = r.KeyOf[:len(r.In.Ops)]
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		r.KeyOf[i] = -1
		if op.Outcome == history.Failed {
			continue
		}
		if op.Kind != history.Txn {
			r.KeyOf[i] = r.count(op, int32(i), op.Outcome)
			continue
		}
		r.parts = true
		if op.More != nil {
			for p := range op.More.Parts {
				r.count(&op.More.Parts[p], int32(i), op.Outcome)
				r.rmw = r.rmw || !op.More.Parts[p].Writes()
			}
		}
	}
	if r.In.HasRecovered {
		for i := range r.In.Recovered {
			r.key(r.In.Recovered[i].Key)
		}
	}
}

// count notes what one operation, or one part of a transaction, means for its key.
func (r *Registers) count(op *history.Op, i int32, outcome history.Outcome) int32 {
	n := r.key(op.Key)
	k := &r.Keys[n]
	switch op.Kind {
	case history.Write:
		k.To++
		k.plain = true
		if m := op.More; m != nil {
			r.rmw = r.rmw || m.HasReplaced && outcome == history.OK
			if m.Deadline > 0 {
				k.Deadline = min(k.Deadline, int64(m.Deadline))
			}
		}
	case history.Delete:
		k.To++
		k.plain = true
		k.Deletes++
	case history.Read:
		k.plain = true
		if outcome == history.OK && !op.Absent {
			k.Reads++
		}
	case history.Append:
		k.To++
		r.listOf(k, n)
	case history.ReadList:
		if outcome != history.OK {
			break
		}
		if l := r.listOf(k, n); op.More != nil && (l.read < 0 || len(op.More.Values) > len(l.longest)) {
			l.longest, l.read = op.More.Values, i
		}
	case history.Expire:
		if m := op.More; m != nil {
			k.expire = min(k.expire, int64(m.Deadline))
			k.Deadline = min(k.Deadline, k.expire)
		}
	default:
		k.General = true
	}
	return n
}

// placeClusters lays the clusters out by key: the initial value, then the writes.
func (r *Registers) placeClusters() {
	total := int32(0)
	for i := range r.Keys {
		k := &r.Keys[i]
		n := k.To + 1
		k.From = total
		k.To = total + 1
		total += n
	}
	if cap(r.Clusters) < int(total) {
		r.Clusters = make([]Cluster, total)
	}
	r.Clusters = r.Clusters[:total]
	r.values = table(r.values, int(total))
	for i := range r.Keys {
		r.Clusters[r.Keys[i].From] = Cluster{
			First: Early, Last: Early, Invoke: Early, Return: Early,
			Write: Initial, FirstOp: Initial, LastOp: Initial,
			Part: -1, Key: int32(i), Acked: true, Absent: true,
		}
	}
	for i := range r.In.Initial {
		kv := &r.In.Initial[i]
		k := r.lookup(kv.Key)
		at := r.Keys[k].From
		r.Clusters[at].Absent = false
		if kv.List == nil {
			r.insertValue(k, kv.Value, at)
		}
	}
}

func (r *Registers) value(at int32) string {
	c := &r.Clusters[at]
	if c.Write == Initial {
		return r.initialValue(at)
	}
	return r.OpOf(c).Value
}

// OpOf is the write of a cluster that is not the initial one; of a transaction,
// the part that wrote.
func (r *Registers) OpOf(c *Cluster) *history.Op {
	if c.Part >= 0 {
		return &r.In.Ops[c.Write].More.Parts[c.Part]
	}
	return &r.In.Ops[c.Write]
}

// initialValue finds the value of the initial cluster at a place: the initial
// state is sorted by key, but its keys were numbered first and in order, so the
// cluster's key number is its place in the state.
func (r *Registers) initialValue(at int32) string {
	lo, hi := 0, len(r.In.Initial)
	for lo < hi {
		mid := (lo + hi) / 2
		if r.Keys[mid].From < at {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return r.In.Initial[lo].Value
}

func (r *Registers) hashValue(key int32, value string) uint64 {
	return maphash.String(r.seed, value) + uint64(key)*0x9e3779b97f4a7c15
}

// findValue is the cluster of value in key, or -1, and the slot where it is or would be.
func (r *Registers) findValue(key int32, value string) (at int32, free uint64, tag uint32) {
	h := r.hashValue(key, value)
	tag = uint32(h >> 32)
	k := &r.Keys[key]
	mask := uint64(len(r.values) - 1)
	i := h & mask
	for ; r.values[i].place != 0; i = (i + 1) & mask {
		s := r.values[i]
		if s.hash != tag {
			continue
		}
		at := s.place - 1
		if at >= k.From && at < k.To && r.value(at) == value {
			return at, i, tag
		}
	}
	return -1, i, tag
}

func (r *Registers) insertValue(key int32, value string, at int32) (fresh bool) {
	found, free, tag := r.findValue(key, value)
	if found >= 0 {
		return false
	}
	r.values[free] = slot{tag, at + 1}
	return true
}

func (r *Registers) addWrites() {
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		if n := r.KeyOf[i]; n >= 0 {
			r.addWrite(n, op, int32(i), -1)
		} else if op.Kind == history.Txn && op.Outcome != history.Failed && op.More != nil {
			for p := range op.More.Parts {
				part := &op.More.Parts[p]
				r.addWrite(r.lookup(part.Key), part, int32(i), int32(p))
			}
		}
	}
}

// addWrite makes the cluster of a write: of operation i, or of its part.
func (r *Registers) addWrite(n int32, op *history.Op, i, part int32) {
	if op.Kind != history.Write && op.Kind != history.Delete && op.Kind != history.Append {
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
			r.addRead(n, op, int32(i), -1)
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
		return -1
	}
	k := &r.Keys[n]
	if k.General || k.Repeated {
		return -1
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
		return -1
	}
	if absent && op.Kind != history.ReadList {
		// Parts of transactions have no times of their own.
		if k.Deletes > 0 || k.Deadline != Late && (op.Return == 0 || int64(op.Return) >= k.Deadline) {
			return -1
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
	at := int32(-1)
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
		if parts[p].Key == op.Key && parts[p].Writes() {
			return c.Write == i && c.Part == p
		}
	}
	return c.Write != i
}

// observe adds a read to a cluster.
func (r *Registers) observe(at, read int32) {
	op, c := &r.In.Ops[read], &r.Clusters[at]
	c.Observed = true
	if ret := min(int64(op.Return), r.In.Crash); ret < c.First {
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
			continue
		}
		at, _, _ := r.findValue(n, kv.Value)
		if at < 0 {
			k.Recovered = Unwritten
			continue
		}
		k.Recovered = at
		r.Clusters[at].Observed = true
	}
}
