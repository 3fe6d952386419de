package simcluster

import (
	"context"
	"slices"
	"strings"
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
func (*Simulator) Lacks(plan.Need) string { return "" }

// Unseen implements plan.Calls.
func (*Simulator) Unseen(p plan.CallPattern) string { return (*machine.Simulated)(nil).Unseen(p) }

// start begins the start of a node. One that refuses is brought back as an operator would
// (machine.Recover), meanwhile.
func (c *Simulator) start(n *splitbrain.Node) (why string, err error) {
	m := n.Machine.(*machine.Simulated)
	m.Begin(func() {
		c.admin.Go("recover "+n.Name, func(env.Env) {
			back, err := machine.Recover(context.Background(), m, n.Mode, nil)
			if err == nil {
				c.returns[n.Name] = back
				if back.How == machine.RefusedToStart {
					c.Refused[n.Name] = "it refuses to start: " + back.Refusal
				} else {
					delete(c.Refused, n.Name)
				}
			}
		})
	})
	return "", nil
}

// PowerCut implements plan.Power.
func (c *Simulator) PowerCut(nodes []string, keep *disk.Choice) (why string, err error) {
	why = strings.Join(nodes, ",") + " was off already"
	for _, n := range c.All {
		if nodes[0] != plan.All && !slices.Contains(nodes, n.Name) || !n.Running() {
			continue
		}
		choice := keep
		if choice == nil {
			choice = &disk.Choice{Mode: disk.KeepRandom, Seed: c.world.Uint64()}
		}
		if why, err = n.Machine.(plan.Power).PowerCut(nodes, choice); err != nil {
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
