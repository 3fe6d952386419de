package transactions

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestPublishedAnomalies runs histories with known anomalies, most of them from
// the papers, and compares all that is said about them.
func TestPublishedAnomalies(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var o Options
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
				default:
					d.Fatalf(t, "unknown argument %s", arg.Key)
				}
			}
			h, err := parse(d.Cmd == "lists", d.Input)
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			r, err := Check(h, o)
			if err != nil {
				return "error: " + err.Error() + "\n"
			}
			return told(r)
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
