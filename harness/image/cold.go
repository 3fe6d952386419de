package image

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// Cold starts the engine on crash images as an experiment does after a crash: as a
// server in a world of its own, read by a client. What Bare says of the same image
// must be the same.
type Cold struct {
	x     *experiment.Experiment
	m     *machine.Simulated
	setup machine.Setup
	run   workloads.Run
	rec   workloads.Recorder
	hist  history.History
	cut   string // file whose torn tail the start said it had cut off
}

// NewCold makes one for the images of an experiment's runs. Close it when done.
func NewCold(x *experiment.Experiment) (*Cold, error) {
	c := &Cold{x: x, m: machine.NewSimulated()}
	c.setup = machine.Setup{Mode: &x.Mode, Profile: x.Profile, Seed: x.Seed, Bugs: x.Plants.Engine,
		Watch: machine.Watch{Says: func(_ time.Duration, msg string) {
			if file, ok := product.CutOff(msg); ok {
				c.cut = file
			}
		}}}
	_, err := sim.ProfileByName(x.Profile)
	if err == nil {
		err = c.m.Configure(&x.Mode)
	}
	return c, err
}

// Close ends what is left of the last world.
func (c *Cold) Close() { c.m.Close() }

// SecondLife is what became of a server that came back from a crash, took one
// write, was killed and started again.
type SecondLife struct {
	// Wrong is "", or what went wrong in it.
	Wrong string
	// Cut is the file of which the first start said that it had cut the torn tail
	// off; Truncated, whether it did so.
	Cut       string
	Truncated bool
}

// Recover starts a server on the image at the given time of the run and reads
// it through a client. If it came back, it has a second life.
func (c *Cold) Recover(image *disk.Disk, at time.Duration) (r experiment.Recovered, second SecondLife, err error) {
	if err := c.m.ResetOn(&c.setup, image, 5); err != nil {
		return r, second, err
	}
	c.m.MoveClock(machine.Node, at)
	err = c.m.Drive(background, func() error {
		c.run.Reset(c.m.Env(), c.m.Addr(), c.x.Workload, &c.rec)
		c.rec.Reset(&c.hist)
		c.run.Expect(TokensAhead)
		if err := c.first(&r, image); err != nil || r.How == machine.RefusedToStart {
			return err
		}
		return c.again(&r, &second)
	})
	return r, second, err
}

// first is the start on the image, with the repair tool if it needs that.
func (c *Cold) first(r *experiment.Recovered, image *disk.Disk) error {
	*r = experiment.Recovered{NoData: !product.HasData(image.FS(nil), &c.x.Mode)}
	c.cut = ""
	err := r.Take(machine.Recover(background, c.m, &c.x.Mode, nil))
	if err != nil || r.How == machine.RefusedToStart {
		return err
	}
	r.Truncated = c.cut != ""
	state, conn, err := c.dump()
	if err != nil {
		return err
	}
	r.State = state
	if !r.NULBytes && c.x.Mode.AOF {
		r.NULBytes = product.HasStrayBytes(image.FS(nil))
	}
	refusal, err := product.Probe(conn)
	conn.Close()
	if err == nil && refusal != "" {
		err = fmt.Errorf("the server refuses a write after it has come back: %s", refusal)
	}
	return err
}

// again kills the server and starts it once more on what it left.
func (c *Cold) again(r *experiment.Recovered, second *SecondLife) error {
	second.Cut = c.cut
	log, _ := c.m.Calls()
	for i := range log {
		second.Truncated = second.Truncated || log[i].Kind == disk.OpTruncate && strings.HasSuffix(log[i].Path, c.cut)
	}
	c.m.Kill(machine.Node, false)
	c.m.AwaitGone(10 * time.Millisecond)
	var refusal *machine.Refusal
	if err := c.m.Start(background); errors.As(err, &refusal) {
		second.Wrong = wouldNotStart + refusal.Words
		return nil
	}
	state, conn, err := c.dump()
	if err != nil {
		return err
	}
	conn.Close()
	second.compare(&state, &r.State)
	return nil
}

// wouldNotStart begins what is wrong with a server that has no second life.
const wouldNotStart = "it came back, took a write, was killed, and would not start again: "

// compare notes a key that the second life lacks.
func (s *SecondLife) compare(after, before *history.State) {
	if missing := experiment.Lacks(after, before); missing != "" {
		s.Wrong = fmt.Sprintf("it came back with key %q, took a write of another key, was killed, and came back without it", missing)
	}
}

func (c *Cold) dump() (history.State, *workloads.Conn, error) {
	conn, err := workloads.Dial(c.m.Env(), c.m.Addr())
	if err != nil {
		return history.State{}, nil, err
	}
	state, err := c.run.Dump(conn, product.ReplyLimit)
	return state, conn, err
}
