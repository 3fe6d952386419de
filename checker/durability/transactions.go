package durability

import (
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
)

// transactions intersects the cut with what atomicity demands: a transaction
// took effect before the cut in all of its keys, or in none.
//
// Let T(k) be the transaction (or single write) whose write to k was recovered.
// For every other key k' that T(k) wrote it precedes or equals T(k'): an edge
// T(k) -> T(k'). A cycle, or a k' whose recovered value is the initial one, is a
// torn transaction. late(T) is the latest instant at which T can have taken
// effect: the earliest return of any operation of its clusters, or late of a
// successor. Whatever was invoked after late(T(k)) and wrote k came after the
// cut, so the cut is no later than its return. Linear in the writes.
//
// For transactions that only write this decides consistency, together with the
// bounds of the keys; with reads and unknown version orders it is a necessary condition.
func (p *Prefix) transactions() {
	r := p.r
	p.indexParts()
	p.late = slices.Grow(p.late[:0], len(r.In.Ops))[:len(r.In.Ops)]
	p.side = slices.Grow(p.side[:0], len(r.In.Ops))[:len(r.In.Ops)]
	clear(p.side)
	for i := range p.late {
		p.late[i] = zones.Late
	}
	for n, a := range p.single {
		if a >= 0 && !r.Keys[n].Chain {
			p.visit(r.Clusters[a].Write)
		}
	}
	for n, a := range p.single {
		if a < 0 || r.Keys[n].Chain {
			continue
		}
		p.sides(&r.Keys[n], a)
	}
}

// What is known of a transaction's place relative to the cut, and marks of visit.
const (
	inside  = 1 << iota // before the cut for sure
	outside             // after the cut for sure
	entered             // visit is working on it
	left                // visit is done with it
	torn                // reported
)

// indexParts lists the clusters of each operation.
func (p *Prefix) indexParts() {
	r := p.r
	n := len(r.In.Ops)
	p.partFrom = slices.Grow(p.partFrom[:0], n+1)[:n+1]
	clear(p.partFrom)
	for i := range r.Clusters {
		if w := r.Clusters[i].Write; w != zones.Initial {
			p.partFrom[w+1]++
		}
	}
	for i := range n {
		p.partFrom[i+1] += p.partFrom[i]
	}
	p.partAt = slices.Grow(p.partAt[:0], int(p.partFrom[n]))[:p.partFrom[n]]
	p.fill = append(p.fill[:0], p.partFrom...)
	for i := range r.Clusters {
		if w := r.Clusters[i].Write; w != zones.Initial {
			p.partAt[p.fill[w]] = int32(i)
			p.fill[w]++
		}
	}
}

func (p *Prefix) partsOf(op int32) []int32 { return p.partAt[p.partFrom[op]:p.partFrom[op+1]] }

// visit finds late of an operation that survived, depth first over the
// survivors it must precede; the stack is explicit because chains are long.
func (p *Prefix) visit(op int32) {
	if op == zones.Initial || p.side[op]&left != 0 {
		return
	}
	r := p.r
	p.stack = append(p.stack[:0], frame{op: op})
	p.side[op] |= entered
	for len(p.stack) > 0 {
		f := &p.stack[len(p.stack)-1]
		parts := p.partsOf(f.op)
		if f.next == len(parts) {
			p.side[f.op] = p.side[f.op]&^entered | left
			done := f.op
			p.stack = p.stack[:len(p.stack)-1]
			if len(p.stack) > 0 {
				up := p.stack[len(p.stack)-1].op
				p.late[up] = min(p.late[up], p.late[done])
			}
			continue
		}
		at := parts[f.next]
		f.next++
		c := &r.Clusters[at]
		p.late[f.op] = min(p.late[f.op], c.First)
		a := p.single[c.Key]
		if a < 0 || a == at || r.Keys[c.Key].Chain {
			continue
		}
		next := r.Clusters[a].Write
		switch {
		case next == f.op: // the same transaction wrote the key twice
		case next == zones.Initial:
			p.tear(f.op)
		case p.side[next]&entered != 0:
			p.tear(f.op)
		case p.side[next]&left != 0:
			p.late[f.op] = min(p.late[f.op], p.late[next])
		default:
			p.side[next] |= entered
			p.stack = append(p.stack, frame{op: next})
		}
	}
}

type frame struct {
	op   int32
	next int // in partsOf(op)
}

// sides finds, from key k whose survivor is a, which operations lie on which
// side of the cut, and bounds the cut by those that lie behind it.
func (p *Prefix) sides(k *zones.Key, a int32) {
	r := p.r
	ca := &r.Clusters[a]
	late := ca.First
	if ca.Write != zones.Initial {
		late = min(late, p.late[ca.Write])
		p.mark(ca.Write, inside)
		if late < ca.Invoke && p.hi >= late {
			// Its own successor took effect before it began: no cut at all.
			p.bound(ca.Key, zones.Early, none, late, ca.Write)
		}
	}
	for b := k.From; b < k.To; b++ {
		cb := &r.Clusters[b]
		if b == a || !cb.Present || cb.Write == zones.Initial || cb.Write == ca.Write {
			continue
		}
		if cb.First < ca.Last {
			p.mark(cb.Write, inside)
		}
		if late < cb.Last {
			p.mark(cb.Write, outside)
			for _, at := range p.partsOf(cb.Write) {
				p.bound(r.Clusters[at].Key, zones.Early, none, r.Clusters[at].First, r.Clusters[at].FirstOp)
			}
		}
	}
}

func (p *Prefix) mark(op int32, side uint8) {
	p.side[op] |= side
	if p.side[op]&(inside|outside) == inside|outside {
		p.tear(op)
	}
}

func (p *Prefix) tear(op int32) {
	if p.side[op]&torn == 0 && p.r.In.Ops[op].Kind == history.Txn {
		p.side[op] |= torn
		p.cut.Torn = append(p.cut.Torn, op)
	}
}

// Sides says on which side of every cut from earliest to latest an operation
// lies for sure, as far as the clusters of its keys tell. It is about the last
// Check, of an epoch with transactions, whose Cut was Consistent.
func (p *Prefix) Sides(op int32, earliest, latest int64) (before, after bool) {
	before, after = p.side[op]&inside != 0, p.side[op]&outside != 0
	for _, at := range p.partsOf(op) {
		c := &p.r.Clusters[at]
		before = before || c.First < earliest
		after = after || c.Last > latest
	}
	return before, after
}

// wholeLosses makes Certain and Possible count transactions, not their parts: one that
// has lost a part for certain is lost.
func (p *Prefix) wholeLosses() {
	c := &p.cut
	if c.Consistent {
		for op, side := range p.side {
			if o := &p.r.In.Ops[op]; side&outside != 0 && o.Outcome == history.OK && !p.skips(p.r.Clusters[p.partsOf(int32(op))[0]].Key) {
				c.Certain = append(c.Certain, int32(op))
				p.possible = append(p.possible, int32(op))
				c.FirstCertain = min(c.FirstCertain, p.ackedAt(int32(op)))
			}
		}
	}
	slices.Sort(c.Certain)
	c.Certain = slices.Compact(c.Certain)
	slices.Sort(p.possible)
	p.possible = slices.Compact(p.possible)
	c.Possible, c.FirstPossible = 0, zones.Late
	for _, op := range p.possible {
		if p.side[op]&inside == 0 || !c.Consistent {
			c.Possible++
			c.FirstPossible = min(c.FirstPossible, p.ackedAt(op))
		}
	}
}
