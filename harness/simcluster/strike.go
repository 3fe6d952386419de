package simcluster

import (
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/splitbrain"
)

// This file is what plans do to the machines of a simulated cluster.

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

// running finds a node whose process runs; why: there is none, or it does not.
func (c *Simulator) running(name string) (n *node, why string) {
	switch n = c.node(name); {
	case n == nil:
		return nil, "it is no server or Sentinel"
	case !n.Running():
		return nil, name + " was down already"
	}
	return n, ""
}

// Kill implements plan.Processes.
func (c *Simulator) Kill(name string, tree bool) (why string, err error) {
	n, why := c.running(name)
	if n != nil {
		n.Node.Kill(tree)
	}
	return why, nil
}

// Terminate implements plan.Processes.
func (c *Simulator) Terminate(name string) (why string, err error) {
	n, why := c.running(name)
	if n != nil {
		n.Go("signal", func(env.Env) { n.server.Terminate("SIGTERM") })
	}
	return why, nil
}

// Pause implements plan.Processes.
func (c *Simulator) Pause(name string) (why string, err error) {
	n, why := c.running(name)
	if n != nil {
		n.Node.Pause()
	}
	return why, nil
}

// Resume implements plan.Processes.
func (c *Simulator) Resume(name string) (why string, err error) {
	n, why := c.running(name)
	if n != nil {
		n.Node.Resume()
	}
	return why, nil
}

// Restart implements plan.Restarts.
func (c *Simulator) Restart(name string) (why string, err error) {
	switch n := c.node(name); {
	case n == nil:
		return name + " is no server or Sentinel", nil
	case n.Running():
		return name + " runs", nil
	default:
		c.start(n)
	}
	return "", nil
}

// PowerCut implements plan.Power.
func (c *Simulator) PowerCut(name string, keep *disk.Choice) (why string, err error) {
	why = name + " was off already"
	for _, n := range c.nodes {
		if name != plan.All && name != n.Name() || !n.Running() {
			continue
		}
		why = ""
		if keep != nil {
			n.Node.PowerCut(*keep)
		} else {
			n.Node.PowerCut(disk.Choice{Mode: disk.KeepRandom, Seed: c.world.Uint64()})
		}
	}
	return why, nil
}

// MoveClock implements plan.Clocks.
func (c *Simulator) MoveClock(name string, by time.Duration) (why string, err error) {
	n := c.node(name)
	if n == nil {
		return name + " is no server or Sentinel", nil
	}
	n.SetClock(by)
	return "", nil
}
