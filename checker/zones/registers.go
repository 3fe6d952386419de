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
	"math"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/history"
)

const (
	// Early is an instant before everything.
	Early = math.MinInt64
	// Late is an instant after everything: the return of an operation that got no reply.
	Late = math.MaxInt64
	// Slack is how far a deadline on the server's clock, which counts
	// milliseconds, may be from the history's.
	Slack = int64(2 * time.Millisecond)
	// Initial stands for the write of a cluster whose value was there at the start.
	Initial = -1
	// none is no operation, no part, no cluster and no key.
	none = -1
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
	Presence    int32 // acknowledged replies that only say whether the key was there (of DEL)
	Reads       int32 // acknowledged reads that found a value
	// Replaces: writes returned what they replaced.
	Replaces bool
	// Strings and Lists: operations, or what was read at the start or after the
	// crash, say that the key is a string, or that it is a list. An Append says neither,
	// unless its reply does.
	Strings, Lists bool
	// Chain: the order of the key's values is known, because each list holds its
	// predecessor. Then ranks decide what must come before what.
	Chain bool
	// Forked is a read of a list that is no prefix of the longest, or an append
	// whose reply does not fit its place in the list (place in Input.Ops), or -1.
	Forked int32
	// Gaps: replies tell of elements of the list that nobody is known to have appended.
	Gaps bool
	// General: the key has operations that are not reads, writes and deletes of a
	// register with unique values, so that the clusters say nothing about it.
	General bool
	// Repeated: one value was written twice.
	Repeated bool
	// Unwritten is a read of a value that nobody wrote (place in Input.Ops), or -1.
	Unwritten int32
	plain     bool  // it has register operations
	told      int   // the greatest length that an Append was told
	elements  int   // no list of the key can have more
	list      int32 // place in Registers.lists of a Chain key
	known     int32 // elements of the longest list that was seen
	// Deadline is the earliest instant at which the key may expire; Late when it may not.
	Deadline int64
	expire   int64 // the same of EXPIRE and of the initial value: of whatever value is there then
	moved    bool  // EXPIRE may have given a value another deadline
	// Outlived: a value was read after its deadline, or was recovered with a
	// deadline that it was not written with, or without the one that it was.
	Outlived bool
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
// while several things (the start, deletes, expiry) can explain that, or replies that
// only say whether it was there.
func (k *Key) Ambiguous() bool {
	return k.Unattributed() || k.AbsentReads > 0 || k.Presence > 0 || k.Gaps
}

// Unattributed reports whether nobody can tell whose value a reply shows: not only
// writes make values of the key, or two made the same. Its clusters have no reads then,
// and only say when each write was under way.
func (k *Key) Unattributed() bool { return k.General || k.Repeated }

// Searched reports whether it takes a search to decide this key, though it is
// tied to no other: its clusters do not decide it, or its deadlines are of more
// than the values that were set with one, or its writes returned what they replaced.
func (k *Key) Searched() bool {
	return k.Ambiguous() || k.expire != Late || k.Outlived || k.Replaces
}

// DecidedButForGaps reports whether the clusters would decide the key, were it
// not for its Gaps.
func (k *Key) DecidedButForGaps() bool {
	whole := *k
	whole.Gaps = false
	return !whole.Ambiguous()
}

// AppendsToString reports whether what is appended to the key is appended to a
// string (APPEND), not to a list (RPUSH).
func (k *Key) AppendsToString() bool { return k.Strings && !k.Lists }

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
	// InitialAt is when the reading of Initial began, Dump when that of Recovered was over:
	// keys may have expired by then. Nanoseconds.
	InitialAt, Dump int64
}

// Registers groups the operations of one epoch by key and value. Build may be
// called again; memory is reused.
type Registers struct {
	In       Input
	Keys     []Key // in order of first appearance: initial state, operations, recovered state
	Clusters []Cluster
	KeyOf    []int32 // of each operation; -1 when it takes no part
	// Hasty is a wrong rule, planted: values that overlap in time contradict each
	// other, whatever their zones are.
	Hasty bool

	names  []slot
	values []slot
	sorted []int32
	parts  bool
	rmw    bool
	seen   []bool
	lists  []list
}

// HasTransactions reports whether any operation of the epoch is a transaction.
// In the clusters its parts are operations of their own that share its times;
// that they took effect together is for package durability.
func (r *Registers) HasTransactions() bool { return r.parts }

// KnowsVersions reports whether operations say which value they replaced: a
// write that returns it, a transaction that reads, or one that appends to a list and
// touches another key. Package versions uses that.
func (r *Registers) KnowsVersions() bool { return r.rmw }

// Build groups in. The slices of in are kept until the next Build and not changed.
func (r *Registers) Build(in Input) {
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
	r.seen = append(r.seen[:0], make([]bool, len(r.In.Ops))...)
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
	if c.Absent || k.Deadline > r.In.Dump+Slack {
		return false
	}
	return min(k.expire, r.DeadlineOf(c)) <= r.In.Dump+Slack
}

// DeadlineOf is the deadline that a value was written with; Late when it had none.
func (r *Registers) DeadlineOf(c *Cluster) int64 {
	if c.Write != Initial {
		if m := r.OpOf(c).More; m != nil && m.Deadline > 0 {
			return int64(m.Deadline)
		}
	}
	return Late
}

// SameDeadline reports whether what was read of a key after the crash has the
// deadline, or none, that its value was written with, as far as that was read.
func (r *Registers) SameDeadline(kv *history.KV, c *Cluster) bool {
	d := r.DeadlineOf(c)
	if (kv.TTL > 0) != (d != Late) {
		return false
	}
	return kv.Deadline == 0 || max(int64(kv.Deadline), d)-min(int64(kv.Deadline), d) <= Slack
}

