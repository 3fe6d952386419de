package checker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/torntail/torntail/checker/durability"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/versions"
	"github.com/torntail/torntail/checker/zones"
	"github.com/torntail/torntail/internal/digest"
)

// TestClustersAreAsBefore compares with testdata/clustered what the judges of clusters
// know of drawn histories: every key and cluster, the cut, the graph of versions, the
// order of all operations. Much of it never shows in a verdict, where a search
// answers as well. -rewrite writes the file anew.
//
//	of=states-left from=0 to=100    a number for each (TestJudgementsAreToldAsBefore)
//	words=7                         what is known of one
func TestClustersAreAsBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/clustered", func(t *testing.T, d *datadriven.TestData) string {
		var of string
		var from, to int
		d.ScanArgs(t, "of", &of)
		var b strings.Builder
		var k clustered
		if d.HasArg("words") {
			d.ScanArgs(t, "words", &from)
			k.tell(&b, drawnFor(t, of, from))
			return b.String()
		}
		d.ScanArgs(t, "from", &from)
		d.ScanArgs(t, "to", &to)
		digest.Each(&b, from, to, func(b *strings.Builder, i int) { k.tell(b, drawnFor(t, of, i)) })
		return b.String()
	})
}

// clustered are the judges of clusters; they reuse their memory.
type clustered struct {
	regs   zones.Registers
	prefix durability.Prefix
	graph  versions.Graph
	order  zones.Order
}

func (k *clustered) tell(b *strings.Builder, h *history.History) {
	in := zones.Input{Ops: h.Ops, Crash: zones.Late}
	if s := stateOf(h, 0); s != nil {
		in.Initial, in.InitialAt = s.Keys, int64(s.At)
	}
	if len(h.Epochs) > 0 {
		in.Crash = int64(h.Epochs[0].Ended)
		if s := stateOf(h, 1); s != nil {
			in.HasRecovered, in.Recovered, in.Dump = true, s.Keys, int64(s.At)
		}
	}
	k.regs.Build(asLists(inPieces(in)))
	sound, searched := true, false
	for i := range k.regs.Keys {
		key := &k.regs.Keys[i]
		fmt.Fprintf(b, "%+v\n", *key)
		for _, c := range k.regs.ClustersOf(key) {
			fmt.Fprintf(b, "  %+v\n", c)
		}
		searched = searched || key.Searched() || key.Chain
		if c, ok := k.regs.Check(key); !ok {
			sound = false
			fmt.Fprintf(b, "  conflict %+v: %v\n", c, k.regs.Evidence(c))
		}
	}
	if !sound {
		return
	}
	fmt.Fprintf(b, "graph %+v\n", k.graph.Check(&k.regs, false))
	if !searched {
		keys := make([]int32, len(k.regs.Keys))
		for i := range keys {
			keys[i] = int32(i)
		}
		k.order.Begin(&k.regs)
		fmt.Fprintf(b, "order %v", k.order.Find(keys))
		fmt.Fprintf(b, " %v %d %d %v\n", k.order.Last, k.order.From, k.order.To, k.order.Before)
	}
	if !in.HasRecovered {
		return
	}
	cut := k.prefix.Check(&k.regs)
	fmt.Fprintf(b, "cut %+v\n", *cut)
	if !cut.Consistent {
		return
	}
	key, op := k.prefix.Unkept(nil)
	spans := k.prefix.Spans(beforeAll)
	fmt.Fprintf(b, "unkept %d %d, spans %v\n", key, op, spans)
	if k.regs.HasTransactions() {
		for i := range h.Ops {
			before, after := k.prefix.Sides(int32(i), cut.Earliest, cut.Latest)
			fmt.Fprintf(b, "%v %v ", before, after)
		}
	}
	fmt.Fprintf(b, "\nnarrowed %+v\n", *k.prefix.Narrow(spans[len(spans)-1:], make([]bool, len(k.regs.Keys))))
	fmt.Fprintf(b, "graph after the crash %+v\n", k.graph.Check(&k.regs, true))
}
