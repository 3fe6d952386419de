package checker

import (
	"cmp"
	"slices"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
)

// A set to which each member is added once, and from which nothing is removed,
// is a list to the clusters: what was read of it must be a chain, each read a
// part of the next larger one, and a member's place in the list is the first
// read that has it. Among members that came with the same read the one asked
// for first comes first: no reply says otherwise.

// growing are the operations of one such set.
type growing struct {
	adds  map[string]int // member: place in Input.Ops
	reads [][]string
	other bool
	order []string // the members that were seen, in order
	at    map[string]int
	is    []bool // scratch of sorted
}

// asLists is the epoch with such sets as lists.
func asLists(in zones.Input) zones.Input {
	sets := growingSets(in)
	if len(sets) == 0 {
		return in
	}
	in.Ops = slices.Clone(in.Ops)
	for i := range in.Ops {
		op := &in.Ops[i]
		g := sets[op.Key]
		if g == nil || op.Outcome == history.Failed {
			continue
		}
		switch op.Kind {
		case history.SetAdd:
			op.Kind, op.More = history.Append, nil
		case history.ReadSet:
			var values []string
			if op.Outcome == history.OK && op.More != nil { // an unanswered read has read nothing
				values = g.sorted(op.More.Values)
			}
			op.Kind, op.More = history.ReadList, &history.More{Offset: history.NoOffset, Values: values}
		}
	}
	lists := func(kvs []history.KV) []history.KV {
		kvs = slices.Clone(kvs)
		for i := range kvs {
			if g := sets[kvs[i].Key]; g != nil {
				kvs[i].Type, kvs[i].List = "", g.sorted(kvs[i].List)
			}
		}
		return kvs
	}
	in.Initial, in.Recovered = lists(in.Initial), lists(in.Recovered)
	return in
}

func (g *growing) sorted(members []string) []string {
	g.is = append(g.is[:0], make([]bool, len(g.order))...)
	for _, m := range members {
		g.is[g.at[m]] = true
	}
	list := make([]string, 0, len(members))
	for i, is := range g.is {
		if is {
			list = append(list, g.order[i])
		}
	}
	if len(list) < len(members) { // one was read twice
		list = slices.Clone(members)
		slices.SortFunc(list, func(a, b string) int { return cmp.Compare(g.at[a], g.at[b]) })
	}
	return list
}

// growingSets finds the sets that are only added to, by key.
func growingSets(in zones.Input) map[string]*growing {
	var sets map[string]*growing
	for i := range in.Ops {
		op := &in.Ops[i]
		if op.Kind != history.SetAdd || op.Outcome == history.Failed {
			continue
		}
		if sets == nil {
			sets = map[string]*growing{}
		}
		g := sets[op.Key]
		if g == nil {
			g = &growing{adds: map[string]int{}, at: map[string]int{}}
			sets[op.Key] = g
		}
		if _, twice := g.adds[op.Value]; twice || op.Outcome == history.OK && op.More != nil && op.More.Result == "0" {
			g.other = true
		}
		g.adds[op.Value] = i
	}
	if sets == nil {
		return nil
	}
	other := func(key string) {
		if g := sets[key]; g != nil {
			g.other = true
		}
	}
	for i := range in.Ops {
		op := &in.Ops[i]
		g := sets[op.Key]
		if op.More != nil && op.Outcome != history.Failed {
			other(op.More.To)
			for k := range op.More.Parts {
				p := &op.More.Parts[k]
				if other(p.Key); p.More != nil {
					other(p.More.To)
				}
			}
		}
		switch {
		case op.Outcome == history.Failed || op.Kind == history.SetAdd || op.Kind == history.Txn:
		case g == nil:
		case op.Kind != history.ReadSet:
			g.other = true
		case op.Outcome == history.OK && op.More != nil:
			g.reads = append(g.reads, op.More.Values)
		}
	}
	for k, kvs := range [][]history.KV{in.Initial, in.Recovered} {
		for i := range kvs {
			g := sets[kvs[i].Key]
			if g == nil {
				continue
			}
			g.other = g.other || kvs[i].Type != "set" || kvs[i].TTL > 0
			g.reads = append(g.reads, kvs[i].List)
			for _, m := range kvs[i].List {
				if _, added := g.adds[m]; k == 0 && added {
					g.other = true
				}
			}
		}
	}
	for key, g := range sets { // any order: each by itself
		if g.other || !g.chain(in) || in.HasRecovered && g.contradicts(in) {
			delete(sets, key)
		}
	}
	return sets
}

// chain puts the members that were seen in order; false when what was read is no chain.
func (g *growing) chain(in zones.Input) bool {
	slices.SortStableFunc(g.reads, func(a, b []string) int { return cmp.Compare(len(a), len(b)) })
	for _, read := range g.reads {
		var fresh []string
		known := 0
		for _, m := range read {
			if _, seen := g.at[m]; seen {
				known++
			} else {
				fresh = append(fresh, m)
			}
		}
		if known != len(g.order) {
			return false
		}
		slices.SortFunc(fresh, func(a, b string) int {
			return cmp.Or(cmp.Compare(g.asked(in, a), g.asked(in, b)), cmp.Compare(a, b))
		})
		for _, m := range fresh {
			if _, twice := g.at[m]; twice {
				return false
			}
			g.at[m] = len(g.order)
			g.order = append(g.order, m)
		}
	}
	return true
}

// contradicts reports whether the order of the members is not that in which they
// were added. The search then tells whether the clients' replies say so or what
// was found after the crash.
func (g *growing) contradicts(in zones.Input) bool {
	latest := int64(zones.Early)
	for _, m := range g.order {
		i, added := g.adds[m]
		if !added {
			continue
		}
		op := &in.Ops[i]
		if op.Outcome == history.OK && int64(op.Return) < latest {
			return true
		}
		latest = max(latest, int64(op.Invoke))
	}
	for m, i := range g.adds { // any order: it looks for one
		op := &in.Ops[i]
		if _, seen := g.at[m]; !seen && op.Outcome == history.OK && int64(op.Return) < latest {
			return true // nobody saw it, and it was there before what somebody saw
		}
	}
	return false
}

// asked is when a member was asked for; what was there at the start comes first.
func (g *growing) asked(in zones.Input, member string) int64 {
	i, added := g.adds[member]
	if !added {
		return zones.Early
	}
	return int64(in.Ops[i].Invoke)
}
