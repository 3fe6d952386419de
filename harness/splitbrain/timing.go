package splitbrain

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/harness/product"
)

// Directive is a line of redis.conf or sentinel.conf: its name and the rest.
type Directive = product.Directive

// Timing is how fast Sentinels notice and act.
type Timing struct {
	Name string

	DownAfter       time.Duration
	FailoverTimeout time.Duration
	ParallelSyncs   int // 0: as many as there are replicas
	// Debug are arguments of SENTINEL DEBUG, given at run time.
	Debug []string
	// Directives are for the servers.
	Directives []Directive
	// Settle bounds how long a cluster may take to converge after the last fault.
	Settle time.Duration
}

// Timings are the known ones. Quick is the one whose periods were found to be
// reliable: a ping period below 250 ms makes failovers fail now and then, and
// down-after must be at least twice the ping period.
var Timings = []Timing{
	{
		Name:      "quick", // Sentinels notice after 500 ms; a whole experiment takes seconds
		DownAfter: 500 * time.Millisecond, FailoverTimeout: time.Second,
		Debug: []string{"ping-period", "250", "info-period", "100", "publish-period", "100", "ask-period", "100",
			"min-link-reconnect-period", "300", "election-timeout", "1000", "slave-reconf-timeout", "1000", "tilt-trigger", "30000"},
		Directives: lines("hz", "100", "repl-diskless-sync-delay", "0"),
		Settle:     30 * time.Second,
	},
	{
		Name:      "conf", // Sentinel's own defaults, and what --sentinel-conf says
		DownAfter: 30 * time.Second, FailoverTimeout: 180 * time.Second, ParallelSyncs: 1,
		Settle: 90 * time.Second,
	},
}

// TimingByName finds a timing.
func TimingByName(name string) (Timing, error) {
	for _, t := range Timings {
		if t.Name == name {
			return t, nil
		}
	}
	return Timing{}, fmt.Errorf("unknown timing %q: want quick or conf", name)
}
