package transactions

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// What the graph knows of the order of a register's versions is not always
// enough: where it is silent, of a history that is small enough every order of
// the transactions is tried, one after another on a store.

const (
	// mostTried is how many transactions are tried in every order, at most 64.
	mostTried = 64
	// serialSteps bounds the steps of one search for an order, and serialTotal those
	// of all that look for the transactions that matter.
	serialSteps = 200_000
	serialTotal = 1_000_000
)

// noOrder looks for a history over registers in which nothing was found that the
// models forbid, and that no serial order of its transactions explains.
func (c *check) noOrder(models []Model) {
	if c.registers == nil {
		return
	}
	v, asked := byData, false
	for _, m := range models {
		for n := range c.counts { // any order: it looks for one
			if m.Forbids(n) {
				return
			}
		}
		if m.Includes(Serializable) {
			v, asked = max(v, m.variant()), true
		}
	}
	if !asked {
		return
	}
	for weaker := range v + 1 {
		s := newSerial(c.x, weaker)
		if s == nil {
			return
		}
		if s.exists() == no {
			c.report(weaker.of(NoSerialOrder), s.finding)
			return
		}
	}
}

// serial tries every order of the transactions that may have committed.
type serial struct {
	x    *index
	v    variant
	txns []serialTxn
	must uint64 // that have to be in the order
	// waiting are the transactions that read a value from others.
	waiting map[uint64]uint64
	values  []Value // of each key now
	seen    map[string]struct{}
	buf     []byte
	steps   int
}

type serialTxn struct {
	at           int    // in History.Txns
	before       uint64 // those that have to come before it, of those that must
	reads, wrote []keyValue
	impossible   bool // its reads contradict its own writes and reads
}

type keyValue struct {
	key   int32
	value Value
}

// answer is whether there is an order.
type answer uint8

const (
	unknown answer = iota // the steps were used up
	yes
	no
)

// newSerial is nil when there are too many transactions.
func newSerial(x *index, v variant) *serial {
	s := &serial{x: x, v: v, waiting: map[uint64]uint64{}, values: make([]Value, len(x.keys))}
	for i := range x.h.Txns {
		if x.h.Txns[i].Outcome == history.Failed {
			continue
		}
		if len(s.txns) == mostTried {
			return nil
		}
		s.txns = append(s.txns, s.txn(i))
	}
	for i := range s.txns {
		t := &s.txns[i]
		for k := range s.txns {
			a, b := &x.h.Txns[s.txns[k].at], &x.h.Txns[t.at]
			if a.Outcome == history.OK && a.Return < b.Invoke && (v == byRealTime || v == byProcess && a.Process == b.Process) {
				t.before |= 1 << k
			}
		}
		if x.h.Txns[t.at].Outcome == history.OK {
			s.must |= 1 << i
		}
		for _, r := range t.reads {
			s.waiting[place(r.key, r.value)] |= 1 << i
		}
	}
	return s
}

// txn is what a transaction reads from others and leaves behind.
func (s *serial) txn(i int) serialTxn {
	t := serialTxn{at: i}
	find := func(list []keyValue, key int32) int {
		for i := range list {
			if list[i].key == key {
				return i
			}
		}
		return none
	}
	for m := range s.x.h.Txns[i].Mops {
		mop := &s.x.h.Txns[i].Mops[m]
		kv := keyValue{s.x.keyOf[mop.Key] - 1, mop.Value}
		own, read := find(t.wrote, kv.key), find(t.reads, kv.key)
		switch {
		case mop.Func == Write && own != none:
			t.wrote[own] = kv
		case mop.Func == Write:
			t.wrote = append(t.wrote, kv)
		case !mop.Known:
		case own != none:
			t.impossible = t.impossible || t.wrote[own].value != kv.value
		case read != none:
			t.impossible = t.impossible || t.reads[read].value != kv.value
		default:
			t.reads = append(t.reads, kv)
		}
	}
	return t
}

// exists reports whether there is an order of what must be in it.
func (s *serial) exists() answer {
	for k := range s.values {
		s.values[k] = s.x.h.Initial
	}
	s.seen, s.steps = map[string]struct{}{}, 0
	return s.from(0)
}

// from looks for an order of what is not done yet.
func (s *serial) from(done uint64) answer {
	if s.must&^done == 0 {
		return yes
	}
	if s.steps++; s.steps > serialSteps {
		return unknown
	}
	s.buf = binary.LittleEndian.AppendUint64(s.buf[:0], done)
	for _, v := range s.values {
		s.buf = binary.LittleEndian.AppendUint32(s.buf, uint32(v))
	}
	if _, seen := s.seen[string(s.buf)]; seen {
		return no
	}
	s.seen[string(s.buf)] = struct{}{}
	for i := range s.txns {
		t := &s.txns[i]
		if done&(1<<i) != 0 || !s.mayComeNext(i, done) {
			continue
		}
		if len(t.wrote) == 0 {
			if s.must&(1<<i) == 0 {
				continue
			}
			return s.from(done | 1<<i) // where it stands changes nothing for the others
		}
		old := make([]Value, len(t.wrote))
		for w, kv := range t.wrote {
			old[w], s.values[kv.key] = s.values[kv.key], kv.value
		}
		a := s.from(done | 1<<i)
		for w, kv := range t.wrote {
			s.values[kv.key] = old[w]
		}
		if a != no {
			return a
		}
	}
	return no
}

// mayComeNext reports whether a transaction can run now, and replaces nothing that
// another has yet to read: no value comes back.
func (s *serial) mayComeNext(i int, done uint64) bool {
	t := &s.txns[i]
	if t.impossible || t.before&s.must&^done != 0 {
		return false
	}
	for _, r := range t.reads {
		if s.values[r.key] != r.value {
			return false
		}
	}
	for _, w := range t.wrote {
		if s.waiting[place(w.key, s.values[w.key])]&s.must&^done&^(1<<i) != 0 {
			return false
		}
	}
	return true
}

// finding names the transactions that matter: of the others each may as well
// not have been answered.
func (s *serial) finding() Finding {
	total := 0
	for i := range s.txns {
		if s.must&(1<<i) == 0 || total > serialTotal {
			continue
		}
		s.must &^= 1 << i
		if s.exists() != no {
			s.must |= 1 << i
		}
		total += s.steps
	}
	var f Finding
	var lines []string
	for left := s.must; left != 0; left &= left - 1 {
		at := s.txns[bits.TrailingZeros64(left)].at
		f.Txns = append(f.Txns, at)
		if len(lines) < tellTxns {
			lines = append(lines, fmt.Sprintf("T%d: %s", len(lines)+1, s.x.h.line(at)))
		}
	}
	lines = append(lines, "no order of these, with any of the others among them, explains what each of them read")
	f.Story = strings.Join(lines, "\n")
	return f
}
