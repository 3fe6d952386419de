package simcluster

import (
	"context"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
)

// This file is what plans do to a simulated cluster, besides what they do to the processes
// of every cluster (splitbrain.Nodes).

// System is what they strike.
func System() plan.System { return splitbrain.System((*Simulator)(nil)) }

// Name implements plan.System.
func (*Simulator) Name() string { return "sim-cluster" }

// Lacks implements plan.System.
func (*Simulator) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedCalls, plan.NeedHeldCalls, plan.NeedDisks, plan.NeedAtRest:
		return "the disks of a simulated cluster have no faults; torntail run has, on one server"
	}
	return ""
}

// start begins the start of a node. One that refuses is brought back as an operator would
// (machine.Recover), meanwhile.
func (c *Simulator) start(n *splitbrain.Node) (why string, err error) {
	m := n.Machine.(*machine.Simulated)
	m.Begin(func() {
		c.admin.Go("recover "+n.Name, func(env.Env) {
			back, err := machine.Recover(context.Background(), m, n.Mode, nil)
			if err == nil {
				c.returns[n.Name] = back
			}
		})
	})
	return "", nil
}

// PowerCut implements plan.Power.
func (c *Simulator) PowerCut(name string, keep *disk.Choice) (why string, err error) {
	why = name + " was off already"
	for _, n := range c.All {
		if name != plan.All && name != n.Name || !n.Running() {
			continue
		}
		choice := keep
		if choice == nil {
			choice = &disk.Choice{Mode: disk.KeepRandom, Seed: c.world.Uint64()}
		}
		if why, err = n.Machine.(plan.Power).PowerCut(name, choice); err != nil {
			return why, err
		}
	}
	return why, nil
}

// MoveClock implements plan.Clocks.
func (c *Simulator) MoveClock(name string, by time.Duration) (why string, err error) {
	n := c.Node(name)
	if n == nil {
		return name + " is no server or Sentinel", nil
	}
	return n.Machine.(plan.Clocks).MoveClock(name, by)
}
