// Package durability judges what a server came back with after a crash: is the
// recovered state the state after some prefix of a linearization of what
// happened before, which acknowledged writes are missing from that prefix, and
// did the server keep the promises of its configuration about when data is synced.
//
// "R is the state after a prefix of a linearization" is the same as: the
// history plus one atomic read of everything that returns R, placed at some
// instant t up to the crash, is linearizable. For a fixed t that splits per key,
// so each key gives the set of t it allows and the keys' sets are intersected.
// With unique values the set is an interval less the key's forward zones
// (see package zones), and the whole costs O(n log n).
package durability

import (
	"cmp"
	"slices"
	"sort"

	"github.com/torntail/torntail/checker/zones"
)

// Cut is what one crash did to the history before it.
type Cut struct {
	// Consistent: some prefix explains the recovered state, as far as the keys
	// that clusters can decide tell.
	Consistent bool
	// Earliest and Latest are the bounds of the instants at which the cut can lie
	// (nanoseconds; Earliest is zones.Early when nothing bounds it from below).
	Earliest, Latest int64
	// Certain are the acknowledged writes (places in Input.Ops, in order of
	// appearance by key) that no prefix explaining the state contains. When the
	// state is not Consistent: that no prefix explaining their own key contains.
	Certain []int32
	// Possible counts the acknowledged writes that some such prefix does not contain.
	Possible int
	// FirstCertain and FirstPossible are the earliest returns among them; zones.Late when none.
	FirstCertain, FirstPossible int64

	// Phantoms are the keys (places in Registers.Keys) whose value nobody wrote.
	Phantoms []int32
	// Vanished are the keys that were there at the start, were never deleted, and are gone.
	Vanished []int32
	// Scrambled are the keys whose recovered list is none that they ever held.
	Scrambled []int32
	// Torn are the transactions of which a part survived and a part did not.
	Torn []int32
	// LowKey and HighKey are the keys that bound the cut from below and above,
	// LowOp and HighOp the operations (or -1): with a hole, the survivor that
	// needs a late cut and the lost one that needs an early cut.
	LowKey, HighKey int32
	LowOp, HighOp   int32
	// Blocked are the operations of the zones in which the cut would have to lie,
	// when these and not the bounds make the hole.
	Blocked []int32
	// Undecided counts the keys that clusters do not decide (Key.Ambiguous).
	Undecided int
}

// Prefix decides prefix consistency. The zero Prefix is ready; it reuses its
// memory, and a Cut's slices are valid until the next Check.
type Prefix struct {
	cut    Cut
	r      *zones.Registers
	lo, hi int64
	gaps   []gap // open intervals in which the cut may not lie
	many   []candidates
	// Scratch of one key with several candidates.
	cands   []candidate
	segs    []segment
	byFirst []int32
	byLast  []int32
	before  []best
	after   []best
	forward []int32
	points  []segment
	// Of transactions, by operation.
	late     []int64
	side     []uint8
	partFrom []int32
	partAt   []int32
	fill     []int32
	stack    []frame
	possible []int32
	skip     []bool  // keys whose losses somebody else counts; nil: none
	single   []int32 // of each key: the only candidate, or -1 when there are none or several
	unkept   []int32 // of each key: one more than an operation that Unkept would name, see there
}

// gap is the open interval (from, to). op is an operation that causes it.
type gap struct {
	from, to int64
	op       int32
}

// segment is the closed interval [from, to] of candidate number cand.
type segment struct {
	from, to int64
	cand     int32
}

// candidate is one cluster that explains that a key is absent.
type candidate struct {
	at         int32 // place in Registers.Clusters
	first      int64
	last       int64
	tMin, tMax int64 // among the instants that all keys allow
	viable     bool
}

// candidates are the places in Prefix.cands and Prefix.segs of one key.
type candidates struct {
	key, from, to, segFrom, segTo int32
}

// none is no operation, no key and no cluster.
const none = -1

// best is the largest (or smallest) value seen so far and the runner-up, with
// the cluster that gives the first.
type best struct {
	value, second int64
	at            int32
}

