package transactions

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/checker/history"
)

const none = -1

// version is one value of one key: what one write made of it.
type version struct {
	key   int32 // number of the key
	value Value
	txn   int32 // who wrote it, or none
	mop   int32
	final bool // the last write of its transaction to the key
	// Lists: place of the element in the key's longest read, or none.
	place int32
}

// key is what is known of one key.
type key struct {
	name Value
	// Lists: the longest read, and who made it.
	longest []Value
	reader  int32
	// elements are the versions of longest, none for what nobody wrote.
	elements []int32
	// agreed is how many elements come in the same order, without a duplicate, in
	// every read that is long enough: the known order of versions.
	agreed int32
	// forked: some read is not a prefix of the longest one.
	forked bool
}

// index finds keys and versions by their names, and knows which transactions
// count as committed.
type index struct {
	h        *History
	keyOf    []int32 // of a Value: one more than the number of the key
	keys     []key
	at       map[uint64]int32
	versions []version
	// committed: OK, or Unknown and seen by a committed transaction.
	committed []bool
}

func newIndex(h *History) (*index, error) {
	x := &index{h: h, keyOf: make([]int32, h.Names.Len()), committed: make([]bool, len(h.Txns))}
	writes := 0
	for i := range h.Txns {
		for m := range h.Txns[i].Mops {
			if h.Txns[i].Mops[m].Func != Read {
				writes++
			}
		}
	}
	x.at = make(map[uint64]int32, writes)
	x.versions = make([]version, 0, writes)
	for i := range h.Txns {
		if err := x.add(int32(i)); err != nil {
			return nil, err
		}
	}
	x.commit()
	if h.Lists {
		x.orders()
	}
	return x, nil
}

// add indexes the writes of transaction i, and checks its form.
func (x *index) add(i int32) error {
	t := &x.h.Txns[i]
	if t.Return < t.Invoke {
		return fmt.Errorf("%s returned before it was invoked", x.h.describe(int(i)))
	}
	if i > 0 && x.h.Txns[i-1].Invoke > t.Invoke {
		return fmt.Errorf("%s comes after one that was invoked later: transactions must be in order of invocation", x.h.describe(int(i)))
	}
	for m := range t.Mops {
		mop := &t.Mops[m]
		k := x.key(mop.Key)
		switch {
		case mop.Func == Read:
			continue
		case mop.Func != Append && mop.Func != Write:
			return fmt.Errorf("%s: operation %d neither reads nor writes", x.h.describe(int(i)), m+1)
		case (mop.Func == Append) != x.h.Lists:
			return fmt.Errorf("%s: lists are appended to and registers are written, but this history has both: %s", x.h.describe(int(i)), x.h.mop(mop))
		case !x.h.Lists && mop.Value == x.h.Initial:
			return fmt.Errorf("%s writes the initial value: %s; who reads it could not be told from who reads nothing", x.h.describe(int(i)), x.h.mop(mop))
		}
		id := place(k, mop.Value)
		if at, ok := x.at[id]; ok {
			return fmt.Errorf("key %s: %s is written twice, by %s and by %s: the values of a key must be unique",
				x.h.Names.Text(mop.Key), x.h.Names.Text(mop.Value), x.h.describe(int(x.versions[at].txn)), x.h.describe(int(i)))
		}
		x.at[id] = int32(len(x.versions))
		x.versions = append(x.versions, version{key: k, value: mop.Value, txn: i, mop: int32(m), place: none})
	}
	// The versions of t are the last ones; the last of each key is final.
	for at := len(x.versions) - 1; at >= 0 && x.versions[at].txn == i; at-- {
		v := &x.versions[at]
		k := &x.keys[v.key]
		if v.final = k.reader != i; v.final {
			k.reader = i
		}
	}
	return nil
}

func place(k int32, v Value) uint64 { return uint64(k)<<32 | uint64(uint32(v)) }

// key is the number of the key with the given name.
func (x *index) key(name Value) int32 {
	if n := x.keyOf[name]; n > 0 {
		return n - 1
	}
	x.keys = append(x.keys, key{name: name, reader: none})
	x.keyOf[name] = int32(len(x.keys))
	return int32(len(x.keys)) - 1
}

// version is the version of key k with the given value, or none.
func (x *index) version(k int32, v Value) int32 {
	if at, ok := x.at[place(k, v)]; ok {
		return at
	}
	return none
}

// writer is who wrote a version, if that transaction counts as committed.
func (x *index) writer(v int32) int32 {
	if v == none {
		return none
	}
	if t := x.versions[v].txn; t != none && x.committed[t] {
		return t
	}
	return none
}

// commit finds the transactions that count as committed, and the longest read of
// each list.
func (x *index) commit() {
	for k := range x.keys {
		x.keys[k].reader = none
	}
	var queue []int32
	for i := range x.h.Txns {
		if x.h.Txns[i].Outcome == history.OK {
			x.committed[i] = true
			queue = append(queue, int32(i))
		}
	}
	seen := func(k int32, v Value) {
		at := x.version(k, v)
		if at == none {
			return
		}
		if t := x.versions[at].txn; !x.committed[t] && x.h.Txns[t].Outcome == history.Unknown {
			x.committed[t] = true
			queue = append(queue, t)
		}
	}
	for n := 0; n < len(queue); n++ {
		t := queue[n]
		for m := range x.h.Txns[t].Mops {
			mop := &x.h.Txns[t].Mops[m]
			if mop.Func != Read || !mop.Known {
				continue
			}
			k := x.key(mop.Key)
			if !x.h.Lists {
				seen(k, mop.Value)
				continue
			}
			known := &x.keys[k]
			for _, e := range mop.List[common(known.longest, mop.List):] {
				seen(k, e)
			}
			if len(mop.List) > len(known.longest) {
				known.longest, known.reader = mop.List, t
			}
		}
	}
}

// common is how many first elements a and b have in common.
func common(a, b []Value) int {
	n := min(len(a), len(b))
	if slices.Equal(a[:n], b[:n]) {
		return n
	}
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// orders finds the order of each list's versions that all reads agree on.
func (x *index) orders() {
	for k := range x.keys {
		list := &x.keys[k]
		list.agreed = int32(len(list.longest))
		list.elements = make([]int32, len(list.longest))
		unwritten := map[Value]bool{}
		for p, e := range list.longest {
			at := x.version(int32(k), e)
			list.elements[p] = at
			twice := at == none && unwritten[e]
			if at == none {
				unwritten[e] = true
			} else if v := &x.versions[at]; v.place == none {
				v.place = int32(p)
			} else {
				twice = true
			}
			if twice {
				list.agreed = min(list.agreed, int32(p))
			}
		}
	}
	x.reads(func(_ int32, _ int32, k int32, mop *Mop) {
		list := &x.keys[k]
		if n := common(list.longest, mop.List); n < len(mop.List) {
			list.forked = true
			list.agreed = min(list.agreed, int32(n))
		}
	})
}

// reads visits the answered reads of committed transactions: who, which of its
// operations, the number of the key.
func (x *index) reads(visit func(t, m, k int32, mop *Mop)) {
	for i := range x.h.Txns {
		if !x.committed[i] {
			continue
		}
		for m := range x.h.Txns[i].Mops {
			if mop := &x.h.Txns[i].Mops[m]; mop.Func == Read && mop.Known {
				visit(int32(i), int32(m), x.keyOf[mop.Key]-1, mop)
			}
		}
	}
}

// prefix reports whether a read of a list has the order of versions that is
// known: all of it lies in what every read agrees on.
func (list *key) prefix(read []Value) bool { return int32(len(read)) <= list.agreed }
