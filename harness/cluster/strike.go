package cluster

import (
	"context"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
)

// This file is what plans can strike of a cluster of real servers, besides what they do to
// the processes of every cluster (splitbrain.Nodes).

// System is what plans of experiments strike.
func System() plan.System {
	if faultDisks() {
		return splitbrain.System((*OnFaultDisks)(nil))
	}
	return splitbrain.System((*Cluster)(nil))
}

// Name implements plan.System.
func (*Cluster) Name() string { return "cluster" }

// Lacks implements plan.System.
func (*Cluster) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedPower, plan.NeedAtRest:
		return "the servers are on the host's own disk, which cannot lose what it was not told to keep: they have disks of their own where there is FUSE, under torntail splitbrain and topology"
	case plan.NeedCalls, plan.NeedHeldCalls, plan.NeedDisks:
		return "the servers are on the host's own disk, whose calls nobody sees: they have disks of their own where there is FUSE, under torntail splitbrain and topology"
	}
	return ""
}

// recover starts a node again, once no process of its last life may still write into its
// directory. Connections that are still being made never reach the new one.
func (c *Cluster) recover(n *splitbrain.Node) (why string, err error) {
	if err := n.AwaitGone(0); err != nil {
		return "", err
	}
	c.Ended(n.Name)
	if c.heard != nil {
		c.heard.restarted(n.Name)
	}
	back, err := machine.Recover(context.Background(), n, n.Mode, nil)
	if err == nil && back.How == machine.RefusedToStart {
		why = n.Name + ": " + back.Refusal
		c.Refused[n.Name] = "it refuses to start: " + back.Refusal
	}
	return why, err
}
