package explore

import (
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// DefaultCommands is how many commands the clients of the recorded run send,
// unless somebody asks for another number.
const DefaultCommands = 500

// duringRewrite is how many writes must be made while the first rewrite or
// snapshot goes on: its child is held up until then.
const duringRewrite = 100

// Options say what is recorded and which states are judged.
type Options struct {
	Mode        product.Mode
	Personality string
	Profile     string
	Workload    workloads.Spec // its rate and number of operations are set
	Commands    int
	Seed        uint64
	Plants      experiment.Plants
	Bound       Bound
	Double      bool
	// Server, when not nil, is a real server that is explored instead of the engine.
	Server *Server
}

// commands is how many the clients of the workload send. Those that wait for each reply
// go on until the client beside them, which does so too, has come through all its steps.
func (o *Options) commands() int {
	if o.Workload.Beside && o.Mode.Rate == 0 {
		return max(o.Commands, 2*o.Workload.Clients*len(workloads.BesideStates()))
	}
	return o.Commands
}

// experiment is the run to record: early in it a rewrite or snapshot that goes
// on during a hundred writes, later what the store has to show besides (product.Tour),
// and an orderly end. On a real file system, where no call can be held up, it is a rewrite
// or snapshot and the end.
func (o *Options) experiment() (*experiment.Experiment, error) {
	x := &experiment.Experiment{Mode: o.Mode, Crash: experiment.PowerLoss(), Workload: o.Workload, Personality: o.Personality,
		Profile: o.Profile, Seed: o.Seed, Plants: o.Plants}
	w := &x.Workload
	w.Ops = o.commands()
	blocks := o.Server.blocks()
	if o.Server != nil {
		x.Mode = o.realMode()
		w.LongLife = longLife
	}
	tour, rewrite := o.Mode.Store.Tour(&o.Mode), strings.Join(o.Mode.Store.Rewrite(&o.Mode), " ")
	if blocks != nil {
		x.Personality, x.Profile = experiment.RealFS(blocks.FS), "nvme"
	} else {
		x.Mode = x.Mode.With(tour.Often)
	}
	if o.Mode.Rate > 0 {
		// All commands must fit into the mode's span.
		w.Rate = max(o.Mode.Rate, float64(o.commands())/(0.8*x.Mode.Span.Seconds()))
	}
	text := "plan 1\n"
	add := func(format string, a ...any) { text += fmt.Sprintf(format, a...) + "\n" }
	at := func(share float64) int { return max(1, int(share*float64(o.commands()))) }
	switch {
	case rewrite == "":
	case blocks != nil:
		add("at ack#%d: do n1 %s", max(1, o.commands()/3), rewrite)
	default:
		begin := at(0.1)
		until := max(begin+1, min(begin+int(1.2*duringRewrite/(1-w.ReadRatio)), at(0.6)))
		add("at ack#%d: stall n1 open(%s) for until ack#%d", begin, tour.Held, until)
		add("at ack#%d: do n1 %s", begin, rewrite)
		for _, s := range tour.Later {
			add("at ack#%d: do n1 %s", at(s.At), s.Command)
		}
	}
	text += endOf(&x.Mode, o.commands())
	var err error
	if x.Plan, err = plan.Parse(text); err != nil {
		return nil, fmt.Errorf("plan of the recorded run: %w\n%s", err, text)
	}
	return x, nil
}

// endOf ends a recorded run in an orderly way: after so many commands, at the latest with
// the mode's span.
func endOf(m *product.Mode, commands int) string {
	end := "term n1"
	if words := m.Store.Tour(m).End; words != nil {
		end = "do n1 " + strings.Join(words, " ")
	}
	return fmt.Sprintf("at ack#%d: %s\nat %s: %s\n", commands, end, m.Span, end)
}

// realMode is the mode as a real server runs in it: clients that wait for each
// reply get a second for 50 commands.
func (o *Options) realMode() product.Mode {
	m := o.Mode.InRealTime()
	if m.Rate == 0 {
		m = m.Spanning(max(m.Span, time.Duration(o.commands())*time.Second/50))
	}
	return m
}

// longLife is how long the long-lived half of keys that expire live in the
// recorded run of a real server: images are judged after the run, by a server
// with a clock of its own, and replayed on another day.
const longLife = 10 * 365 * 24 * time.Hour
