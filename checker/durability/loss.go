package durability

import (
	"github.com/torntail/torntail/checker/zones"
)

// lose counts what is lost.
func (p *Prefix) lose() {
	p.possible = p.possible[:0]
	p.losses()
	if p.r.HasTransactions() {
		p.wholeLosses()
	}
}

func (p *Prefix) skips(key int32) bool { return p.skip != nil && p.skip[key] }

// losses finds the acknowledged writes that are missing, given the instants at
// which the cut can lie. A write b other than the survivor a of its key is
//
//   - certainly lost when b's cluster must come after the cut wherever it lies:
//     min(a.First, latest cut) < b.Last;
//   - possibly lost when it can come after: b.First >= a.Last and b.First >= earliest cut.
func (p *Prefix) losses() {
	for n, a := range p.single {
		if a < 0 || p.skips(int32(n)) {
			continue
		}
		k := &p.r.Keys[n]
		ca := &p.r.Clusters[a]
		certain := min(ca.First, p.cut.Latest)
		possible := max(ca.Last, p.cut.Earliest)
		for b := k.From; b < k.To; b++ {
			switch {
			case b == a:
			case !k.Chain:
				p.loseOne(b, certain, possible)
			case p.r.Clusters[b].Rank > ca.Rank:
				p.loseOne(b, zones.Early, zones.Early)
			}
		}
	}
	for _, m := range p.many {
		if !p.skips(m.key) {
			p.loseSeveral(m)
		}
	}
	p.loseWithoutSurvivor()
}

// loseOne counts cluster b when it lies beyond the two thresholds.
func (p *Prefix) loseOne(b int32, certain, possible int64) {
	cb := &p.r.Clusters[b]
	if !cb.Acked || cb.Write == zones.Initial || p.r.In.Ops[cb.Write].Evicts() { // what is back was promised to nobody
		return
	}
	if cb.Last > certain {
		p.cut.Certain = append(p.cut.Certain, cb.Write)
		p.cut.FirstCertain = min(p.cut.FirstCertain, p.ackedAt(cb.Write))
	}
	if cb.First >= possible {
		p.cut.Possible++
		if p.r.HasTransactions() {
			p.possible = append(p.possible, cb.Write)
		}
		p.cut.FirstPossible = min(p.cut.FirstPossible, p.ackedAt(cb.Write))
	}
}

func (p *Prefix) ackedAt(op int32) int64 { return int64(p.r.In.Ops[op].Return) }

// loseSeveral is losses for a key that is absent and has several explanations:
// an operation is certainly lost when it is with each of them that a common cut
// allows, and possibly lost when it is with one.
func (p *Prefix) loseSeveral(m candidates) {
	cands := p.cands[m.from:m.to]
	for _, s := range p.segs[m.segFrom:m.segTo] {
		c := &p.cands[s.cand]
		lo, hi := p.next(s.from), p.prev(s.to)
		if lo > s.to || lo > p.hi || hi < s.from || hi < p.lo {
			continue
		}
		c.viable = true
		c.tMin, c.tMax = min(c.tMin, lo), max(c.tMax, hi)
	}
	certain := int64(zones.Early)
	possible := best{zones.Late, zones.Late, none}
	for _, c := range cands {
		if !c.viable {
			continue
		}
		certain = max(certain, min(c.first, c.tMax))
		at := max(c.last, c.tMin)
		if at < possible.value || possible.at < 0 {
			possible = best{at, possible.value, c.at}
		} else {
			possible.second = min(possible.second, at)
		}
	}
	if possible.at < 0 {
		return
	}
	k := &p.r.Keys[m.key]
	next := 0
	for b := k.From; b < k.To; b++ {
		for next < len(cands) && cands[next].at < b {
			next++
		}
		if next < len(cands) && cands[next].at == b && cands[next].viable {
			// It may be the survivor itself: then it is not lost.
			p.loseOne(b, zones.Late, possible.except(b))
			continue
		}
		p.loseOne(b, certain, possible.except(b))
	}
}

// loseWithoutSurvivor: of a key with a phantom, or that vanished, or whose list is
// none it ever held, no write survived: no version of it explains what is there.
func (p *Prefix) loseWithoutSurvivor() {
	for _, list := range [3][]int32{p.cut.Phantoms, p.cut.Vanished, p.cut.Scrambled} {
		for _, n := range list {
			if p.skips(n) {
				continue
			}
			k := &p.r.Keys[n]
			for b := k.From; b < k.To; b++ {
				if c := &p.r.Clusters[b]; c.Present && !c.Survived {
					p.loseOne(b, zones.Early, zones.Early)
				}
			}
		}
	}
}
