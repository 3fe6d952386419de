package transactions

import (
	"cmp"
	"slices"
)

// The kinds of edges as bits, so that a search can be told which to follow.
const (
	ww uint8 = 1 << iota
	wr
	rw
	process
	realtime
	// free leads on inside an edge that goes over auxiliary nodes; the kind of
	// such an edge is that of its first step, out of the transaction.
	free
)

// graph is a directed graph. The nodes below txns are transactions, the others
// are auxiliary: they stand for many edges at once.
type graph struct {
	txns  int32
	start []int32
	to    []int32
	kind  []uint8
}

func (g *graph) nodes() int32 { return int32(len(g.start)) - 1 }

// arcs collects edges in any order.
type arcs struct {
	from, to []int32
	kind     []uint8
	nodes    int32
}

func (a *arcs) add(from, to int32, kind uint8) {
	a.from = append(a.from, from)
	a.to = append(a.to, to)
	a.kind = append(a.kind, kind)
}

// node makes an auxiliary node.
func (a *arcs) node() int32 {
	a.nodes++
	return a.nodes - 1
}

// complete adds an edge from each of from to each other node of to, which is
// sorted. Where they are many they go over two chains of auxiliary nodes, one
// forwards and one backwards, which a node that is in both lists enters on
// either side of itself.
func (a *arcs) complete(from, to []int32, kind uint8) {
	if len(from) == 0 || len(to) == 0 {
		return
	}
	if len(from) == 1 || len(to) == 1 || len(from)*len(to) <= 3*(len(from)+len(to)) {
		for _, f := range from {
			for _, t := range to {
				if f != t {
					a.add(f, t, kind)
				}
			}
		}
		return
	}
	forward := a.nodes
	a.nodes += int32(len(to))
	backward := a.nodes
	a.nodes += int32(len(to))
	for i, t := range to {
		at := int32(i)
		a.add(forward+at, t, free)
		a.add(backward+at, t, free)
		if i > 0 {
			a.add(forward+at-1, forward+at, free)
			a.add(backward+at, backward+at-1, free)
		}
	}
	last := int32(len(to)) - 1
	for _, f := range from {
		at, found := search(to, f)
		switch {
		case !found:
			a.add(f, forward, kind)
		default:
			if at < last {
				a.add(f, forward+at+1, kind)
			}
			if at > 0 {
				a.add(f, backward+at-1, kind)
			}
		}
	}
}

// graph lays the edges out by their origin.
func (a *arcs) graph(txns int32) *graph {
	g := &graph{txns: txns, start: make([]int32, a.nodes+1), to: make([]int32, len(a.to)), kind: make([]uint8, len(a.to))}
	for _, f := range a.from {
		g.start[f+1]++
	}
	for i := range a.nodes {
		g.start[i+1] += g.start[i]
	}
	fill := append([]int32(nil), g.start...)
	for i, f := range a.from {
		g.to[fill[f]] = a.to[i]
		g.kind[fill[f]] = a.kind[i]
		fill[f]++
	}
	return g
}

// only is g with the edges of the given kinds.
func (g *graph) only(kinds uint8) *graph {
	kinds |= free
	out := &graph{txns: g.txns, start: make([]int32, len(g.start))}
	edges := 0
	for _, k := range g.kind {
		if k&kinds != 0 {
			edges++
		}
	}
	out.to, out.kind = make([]int32, 0, edges), make([]uint8, 0, edges)
	for n := range g.nodes() {
		for i := g.start[n]; i < g.start[n+1]; i++ {
			if g.kind[i]&kinds != 0 {
				out.to = append(out.to, g.to[i])
				out.kind = append(out.kind, g.kind[i])
			}
		}
		out.start[n+1] = int32(len(out.to))
	}
	return out
}

