// Package versions judges transactions whose operations say which version they
// replaced: reads before writes in one transaction, SET with GET, appends to
// lists. The order of each key's versions is then known, and with it everything
// that must come before anything else: a graph of real-time, write-write,
// write-read and read-write edges (Adya's, as Elle uses it). The history is
// strictly serializable exactly when the graph has no cycle. The state recovered
// after a crash is one more transaction, of reads only, without a place in time:
// no cycle means that a prefix explains it, and what can be reached from it was lost.
package versions

import (
	"cmp"
	"slices"
	"sort"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
)

const (
	// maxFragments is how many pieces of a key's version order may float freely;
	// every order of them is tried.
	maxFragments = 5
	// maxOrders bounds the combinations of orders over all keys.
	maxOrders = 2000
)

// Result is what the graph says.
type Result struct {
	// Consistent: some order of versions has no cycle.
	Consistent bool
	// Decided is false when versions could be ordered in more ways than were
	// tried; then Consistent proves nothing.
	Decided bool
	// Cycle are the operations (places in Input.Ops) of a short cycle, when not Consistent.
	Cycle []int32
	// Lost are the acknowledged writers that come after the recovered state in
	// every order without a cycle; Possible counts those that need not come before it.
	Lost     []int32
	Possible int
	// FirstPossible is the earliest return among the possibly lost; zones.Late when none.
	FirstPossible int64
	// Placed: of each key that was recovered it is known which version that was.
	// Otherwise Possible may count too many.
	Placed bool
	// Unkept is an acknowledged operation that comes after the recovered state; -1
	// when in some order without a cycle none does.
	Unkept int32
}

// Graph decides. The zero Graph is ready; it reuses its memory.
type Graph struct {
	r         *zones.Registers
	n         int32 // operations; node n is the recovered state, time nodes follow
	takesPart []bool
	placed    bool
	pred      []int32   // of each cluster: the one it replaced, or unknown
	succ      [][]int32 // of each cluster: those known to have replaced it
	readers   [][]int32 // of each cluster: operations that read it, the recovered state among them
	base      []edge
	extra     []edge
	start     []int32
	to        []int32
	degree    []int32
	queue     []int32
	returns   []int32
}

type edge struct{ from, to int32 }

const unknown = -1

// Check judges the operations of r, together with its recovered state when
// crash is true. r's keys must have passed Registers.Check.
func (g *Graph) Check(r *zones.Registers, crash bool) Result {
	g.r, g.n = r, int32(len(r.In.Ops))
	g.collect(crash)
	g.realTime()
	g.known()
	orders, decided := g.orders()
	res := Result{Decided: decided, FirstPossible: zones.Late, Placed: g.placed, Unkept: unknown}
	lostIn := make([]int32, g.n) // in how many orders without a cycle
	free := make([]bool, g.n)    // in some order not before the recovered state
	kept := int32(0)
	for combination := range orders.count() {
		g.extra = g.extra[:0]
		orders.edges(g, combination)
		g.build()
		if !g.sorted() {
			if !res.Consistent && (res.Cycle == nil || len(res.Cycle) > 2) {
				if c := g.cycle(); res.Cycle == nil || len(c) < len(res.Cycle) {
					res.Cycle = c
				}
			}
			continue
		}
		if crash {
			if told := g.reach(lostIn, free); !res.Consistent || told == unknown {
				res.Unkept = told
			}
		}
		res.Consistent = true
		kept++
	}
	if !res.Consistent {
		return res
	}
	res.Cycle = nil
	for i := range g.n {
		op := &r.In.Ops[i]
		if !crash || op.Outcome != history.OK || !op.Writes() || !g.takesPart[i] {
			continue
		}
		if lostIn[i] == kept {
			res.Lost = append(res.Lost, i)
		}
		if free[i] {
			res.Possible++
			res.FirstPossible = min(res.FirstPossible, int64(op.Return))
		}
	}
	return res
}

