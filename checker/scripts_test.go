package checker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/linear"
)

// TestScriptsAreToldAsBefore compares with testdata/scripts all that is said of small
// histories, each of which is about one rule, one clause or one turn of the evidence.
// -rewrite writes the files anew.
//
//	always crash=power window=MS lost=N steps=N smallest     (a script)
//	clients
func TestScriptsAreToldAsBefore(t *testing.T) {
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			c := contract.Clients()
			if d.Cmd != "clients" {
				var crash string
				d.ScanArgs(t, "crash", &crash)
				var err error
				c, err = contract.For(d.Cmd, contract.Crash(crash), contract.Config{NoSyncOnRewrite: d.HasArg("delay")})
				require.NoError(t, err)
			}
			if d.HasArg("window") {
				var text string
				d.ScanArgs(t, "window", &text)
				c.MaxWindow = ms(t, text)
			}
			if d.HasArg("lost") {
				d.ScanArgs(t, "lost", &c.MaxLost)
			}
			j := Judge{Options: Options{Limits: linear.Limits{Steps: 100_000}}}
			if d.HasArg("steps") {
				var steps int
				d.ScanArgs(t, "steps", &steps)
				j.Options.Limits.Steps = int64(steps)
			}
			h := script(t, d.Input)
			var b strings.Builder
			out := j.Judge(h, c)
			all(&b, out)
			if d.HasArg("smallest") {
				small, ok := j.Minimize(h, c, out.Anomalies[0].Name)
				fmt.Fprintf(&b, "smallest: %v, exact %v, places %v, replies %v\n", ok, small.Exact, small.Places, small.Replies)
			}
			return b.String()
		})
	})
}