// alternating is the graph of walks in which no rw edge follows another, beside
// edges of the given kinds: node 2n is n reached by any edge but rw, 2n+1 is n
// reached by rw.
func (g *graph) alternating(kinds uint8) *graph {
	out := &graph{txns: 2 * g.txns, start: make([]int32, 2*g.nodes()+1)}
	out.to, out.kind = make([]int32, 0, 2*len(g.to)), make([]uint8, 0, 2*len(g.to))
	for n := range 2 * g.nodes() {
		afterRW := n & 1
		for i := g.start[n/2]; i < g.start[n/2+1]; i++ {
			var state int32
			switch k := g.kind[i]; {
			case k == free:
				state = afterRW
			case k == rw && afterRW == 0:
				state = 1
			case k&kinds != 0:
				state = 0
			default:
				continue
			}
			out.to = append(out.to, 2*g.to[i]+state)
			out.kind = append(out.kind, g.kind[i])
		}
		out.start[n+1] = int32(len(out.to))
	}
	return out
}

// component is the graph of some nodes of g, in ascending order; local is a
// scratch list of one number for each node of g, all -1.
func (g *graph) component(nodes, local []int32) *graph {
	out := &graph{start: make([]int32, len(nodes)+1)}
	for i, n := range nodes {
		local[n] = int32(i)
		if n < g.txns {
			out.txns++
		}
	}
	edges := 0
	for _, n := range nodes {
		for _, to := range g.to[g.start[n]:g.start[n+1]] {
			if local[to] >= 0 {
				edges++
			}
		}
	}
	out.to, out.kind = make([]int32, 0, edges), make([]uint8, 0, edges)
	for i, n := range nodes {
		for e := g.start[n]; e < g.start[n+1]; e++ {
			if to := local[g.to[e]]; to >= 0 {
				out.to = append(out.to, to)
				out.kind = append(out.kind, g.kind[e])
			}
		}
		out.start[i+1] = int32(len(out.to))
	}
	for _, n := range nodes {
		local[n] = none
	}
	return out
}

// cyclic are the strongly connected components of more than one node, each in
// ascending order, by their first node (Tarjan 1972, without recursion).
func (g *graph) cyclic() [][]int32 {
	const unseen = 0
	n := g.nodes()
	order := make([]int32, n) // when a node was met, from 1
	low := make([]int32, n)
	onStack := make([]bool, n)
	next := append([]int32(nil), g.start[:n]...)
	var stack, path []int32
	var out [][]int32
	met := int32(0)
	for root := range n {
		if order[root] != unseen || next[root] == g.start[root+1] {
			continue
		}
		path = append(path[:0], root)
		for len(path) > 0 {
			v := path[len(path)-1]
			if order[v] == unseen {
				met++
				order[v], low[v] = met, met
				stack = append(stack, v)
				onStack[v] = true
			}
			if next[v] < g.start[v+1] {
				w := g.to[next[v]]
				next[v]++
				if order[w] == unseen {
					path = append(path, w)
				} else if onStack[w] {
					low[v] = min(low[v], order[w])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				up := path[len(path)-1]
				low[up] = min(low[up], low[v])
			}
			if low[v] != order[v] {
				continue
			}
			at := len(stack) - 1
			for ; stack[at] != v; at-- {
				onStack[stack[at]] = false
			}
			onStack[v] = false
			if at < len(stack)-1 {
				out = append(out, sorted(stack[at:]))
			}
			stack = stack[:at]
		}
	}
	slices.SortFunc(out, func(a, b []int32) int { return cmp.Compare(a[0], b[0]) })
	return out
}

// ranks number the nodes so that no edge leads to a lower rank: strongly connected
// ones have the same. Among the orders that there are it is that of the nodes'
// own numbers, which for transactions is that of their invocations.
func (g *graph) ranks() []int32 {
	n := g.nodes()
	first := make([]int32, n) // of each node: the first of its component
	for i := range first {
		first[i] = int32(i)
	}
	members := map[int32][]int32{}
	for _, c := range g.cyclic() {
		for _, m := range c {
			first[m] = c[0]
		}
		members[c[0]] = c
	}
	degree := make([]int32, n)
	for from := range n {
		for _, to := range g.to[g.start[from]:g.start[from+1]] {
			if first[from] != first[to] {
				degree[first[to]]++
			}
		}
	}
	var ready nodeHeap
	push := func(node int32) {
		if degree[node] == 0 && first[node] == node {
			if node >= g.txns {
				node = -node // auxiliary nodes only hand on: at once
			}
			ready.push(node)
		}
	}
	for node := range n {
		push(node)
	}
	rank := make([]int32, n)
	for next := int32(0); len(ready) > 0; next++ {
		node := ready.pop()
		if node < 0 {
			node = -node
		}
		all := members[node]
		if all == nil {
			all = []int32{node}
		}
		for _, m := range all {
			rank[m] = next
			for _, to := range g.to[g.start[m]:g.start[m+1]] {
				if to = first[to]; to != node {
					degree[to]--
					push(to)
				}
			}
		}
	}
	return rank
}

// nodeHeap is a binary heap of nodes, the smallest first.
type nodeHeap []int32

func (h *nodeHeap) push(node int32) {
	*h = append(*h, node)
	list := *h
	for i := len(list) - 1; i > 0 && list[(i-1)/2] > list[i]; i = (i - 1) / 2 {
		list[i], list[(i-1)/2] = list[(i-1)/2], list[i]
	}
}

func (h *nodeHeap) pop() int32 {
	list := *h
	first, last := list[0], len(list)-1
	list[0] = list[last]
	list = list[:last]
	*h = list
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if list[child] < list[least] {
				least = child
			}
		}
		if least == i {
			return first
		}
		list[i], list[least] = list[least], list[i]
		i = least
	}
}

