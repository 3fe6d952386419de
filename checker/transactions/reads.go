package transactions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
)

// listReads finds what is wrong with single reads of lists.
func (c *check) listReads() {
	x := c.x
	told := make([]bool, len(x.versions)) // aborted writes that were reported
	unwritten := map[uint64]bool{}
	// How many elements of each key's longest read have been looked at: one that
	// was seen before is reported by its first reader.
	looked := make([]int32, len(x.keys))
	forks := make([]bool, len(x.keys))
	twice := make([]bool, len(x.keys))
	x.reads(func(t, m, k int32, mop *Mop) {
		list := &x.keys[k]
		shared := common(list.longest, mop.List)
		for p := looked[k]; p < int32(shared); p++ {
			c.element(t, mop, list.elements[p], list.longest[p], told, unwritten)
		}
		looked[k] = max(looked[k], int32(shared))
		for _, e := range mop.List[shared:] {
			c.element(t, mop, x.version(k, e), e, told, unwritten)
		}
		if shared < len(mop.List) && !forks[k] {
			forks[k] = true
			c.report(IncompatibleOrder, func() Finding { return c.fork(t, k, mop) })
		}
		if int32(len(mop.List)) > list.agreed && !twice[k] {
			if e, ok := duplicate(mop.List); ok {
				twice[k] = true
				c.report(DuplicateElements, func() Finding {
					return c.about(mop.Key, []int32{t}, "T1 read %s, which has %s more than once", x.h.mop(mop), x.h.Names.Text(e))
				})
			}
		}
		if n := len(mop.List); n > 0 {
			last := x.version(k, mop.List[n-1])
			c.intermediate(t, mop, last)
		}
	})
	c.aborted()
	for i := range x.h.Txns {
		if x.committed[i] {
			c.internalLists(int32(i))
		}
	}
}

// element judges one element that t read.
func (c *check) element(t int32, mop *Mop, v int32, e Value, told []bool, unwritten map[uint64]bool) {
	if v == none {
		if id := place(c.x.keyOf[mop.Key]-1, e); !unwritten[id] {
			unwritten[id] = true
			c.phantom(t, mop, e)
		}
		return
	}
	if w := c.x.versions[v].txn; !told[v] && c.x.h.Txns[w].Outcome == history.Failed {
		told[v] = true
		c.report(G1a, func() Finding {
			return c.about(mop.Key, []int32{t, w}, "T1 read %s, and so saw %s, which T2 wrote; T2 was aborted", c.x.h.mop(mop), c.x.h.Names.Text(e))
		})
	}
}

func (c *check) phantom(t int32, mop *Mop, e Value) {
	c.report(anomaly.Phantom, func() Finding {
		return c.about(mop.Key, []int32{t}, "T1 read %s; nobody wrote %s", c.x.h.mop(mop), c.x.h.Names.Text(e))
	})
}

// intermediate judges the version that a read of t saw last.
func (c *check) intermediate(t int32, mop *Mop, v int32) {
	if v == none {
		return
	}
	if w := c.x.versions[v].txn; w != none && w != t && !c.x.versions[v].final {
		c.report(G1b, func() Finding {
			return c.about(mop.Key, []int32{t, w}, "T1 read %s as T2 left it by its write of %s; T2 wrote the key again after that", c.x.h.mop(mop), c.x.h.Names.Text(c.x.versions[v].value))
		})
	}
}

func (c *check) fork(t, k int32, mop *Mop) Finding {
	x := c.x
	list := &x.keys[k]
	p := common(list.longest, mop.List)
	return c.about(mop.Key, []int32{t, list.reader}, "after %d elements T1 saw %s where T2 saw %s: T1 read %s, T2 read %s",
		p, x.h.Names.Text(mop.List[p]), x.h.Names.Text(list.longest[p]), x.h.mop(mop), x.h.list(list.longest))
}

// duplicate is an element that a list holds twice.
func duplicate(list []Value) (Value, bool) {
	seen := make(map[Value]bool, len(list))
	for _, e := range list {
		if seen[e] {
			return e, true
		}
		seen[e] = true
	}
	return Nil, false
}

