package zones

import (
	"cmp"
	"slices"

	"github.com/torntail/torntail/checker/history"
)

// Conflict is why a key is not linearizable.
type Conflict struct {
	Shape Shape
	// A and B are places in Registers.Clusters; B is -1 when one is enough.
	A, B int32
	// Read is the read that came before its write, or of a value nobody wrote;
	// a place in Input.Ops, or -1.
	Read int32
	// Longest is the read of the longest list, which Read contradicts where it is
	// another one, or which says that A is before B; a place in Input.Ops, or -1.
	// Only of a ForkedList, and of what is OutOfOrder.
	Longest int32
}

// Shape is the kind of a conflict.
type Shape uint8

const (
	None              Shape = iota
	ReadBeforeWrite         // a read returned before its value's write began
	UnwrittenRead           // a read returned a value that nobody wrote
	AbsentRead              // a read found nothing, though the key was there and nobody deleted it
	ForwardOverlap          // two values were each current while the other was
	BackwardInForward       // a value came and went while another was current
	ForkedList              // a list was read that is not a beginning of the longest one read
	OutOfOrder              // a list's element is before another, and was appended after it
)

// Check decides whether key k is linearizable, as far as its clusters tell:
// with Ambiguous keys a conflict is real, and none proves nothing.
func (r *Registers) Check(k *Key) (Conflict, bool) {
	if k.Unattributed() {
		return Conflict{}, true
	}
	if k.Unwritten >= 0 {
		shape := UnwrittenRead
		if r.In.Ops[k.Unwritten].Absent {
			shape = AbsentRead
		}
		return Conflict{Shape: shape, A: none, B: none, Read: k.Unwritten}, false
	}
	if k.Chain {
		return r.checkChain(k)
	}
	// Most keys of most histories have their clusters in order already, so
	// that one look decides them without sorting anything.
	calm := true
	reach := int64(Early) // the latest Last so far
	for at := k.From; at < k.To; at++ {
		c := &r.Clusters[at]
		if !c.Present {
			continue
		}
		if c.First < c.Invoke {
			return Conflict{Shape: ReadBeforeWrite, A: at, B: none, Read: c.FirstOp}, false
		}
		if min(c.First, c.Last) < reach {
			calm = false
		}
		reach = max(reach, c.First, c.Last)
	}
	if calm {
		return Conflict{}, true
	}
	if r.Hasty {
		return Conflict{Shape: ForwardOverlap, A: k.From, B: k.To - 1, Read: none}, false
	}
	return r.checkZones(k)
}

// checkZones looks for the two shapes. Forward zones in order of First may only
// touch; then a backward zone can only lie inside the last forward zone that
// begins before it.
func (r *Registers) checkZones(k *Key) (Conflict, bool) {
	r.sorted = r.sorted[:0]
	for at := k.From; at < k.To; at++ {
		if c := &r.Clusters[at]; c.Present && c.Forward() {
			r.sorted = append(r.sorted, at)
		}
	}
	forward := r.sorted
	slices.SortFunc(forward, func(a, b int32) int {
		if c := cmp.Compare(r.Clusters[a].First, r.Clusters[b].First); c != 0 {
			return c
		}
		return cmp.Compare(a, b)
	})
	for i := 1; i < len(forward); i++ {
		if r.Clusters[forward[i]].First < r.Clusters[forward[i-1]].Last {
			return Conflict{Shape: ForwardOverlap, A: forward[i-1], B: forward[i], Read: none}, false
		}
	}
	for at := k.From; at < k.To; at++ {
		c := &r.Clusters[at]
		if !c.Present || c.Forward() {
			continue
		}
		// The number of forward zones that begin before c.Last, c's left end.
		n, _ := slices.BinarySearchFunc(forward, c.Last, func(f int32, last int64) int {
			return cmp.Compare(r.Clusters[f].First, last)
		})
		if n == 0 {
			continue
		}
		if f := forward[n-1]; c.First < r.Clusters[f].Last {
			return Conflict{Shape: BackwardInForward, A: f, B: at, Read: none}, false
		}
	}
	return Conflict{}, true
}

// Evidence are the operations (places in Input.Ops, in order of invocation)
// that are enough to show c: a key that had only these would fail as well.
func (r *Registers) Evidence(c Conflict) []int {
	var ops []int
	add := func(at int32) {
		if at >= 0 && !slices.Contains(ops, int(at)) {
			ops = append(ops, int(at))
		}
	}
	add(c.Read)
	if c.Shape == ForkedList || c.Shape == OutOfOrder {
		add(c.Longest)
	}
	for _, at := range []int32{c.A, c.B} {
		if at < 0 {
			continue
		}
		cl := &r.Clusters[at]
		add(cl.Write)
		if c.Shape != ReadBeforeWrite {
			add(cl.FirstOp)
			add(cl.LastOp)
		}
	}
	slices.Sort(ops)
	return ops
}

// Linearizable judges plain register histories (no crash), all keys at once.
// decided is false when some key is Ambiguous and no conflict was found.
func (r *Registers) Linearizable(ops []history.Op) (c Conflict, holds, decided bool) {
	r.Build(Input{Ops: ops, Crash: Late})
	decided = true
	for i := range r.Keys {
		k := &r.Keys[i]
		if c, ok := r.Check(k); !ok {
			return c, false, true
		}
		if k.Ambiguous() {
			decided = false
		}
	}
	return Conflict{}, true, decided && !r.parts
}