// step is one edge of a cycle of transactions.
type step struct {
	from int32
	kind uint8
}

// finder looks for short ways through one graph.
type finder struct {
	g *graph
	// mark[n] is the number of the search that met n last; by and kind say how.
	mark   []int32
	by     []int32
	kind   []uint8
	number int32
	// rank, when it is set, and most: nodes of a higher rank lead nowhere.
	rank []int32
	most int32
	// steps is how many edges may still be looked at.
	steps int
}

func newFinder(g *graph, steps int) *finder {
	n := g.nodes()
	return &finder{g: g, mark: make([]int32, n), by: make([]int32, n), kind: make([]uint8, n), steps: steps}
}

// way is a way from node s to the nearest node, in transactions, for which end
// says yes, over at least one edge; reported as the nodes from s to before the
// end, with the kinds of the edges out of them. It is nil when there is none,
// or when the steps ran out: then steps is negative.
func (f *finder) way(s int32, end func(int32) bool) (path []step, last int32) {
	g := f.g
	f.number++
	level := []int32{s}
	var later []int32
	for len(level) > 0 {
		for i := 0; i < len(level); i++ {
			n := level[i]
			if f.steps -= int(g.start[n+1] - g.start[n]); f.steps < 0 {
				return nil, none
			}
			for e := g.start[n]; e < g.start[n+1]; e++ {
				to := g.to[e]
				if end(to) {
					path = append(path, step{n, g.kind[e]})
					for at := n; at != s; at = f.by[at] {
						path = append(path, step{f.by[at], f.kind[at]})
					}
					slices.Reverse(path)
					return path, to
				}
				if f.mark[to] == f.number || f.rank != nil && f.rank[to] > f.most {
					continue
				}
				f.mark[to], f.by[to], f.kind[to] = f.number, n, g.kind[e]
				if to < g.txns {
					later = append(later, to)
				} else {
					level = append(level, to)
				}
			}
		}
		level, later = later, level[:0]
	}
	return nil, none
}

// transactions leaves out the auxiliary nodes of a way.
func (g *graph) transactions(path []step) []step {
	out := path[:0:0]
	for _, s := range path {
		if s.from < g.txns {
			out = append(out, s)
		}
	}
	return out
}

func sorted(list []int32) []int32 {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}
