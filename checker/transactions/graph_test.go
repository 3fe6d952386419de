package transactions

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/anomaly"
)

// TestCompleteLinksEachToEachOther: what can be reached over auxiliary nodes is
// every node of the second list but oneself.
func TestCompleteLinksEachToEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const n = 24
		nodes := func(label string) []int32 {
			list := rapid.SliceOfNDistinct(rapid.Int32Range(0, n-1), 0, n, rapid.ID[int32]).Draw(t, label)
			slices.Sort(list)
			return list
		}
		from, to := nodes("from"), nodes("to")
		a := arcs{nodes: n}
		a.complete(from, to, rw)
		g := a.graph(n)
		for i := range int32(n) {
			want, got := []int32{}, []int32{}
			if slices.Contains(from, i) {
				want = slices.DeleteFunc(slices.Clone(to), func(j int32) bool { return i == j })
			}
			next := []int32{i}
			for at := 0; at < len(next); at++ {
				for e := g.start[next[at]]; e < g.start[next[at]+1]; e++ {
					require.Equal(t, next[at] < n, g.kind[e] == rw, "only the first step has the kind of the edge")
					if j := g.to[e]; j < n {
						got = append(got, j)
					} else {
						next = append(next, j)
					}
				}
			}
			slices.Sort(got)
			require.Equal(t, want, slices.Compact(got), "from node %d", i)
		}
		require.LessOrEqual(t, len(g.to), 8*(len(from)+len(to)), "edges are linear in the nodes")
	})
}

// TestComponentsAgree holds the strongly connected components, and the ways in
// them, against reachability.
func TestComponentsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "nodes")
		r := newRelation(n)
		a := arcs{nodes: int32(n)}
		for range rapid.IntRange(0, 2*n).Draw(t, "edges") {
			i, j := rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")
			if i != j {
				r[i][j] = true
				a.add(int32(i), int32(j), ww)
			}
		}
		g := a.graph(int32(n))
		reach := r.closure()
		var want [][]int32
		for i := range n {
			if !reach[i][i] || slices.ContainsFunc(want, func(c []int32) bool { return slices.Contains(c, int32(i)) }) {
				continue
			}
			var c []int32
			for j := range n {
				if reach[i][j] && reach[j][i] {
					c = append(c, int32(j))
				}
			}
			want = append(want, c)
		}
		require.Equal(t, want, g.cyclic())
		rank := g.ranks()
		for i := range n {
			for j := range n {
				if r[i][j] {
					require.LessOrEqual(t, rank[i], rank[j])
				}
				require.Equal(t, i == j || reach[i][j] && reach[j][i], rank[i] == rank[j], "ranks of nodes %d and %d", i, j)
			}
		}
		f := newFinder(g, 1000)
		for i := range int32(n) {
			path, _ := f.way(i, func(to int32) bool { return to == i })
			require.Equal(t, reach[i][i], len(path) > 0)
			steps := r
			for range len(path) - 1 {
				require.False(t, steps[i][i], "there is a shorter way than %d steps", len(path))
				steps = steps.then(r)
			}
		}
	})
}

// TestSearchesThatAreGivenUpAreTold: a component whose search for a G-single ran
// out of steps has the next weaker name, and the result says what is undecided.
func TestSearchesThatAreGivenUpAreTold(t *testing.T) {
	for _, steps := range []int{0, 1000} {
		a := arcs{nodes: 4}
		for i, kind := range []uint8{wr, rw, wr, rw} {
			a.add(int32(i), int32(i+1)%4, kind)
		}
		c := component{check: &check{counts: map[anomaly.Name]int{}, steps: steps}, g: a.graph(4)}
		c.search(byData)
		require.Equal(t, map[anomaly.Name]int{GNonadjacent: 1}, c.counts)
		if steps == 0 {
			require.Len(t, c.undecided, 1)
			require.Contains(t, c.undecided[0], "G-single among 4 transactions")
		} else {
			require.Empty(t, c.undecided)
		}
	}
}
