package offline

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/transactions"
	"github.com/torntail/torntail/checker/verdict"
)

// TestVerdictsAreToldAsBefore compares with testdata/golden all that is said of a
// history that somebody brings: the verdict, the evidence, the notes, how far a
// search came, the smallest part that shows the same, and its picture, of which the
// lines of the drawing are told. -rewrite writes the files anew.
//
//	judge model=total-queue initial=0 consistency=serializable steps=10 smallest picture
//	(a history of any form)
func TestVerdictsAreToldAsBefore(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			o := options()
			smallest, picture := false, false
			for _, arg := range d.CmdArgs {
				value := strings.Join(arg.Vals, ", ")
				switch arg.Key {
				case "model":
					o.Model = value
				case "initial":
					o.Initial = value
				case "consistency":
					for _, m := range arg.Vals {
						o.Consistency = append(o.Consistency, transactions.Model(m))
					}
				case "steps":
					_, err := fmt.Sscan(value, &o.Limits.Steps)
					require.NoError(t, err)
				case "smallest":
					smallest = true
				case "picture":
					smallest, picture = true, true
				default:
					d.Fatalf(t, "unknown argument %s", arg.Key)
				}
			}
			files, _, err := history.DecodeAny(strings.NewReader(d.Input), history.Options{})
			require.NoError(t, err)
			var b strings.Builder
			for i := range files {
				v, err := Judge(&files[i], o)
				if err != nil {
					fmt.Fprintf(&b, "error: %s\n", err)
					continue
				}
				tellAll(&b, &v)
				if smallest && v.Verdict == verdict.Violated {
					tellSmallest(t, &b, &files[i], o, v, picture)
				}
			}
			return b.String()
		})
	})
}

// tellAll writes all of a verdict.
func tellAll(b *strings.Builder, v *Verdict) {
	fmt.Fprintln(b, strings.TrimSuffix(fmt.Sprintf("%s: %s", v.Verdict, v.Why), ": "))
	fmt.Fprintf(b, "  by %s, linear %v\n", v.As, v.linear)
	indented := func(text string) {
		for line := range strings.Lines(text) {
			fmt.Fprintf(b, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
	for _, a := range v.Anomalies {
		fmt.Fprintf(b, "  %s of %q, operations %v: %s\n", a.Name, a.Key, a.Ops, a.Rule)
		indented(a.Story)
	}
	for _, n := range v.Notes {
		fmt.Fprintf(b, "  note: %s\n", n)
	}
	for _, p := range v.Partial {
		b.WriteString("  partial:\n")
		indented(p)
	}
}

var drawnLine = regexp.MustCompile(`(?m)^(<div>)?(<svg|<line|<g>).*$`)

func tellSmallest(t *testing.T, b *strings.Builder, f *history.File, o Options, v Verdict, picture bool) {
	small, ok := Smallest(f, o, v)
	fmt.Fprintf(b, "  smallest: %v, exact %v, operations %v, %s of %v\n", ok, small.Exact, small.Places, small.Anomaly.Name, small.Anomaly.Ops)
	if !ok || !picture {
		return
	}
	var page bytes.Buffer
	require.NoError(t, small.Picture(&page))
	for _, line := range drawnLine.FindAllString(page.String(), -1) {
		fmt.Fprintf(b, "    %s\n", line)
	}
}
