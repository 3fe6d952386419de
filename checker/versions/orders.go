package versions

import (
	"slices"
)

// fragments are the pieces of one key's version order that are not tied to the
// initial version: each begins with a version of which nobody knows what it
// replaced. orders are the ways to put them behind the initial piece that real
// time allows.
type fragments struct {
	first  int32 // the last version of the piece that begins with the initial one
	heads  []int32
	tails  []int32
	orders [][]int
}

// combos are the combinations of the keys' orders.
type combos struct {
	keys []fragments
}

func (c *combos) count() int {
	n := 1
	for i := range c.keys {
		n *= len(c.keys[i].orders)
	}
	return n
}

// edges adds to g.extra what combination number n says.
func (c *combos) edges(g *Graph, n int) {
	for i := range c.keys {
		f := &c.keys[i]
		order := f.orders[n%len(f.orders)]
		n /= len(f.orders)
		last := f.first
		for _, piece := range order {
			g.extra = g.follow(g.extra, last, f.heads[piece])
			last = f.tails[piece]
		}
	}
}

// orders lists how the pieces of each key's version order can be put together.
// Keys with too many pieces are left as they are, and decided is then false.
func (g *Graph) orders() (all combos, decided bool) {
	decided = true
	total := 1
	for n := range g.r.Keys {
		k := &g.r.Keys[n]
		if k.Unattributed() || k.Gaps {
			decided = false
			continue
		}
		f := fragments{first: g.last(k.From)}
		for at := k.From + 1; at < k.To; at++ {
			if c := &g.r.Clusters[at]; c.Present && g.pred[at] == unknown {
				f.heads = append(f.heads, at)
				f.tails = append(f.tails, g.last(at))
			}
		}
		if len(f.heads) == 0 {
			continue
		}
		if k.Deletes > 0 || len(f.heads) > maxFragments {
			decided = false
			continue
		}
		f.orders = g.permutations(&f)
		if total *= len(f.orders); total > maxOrders || total == 0 {
			// No order at all is a contradiction that the clusters show by themselves.
			return combos{}, false
		}
		all.keys = append(all.keys, f)
	}
	return all, decided
}

// last follows the versions from at on for as long as there is one successor.
func (g *Graph) last(at int32) int32 {
	for steps := 0; len(g.succ[at]) > 0 && steps < len(g.pred); steps++ {
		at = g.succ[at][0]
	}
	return at
}

// permutations are the orders of the pieces in which none stands behind one
// that must come after it.
func (g *Graph) permutations(f *fragments) [][]int {
	var all [][]int
	var order []int
	cs := g.r.Clusters
	mustPrecede := func(a, b int) bool {
		return cs[f.heads[a]].First < cs[f.heads[b]].Last || cs[f.tails[a]].First < cs[f.tails[b]].Last
	}
	var extend func()
	extend = func() {
		if len(order) == len(f.heads) {
			all = append(all, slices.Clone(order))
			return
		}
		for piece := range f.heads {
			if slices.Contains(order, piece) {
				continue
			}
			fits := true
			for other := range f.heads {
				if other != piece && !slices.Contains(order, other) && mustPrecede(other, piece) {
					fits = false
				}
			}
			if fits {
				order = append(order, piece)
				extend()
				order = order[:len(order)-1]
			}
		}
	}
	extend()
	return all
}