// LastSeen is the last instant at which somebody can have found the value of a
// cluster of k: Late when it has no deadline, or may have been given another.
func (r *Registers) LastSeen(k *Key, c *Cluster) int64 {
	if k.Deadline == Late || k.moved {
		return Late
	}
	if d := r.DeadlineOf(c); d != Late {
		return d + Slack
	}
	return Late
}

// assignKeys numbers the keys, and counts the clusters that each will have in To.
func (r *Registers) assignKeys() {
	for i := range r.In.Initial {
		kv := &r.In.Initial[i]
		k := &r.Keys[r.key(kv.Key)]
		k.see(kv)
		if kv.List != nil {
			r.listOf(k, int32(i)).initial = kv.List
			k.elements = len(kv.List)
		}
		if kv.TTL > 0 {
			k.expire = r.In.InitialAt + int64(kv.TTL) - Slack
			if kv.Deadline != 0 {
				k.expire = int64(kv.Deadline) - Slack
			}
			k.Deadline = min(k.Deadline, k.expire)
		}
	}
	r.KeyOf = slices.Grow(r.KeyOf[:0], len(r.In.Ops))[:len(r.In.Ops)]
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		r.KeyOf[i] = none
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
			kv := &r.In.Recovered[i]
			r.Keys[r.key(kv.Key)].see(kv)
		}
	}
	for i := range r.Keys {
		k := &r.Keys[i]
		if k.told > k.elements && !k.Lists {
			k.General, k.Strings = true, true // an APPEND
		}
		if k.Chain && (k.plain || k.Strings || k.Deadline != Late) {
			k.General = true // it may be a string, or begin anew when its time is over
		}
	}
	r.rmw = r.rmw || r.parts && r.tiesLists()
}

// tiesLists reports whether a transaction appends to a list, and touches another key: what is
// in a list says which versions came before. That a register survived in it, or was lost, is
// not set against a list's elements elsewhere (durability.Prefix.transactions).
func (r *Registers) tiesLists() bool {
	if !slices.ContainsFunc(r.Keys, func(k Key) bool { return k.Chain }) {
		return false
	}
	for i := range r.In.Ops {
		op := &r.In.Ops[i]
		if op.Kind != history.Txn || op.Outcome == history.Failed || op.More == nil || len(op.More.Parts) < 2 {
			continue
		}
		if slices.ContainsFunc(op.More.Parts, func(p history.Op) bool { return r.Keys[r.key(p.Key)].Chain }) {
			return true
		}
	}
	return false
}

// see notes the type of a value that was read at the start or after the crash.
func (k *Key) see(kv *history.KV) {
	switch {
	case kv.Type != "":
		k.General = true
	case kv.List != nil:
		k.Lists = true
	default:
		k.Strings = true
	}
}

// count notes what one operation, or one part of a transaction, means for its key.
func (r *Registers) count(op *history.Op, i int32, outcome history.Outcome) int32 {
	n := r.key(op.Key)
	if op.Kind == history.ListMove && op.More != nil {
		to := &r.Keys[r.key(op.More.To)]
		to.General, to.Lists = true, true
		to.elements++
	}
	k := &r.Keys[n]
	switch op.Kind {
	case history.Write:
		k.To++
		k.plain, k.Strings = true, true
		if m := op.More; m != nil {
			k.General = k.General || m.ToAbsent
			if m.HasReplaced && outcome == history.OK {
				r.rmw, k.Replaces = true, true
			}
			if m.Deadline > 0 {
				k.Deadline = min(k.Deadline, int64(m.Deadline))
			}
		}
	case history.Delete:
		k.To++
		k.plain = true
		k.Deletes++
		if outcome == history.OK && op.More != nil && op.More.Result != "" {
			k.Presence++
		}
	case history.Read:
		k.plain = true
		k.Strings = k.Strings || !op.Absent && outcome == history.OK
		if outcome == history.OK && !op.Absent {
			k.Reads++
		}
	case history.Append, history.Push:
		k.To++
		k.elements++
		r.listOf(k, n)
		k.Lists = k.Lists || op.Kind == history.Push
		if op.Kind == history.Append && outcome == history.OK {
			n := op.Length()
			k.Lists = k.Lists || n >= 0 && n < len(op.Value)
			k.told = max(k.told, n)
		}
		if op.More != nil && op.More.Head {
			k.General, k.Lists = true, true
		}
	case history.ReadList:
		k.Lists = true
		if outcome != history.OK {
			break
		}
		if l := r.listOf(k, n); op.More != nil && (l.read < 0 || len(op.More.Values) > len(l.longest)) {
			l.longest, l.read = op.More.Values, i
		}
	case history.Expire:
		if m := op.More; m != nil && m.Deadline > 0 {
			k.expire = min(k.expire, int64(m.Deadline))
			k.Deadline = min(k.Deadline, k.expire)
			k.moved = true
		}
	case history.CAS, history.Incr, history.StringAppend, history.SetRange, history.GetDelete, history.SetBit, history.GetBit:
		k.General, k.Strings = true, true
	case history.Pop, history.ListMove, history.ListRemove:
		k.General, k.Lists = true, true
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
	r.Clusters = slices.Grow(r.Clusters[:0], int(total))[:total]
	r.values = table(r.values, int(total))
	for i := range r.Keys {
		r.Clusters[r.Keys[i].From] = Cluster{
			First: Early, Last: Early, Invoke: Early, Return: Early,
			Write: Initial, FirstOp: Initial, LastOp: Initial,
			Part: none, Key: int32(i), Acked: true, Absent: true,
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
