package checker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/versions"
	"github.com/torntail/torntail/checker/zones"
	"github.com/torntail/torntail/internal/digest"
)

// clusterShapes are what clusters and the graph of versions judge alone.
var clusterShapes = map[string]shape{
	"registers":            {ops: 9, keys: 2, kinds: []history.Kind{history.Read, history.Write, history.Write}, lie: 0.05},
	"deletes":              {ops: 9, keys: 2, kinds: []history.Kind{history.Read, history.Write, history.Write, history.Delete}, lie: 0.05},
	"deletes-only":         {ops: 9, keys: 2, kinds: []history.Kind{history.Write, history.Write, history.Delete}, lie: 0.2},
	"lists":                {ops: 9, keys: 2, kinds: []history.Kind{history.Append, history.Append, history.ReadList}, lie: 0.1},
	"writing-transactions": {ops: 7, keys: 3, kinds: []history.Kind{history.Txn, history.Txn, history.Write, history.Read}, lie: 0.1},
	"reading-transactions": {ops: 6, keys: 3, kinds: []history.Kind{history.Txn}, lie: 0.04, readingTxns: true},
	"replaced":             {ops: 7, keys: 3, kinds: []history.Kind{history.Read, history.Write, history.Write}, lie: 0.06, replaced: true},
	"replaced-deletes":     {ops: 8, keys: 2, kinds: []history.Kind{history.Delete, history.Write, history.Write, history.Write}, lie: 0.06, replaced: true},
}

// TestClustersSayAsBefore compares with testdata/clusters all that zones, the
// prefixes and the graph of versions say of histories: also what a search would put
// right, and what only the evidence is made of. The judge that tries every order
// must not disagree with any of it. -rewrite writes the file anew.
//
//	registers from=0 to=10             see clusterShapes
//	digest of=registers from=0 to=10   of each only a number made of all that is said
func TestClustersSayAsBefore(t *testing.T) {
	var judges clusterJudges
	datadriven.RunTest(t, "testdata/clusters", func(t *testing.T, d *datadriven.TestData) string {
		return digest.Told(t, d, func(b *strings.Builder, of string, i int) {
			s, known := clusterShapes[of]
			require.True(t, known)
			judges.say(t, b, s, i)
		})
	})
}

// clusterJudges are the judges that search nothing; they reuse their memory.
type clusterJudges struct {
	r zones.Registers
	p durability.Prefix
	g versions.Graph
	o zones.Order
}

// say writes all that they say of history number i of a shape.
func (j *clusterJudges) say(t *testing.T, b *strings.Builder, s shape, i int) {
	m := rapid.Custom(func(t *rapid.T) made { return withoutUnrun(s.make(dice{t})) }).Example(i)
	want := judgeSlowly(m.ops, m.crash, m.found)
	fmt.Fprintf(b, "%d linearizable %v, consistent %v, lost %v to %v\n", i, want.linearizable, want.consistent, want.certain, want.possible)
	state := stateOfMap(m.found, slices.Contains(s.kinds, history.Append), m.crash)
	r := &j.r
	r.Build(zones.Input{Ops: m.ops, HasRecovered: true, Recovered: state.Keys, Crash: int64(m.crash), Dump: int64(state.At)})
	if !tellKeys(t, b, r, want.linearizable) {
		return
	}
	prefix := tellPrefix(t, b, r, &j.p, &want)
	ambiguous := slices.ContainsFunc(r.Keys, func(k zones.Key) bool { return k.Ambiguous() })
	if r.KnowsVersions() {
		clients, whole := j.g.Check(r, false), j.g.Check(r, true)
		fmt.Fprintf(b, "  versions: clients %s; with what was found %s\n", graphWords(&clients), graphWords(&whole))
		require.False(t, want.linearizable && !clients.Consistent, "%s", dump(m))
		require.False(t, want.linearizable && want.consistent && !whole.Consistent, "%s", dump(m))
		if prefix && whole.Decided && whole.Consistent && !ambiguous {
			require.True(t, want.linearizable && want.consistent, "%s", dump(m))
			require.ElementsMatch(t, want.certain, ints(whole.Lost), "%s", dump(m))
			require.Equal(t, len(want.possible), whole.Possible, "%s", dump(m))
		}
		return
	}
	if ambiguous || slices.ContainsFunc(r.Keys, func(k zones.Key) bool { return k.Chain }) {
		return
	}
	j.o.Begin(r)
	var keys []int32
	for n := range r.Keys {
		keys = append(keys, int32(n))
	}
	if j.o.Find(keys) {
		fmt.Fprintf(b, "  order: %v before what was found, at %s to %s, last %v\n", j.o.Before, instant(j.o.From), instant(j.o.To), j.o.Last)
		require.True(t, want.linearizable && want.consistent, "%s", dump(m))
	}
}