// aborted finds dirty updates: in the order of a key's versions an aborted one,
// and then one of a committed transaction, which built on it.
func (c *check) aborted() {
	x := c.x
	for k := range x.keys {
		list := &x.keys[k]
		first := int32(none) // the first of the aborted versions in a row
		for p := range list.agreed {
			v := list.elements[p]
			switch {
			case v == none:
			case x.h.Txns[x.versions[v].txn].Outcome == history.Failed:
				if first == none {
					first = v
				}
			case first != none:
				a, b := &x.versions[first], &x.versions[v]
				c.report(DirtyUpdate, func() Finding {
					return c.about(list.name, []int32{b.txn, a.txn}, "T1 wrote %s to a list that already had %s, which T2 wrote; T2 was aborted: %s",
						x.h.Names.Text(b.value), x.h.Names.Text(a.value), x.h.list(list.longest[:p+1]))
				})
				first = none
			}
		}
	}
}

// listState is what a transaction knows of a list it has used.
type listState struct {
	list []Value // what it read last; read says whether it did
	read bool
	own  []Value // what it has appended since
}

// internalLists finds the first read of t that contradicts its own reads and
// appends before, and one that sees what t has yet to append.
func (c *check) internalLists(t int32) {
	x := c.x
	mops := x.h.Txns[t].Mops
	if len(mops) < 2 {
		return
	}
	clear(c.known)
	states := c.states[:0]
	internal, future := false, false
	for m := range mops {
		mop := &mops[m]
		at, ok := c.known[mop.Key]
		if !ok {
			at = Value(len(states))
			c.known[mop.Key] = at
			states = append(states, listState{})
		}
		s := &states[at]
		if mop.Func == Append {
			if !future && s.read && slices.Contains(s.list, mop.Value) {
				future = true
				c.report(FutureRead, func() Finding {
					return c.about(mop.Key, []int32{t}, "T1 read %s = %s, and only then appended %s", x.h.Names.Text(mop.Key), x.h.list(s.list), x.h.Names.Text(mop.Value))
				})
			}
			s.own = append(s.own, mop.Value)
			continue
		}
		if !mop.Known {
			continue
		}
		n := len(mop.List) - len(s.own)
		good := n >= 0 && slices.Equal(mop.List[n:], s.own) && (!s.read || slices.Equal(mop.List[:n], s.list))
		if !good && !internal {
			internal = true
			expected := append(slices.Clone(s.list), s.own...)
			c.report(Internal, func() Finding {
				words := x.h.list(expected)
				if !s.read {
					words = "a list that ends in " + x.h.list(s.own)
				}
				return c.about(mop.Key, []int32{t}, "T1 read %s where its own operations before that lead to %s", x.h.mop(mop), words)
			})
		}
		s.list, s.read, s.own = mop.List, true, nil
	}
	c.states = states
}

// registerReads finds what is wrong with single reads of registers.
func (c *check) registerReads() {
	x := c.x
	told := make([]bool, len(x.versions))
	x.reads(func(t, m, k int32, mop *Mop) {
		v := x.version(k, mop.Value)
		if v == c.registers.initial[k] {
			return
		}
		w := x.versions[v].txn
		switch {
		case w == none && !told[v]:
			told[v] = true
			c.phantom(t, mop, mop.Value)
		case w != none && x.h.Txns[w].Outcome == history.Failed && !told[v]:
			told[v] = true
			c.report(G1a, func() Finding {
				return c.about(mop.Key, []int32{t, w}, "T1 read %s, which T2 wrote; T2 was aborted", x.h.mop(mop))
			})
		}
		c.intermediate(t, mop, v)
	})
	for i := range x.h.Txns {
		if x.committed[i] {
			c.internalRegisters(int32(i))
		}
	}
	for i := range c.registers.cycles {
		c.cyclicVersions(&c.registers.cycles[i])
	}
}

func (c *check) internalRegisters(t int32) {
	x := c.x
	mops := x.h.Txns[t].Mops
	if len(mops) < 2 {
		return
	}
	clear(c.known)
	clear(c.own)
	internal, future := false, false
	for m := range mops {
		mop := &mops[m]
		if mop.Func == Write {
			c.known[mop.Key] = mop.Value
			if !future && c.own[[2]Value{mop.Key, mop.Value}] {
				c.report(FutureRead, func() Finding {
					return c.about(mop.Key, []int32{t}, "T1 read %s = %s, and only then wrote it", x.h.Names.Text(mop.Key), x.h.Names.Text(mop.Value))
				})
				future = true
			}
			continue
		}
		if !mop.Known {
			continue
		}
		if v := x.version(x.keyOf[mop.Key]-1, mop.Value); x.versions[v].txn == t {
			c.own[[2]Value{mop.Key, mop.Value}] = true
		}
		if s, ok := c.known[mop.Key]; ok && s != mop.Value && !internal {
			internal = true
			c.report(Internal, func() Finding {
				return c.about(mop.Key, []int32{t}, "T1 read %s where its own operations before that lead to %s", x.h.mop(mop), x.h.Names.Text(s))
			})
		}
		c.known[mop.Key] = mop.Value
	}
}

