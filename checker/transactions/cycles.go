package transactions

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/torntail/torntail/checker/anomaly"
)

const (
	// searchSteps bounds the edges that all searches of one Check look at.
	searchSteps = 400_000_000
	// cycleStarts is how many transactions a short cycle is looked for from.
	cycleStarts = 64
	// shortSteps bounds the edges looked at for a shorter cycle than the first.
	shortSteps = 4_000_000
)

// cycles names the cycles of each strongly connected component of g. Of what is
// in a component only the worst is named, as Elle does: a G0 is a G1c as well, a
// G-single also a G-nonadjacent and a G2-item, and each of them also one of its
// -process and -realtime kinds. Where writes and reads alone make a cycle (G0,
// G1c) only G-single is named beside it, not the weaker ones: their walks could
// go around that cycle.
func (c *check) cycles(g *graph, most variant) {
	local := make([]int32, g.nodes())
	for i := range local {
		local[i] = none
	}
	for _, nodes := range g.cyclic() {
		comp := component{check: c, g: g.component(nodes, local), nodes: nodes}
		comp.search(most)
	}
}

// component is one strongly connected component.
type component struct {
	*check
	g     *graph
	nodes []int32 // in the whole graph
	// best is the least variant in which each name was found so far.
	best map[anomaly.Name]variant
}

// has: name was found in a variant no larger than v.
func (c *component) has(name anomaly.Name, v variant) bool {
	found, ok := c.best[name]
	return ok && found <= v
}

func (c *component) search(most variant) {
	c.best = map[anomaly.Name]variant{}
	for v := byData; v <= most; v++ {
		if !c.has(G0, v) {
			c.within(G0, v, ww)
		}
		if !c.has(G0, v) && !c.has(G1c, v) {
			c.within(G1c, v, ww|wr)
		}
		if c.has(GSingle, v) || c.single(v) {
			continue
		}
		if c.has(G0, v) || c.has(G1c, v) || c.has(GNonadjacent, v) || c.nonadjacent(v) || c.has(G2Item, v) {
			continue
		}
		c.within(G2Item, v, ww|wr|rw)
	}
}

// within looks for cycles of the given kinds of edges and of the variant's.
func (c *component) within(name anomaly.Name, v variant, kinds uint8) {
	g := c.g.only(kinds | v.kinds())
	parts := g.cyclic()
	if len(parts) == 0 {
		return
	}
	c.best[name] = v
	c.report(v.of(name), func() Finding { return c.tell(shortest(g, parts)) })
}

// shortest is a short cycle in one of the strongly connected parts of g.
func shortest(g *graph, parts [][]int32) []step {
	slices.SortStableFunc(parts, func(a, b []int32) int { return cmp.Compare(len(a), len(b)) })
	f := newFinder(g, int(g.start[g.nodes()]))
	var best []step
	starts := 0
	for _, part := range parts {
		for _, s := range part {
			if s >= g.txns {
				break
			}
			if starts++; starts > cycleStarts && best != nil {
				return best
			}
			if starts == 2 {
				f.steps = shortSteps
			}
			path, _ := f.way(s, func(to int32) bool { return to == s })
			if path = g.transactions(path); len(path) > 0 && (best == nil || len(path) < len(best)) {
				best = path
			}
			if f.steps < 0 {
				return best
			}
		}
	}
	return best
}

// nonadjacent looks for a cycle in which no rw edge follows another.
func (c *component) nonadjacent(v variant) bool {
	g := c.g.alternating(ww | wr | v.kinds())
	parts := g.cyclic()
	if len(parts) == 0 {
		return false
	}
	c.best[GNonadjacent] = v
	c.report(v.of(GNonadjacent), func() Finding {
		path := shortest(g, parts)
		for i := range path {
			path[i].from /= 2
		}
		return c.tell(simple(path))
	})
	return true
}

// simple cuts a closed walk down to one that meets each transaction once, and
// still has no two rw edges in a row. There is no cycle without rw edges.
func simple(path []step) []step {
	for {
		i, j := repeated(path)
		if i < 0 {
			return path
		}
		inner, outer := slices.Clone(path[i:j]), append(slices.Clone(path[:i]), path[j:]...)
		if path = inner; !alternates(inner) {
			path = outer
		}
	}
}

func repeated(path []step) (int, int) {
	seen := map[int32]int{}
	for j, s := range path {
		if i, ok := seen[s.from]; ok {
			return i, j
		}
		seen[s.from] = j
	}
	return none, none
}

// alternates: no two rw edges follow each other around the cycle.
func alternates(path []step) bool {
	for i, s := range path {
		if s.kind == rw && path[(i+1)%len(path)].kind == rw {
			return false
		}
	}
	return true
}

// single looks for a cycle with exactly one rw edge: a way back, without rw
// edges, from where an rw edge leads to where it comes from.
func (c *component) single(v variant) bool {
	kinds := ww | wr | v.kinds()
	var closed []bool // by where an rw edge leads: it may lie on such a cycle
	if !c.has(G0, v) && !c.has(G1c, v) {
		alternating := c.g.alternating(kinds)
		parts := alternating.cyclic()
		if len(parts) == 0 {
			return false
		}
		closed = make([]bool, c.g.nodes())
		for _, part := range parts {
			for _, n := range part {
				if n&1 == 1 {
					closed[n/2] = true
				}
			}
		}
	}
	f := newFinder(c.g.only(kinds), c.steps)
	// A way back leads up the ranks: most rw edges lead up themselves, and need no search.
	f.rank = f.g.ranks()
	origins := make([][]int32, c.g.nodes())
	for n := range c.g.nodes() {
		for e := c.g.start[n]; e < c.g.start[n+1]; e++ {
			if to := c.g.to[e]; c.g.kind[e] == rw && f.rank[to] <= f.rank[n] && (closed == nil || closed[to]) {
				origins[to] = append(origins[to], n)
			}
		}
	}
	before := f.steps
	var best []step
	found := 0
	for to := range c.g.nodes() {
		if len(origins[to]) == 0 {
			continue
		}
		if best != nil && (found >= cycleStarts || before-f.steps > shortSteps) {
			break
		}
		f.most = 0
		for _, n := range origins[to] {
			f.most = max(f.most, f.rank[n])
		}
		path, origin := f.way(to, func(n int32) bool { _, ok := search(origins[to], n); return ok })
		if f.steps < 0 {
			break
		}
		if path == nil {
			continue
		}
		found++
		path = append([]step{{origin, rw}}, path...)
		if path = c.g.transactions(path); best == nil || len(path) < len(best) {
			best = path
		}
	}
	c.steps = max(0, f.steps)
	if best == nil {
		if f.steps < 0 && len(c.undecided) < defaultLimit {
			c.undecided = append(c.undecided, fmt.Sprintf("%s among %d transactions after %d steps", v.of(GSingle), c.g.txns, searchSteps))
		}
		return false
	}
	c.best[GSingle] = v
	c.report(v.of(GSingle), func() Finding { return c.tell(best) })
	return true
}
