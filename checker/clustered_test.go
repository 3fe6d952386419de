package checker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/zones"
	"github.com/torntail/torntail/internal/digest"
)

// TestClustersOfDrawnHistoriesAreAsBefore compares with testdata/clustered what the judges of clusters
// know of drawn histories: every key and cluster, the cut, the graph of versions, the
// order of all operations. Much of it never shows in a verdict, where a search
// answers as well. -rewrite writes the file anew.
//
//	states-left from=0 to=3               see drawnFor
//	digest of=states-left from=0 to=100   of each only a number
func TestClustersOfDrawnHistoriesAreAsBefore(t *testing.T) {
	var judges clusterJudges
	datadriven.RunTest(t, "testdata/clustered", func(t *testing.T, d *datadriven.TestData) string {
		return digest.Told(t, d, func(b *strings.Builder, of string, i int) { judges.tell(b, drawnFor(t, of, i)) })
	})
}

// tell writes all that they know of a drawn history.
func (j *clusterJudges) tell(b *strings.Builder, h *history.History) {
	in := zones.Input{Ops: h.Ops, Crash: zones.Late}
	if s := stateOf(h, 0); s != nil {
		in.Initial, in.InitialAt = s.Keys, int64(min(s.Began, s.At))
	}
	if len(h.Epochs) > 0 {
		in.Crash = int64(h.Epochs[0].Ended)
		if s := stateOf(h, 1); s != nil {
			in.HasRecovered, in.Recovered, in.Dump = true, s.Keys, int64(s.At)
		}
	}
	j.r.Build(asLists(inPieces(in)))
	sound, searched := true, false
	for i := range j.r.Keys {
		key := &j.r.Keys[i]
		fmt.Fprintf(b, "%+v\n", *key)
		for _, c := range j.r.ClustersOf(key) {
			fmt.Fprintf(b, "  %+v\n", c)
		}
		searched = searched || key.Searched() || key.Chain
		if c, ok := j.r.Check(key); !ok {
			sound = false
			fmt.Fprintf(b, "  conflict %+v: %v\n", c, j.r.Evidence(c))
		}
	}
	if !sound {
		return
	}
	fmt.Fprintf(b, "graph %+v\n", j.g.Check(&j.r, false))
	if !searched {
		keys := make([]int32, len(j.r.Keys))
		for i := range keys {
			keys[i] = int32(i)
		}
		j.o.Begin(&j.r)
		is := j.o.Find(keys)
		fmt.Fprintf(b, "order %v\n", is)
		if is && in.HasRecovered {
			fmt.Fprintf(b, " %v %d %d %v\n", j.o.Last, j.o.From, j.o.To, j.o.Before)
		}
	}
	if !in.HasRecovered {
		return
	}
	cut := j.p.Check(&j.r)
	fmt.Fprintf(b, "cut %+v\n", *cut)
	if !cut.Consistent {
		return
	}
	key, op := j.p.Unkept(nil)
	spans := j.p.Spans(beforeAll)
	fmt.Fprintf(b, "unkept %d %d, spans %v\n", key, op, spans)
	if j.r.HasTransactions() {
		for i := range h.Ops {
			before, after := j.p.Sides(int32(i), cut.Earliest, cut.Latest)
			fmt.Fprintf(b, "%v %v ", before, after)
		}
	}
	fmt.Fprintf(b, "\nnarrowed %+v\n", *j.p.Narrow(spans[len(spans)-1:], make([]bool, len(j.r.Keys))))
	fmt.Fprintf(b, "graph after the crash %+v\n", j.g.Check(&j.r, true))
}
