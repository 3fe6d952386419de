package keyspace

// slotIndex knows which keys of database 0 are in which slot of a cluster.
type slotIndex struct {
	slotOf func(key []byte) int
	slots  []slotKeys
	at     map[string]*slotKey
}

// slotKeys are the keys of a slot, the latest first (redis 7.0.15 cluster.c slotToKeyAddEntry).
type slotKeys struct {
	count int
	head  *slotKey
}

type slotKey struct {
	key        string
	prev, next *slotKey
}

// IndexSlots keeps account of the keys of each of n slots in database 0 from now on, while
// it is empty.
func (k *Keyspace) IndexSlots(n int, slotOf func(key []byte) int) {
	k.dbs[0].slots = &slotIndex{slotOf: slotOf, slots: make([]slotKeys, n), at: make(map[string]*slotKey)}
}

// SlotLen is how many keys a slot has.
func (k *Keyspace) SlotLen(slot int) int { return k.dbs[0].slots.slots[slot].count }

// SlotKeys are at most limit keys of a slot, the latest first.
func (k *Keyspace) SlotKeys(slot, limit int) (keys []string) {
	for e := k.dbs[0].slots.slots[slot].head; e != nil && len(keys) < limit; e = e.next {
		keys = append(keys, e.key)
	}
	return keys
}

func (x *slotIndex) add(key string) {
	s := &x.slots[x.slotOf([]byte(key))]
	e := &slotKey{key: key, next: s.head}
	if s.head != nil {
		s.head.prev = e
	}
	s.head = e
	s.count++
	x.at[key] = e
}

func (x *slotIndex) remove(key string) {
	e := x.at[key]
	delete(x.at, key)
	s := &x.slots[x.slotOf([]byte(key))]
	s.count--
	if e.next != nil {
		e.next.prev = e.prev
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		s.head = e.next
	}
}

func (x *slotIndex) clear() {
	clear(x.slots)
	clear(x.at)
}
