package linear

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/checker/exhaustive"
	"github.com/torntail/torntail/internal/digest"
)

// TestStepsAreDescribedAsBefore compares with testdata/golden how operations and
// states are told in pictures, and what each operation makes of the state that the
// ones before it left: of those that fit, in the order in which they were sent.
// -rewrite writes the file anew.
//
//	steps from=0 to=10
//	digest of=steps from=0 to=10     of each only a number made of all that is told
func TestStepsAreDescribedAsBefore(t *testing.T) {
	datadriven.Walk(t, "testdata/golden", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return digest.Told(t, d, func(b *strings.Builder, _ string, i int) {
				p := rapid.Custom(func(t *rapid.T) *Problem {
					q := exhaustive.Small.History(draw(t))
					return problemOf(&q)
				}).Example(i)
				w := p.newWitness()
				at := state{}
				fmt.Fprintf(b, "%d begins with %s\n", i, w.describeState(at.id))
				for n := range w.tasks {
					fits, next := w.step(at, int32(n))
					if !fits {
						fmt.Fprintf(b, "  %s: does not fit\n", w.describe(int32(n)))
						continue
					}
					at = next
					fmt.Fprintf(b, "  %s: %s\n", w.describe(int32(n)), w.describeState(at.id))
				}
				fmt.Fprintf(b, "  %s\n", p.Search(Limits{Steps: 10_000}).Answer)
			})
		})
	})
}