func (c *check) cyclicVersions(cycle *versionCycle) {
	x := c.x
	c.report(CyclicVersions, func() Finding {
		var txns []int32
		name := func(t int32) string {
			at := slices.Index(txns, t)
			if at < 0 {
				at = len(txns)
				txns = append(txns, t)
			}
			return fmt.Sprintf("T%d", at+1)
		}
		var lines []string
		for _, o := range cycle.orders {
			first, second := x.h.Names.Text(x.versions[o.from].value), x.h.Names.Text(x.versions[o.to].value)
			switch {
			case o.source == fromInitial:
				lines = append(lines, fmt.Sprintf("%s comes before %s: it is the initial value", first, second))
			case o.first == o.second:
				lines = append(lines, fmt.Sprintf("%s comes before %s: %s met them in that order (%s)", first, second, name(o.first), o.source))
			default:
				lines = append(lines, fmt.Sprintf("%s comes before %s: %s met the one, and after it %s the other (%s)", first, second, name(o.first), name(o.second), o.source))
			}
		}
		return c.about(x.keys[cycle.key].name, txns, "%s", strings.Join(lines, "\n"))
	})
}

// update is one transaction that read a version of a key and then wrote the key.
type update struct{ key, version, txn int32 }

// lostUpdates finds the versions of a key that several committed transactions
// read before they wrote the key.
func (c *check) lostUpdates() {
	x := c.x
	var updates []update
	stamp := make([]int32, len(x.keys)) // one more than the transaction that last used the key
	first := make([]*Mop, len(x.keys))  // its first read, before any write
	forked := map[string]int32{}        // versions of lists whose reads contradict each other
	number := func(k int32, mop *Mop) int32 {
		if !x.h.Lists {
			return int32(mop.Value)
		}
		if !x.keys[k].forked {
			return int32(len(mop.List))
		}
		id := fmt.Sprint(k, mop.List)
		if _, ok := forked[id]; !ok {
			forked[id] = int32(len(forked))
		}
		return forked[id]
	}
	for i := range x.h.Txns {
		if !x.committed[i] {
			continue
		}
		for m := range x.h.Txns[i].Mops {
			mop := &x.h.Txns[i].Mops[m]
			k := x.keyOf[mop.Key] - 1
			isRead := mop.Func == Read
			if isRead && !mop.Known {
				continue
			}
			if stamp[k] != int32(i)+1 {
				stamp[k], first[k] = int32(i)+1, nil
				if isRead {
					first[k] = mop
				}
				continue
			}
			if !isRead && first[k] != nil {
				updates = append(updates, update{k, number(k, first[k]), int32(i)})
				first[k] = nil
			}
		}
	}
	slices.SortFunc(updates, func(a, b update) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.version, b.version), cmp.Compare(a.txn, b.txn))
	})
	for from := 0; from < len(updates); {
		to := from + 1
		for to < len(updates) && updates[to].key == updates[from].key && updates[to].version == updates[from].version {
			to++
		}
		if to-from > 1 {
			same := updates[from:to]
			c.report(LostUpdate, func() Finding { return c.lost(same) })
		}
		from = to
	}
}

func (c *check) lost(same []update) Finding {
	x := c.x
	name := x.keys[same[0].key].name
	var txns []int32
	var read *Mop
	var words []string
	for i, u := range same[:min(len(same), c.o.Limit)] {
		txns = append(txns, u.txn)
		for m := range x.h.Txns[u.txn].Mops {
			mop := &x.h.Txns[u.txn].Mops[m]
			if mop.Key != name {
				continue
			}
			if mop.Func == Read && mop.Known && read == nil {
				read = mop
			}
			if mop.Func != Read {
				words = append(words, fmt.Sprintf("T%d then wrote %s", i+1, x.h.Names.Text(mop.Value)))
				break
			}
		}
	}
	return c.about(name, txns, "%d transactions read %s and wrote the key after that: %s", len(same), x.h.mop(read), strings.Join(words, ", "))
}
