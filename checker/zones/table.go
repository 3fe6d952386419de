package zones

import "github.com/torntail/torntail/checker/history"

// The tables from names to keys and from values to clusters are open-addressed
// and reused: a map for each history would cost more than the judgement.

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
	return append(old[:0], make([]slot, size)...)
}

// hashText hashes the short names and values of a history: FNV-1a, and a last
// mix, because the tables use the low bits and the slots keep the high ones.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	h ^= h >> 32
	return h * 0x9e3779b97f4a7c15
}

// Find is the key called name, or nil.
func (r *Registers) Find(name string) *Key {
	if i := r.lookup(name); i >= 0 {
		return &r.Keys[i]
	}
	return nil
}

// Number is the place in Keys of the key called name, or -1.
func (r *Registers) Number(name string) int32 { return r.lookup(name) }

func (r *Registers) lookup(name string) int32 {
	h := hashText(name)
	mask := uint64(len(r.names) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		s := r.names[i]
		if s.place == 0 {
			return none
		}
		if s.hash == uint32(h>>32) && r.Keys[s.place-1].Name == name {
			return s.place - 1
		}
	}
}

// key is the number of the key called name, new when it was not there.
func (r *Registers) key(name string) int32 {
	h := hashText(name)
	mask := uint64(len(r.names) - 1)
	i := h & mask
	for ; r.names[i].place != 0; i = (i + 1) & mask {
		s := r.names[i]
		if s.hash == uint32(h>>32) && r.Keys[s.place-1].Name == name {
			return s.place - 1
		}
	}
	r.Keys = append(r.Keys, Key{Name: name, Recovered: NotRead, Unwritten: none, Forked: none, Deadline: Late, expire: Late})
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
		h := hashText(r.Keys[n].Name)
		i := h & mask
		for r.names[i].place != 0 {
			i = (i + 1) & mask
		}
		r.names[i] = slot{uint32(h >> 32), int32(n + 1)}
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
	return hashText(value) + uint64(key)*0x9e3779b97f4a7c15
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
	return none, i, tag
}

// ClusterOf is the cluster of a value of key number n, or -1 when nobody wrote it.
func (r *Registers) ClusterOf(n int32, value string) int32 {
	at, _, _ := r.findValue(n, value)
	return at
}

// Wrote reports whether a value of the key was written or was there at the start.
func (k *Key) Wrote(r *Registers, value string) bool {
	return r.ClusterOf(r.lookup(k.Name), value) >= 0
}

func (r *Registers) insertValue(key int32, value string, at int32) (fresh bool) {
	found, free, tag := r.findValue(key, value)
	if found >= 0 {
		return false
	}
	r.values[free] = slot{tag, at + 1}
	return true
}
