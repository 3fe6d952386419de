package transactions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/internal/digest"
)

// TestPublishedAnomalies runs histories with known anomalies, most of them from
// the papers, and compares all that is said about them.
func TestPublishedAnomalies(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var o Options
			initial := ""
			for _, arg := range d.CmdArgs {
				switch arg.Key {
				case "expect":
					for _, v := range arg.Vals {
						o.Expect = append(o.Expect, Model(v))
					}
				case "wfr":
					o.WFRKeys = true
				case "sequential":
					o.SequentialKeys = true
				case "linearizable":
					o.LinearizableKeys = true
				case "initial":
					initial = arg.Vals[0]
				default:
					d.Fatalf(t, "unknown argument %s", arg.Key)
				}
			}
			h, err := parse(d.Cmd == "lists", d.Input)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			if initial != "" {
				h.Initial = h.Names.Of(initial)
			}
			r, err := Check(h, o)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return told(r)
		})
	})
}

// TestDrawnHistoriesAreToldAsBefore compares with testdata/drawn all that is said
// of histories that were drawn: which transactions are shown, in which words, and
// which of several cycles. -rewrite writes the file anew.
//
//	lists from=0 to=10 size=6 limit=2
//	registers from=0 to=10 size=6     each with other options
//	cycles-of-lists from=0 to=10 size=6     around a cycle (drawCycle); cycles-of-registers
//	digest of=lists from=0 to=10 size=6    of each only a number made of all that is said
func TestDrawnHistoriesAreToldAsBefore(t *testing.T) {
	datadriven.RunTest(t, "testdata/drawn", func(t *testing.T, d *datadriven.TestData) string {
		var size, limit int
		d.ScanArgs(t, "size", &size)
		if d.HasArg("limit") {
			d.ScanArgs(t, "limit", &limit)
		}
		return digest.Told(t, d, func(b *strings.Builder, of string, i int) {
			h := rapid.Custom(func(t *rapid.T) *History {
				if kind, is := strings.CutPrefix(of, "cycles-of-"); is {
					return drawCycle(t, kind == "lists", size)
				}
				if size == smallHistory {
					return drawn(t, of == "lists")
				}
				return drawHistory(t, of == "lists", size)
			}).Example(i)
			if i%4 == 3 { // somebody does not know what he read
				for n := range h.Txns {
					for m := range h.Txns[n].Mops {
						if mop := &h.Txns[n].Mops[m]; mop.Func == Read && (n+m)%3 == 0 {
							*mop = Mop{Func: Read, Key: mop.Key}
						}
					}
				}
			}
			o := assumed[i%len(assumed)]
			o.Limit = limit
			if v := variant(i % int(variants)); v != byRealTime {
				o.Expect = []Model{levelOf[v]}
			}
			r, err := Check(h, o)
			if err != nil {
				fmt.Fprintf(b, "%d error: %v\n", i, err)
				return
			}
			fmt.Fprintf(b, "%d %s", i, told(r))
			fmt.Fprintf(b, "also not %v, undecided %v, counts %v\n", r.AlsoNot, r.Undecided, r.Counts)
		})
	})
}

func told(r *Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", r.Verdict, r.Why)
	if len(r.Not) > 0 {
		fmt.Fprintf(&b, "not %v\n", r.Not)
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Rule)
		for _, line := range strings.Split(f.Story, "\n") {
			fmt.Fprintf(&b, "  %s\n", line)
		}
	}
	return b.String()
}
