package transactions

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
)

// histories is how many random histories each comparison draws: a sample, or
// TORNTAIL_HISTORIES.
func histories() int {
	if n, err := strconv.Atoi(os.Getenv("TORNTAIL_HISTORIES")); err == nil {
		return n
	}
	return sample
}

// sample is how many are drawn in an ordinary run, always the same ones.
const sample = 1500

func TestMain(m *testing.M) {
	flag.Parse()
	set := map[string]string{"rapid.checks": strconv.Itoa(histories())}
	if histories() == sample {
		set["rapid.seed"] = "7"
	}
	for name, value := range set {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

const smallHistory = 6

// levelOf are the models that care for each variant of cycles and no more.
var levelOf = map[variant]Model{byData: Serializable, byProcess: StrongSessionSerializable, byRealTime: StrictSerializable}

// agree holds Check against the naive judge, names and numbers and every step of
// the evidence.
func agree(t require.TestingT, h *History, o Options, v variant) *Result {
	o.Expect = []Model{levelOf[v]}
	o.Limit = 100
	r, err := Check(h, o)
	require.NoError(t, err)
	n := judgeNaively(h, o, v)
	maps.DeleteFunc(n.counts, func(_ anomaly.Name, c int) bool { return c == 0 })
	got := map[anomaly.Name]int{}
	for _, c := range r.Counts {
		if !untold(c.Name) {
			got[c.Name] = c.N
		}
	}
	require.Empty(t, cmp.Diff(n.counts, got), "%s: the naive judge (-) and Check (+)\n%s", levelOf[v], written(h))
	for _, f := range r.Findings {
		evidence(t, h, n, &f)
	}
	return r
}

// untold: the name has no definition but that no order is right.
func untold(n anomaly.Name) bool {
	return n == NoSerialOrder || n == byProcess.of(NoSerialOrder) || n == byRealTime.of(NoSerialOrder)
}

// evidence follows a cycle step by step.
func evidence(t require.TestingT, h *History, n *naive, f *Finding) {
	require.NotEmpty(t, f.Txns)
	require.NotEmpty(t, f.Story)
	require.NotEmpty(t, f.Rule)
	if len(f.Edges) == 0 {
		return
	}
	require.Len(t, f.Edges, len(f.Txns))
	met := map[int]bool{}
	count := map[Kind]int{}
	adjacent := false
	for i, e := range f.Edges {
		next := (i + 1) % len(f.Edges)
		require.Equal(t, []int{f.Txns[i], f.Txns[next]}, []int{e.From, e.To})
		require.True(t, n.edges[e.Kind][e.From][e.To], "%s: no %s edge from %d to %d\n%s", f.Name, e.Kind, e.From, e.To, written(h))
		require.False(t, met[e.From], "%s meets a transaction twice\n%s\n%s", f.Name, f.Story, written(h))
		met[e.From] = true
		count[e.Kind]++
		adjacent = adjacent || e.Kind == RW && f.Edges[next].Kind == RW
		if e.Kind <= RW {
			require.NotEmpty(t, e.Key)
			require.NotEmpty(t, e.Value)
		}
	}
	name := G2Item
	switch {
	case count[RW] == 1:
		name = GSingle
	case count[RW] > 0 && !adjacent:
		name = GNonadjacent
	case count[RW] == 0 && count[WR] > 0:
		name = G1c
	case count[RW] == 0:
		name = G0
	}
	v := byData
	if count[Process] > 0 {
		v = byProcess
	}
	if count[RealTime] > 0 {
		v = byRealTime
	}
	require.Equal(t, v.of(name), f.Name, "%s\n%s", f.Story, written(h))
}

// drawn draws a history: of a store with weak isolation, or around a cycle.
func drawn(t *rapid.T, lists bool) *History {
	if rapid.Bool().Draw(t, "a cycle") {
		return drawCycle(t, lists, smallHistory)
	}
	return drawHistory(t, lists, smallHistory)
}

// tally counts what the random histories reached.
type tally struct {
	names               map[anomaly.Name]int
	good, bad, unknowns int
}

func (c *tally) add(h *History, r *Result, good bool) {
	for _, n := range r.Counts {
		c.names[n.Name]++
	}
	if good {
		c.good++
	} else {
		c.bad++
	}
	if slices.ContainsFunc(h.Txns, func(t Txn) bool { return t.Outcome == history.Unknown }) {
		c.unknowns++
	}
}

// require demands that every name was reached once in each thousand and a half of
// the histories that were drawn (-short draws fewer), the rare ones once in six
// thousand, and logs how often it was.
func (c *tally) require(t *testing.T, names []anomaly.Name, rare ...anomaly.Name) {
	t.Logf("%d histories without and %d with a violation, %d with unknown outcomes", c.good, c.bad, c.unknowns)
	for _, n := range names {
		t.Logf("%-24s %d", n, c.names[n])
		least := (c.good + c.bad) / sample
		if slices.Contains(rare, n) {
			least = (c.good + c.bad) / 6000
		}
		assert.GreaterOrEqual(t, c.names[n], least, "histories with %s", n)
	}
}

// FuzzListsAgree lets a fuzzer draw the histories of TestListsAgree.
func FuzzListsAgree(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		h := drawn(t, true)
		r := agree(t, h, Options{}, byRealTime)
		require.Equal(t, h.serial(byRealTime), r.Verdict != verdict.Violated, "%s\n%s", r.Why, written(h))
	}))
}