// Check judges the epoch that r holds. Its keys must be linearizable, as far as
// Registers.Check tells.
func (p *Prefix) Check(r *zones.Registers) *Cut {
	p.r = r
	p.cut = Cut{
		Certain: p.cut.Certain[:0], Phantoms: p.cut.Phantoms[:0], Vanished: p.cut.Vanished[:0], Scrambled: p.cut.Scrambled[:0], Torn: p.cut.Torn[:0], Blocked: p.cut.Blocked[:0],
		LowKey: none, HighKey: none, LowOp: none, HighOp: none,
		FirstCertain: zones.Late, FirstPossible: zones.Late,
	}
	p.lo, p.hi = zones.Early, r.In.Crash
	p.gaps, p.many, p.cands, p.segs = p.gaps[:0], p.many[:0], p.cands[:0], p.segs[:0]
	p.single = slices.Grow(p.single[:0], len(r.Keys))[:len(r.Keys)]
	p.unkept = slices.Grow(p.unkept[:0], len(r.Keys))[:len(r.Keys)]

	for i := range r.Keys {
		p.key(int32(i))
	}
	if r.HasTransactions() {
		p.transactions()
	}
	p.mergeGaps()
	c := &p.cut
	c.Earliest, c.Latest = p.next(p.lo), p.prev(p.hi)
	c.Consistent = c.Earliest <= p.hi && c.Latest >= p.lo && len(c.Phantoms)+len(c.Vanished)+len(c.Scrambled)+len(c.Torn) == 0
	if c.Earliest > p.hi || c.Latest < p.lo {
		if p.lo <= p.hi {
			for _, g := range p.gaps {
				if g.from < p.hi && g.to > p.lo {
					c.Blocked = append(c.Blocked, g.op)
				}
			}
		}
		// No cut: each key is then judged by itself, with every cut it allows.
		c.Earliest, c.Latest = zones.Early, r.In.Crash
		p.gaps = p.gaps[:0]
		p.lo, p.hi = zones.Early, r.In.Crash
	}
	p.skip = nil
	p.lose()
	return c
}

// Span is a stretch of time, both ends included.
type Span struct{ From, To int64 }

// Unkept is the first of the keys, but those that skip says, whose recovered value
// cannot be that of behind everything that clients were told of it, and an
// operation that they were told of and that must come later, or -1; -1 when there is
// no such key. That a deadline passed does not count: it is nobody's operation. It
// is about the last Check, whose Cut was Consistent.
//
// A cluster that takes part and is not the survivor was acknowledged, or read. With
// a read of everything behind all replies the survivor's cluster must come after
// it, so that it must not come after the survivor's.
func (p *Prefix) Unkept(skip []bool) (key, op int32) {
	for n, u := range p.unkept {
		if u != 0 && !(skip != nil && skip[n]) {
			return int32(n), max(u-1, none)
		}
	}
	return none, none
}

// later notes that cluster b of key n must come after the survivor's.
func (p *Prefix) later(n int32, b *zones.Cluster) {
	op := b.FirstOp
	if op == b.Write && !b.Acked {
		op = b.LastOp
	}
	p.unkept[n] = op + 1
}

// Spans are the instants at which the keys that clusters decide allow the cut,
// in order. They begin at from at the earliest. It is about the last Check,
// whose Cut was Consistent.
func (p *Prefix) Spans(from int64) []Span {
	var spans []Span
	from = max(from, p.lo)
	for _, g := range p.gaps {
		if g.from >= from && g.from <= p.hi {
			spans = append(spans, Span{from, g.from})
		}
		from = max(from, g.to)
	}
	if from <= p.hi {
		spans = append(spans, Span{from, p.hi})
	}
	return spans
}

// Narrow says at which of its Spans the cut can really lie, and counts the
// losses again: none of the keys that skip says, by their places in
// Registers.Keys, which somebody else counts.
func (p *Prefix) Narrow(spans []Span, skip []bool) *Cut {
	c := &p.cut
	p.lo, p.hi = spans[0].From, spans[len(spans)-1].To
	p.gaps = p.gaps[:0]
	for i := 1; i < len(spans); i++ {
		p.gaps = append(p.gaps, gap{spans[i-1].To, spans[i].From, none})
	}
	c.Earliest, c.Latest = p.lo, p.hi
	c.Certain, c.Possible = c.Certain[:0], 0
	c.FirstCertain, c.FirstPossible = zones.Late, zones.Late
	for i := range p.cands {
		p.cands[i].viable, p.cands[i].tMin, p.cands[i].tMax = false, zones.Late, zones.Early
	}
	p.skip = skip
	p.lose()
	return c
}

// key intersects what one key allows with what the keys before it allow.
func (p *Prefix) key(n int32) {
	k := &p.r.Keys[n]
	p.single[n], p.unkept[n] = none, 0
	if k.Unattributed() {
		p.cut.Undecided++
		return
	}
	if k.Ambiguous() {
		p.cut.Undecided++ // its clusters still give a necessary condition
	}
	switch {
	case k.Recovered == zones.Scrambled:
		p.cut.Scrambled = append(p.cut.Scrambled, n)
	case k.Chain && k.Recovered >= 0:
		p.chain(n, k.Recovered)
	case k.Recovered >= 0:
		p.one(n, k.Recovered)
	case k.Recovered == zones.Unwritten:
		p.cut.Phantoms = append(p.cut.Phantoms, n)
	case k.Deletes > 0 || k.Deadline <= p.r.In.Dump+zones.Slack:
		p.several(n)
	case p.r.Clusters[k.From].Absent:
		p.one(n, k.From)
	default:
		p.cut.Vanished = append(p.cut.Vanished, n)
	}
}

