package disk

import (
	"iter"
	"slices"
)

// ExhaustiveLimit is the number of calls in play up to which trying every
// allowed image is affordable.
const ExhaustiveLimit = 10

// play is what was in play when an enumeration began: the enumeration is not
// disturbed by images that are built while it goes on.
type play struct {
	parts []PartID // items, in the order of effects
	rel   relation
	stale bool
}

func (d *Disk) play() *play {
	r := d.relate()
	p := &play{stale: d.p.Has(OldBytes)}
	p.rel.items = slices.Clone(r.items)
	p.rel.need = slices.Clone(r.need)
	p.rel.first = slices.Clone(r.first)
	for i := range r.items {
		m := d.item(r, int32(i))
		p.parts = append(p.parts, PartID{Call: m.call, Part: m.part})
	}
	return p
}

// calls are the calls in play, in the order of effects.
func (p *play) calls() []uint64 {
	var out []uint64
	for _, id := range p.parts {
		if len(out) == 0 || out[len(out)-1] != id.Call {
			out = append(out, id.Call)
		}
	}
	return out
}

// Prefixes keeps the first 0, 1, ... calls in play.
func (d *Disk) Prefixes() iter.Seq[Choice] {
	n := len(d.play().calls())
	return func(yield func(Choice) bool) {
		for k := range n + 1 {
			if !yield(Choice{Mode: KeepPrefix, K: int64(k)}) {
				return
			}
		}
	}
}

// Tears cuts the last write in play after every unit bytes: SectorSize for what
// a disk can do to a sector run, 1 for every byte.
func (d *Disk) Tears(unit int64) iter.Seq[Choice] {
	size := d.lastWrite(d.relate())
	return func(yield func(Choice) bool) {
		for k := int64(0); k < size; k += unit {
			if !yield(Choice{Mode: KeepTorn, K: k}) {
				return
			}
		}
	}
}

// SectorSize is the unit that a disk writes whole, in bytes.
const SectorSize = sectorSize

// DropOne leaves out one call, or one part of a call that has several.
func (d *Disk) DropOne() iter.Seq[Choice] { return d.play().each(KeepBut) }

// KeepOne keeps one call, or one part of a call that has several, with what it needs.
func (d *Disk) KeepOne() iter.Seq[Choice] { return d.play().each(KeepOnly) }

// units are the calls and, of calls with several, the parts.
func (p *play) units() []PartID {
	var out []PartID
	for i, id := range p.parts {
		if i == 0 || p.parts[i-1].Call != id.Call {
			out = append(out, PartID{Call: id.Call, Part: -1})
		}
		if i > 0 && p.parts[i-1].Call == id.Call || i+1 < len(p.parts) && p.parts[i+1].Call == id.Call {
			out = append(out, id)
		}
	}
	return out
}

func (p *play) each(mode ChoiceMode) iter.Seq[Choice] {
	units := p.units()
	return func(yield func(Choice) bool) {
		for _, u := range units {
			if !yield(Choice{Mode: mode, IDs: []PartID{u}}) {
				return
			}
		}
	}
}

// Subsets keeps every set of 1 to k parts, each with what it needs. (Chipmunk,
// EuroSys 2023: sets of two found every bug that larger ones found.)
func (d *Disk) Subsets(k int) iter.Seq[Choice] {
	p := d.play()
	return func(yield func(Choice) bool) {
		pick := make([]int, 0, k)
		var from func(i int) bool
		from = func(i int) bool {
			if len(pick) > 0 {
				c := Choice{Mode: KeepOnly}
				for _, j := range pick {
					c.IDs = append(c.IDs, p.parts[j])
				}
				if !yield(c) {
					return false
				}
			}
			if len(pick) == k {
				return true
			}
			for ; i < len(p.parts); i++ {
				pick = append(pick, i)
				if !from(i + 1) {
					return false
				}
				pick = pick[:len(pick)-1]
			}
			return true
		}
		from(0)
	}
}

// All yields every set of micro-operations that the personality allows, and for
// personalities that know old bytes each with zeroes and with old bytes. It says
// whether at most ExhaustiveLimit calls are in play; with more the sequence is
// as complete, and long.
func (d *Disk) All() (iter.Seq[Choice], bool) {
	p := d.play()
	return func(yield func(Choice) bool) {
		s := &search{p: p, in: make([]bool, len(p.parts)), forced: make([]int, len(p.parts)), yield: yield}
		s.from(0)
	}, len(p.calls()) <= ExhaustiveLimit
}

// search decides one item after the other.
type search struct {
	p      *play
	in     []bool
	forced []int // how many of those in need it
	yield  func(Choice) bool
}

func (s *search) from(i int) bool {
	if i == len(s.in) {
		return s.found()
	}
	if s.forced[i] == 0 {
		s.in[i] = false
		if !s.from(i + 1) {
			return false
		}
	}
	needs := s.p.rel.needs(int32(i))
	for _, e := range needs {
		if int(e.to) < i && !s.in[e.to] {
			return true // it needs something that is out
		}
	}
	s.in[i] = true
	for _, e := range needs {
		s.forced[e.to]++
	}
	ok := s.from(i + 1)
	for _, e := range needs {
		s.forced[e.to]--
	}
	s.in[i] = false
	return ok
}

func (s *search) found() bool {
	c := Choice{}
	for i, in := range s.in {
		if in {
			c.Mode = KeepOnly
			c.IDs = append(c.IDs, s.p.parts[i])
		}
	}
	if !s.yield(c) {
		return false
	}
	if s.p.stale && len(c.IDs) < len(s.in) {
		c.Stale = true
		return s.yield(c)
	}
	return true
}
