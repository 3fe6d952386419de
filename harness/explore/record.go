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
	// Server, when not nil, is a real server that is explored instead of the engine.
	Server *Server
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
	if o.Server != nil {
		x.Mode = o.realMode()
		w.LongLife = longLife
	}
	if o.Mode.Rate > 0 {
		// All commands must fit into the mode's span.
		w.Rate = max(o.Mode.Rate, float64(o.Commands)/(0.8*x.Mode.Span.Seconds()))
		rate = w.Rate
	}
	slow := time.Duration(1.15 * duringRewrite / (1 - w.ReadRatio) / rate * float64(time.Second)).Round(time.Millisecond)
	text := "plan 1\n"
	add := func(format string, a ...any) { text += fmt.Sprintf(format, a...) + "\n" }
	at := func(share float64) int { return max(1, int(share*float64(o.Commands))) }
	// delay makes the first rewrite or snapshot take so long. A real server's
	// clients keep no rate that could be counted on.
	delay := func(files string) {
		if o.Server != nil {
			until := at(0.15) + int(1.2*duringRewrite/(1-w.ReadRatio))
			add("at ack#%d: stall n1 open(%s) for until ack#%d", at(0.15), files, max(at(0.15)+1, min(until, at(0.6))))
			return
		}
		add("at 0s: slow n1 open(%s) %s for 1 calls", files, slow/2)
		add("at 0s: slow n1 fsync(%s) %s for 1 calls", files, slow/2)
	}
	if o.Mode.AOF {
		delay("temp-rewriteaof-*")
		add("at ack#%d: do n1 BGREWRITEAOF", at(0.15))
		preamble := "yes"
		if o.Mode.Get("aof-use-rdb-preamble") == "yes" {
			preamble = "no"
		}
		add("at ack#%d: do n1 CONFIG SET aof-use-rdb-preamble %s", at(0.65), preamble)
		add("at ack#%d: do n1 BGREWRITEAOF", at(0.75))
		add("at ack#%d: do n1 BGSAVE", at(0.85))
	} else {
		delay("temp-*.rdb")
		add("at ack#%d: do n1 BGSAVE", at(0.15))
		add("at ack#%d: do n1 CONFIG SET rdbcompression no", at(0.65))
		add("at ack#%d: do n1 BGSAVE", at(0.75))
	}
	add("at ack#%d: do n1 SHUTDOWN", o.Commands)
	add("at %s: do n1 SHUTDOWN", x.Mode.Span)
	var err error
	if x.Plan, err = plan.Parse(text); err != nil {
		return nil, fmt.Errorf("plan of the recorded run: %w\n%s", err, text)
	}
	return x, nil
}

// realMode is the mode as a real server runs in it: clients that wait for each
// reply get a second for 50 commands.
func (o *Options) realMode() harness.Mode {
	m := o.Mode.InRealTime()
	if m.Rate == 0 {
		m = m.Spanning(max(m.Span, time.Duration(o.Commands)*time.Second/50))
	}
	return m
}

// longLife is how long the long-lived half of keys that expire live in the
// recorded run of a real server: images are judged after the run, by a server
// with a clock of its own, and replayed on another day.
const longLife = 10 * 365 * 24 * time.Hour

// closedLoop is about how many commands a second one client makes that waits
// for an fsync with each write, on the simulated disks.
const closedLoop = 200