// one: the recovered value can only be that of cluster a.
func (p *Prefix) one(n, a int32) {
	p.single[n] = a
	k := &p.r.Keys[n]
	cs := p.r.Clusters
	ca := &cs[a]
	lo, hi := ca.Invoke, p.r.In.Crash
	loOp, hiOp := ca.Write, int32(none)
	for b := k.From; b < k.To; b++ {
		cb := &cs[b]
		if !cb.Present || b == a {
			continue
		}
		if cb.First < ca.Last && cb.Last > lo { // b must come before a
			lo, loOp = cb.Last, cb.LastOp
		}
		if ca.First < cb.Last && cb.First < hi { // a must come before b
			hi, hiOp = cb.First, cb.FirstOp
		}
		if ca.First < cb.Last {
			p.later(n, cb)
		}
		if cb.First < cb.Last && cb.First < p.hi && cb.Last > p.lo {
			p.gaps = append(p.gaps, gap{cb.First, cb.Last, cb.Write})
		}
	}
	if last := p.r.LastSeen(k, ca); last < hi {
		hi, hiOp = last, ca.Write
	}
	p.bound(n, lo, loOp, hi, hiOp)
}

// chain: the key's versions are ranked, and the recovered one is a's.
func (p *Prefix) chain(n, a int32) {
	p.single[n] = a
	k := &p.r.Keys[n]
	cs := p.r.Clusters
	ca := &cs[a]
	lo, hi := ca.Invoke, p.r.In.Crash
	loOp, hiOp := ca.Write, int32(none)
	for b := k.From; b < k.To; b++ {
		cb := &cs[b]
		switch {
		case !cb.Present || b == a:
		case cb.Rank < ca.Rank && cb.Last > lo:
			lo, loOp = cb.Last, cb.LastOp
		case cb.Rank > ca.Rank:
			if p.later(n, cb); cb.First < hi {
				hi, hiOp = cb.First, cb.FirstOp
			}
		}
	}
	p.bound(n, lo, loOp, hi, hiOp)
}

func (p *Prefix) bound(n int32, lo int64, loOp int32, hi int64, hiOp int32) {
	if lo > p.lo {
		p.lo, p.cut.LowKey, p.cut.LowOp = lo, n, loOp
	}
	if hi < p.hi {
		p.hi, p.cut.HighKey, p.cut.HighOp = hi, n, hiOp
	}
}

// several: the key is absent, and each of its deletes (pending ones too), the
// initial state when it was absent then, and each value that may have expired
// explains that. The key allows the union of what these allow.
func (p *Prefix) several(n int32) {
	k := &p.r.Keys[n]
	cs := p.r.Clusters
	p.sortKey(k)
	m := candidates{key: n, from: int32(len(p.cands)), segFrom: int32(len(p.segs))}
	kept := false
	for a := k.From; a < k.To; a++ {
		ca := &cs[a]
		if !ca.Absent && !p.r.MayHaveExpired(k, ca) { // of a pending write, too: it may have taken effect
			continue
		}
		lo, hi := ca.Invoke, p.r.In.Crash
		// Largest Last among those whose First precedes ca.Last.
		if i := sort.Search(len(p.byFirst), func(i int) bool { return cs[p.byFirst[i]].First >= ca.Last }); i > 0 {
			lo = max(lo, p.before[i-1].except(a))
		}
		// Smallest First among those whose Last follows ca.First.
		i := sort.Search(len(p.byLast), func(i int) bool { return cs[p.byLast[i]].Last > ca.First })
		if i < len(p.after) {
			hi = min(hi, p.after[i].except(a))
		}
		if lo > hi {
			continue
		}
		kept = kept || p.lastBut(a) <= ca.First
		p.cands = append(p.cands, candidate{at: a, first: ca.First, last: ca.Last, tMin: zones.Late, tMax: zones.Early})
		p.segments(int32(len(p.cands)-1), a, lo, hi)
	}
	if !kept {
		p.unkept[n] = none
	}
	m.to, m.segTo = int32(len(p.cands)), int32(len(p.segs))
	p.many = append(p.many, m)
	p.exclude(n, m)
}

// lastBut is the largest Last of the clusters of sortKey but a.
func (p *Prefix) lastBut(a int32) int64 {
	i := len(p.byLast) - 1
	if i >= 0 && p.byLast[i] == a {
		i--
	}
	if i < 0 {
		return zones.Early
	}
	return p.r.Clusters[p.byLast[i]].Last
}