// collect finds the operations that take part, who replaced what, and who read what.
func (g *Graph) collect(crash bool) {
	r := g.r
	g.placed = true
	g.takesPart = resize(g.takesPart, int(g.n))
	g.pred = resize(g.pred, len(r.Clusters))
	for i := range g.pred {
		g.pred[i] = unknown
	}
	g.succ = lists(g.succ, len(r.Clusters))
	g.readers = lists(g.readers, len(r.Clusters))
	for i := range r.In.Ops {
		g.takesPart[i] = r.In.Ops[i].Outcome == history.OK
	}
	for i := range r.Clusters {
		if c := &r.Clusters[i]; c.Write != zones.Initial && c.Present {
			g.takesPart[c.Write] = true
		}
	}
	for i := range r.In.Ops {
		if op := &r.In.Ops[i]; op.Outcome == history.OK {
			g.read(op, int32(i))
		}
	}
	for at := range r.Clusters {
		if c := &r.Clusters[at]; c.Write != zones.Initial && c.Acked {
			g.pred[at] = g.replaced(int32(at), c)
		}
	}
	for n := range r.Keys {
		k := &r.Keys[n]
		if k.Chain && !k.Unattributed() {
			g.chain(k)
		}
		if crash && !k.Unattributed() {
			at := k.Recovered
			if at == zones.NotThere && k.Deletes == 0 && k.Deadline == zones.Late {
				at = k.From
			}
			if at >= 0 {
				g.readers[at] = append(g.readers[at], g.n)
			} else {
				g.placed = false // deleted, or expired, and nobody knows when
			}
		}
	}
	for at, p := range g.pred {
		if p != unknown && r.Clusters[at].Present {
			g.succ[p] = append(g.succ[p], int32(at))
		}
	}
}

func (g *Graph) read(op *history.Op, i int32) {
	if op.Kind == history.Txn {
		if op.More == nil {
			return
		}
		for p := range op.More.Parts {
			g.read(&op.More.Parts[p], i)
		}
		return
	}
	if at := g.r.Read(op); at >= 0 && g.r.Clusters[at].Write != i {
		g.readers[at] = append(g.readers[at], i)
	}
}

// replaced is the version that the write of a cluster is known to have replaced:
// the one it returned, or that its transaction had read before.
func (g *Graph) replaced(at int32, c *zones.Cluster) int32 {
	op := g.r.OpOf(c)
	if op.More != nil && op.More.HasReplaced {
		return g.r.Read(op)
	}
	if c.Part < 0 {
		return unknown
	}
	parts := g.r.In.Ops[c.Write].More.Parts
	for p := c.Part - 1; p >= 0; p-- {
		if parts[p].Key != op.Key {
			continue
		}
		if parts[p].Writes() {
			return unknown // it replaced its own transaction's value
		}
		return g.r.Read(&parts[p])
	}
	return unknown
}

// chain: the versions of a list in order of rank.
func (g *Graph) chain(k *zones.Key) {
	r := g.r
	var ranked []int32
	for at := k.From; at < k.To; at++ {
		if c := &r.Clusters[at]; c.Present && c.Rank != zones.Unranked {
			ranked = append(ranked, at)
		}
	}
	slices.SortFunc(ranked, func(a, b int32) int { return cmp.Compare(r.Clusters[a].Rank, r.Clusters[b].Rank) })
	for i := 1; i < len(ranked); i++ {
		g.pred[ranked[i]] = ranked[i-1]
	}
}

// realTime adds the edges of "returned before the other was invoked". Instead
// of one for each pair there is a node for each return, in order of time.
func (g *Graph) realTime() {
	g.base = g.base[:0]
	g.returns = g.returns[:0]
	ops := g.r.In.Ops
	for i := range g.n {
		if g.takesPart[i] && ops[i].Outcome == history.OK {
			g.returns = append(g.returns, i)
		}
	}
	end := func(i int32) int64 { return min(int64(ops[i].Return), g.r.In.Crash) }
	slices.SortFunc(g.returns, func(a, b int32) int { return cmp.Or(cmp.Compare(end(a), end(b)), cmp.Compare(a, b)) })
	first := g.n + 1
	for at, i := range g.returns {
		g.base = append(g.base, edge{i, first + int32(at)})
		if at > 0 {
			g.base = append(g.base, edge{first + int32(at) - 1, first + int32(at)})
		}
	}
	for i := range g.n {
		if !g.takesPart[i] {
			continue
		}
		before := sort.Search(len(g.returns), func(n int) bool { return end(g.returns[n]) >= int64(ops[i].Invoke) })
		if before > 0 {
			g.base = append(g.base, edge{first + int32(before) - 1, i})
		}
	}
}

// known adds the edges between versions whose order is known.
func (g *Graph) known() {
	for at := range g.r.Clusters {
		c := &g.r.Clusters[at]
		if !c.Present {
			continue
		}
		if c.Write != zones.Initial {
			for _, reader := range g.readers[at] {
				g.base = append(g.base, edge{c.Write, reader})
			}
		}
		for _, next := range g.succ[at] {
			g.base = g.follow(g.base, int32(at), next)
		}
	}
}

