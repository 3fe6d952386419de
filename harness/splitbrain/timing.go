package splitbrain

import (
	"fmt"
	"slices"
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

var quick = Timing{
	Name:      "quick", // Sentinels notice after 500 ms; a whole experiment takes seconds
	DownAfter: 500 * time.Millisecond, FailoverTimeout: time.Second,
	Debug: []string{"ping-period", "250", "info-period", "100", "publish-period", "100", "ask-period", "100",
		"min-link-reconnect-period", "300", "election-timeout", "1000", "slave-reconf-timeout", "1000", "tilt-trigger", "30000"},
	Directives: lines("hz", "100", "repl-diskless-sync-delay", "0"),
	Settle:     30 * time.Second,
}

// announced is quick but for the time that a promotion has to be announced. Sentinels that
// have not heard of it turn the new master into a replica again after four publish periods,
// and the one that ordered it sees it a second after that at the latest (redis 7.0.15
// sentinel.c sentinelRefreshInstanceInfo, sentinelSendPeriodicCommands): under quick a
// failover that somebody asks for is always called off, under Sentinel's own periods, which
// are 2 s and 10 s, never.
func announced() Timing {
	t := quick
	t.Name = "announced"
	t.Debug = slices.Concat(quick.Debug, []string{"publish-period", "400"})
	return t
}

// Timings are the known ones. Quick is the one whose periods were found to be
// reliable: a ping period below 250 ms makes failovers fail now and then, and
// down-after must be at least twice the ping period.
var Timings = []Timing{
	quick,
	announced(),
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
	return Timing{}, fmt.Errorf("unknown timing %q: want quick, announced or conf", name)
}
