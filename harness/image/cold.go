package image

import (
	"slices"
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
	*machine.Simulated
	x     *experiment.Experiment
	setup machine.Setup
	run   workloads.Run
	rec   workloads.Recorder
	hist  history.History
	cut   string // file whose torn tail the start said it had cut off
}

// NewCold makes one for the images of an experiment's runs. Close it when done.
func NewCold(x *experiment.Experiment) (*Cold, error) {
	c := &Cold{Simulated: machine.NewSimulated(), x: x}
	c.setup = machine.Setup{Mode: &x.Mode, Profile: x.Profile, Seed: x.Seed, Bugs: x.Plants.Engine,
		Watch: machine.Watch{Says: func(_ time.Duration, msg string) {
			if what, file := x.Mode.Store.Says(msg); what == product.TailCut {
				c.cut = file
			}
		}}}
	_, err := sim.ProfileByName(x.Profile)
	if err == nil {
		err = c.Configure(&x.Mode)
	}
	return c, err
}

// Recover starts a server on the image at the given time of the run and reads
// it through a client. If it came back, it has a second life.
func (c *Cold) Recover(image *disk.Disk, at time.Duration) (r experiment.Recovered, second SecondLife, err error) {
	if err := c.ResetOn(&c.setup, image, 5); err != nil {
		return r, second, err
	}
	c.MoveClock(machine.Node, at)
	err = c.Drive(background, func() error {
		c.run.Reset(c.Env(), c.Addr(), c.x.Mode.Store, c.x.Workload, &c.rec)
		c.rec.Reset(&c.hist)
		c.run.Expect(TokensAhead)
		c.cut = ""
		var err error
		if r, err = bringBack(background, c, &c.x.Mode); err == nil && r.How != machine.RefusedToStart {
			second, err = liveAgain(background, c, &r)
		}
		return err
	})
	return r, second, err
}

func (c *Cold) cutOff() string { return c.cut }

func (c *Cold) dump() (history.State, error) {
	conn, err := workloads.Dial(c.Env(), c.Addr())
	if err != nil {
		return history.State{}, err
	}
	defer conn.Close()
	return c.run.Dump(conn, product.ReplyLimit)
}

func (c *Cold) probe() (refusal string, err error) {
	conn, err := workloads.Dial(c.Env(), c.Addr())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return product.Probe(c.x.Mode.Store, conn)
}

func (c *Cold) shortened(file string) bool {
	log, _ := c.Calls()
	return slices.ContainsFunc(log, func(r disk.Record) bool { return r.Kind == disk.OpTruncate && strings.HasSuffix(r.Path, file) })
}

func (c *Cold) kill() {
	c.Kill(machine.Node, false)
	c.AwaitGone(10 * time.Millisecond)
}