// follow adds the edges that say that version next replaced version at.
func (g *Graph) follow(edges []edge, at, next int32) []edge {
	w := g.r.Clusters[next].Write
	if prev := g.r.Clusters[at].Write; prev != zones.Initial && prev != w {
		edges = append(edges, edge{prev, w})
	}
	for _, reader := range g.readers[at] {
		if reader != w {
			edges = append(edges, edge{reader, w})
		}
	}
	return edges
}

// build lays the edges out by their origin.
func (g *Graph) build() {
	nodes := int(g.n) + 1 + len(g.returns)
	g.start = resize(g.start, nodes+1)
	for _, list := range [2][]edge{g.base, g.extra} {
		for _, e := range list {
			g.start[e.from+1]++
		}
	}
	for i := range nodes {
		g.start[i+1] += g.start[i]
	}
	g.to = resize(g.to, len(g.base)+len(g.extra))
	g.degree = append(g.degree[:0], g.start[:nodes]...)
	for _, list := range [2][]edge{g.base, g.extra} {
		for _, e := range list {
			g.to[g.degree[e.from]] = e.to
			g.degree[e.from]++
		}
	}
}

func (g *Graph) next(node int32) []int32 { return g.to[g.start[node]:g.start[node+1]] }

// sorted reports whether the graph has no cycle; degree then stays positive
// exactly for the nodes on or behind one.
func (g *Graph) sorted() bool {
	nodes := len(g.start) - 1
	g.degree = resize(g.degree, nodes)
	for _, to := range g.to {
		g.degree[to]++
	}
	g.queue = g.queue[:0]
	for i := range nodes {
		if g.degree[i] == 0 {
			g.queue = append(g.queue, int32(i))
		}
	}
	for i := 0; i < len(g.queue); i++ {
		for _, to := range g.next(g.queue[i]) {
			if g.degree[to]--; g.degree[to] == 0 {
				g.queue = append(g.queue, to)
			}
		}
	}
	return len(g.queue) == nodes
}

// reach marks what the recovered state must come before, and what it need not
// come after. It returns the first acknowledged operation among the former, or unknown.
func (g *Graph) reach(lostIn []int32, free []bool) (told int32) {
	told = unknown
	nodes := len(g.start) - 1
	after := make([]bool, nodes)
	after[g.n] = true
	before := make([]bool, nodes)
	before[g.n] = true
	// The queue is a topological order: one pass each way.
	for _, node := range g.queue {
		if after[node] {
			for _, to := range g.next(node) {
				after[to] = true
			}
		}
	}
	for _, node := range slices.Backward(g.queue) {
		for _, to := range g.next(node) {
			before[node] = before[node] || before[to]
		}
	}
	for i := range g.n {
		if after[i] {
			lostIn[i]++
			if told == unknown && g.r.In.Ops[i].Outcome == history.OK {
				told = i
			}
		}
		if !before[i] {
			free[i] = true
		}
	}
	return told
}

// cycleStarts is how many nodes a short cycle is looked for from.
const cycleStarts = 64

// cycle is a short cycle, as the operations on it in its order.
func (g *Graph) cycle() []int32 {
	nodes := len(g.start) - 1
	from := make([]int32, nodes)
	var best []int32
	starts := 0
	for s := range int32(nodes) {
		if g.degree[s] == 0 || s > g.n {
			continue
		}
		if starts++; starts > cycleStarts {
			break
		}
		for i := range from {
			from[i] = unknown
		}
		queue := []int32{s}
	search:
		for i := 0; i < len(queue); i++ {
			for _, to := range g.next(queue[i]) {
				if to == s {
					var path []int32
					for at := queue[i]; ; at = from[at] {
						if at < g.n {
							path = append(path, at)
						}
						if at == s {
							break
						}
					}
					slices.Reverse(path)
					if best == nil || len(path) < len(best) {
						best = path
					}
					break search
				}
				if from[to] < 0 && g.degree[to] > 0 {
					from[to] = queue[i]
					queue = append(queue, to)
				}
			}
		}
	}
	return best
}

func resize[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

func lists(s [][]int32, n int) [][]int32 {
	s = slices.Grow(s, max(0, n-len(s)))[:n]
	for i := range s {
		s[i] = s[i][:0]
	}
	return s
}