// TestListsAgree: every anomaly of list-append histories is named as the
// definitions have it, and a history is violated exactly when no serial order
// explains it (with the order of processes, or of real time, when the model asks
// for that), or no execution under snapshot isolation.
func TestListsAgree(t *testing.T) {
	c := tally{names: map[anomaly.Name]int{}}
	rapid.Check(t, func(t *rapid.T) {
		h := drawn(t, true)
		for v := range variants {
			r := agree(t, h, Options{}, v)
			good := h.serial(v)
			require.Equal(t, good, r.Verdict != verdict.Violated, "%s: a serial order exists: %v; %s\n%s", levelOf[v], good, r.Why, written(h))
			if v == byRealTime {
				c.add(h, r, good)
			}
		}
		r, err := Check(h, Options{Expect: []Model{SnapshotIsolation}})
		require.NoError(t, err)
		if h.snapshot() {
			require.NotEqual(t, verdict.Violated, r.Verdict, "snapshot isolation explains it: %s\n%s", r.Why, written(h))
		} else if !unordered(h) {
			require.Equal(t, verdict.Violated, r.Verdict, "snapshot isolation does not explain it\n%s", written(h))
		}
	})
	if !t.Failed() {
		c.require(t, slices.DeleteFunc(Anomalies(), func(n anomaly.Name) bool { return n == CyclicVersions || untold(n) }))
	}
}

// TestLargerHistoriesAgree: the same names and numbers where many transactions
// read and write one key, so that edges go over auxiliary nodes.
func TestLargerHistoriesAgree(t *testing.T) {
	transactions, chained, violated := 0, 0, 0
	n := histories() / 10
	if testing.Short() {
		n /= 4
	}
	for i := range n {
		lists := i%2 == 0
		h := rapid.Custom(func(t *rapid.T) *History { return drawHistory(t, lists, 40) }).Example(i)
		o := Options{WFRKeys: i%4 < 2, LinearizableKeys: i%8 == 1}
		for v := range variants {
			if r := agree(t, h, o, v); r.Verdict == verdict.Violated {
				violated++
			}
		}
		transactions += len(h.Txns)
		if x, err := newIndex(h); err == nil {
			a := arcs{nodes: int32(len(h.Txns))}
			if lists {
				newLists(x).edges(&a)
			} else {
				newRegisters(x, &o).edges(&a)
			}
			if a.nodes > int32(len(h.Txns)) {
				chained++
			}
		}
	}
	t.Logf("%d transactions, %d violations, %d histories with edges over auxiliary nodes", transactions, violated, chained)
	require.Greater(t, transactions, 20*n)
	require.Greater(t, violated, n/2)
	require.Greater(t, chained, n/10)
}

// unordered: some key has two appends that nobody saw, so that their order is
// not known. No serial order depends on it, but snapshot isolation may.
func unordered(h *History) bool {
	unseen := map[Value]int{}
	x, err := newIndex(h)
	if err != nil {
		return true
	}
	for i := range x.versions {
		if v := &x.versions[i]; x.writer(int32(i)) != none && (v.place == none || v.place >= x.keys[v.key].agreed) {
			unseen[x.keys[v.key].name]++
		}
	}
	return slices.ContainsFunc(slices.Collect(maps.Values(unseen)), func(n int) bool { return n > 1 })
}

// assumed are the options for registers that the histories are judged with.
var assumed = []Options{{}, {WFRKeys: true}, {SequentialKeys: true}, {LinearizableKeys: true}, {SequentialKeys: true, LinearizableKeys: true}}

// TestRegistersAgree: every anomaly of rw-register histories is named as the
// definitions have it, and a history is violated exactly when the model does not
// explain it. The order of registers is known only in part, so that the graph is
// silent about some, and every order has to be tried.
func TestRegistersAgree(t *testing.T) {
	c := tally{names: map[anomaly.Name]int{}}
	type share struct{ seen, all int }
	found := map[string]*share{}
	rapid.Check(t, func(t *rapid.T) {
		h := drawn(t, false)
		serial := map[variant]bool{}
		for v := range variants {
			serial[v] = h.serial(v)
		}
		snapshot := h.snapshot()
		o := assumed[(&weak{t: t}).below("assumed", len(assumed))]
		for v := range variants {
			r := agree(t, h, o, v)
			violated := r.Verdict == verdict.Violated
			if v == byRealTime {
				c.add(h, r, serial[v])
			}
			// What the options assume must follow from the model, or the model
			// is not what was disproved.
			if o.SequentialKeys && v < byProcess || o.LinearizableKeys && v < byRealTime {
				continue
			}
			require.Equal(t, violated, !serial[v], "%s: a serial order exists: %v; %s\n%s", levelOf[v], serial[v], r.Why, written(h))
			if serial[v] {
				continue
			}
			if slices.ContainsFunc(r.Counts, func(n Count) bool { return untold(n.Name) }) {
				violated = false // the graph was silent
			}
			id := fmt.Sprintf("%-27s wfr %-5v sequential %-5v linearizable %-5v", levelOf[v], o.WFRKeys, o.SequentialKeys, o.LinearizableKeys)
			if found[id] == nil {
				found[id] = &share{}
			}
			found[id].all++
			if violated {
				found[id].seen++
			}
		}
		r, err := Check(h, Options{Expect: []Model{SnapshotIsolation}, WFRKeys: true})
		require.NoError(t, err)
		require.False(t, snapshot && r.Verdict == verdict.Violated, "snapshot isolation explains it: %s\n%s", r.Why, written(h))
	})
	if t.Failed() {
		return
	}
	c.require(t, slices.DeleteFunc(Anomalies(), func(n anomaly.Name) bool {
		return slices.Contains([]anomaly.Name{DuplicateElements, IncompatibleOrder, DirtyUpdate}, n)
	}), G0, byProcess.of(G0), byRealTime.of(GNonadjacent), NoSerialOrder, byProcess.of(NoSerialOrder))
	for _, id := range slices.Sorted(maps.Keys(found)) {
		t.Logf("%s: %d of %d violations have another name", id, found[id].seen, found[id].all)
	}
}
