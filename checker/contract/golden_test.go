package contract_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/torntail/torntail/checker/contract"
)

// TestTheWholeTable compares with testdata/table every field of every built-in
// contract. -rewrite writes the file anew.
//
//	table delay modelled hz1 saves writes=10
func TestTheWholeTable(t *testing.T) {
	datadriven.RunTest(t, "testdata/table", func(t *testing.T, d *datadriven.TestData) string {
		conf := contract.Config{NoSyncOnRewrite: d.HasArg("delay"), Modelled: d.HasArg("modelled"), WriteBackKnown: d.HasArg("modelled")}
		if d.HasArg("hz1") {
			conf.Timer = time.Second
		}
		if d.HasArg("saves") {
			conf.SavePoints = []contract.SavePoint{{After: 10 * time.Second, Changes: 50}, {After: 5 * time.Second, Changes: 50}, {After: 7 * time.Second, Changes: 51}}
			conf.Slack, conf.WriteBackExpire, conf.WriteBackInterval = time.Second, 3*time.Second, time.Second
		}
		if d.HasArg("writes") {
			var n int
			d.ScanArgs(t, "writes", &n)
			conf.Writes = float64(n)
		}
		var b strings.Builder
		for _, mode := range contract.Modes() {
			for _, crash := range contract.Crashes() {
				c := get(t, mode, crash, conf)
				fmt.Fprintf(&b, "%s %s: %s, keeps %s, sync within %s and %s, first %v, logged %v, after a failed sync %q, durable within %s, postpone up to %s, saves %v, children %v, window %d, lost %d, repair %v, refusal %v\n", mode, crash, c.Level, c.Keeps,
					c.SyncWithin, c.SyncSlack, c.SyncedFirst, c.Logged, c.AfterFailedSync, c.DurableWithin, c.PostponeUpTo, c.SavePoints, c.ChildrenMayDelaySync, c.MaxWindow, c.MaxLost, c.AllowRepair, c.AllowRefusal)
				documented, is := c.Documented()
				fmt.Fprintf(&b, "  documented %s %v\n", documented, is)
				for _, bound := range c.Bounds {
					fmt.Fprintf(&b, "  %s %s: %s\n", bound.Name, bound.Value, bound.From)
				}
			}
		}
		c := contract.Clients()
		fmt.Fprintf(&b, "clients: %+v\n", c)
		return b.String()
	})
}
