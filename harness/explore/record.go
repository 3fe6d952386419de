package explore

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness"
	"github.com/torntail/torntail/workloads"
)

// DefaultCommands is how many commands the clients of the recorded run send,
// unless somebody asks for another number.
const DefaultCommands = 500

// duringRewrite is how many writes must be made while the first rewrite or
// snapshot goes on; the recorded run's disk is slowed down for that.
const duringRewrite = 100

// Options say what is recorded and which states are judged.
type Options struct {
	Mode        harness.Mode
	Personality string
	Profile     string
	Workload    workloads.Spec // its rate and number of operations are set
	Commands    int
	Seed        uint64
	Plants      harness.Plants
	Bound       Bound
	Double      bool
}

// experiment is the run to record: early in it a rewrite or snapshot that
// takes as long as a hundred writes, later a change of the configuration and a
// rewrite under it, a snapshot beside the AOF, and an orderly end.
func (o *Options) experiment() (*harness.Experiment, error) {
	x := &harness.Experiment{Mode: o.Mode, Crash: "power", Workload: o.Workload, Personality: o.Personality,
		Profile: o.Profile, Seed: o.Seed, Plants: o.Plants}
	w := &x.Workload
	w.Ops = o.Commands
	rate := closedLoop * float64(w.Clients)
	if o.Mode.Rate > 0 {
		// All commands must fit into the mode's span.
		w.Rate = max(o.Mode.Rate, float64(o.Commands)/(0.8*o.Mode.Span.Seconds()))
		rate = w.Rate
	}
	slow := time.Duration(1.15 * duringRewrite / (1 - w.ReadRatio) / rate * float64(time.Second)).Round(time.Millisecond)
	text := "plan 1\n"
	add := func(format string, a ...any) { text += fmt.Sprintf(format, a...) + "\n" }
	at := func(share float64) int { return max(1, int(share*float64(o.Commands))) }
	if o.Mode.AOF {
		add("at 0s: slow n1 open(temp-rewriteaof-*) %s for 1 calls", slow/2)
		add("at 0s: slow n1 fsync(temp-rewriteaof-*) %s for 1 calls", slow/2)
		add("at ack#%d: do n1 BGREWRITEAOF", at(0.15))
		preamble := "yes"
		if o.Mode.Get("aof-use-rdb-preamble") == "yes" {
			preamble = "no"
		}
		add("at ack#%d: do n1 CONFIG SET aof-use-rdb-preamble %s", at(0.65), preamble)
		add("at ack#%d: do n1 BGREWRITEAOF", at(0.75))
		add("at ack#%d: do n1 BGSAVE", at(0.85))
	} else {
		add("at 0s: slow n1 open(temp-*.rdb) %s for 1 calls", slow/2)
		add("at 0s: slow n1 fsync(temp-*.rdb) %s for 1 calls", slow/2)
		add("at ack#%d: do n1 BGSAVE", at(0.15))
		add("at ack#%d: do n1 CONFIG SET rdbcompression no", at(0.65))
		add("at ack#%d: do n1 BGSAVE", at(0.75))
	}
	add("at ack#%d: do n1 SHUTDOWN", o.Commands)
	add("at %s: do n1 SHUTDOWN", o.Mode.Span)
	var err error
	if x.Plan, err = plan.Parse(text); err != nil {
		return nil, fmt.Errorf("plan of the recorded run: %w\n%s", err, text)
	}
	return x, nil
}

// closedLoop is about how many commands a second one client makes that waits
// for an fsync with each write, on the simulated disks.
const closedLoop = 200
