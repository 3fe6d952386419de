package checker

import (
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// A store is a correct server as its clients see it: some 200 overlapping
// operations, a few of them never answered, each taking effect at an instant of
// its own. Its replies and what it leaves after a crash are right until a plant
// changes one thing.
type store struct {
	rng     drawer
	h       *history.History
	effects []effect // in order
	end     time.Duration
	cut     int // effects[:cut] survived
	keys    int
}

// effect is one operation taking effect, and each key's content afterwards.
type effect struct {
	at    time.Duration
	op    int
	key   string
	after map[string][]string
}

// content of a key: a string is one element; lists, sets, hashes and sorted
// sets are as their reads return them. A key that is not there is nil.
type content = []string

// family is one type of value: the kinds of its operations, and what they do.
type family struct {
	name  string
	kinds []history.Kind
	typ   string // KV.Type
	multi bool   // the value is a list of elements
}

var families = []family{
	{"register", []history.Kind{history.Write, history.Write, history.Read}, "", false},
	{"cas-register", []history.Kind{history.Write, history.CAS, history.Read}, "", false},
	{"counter", []history.Kind{history.Incr}, "", false},
	{"append-list", []history.Kind{history.Append, history.Append, history.ReadList}, "", true},
	{"queue", []history.Kind{history.Append, history.Pop, history.ReadList}, "", true},
	{"set", []history.Kind{history.SetAdd, history.SetAdd, history.SetRemove, history.ReadSet}, "set", true},
	{"hash", []history.Kind{history.HashSet, history.HashSet, history.HashRemove, history.ReadHash}, "hash", true},
	{"sorted-set", []history.Kind{history.SortedAdd, history.SortedAdd, history.SortedRemove, history.ReadSorted}, "zset", true},
	{"transactions", []history.Kind{history.Txn, history.Txn, history.Read}, "", false},
}

func familyOf(name string) family {
	return families[slices.IndexFunc(families, func(f family) bool { return f.name == name })]
}

// drawer draws numbers: rand.Rand, or rapid's dice.
type drawer interface {
	IntN(n int) int
	Int64N(n int64) int64
	Perm(n int) []int
}

func newStore(seed uint64, f family, ops, clients, keys int) *store {
	return drawStore(storeRand(seed), f, ops, clients, keys)
}

// storeRand draws a store that is always the same.
func storeRand(seed uint64) drawer { return rand.New(rand.NewPCG(seed, 99)) }

func drawStore(rng drawer, f family, ops, clients, keys int) *store {
	s := &store{rng: rng, h: &history.History{}, keys: keys}
	free := make([]time.Duration, clients)
	type planned struct {
		op history.Op
		at time.Duration
	}
	var plan []planned
	for i := range ops {
		c := i % clients
		begin := free[c] + time.Duration(s.rng.IntN(300))*time.Microsecond
		end := begin + time.Duration(100+s.rng.IntN(900))*time.Microsecond
		free[c] = end
		op := history.Op{Client: c, Kind: f.kinds[s.rng.IntN(len(f.kinds))], Key: "k" + strconv.Itoa(s.rng.IntN(keys)),
			Invoke: begin, Return: end, Outcome: history.OK}
		plan = append(plan, planned{op, begin + time.Duration(s.rng.Int64N(int64(end-begin)))})
		s.end = max(s.end, end)
	}
	s.end += time.Millisecond
	sort.SliceStable(plan, func(i, j int) bool { return plan[i].op.Invoke < plan[j].op.Invoke })
	order := make([]int, len(plan))
	for i := range plan {
		order[i] = i
		plan[i].op.ID = i
		s.h.Ops = append(s.h.Ops, plan[i].op)
	}
	sort.SliceStable(order, func(a, b int) bool { return plan[order[a]].at < plan[order[b]].at })
	state := map[string]content{}
	for _, i := range order {
		op := &s.h.Ops[i]
		s.run(op, state)
		after := map[string]content{}
		for k, v := range state { // any order: a copy
			after[k] = slices.Clone(v)
		}
		s.effects = append(s.effects, effect{plan[i].at, i, op.Key, after})
		if op.Writes() && s.rng.IntN(25) == 0 {
			op.Outcome, op.Return = history.Unknown, history.Never
		}
	}
	s.cut = len(s.effects)
	return s
}

// run lets an operation take effect and writes its reply down.
func (s *store) run(op *history.Op, state map[string]content) {
	unique := "v" + strconv.Itoa(op.ID)
	v, there := state[op.Key]
	small := func() string { return "m" + strconv.Itoa(s.rng.IntN(4)) }
	m := &history.More{Offset: -1}
	switch op.Kind {
	case history.Read:
		if op.Absent = !there; there {
			op.Value = v[0]
		}
		return
	case history.Write:
		op.Value = unique
		state[op.Key] = content{unique}
		return
	case history.CAS:
		op.Value, op.More = unique, m
		m.Expect, m.Result = "never", "0"
		if there && s.rng.IntN(3) > 0 {
			m.Expect, m.Result = v[0], "1"
			state[op.Key] = content{unique}
		}
		return
	case history.Incr:
		n := 0
		if there {
			n, _ = strconv.Atoi(v[0])
		}
		by := 1 + s.rng.IntN(5)
		op.Value, op.More = strconv.Itoa(by), m
		m.Result = strconv.Itoa(n + by)
		state[op.Key] = content{m.Result}
		return
	case history.Txn:
		op.Key, op.More = "", m
		for k := range s.keys {
			if s.rng.IntN(2) > 0 || k == s.keys-1 && len(m.Parts) == 0 {
				key := "k" + strconv.Itoa(k)
				m.Parts = append(m.Parts, history.Op{Kind: history.Write, Key: key, Value: unique})
				state[key] = content{unique}
			}
		}
		return
	case history.Append:
		op.Value = unique
		v = append(slices.Clone(v), unique)
		m.Result = strconv.Itoa(len(v))
	case history.Pop:
		m.Head = true
		if op.Absent = len(v) == 0; !op.Absent {
			m.Result, v = v[0], v[1:]
		}
	case history.ReadList, history.ReadSet, history.ReadHash, history.ReadSorted:
		m.Values = slices.Clone(v)
	case history.SetAdd, history.SetRemove:
		op.Value = small()
		i, has := slices.BinarySearch(v, op.Value)
		m.Result = "0"
		switch {
		case op.Kind == history.SetAdd && !has:
			v, m.Result = slices.Insert(slices.Clone(v), i, op.Value), "1"
		case op.Kind == history.SetRemove && has:
			v, m.Result = slices.Delete(slices.Clone(v), i, i+1), "1"
		}
	case history.HashSet, history.HashRemove:
		m.Field = small()
		pairs := map[string]string{}
		for i := 0; i < len(v); i += 2 {
			pairs[v[i]] = v[i+1]
		}
		delete(pairs, m.Field)
		if op.Kind == history.HashSet {
			op.Value = unique
			pairs[m.Field] = unique
		}
		v = flatten(pairs, func(a, b string) bool { return a < b })
	case history.SortedAdd, history.SortedRemove:
		op.Value = small()
		pairs := map[string]string{}
		for i := 0; i < len(v); i += 2 {
			pairs[v[i]] = v[i+1]
		}
		delete(pairs, op.Value)
		if op.Kind == history.SortedAdd {
			m.Score = strconv.Itoa(op.ID)
			pairs[op.Value] = m.Score
		}
		v = flatten(pairs, func(a, b string) bool {
			x, _ := strconv.Atoi(pairs[a])
			y, _ := strconv.Atoi(pairs[b])
			return x < y || x == y && a < b
		})
	}
	op.More = m
	if len(v) == 0 {
		delete(state, op.Key)
	} else {
		state[op.Key] = v
	}
}

func flatten(pairs map[string]string, less func(a, b string) bool) content {
	var names []string
	for n := range pairs { // any order: sorted below
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool { return less(names[i], names[j]) })
	var flat content
	for _, n := range names {
		flat = append(flat, n, pairs[n])
	}
	return flat
}

// crash cuts the power at the end: what was synced by the sync that covers
// effects[:cut] comes back.
func (s *store) crash(f family, cut int) {
	life := history.Epoch{Ended: s.end, How: history.PowerCut, DiskSeen: true}
	s.cut = cut
	for i, e := range s.effects {
		life.LogWrites = append(life.LogWrites, history.DiskWrite{Enter: e.at, Return: e.at + 1, Bytes: 1})
		if i == cut-1 {
			life.LogSyncs = append(life.LogSyncs, history.DiskSync{Enter: e.at + 2, Return: e.at + 3, Covers: e.at + 1})
		}
	}
	s.h.Epochs = append(s.h.Epochs, life)
	var state map[string]content
	if cut > 0 {
		state = s.effects[cut-1].after
	}
	s.h.States = append(s.h.States, s.found(f, state))
}

func (s *store) found(f family, state map[string]content) history.State {
	st := history.State{Began: s.end + 1, At: s.end + 2, Epoch: len(s.h.States) + 1}
	for k, v := range state { // any order: sorted below
		kv := history.KV{Key: k, Type: f.typ}
		if f.multi {
			kv.List = slices.Clone(v)
		} else {
			kv.Value = v[0]
		}
		st.Keys = append(st.Keys, kv)
	}
	sortKVs(st.Keys)
	return st
}

// put changes what was recovered of one key; nil takes the key away.
func (s *store) put(f family, key string, v content) {
	st := &s.h.States[len(s.h.States)-1]
	st.Keys = slices.DeleteFunc(st.Keys, func(kv history.KV) bool { return kv.Key == key })
	if len(v) > 0 {
		kv := history.KV{Key: key, Type: f.typ}
		if f.multi {
			kv.List = v
		} else {
			kv.Value = v[0]
		}
		st.Keys = append(st.Keys, kv)
	}
	sortKVs(st.Keys)
}

func (s *store) before(i int, key string) content {
	if i == 0 {
		return nil
	}
	return s.effects[i-1].after[key]
}

func sortKVs(kvs []history.KV) {
	sort.Slice(kvs, func(i, j int) bool { return kvs[i].Key < kvs[j].Key })
}