// sortKey prepares the questions that several asks of a key's clusters.
func (p *Prefix) sortKey(k *zones.Key) {
	cs := p.r.Clusters
	p.byFirst, p.byLast, p.forward = p.byFirst[:0], p.byLast[:0], p.forward[:0]
	for b := k.From; b < k.To; b++ {
		if cs[b].Present {
			p.byFirst = append(p.byFirst, b)
		}
	}
	slices.SortFunc(p.byFirst, func(x, y int32) int {
		return cmp.Or(cmp.Compare(cs[x].First, cs[y].First), cmp.Compare(x, y))
	})
	p.byLast = append(p.byLast, p.byFirst...)
	slices.SortFunc(p.byLast, func(x, y int32) int {
		return cmp.Or(cmp.Compare(cs[x].Last, cs[y].Last), cmp.Compare(x, y))
	})
	p.before = p.before[:0]
	b := best{zones.Early, zones.Early, none}
	for _, at := range p.byFirst {
		if cs[at].Forward() {
			p.forward = append(p.forward, at)
		}
		if last := cs[at].Last; last > b.value || b.at < 0 {
			b = best{last, b.value, at}
		} else {
			b.second = max(b.second, last)
		}
		p.before = append(p.before, b)
	}
	p.after = slices.Grow(p.after[:0], len(p.byLast))[:len(p.byLast)]
	b = best{zones.Late, zones.Late, none}
	for i := len(p.byLast) - 1; i >= 0; i-- {
		at := p.byLast[i]
		if first := cs[at].First; first < b.value || b.at < 0 {
			b = best{first, b.value, at}
		} else {
			b.second = min(b.second, first)
		}
		p.after[i] = b
	}
}

func (b best) except(at int32) int64 {
	if b.at == at {
		return b.second
	}
	return b.value
}

// segments appends [lo, hi] less the forward zones of the other clusters.
// Forward zones of a linearizable key only touch, so their order by First is
// their order by Last as well.
func (p *Prefix) segments(cand, a int32, lo, hi int64) {
	cs := p.r.Clusters
	i := sort.Search(len(p.forward), func(i int) bool { return cs[p.forward[i]].Last > lo })
	from := lo
	for ; i < len(p.forward); i++ {
		f := &cs[p.forward[i]]
		if f.First >= hi {
			break
		}
		if p.forward[i] == a {
			continue
		}
		if f.First >= from {
			p.segs = append(p.segs, segment{from, f.First, cand})
		}
		from = f.Last
	}
	if from <= hi {
		p.segs = append(p.segs, segment{from, hi, cand})
	}
}

// exclude turns the union of a key's segments into bounds and gaps.
func (p *Prefix) exclude(n int32, m candidates) {
	p.points = append(p.points[:0], p.segs[m.segFrom:m.segTo]...)
	if len(p.points) == 0 {
		p.cut.Vanished = append(p.cut.Vanished, n)
		return
	}
	slices.SortFunc(p.points, func(x, y segment) int { return cmp.Compare(x.from, y.from) })
	last := p.points[0].to
	opOf := func(s segment) int32 { return p.r.Clusters[p.cands[s.cand].at].Write }
	for _, s := range p.points[1:] {
		if s.from > last {
			p.gaps = append(p.gaps, gap{last, s.from, opOf(s)})
		}
		last = max(last, s.to)
	}
	p.bound(n, p.points[0].from, opOf(p.points[0]), last, none)
}

// mergeGaps sorts the gaps that matter and joins those that overlap. Open
// intervals that only touch leave the point between them allowed.
func (p *Prefix) mergeGaps() {
	kept := p.gaps[:0]
	for _, g := range p.gaps {
		if g.from < p.hi && g.to > p.lo {
			kept = append(kept, g)
		}
	}
	slices.SortFunc(kept, func(x, y gap) int { return cmp.Compare(x.from, y.from) })
	out := kept[:0]
	for _, g := range kept {
		if len(out) > 0 && g.from < out[len(out)-1].to {
			out[len(out)-1].to = max(out[len(out)-1].to, g.to)
			continue
		}
		out = append(out, g)
	}
	p.gaps = out
}

// Allows reports whether the keys that clusters decide allow a cut at t.
// It is about the last Check, whose Cut was Consistent.
func (p *Prefix) Allows(t int64) bool { return p.next(t) == t && t <= p.hi }

// next is the earliest allowed instant from t on.
func (p *Prefix) next(t int64) int64 {
	t = max(t, p.lo)
	if g := p.around(t); g != nil {
		return g.to
	}
	return t
}

// prev is the latest allowed instant up to t.
func (p *Prefix) prev(t int64) int64 {
	t = min(t, p.hi)
	if g := p.around(t); g != nil {
		return g.from
	}
	return t
}

// around is the gap that an instant lies in, or nil.
func (p *Prefix) around(t int64) *gap {
	i := sort.Search(len(p.gaps), func(i int) bool { return p.gaps[i].to > t })
	if i < len(p.gaps) && p.gaps[i].from < t {
		return &p.gaps[i]
	}
	return nil
}