func ints(list []int32) []int {
	var all []int
	for _, i := range list {
		all = append(all, int(i))
	}
	return all
}

// instant is a time of zones in words.
func instant(t int64) string {
	switch t {
	case zones.Early:
		return "early"
	case zones.Late:
		return "late"
	}
	return time.Duration(t).String()
}

// tellKeys writes what the clusters of each key say; false when one has a conflict.
func tellKeys(t *testing.T, b *strings.Builder, r *zones.Registers, linearizable bool) bool {
	good := true
	for n := range r.Keys {
		k := &r.Keys[n]
		fmt.Fprintf(b, "  %s: recovered %d", k.Name, max(k.Recovered-k.From, -4))
		for _, f := range []struct {
			name string
			is   bool
		}{{"general", k.General}, {"repeated", k.Repeated}, {"gaps", k.Gaps}, {"ambiguous", k.Ambiguous()}, {"searched", k.Searched()}, {"decided but for gaps", k.Gaps && k.DecidedButForGaps()}, {"a string", k.Strings}, {"a list", k.Lists}} {
			if f.is {
				fmt.Fprintf(b, ", %s", f.name)
			}
		}
		for i := range r.ClustersOf(k) {
			c := &r.ClustersOf(k)[i]
			if c.Present {
				fmt.Fprintf(b, "; %d %s-%s", c.Write, instant(c.First), instant(c.Last))
			}
		}
		if c, ok := r.Check(k); !ok {
			fmt.Fprintf(b, "\n    conflict %d: %v", c.Shape, r.Evidence(c))
			good = false
			require.False(t, linearizable, "key %s", k.Name)
		}
		b.WriteByte('\n')
	}
	return good
}

// tellPrefix writes what is said of the cut, and of where it can be; false when there
// is none.
func tellPrefix(t *testing.T, b *strings.Builder, r *zones.Registers, p *durability.Prefix, want *slowAnswer) bool {
	cut := p.Check(r)
	fmt.Fprintf(b, "  cut: consistent %v, %s to %s, lost %v of %d, since %s, %s", cut.Consistent, instant(cut.Earliest), instant(cut.Latest), cut.Certain, cut.Possible, instant(cut.FirstCertain), instant(cut.FirstPossible))
	for _, list := range []struct {
		name string
		all  []int32
	}{{"phantoms", cut.Phantoms}, {"vanished", cut.Vanished}, {"scrambled", cut.Scrambled}, {"torn", cut.Torn}, {"blocked", cut.Blocked}} {
		if len(list.all) > 0 {
			fmt.Fprintf(b, ", %s %v", list.name, list.all)
		}
	}
	fmt.Fprintf(b, ", bounds %d by %d, %d by %d, undecided %d\n", cut.LowKey, cut.LowOp, cut.HighKey, cut.HighOp, cut.Undecided)
	require.False(t, want.linearizable && want.consistent && !cut.Consistent)
	if !cut.Consistent {
		return false
	}
	key, op := p.Unkept(nil)
	spans := p.Spans(zones.Early)
	fmt.Fprintf(b, "  unkept %d by %d; spans", key, op)
	for _, s := range spans {
		fmt.Fprintf(b, " %s to %s", instant(s.From), instant(s.To))
	}
	require.Equal(t, cut.Earliest, spans[0].From)
	require.Equal(t, cut.Latest, spans[len(spans)-1].To)
	for at := range r.In.Crash + 2 {
		within := slices.ContainsFunc(spans, func(s durability.Span) bool { return s.From <= at && at <= s.To })
		require.Equal(t, within, p.Allows(at), "%d is in a span: %v", at, within)
	}
	if r.HasTransactions() {
		b.WriteString("; sides")
		for i := range r.In.Ops {
			if op := &r.In.Ops[i]; op.Outcome == history.OK && op.Writes() {
				before, after := p.Sides(int32(i), cut.Earliest, cut.Latest)
				fmt.Fprintf(b, " %d %v %v", i, before, after)
			}
		}
	}
	b.WriteByte('\n')
	// Of several spans, only the first.
	if len(spans) > 1 {
		skip := make([]bool, len(r.Keys))
		skip[0] = true
		narrow := p.Narrow(spans[:1], skip)
		fmt.Fprintf(b, "  in the first span, without key 0: lost %v of %d, since %s, %s\n", narrow.Certain, narrow.Possible, instant(narrow.FirstCertain), instant(narrow.FirstPossible))
	}
	return true
}

func graphWords(res *versions.Result) string {
	return fmt.Sprintf("consistent %v, decided %v, cycle %v, lost %v of %d, since %s, unkept %d", res.Consistent, res.Decided, res.Cycle, res.Lost, res.Possible, instant(res.FirstPossible), res.Unkept)
}
