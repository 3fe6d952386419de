package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/splitbrain"
)

// This file is what plans do to the processes of a cluster.

// System is what plans of experiments strike.
func System() plan.System { return splitbrain.System((*Cluster)(nil)) }

// Name implements plan.System.
func (*Cluster) Name() string { return "cluster" }

// Lacks implements plan.System.
func (*Cluster) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedPower, plan.NeedAtRest:
		return "the servers of a cluster are on the host's own disk, which cannot lose what it was not told to keep"
	case plan.NeedCalls, plan.NeedHeldCalls, plan.NeedDisks:
		return "the servers of a cluster are on the host's own disk, whose calls nobody sees"
	}
	return ""
}

// outside stops or starts a process. In an experiment that is done outside the
// environment's exclusion: others go on meanwhile.
func (c *Cluster) outside(f func()) {
	if c.conducted {
		c.env.Leave()
		defer c.env.Enter()
	}
	f()
}

// Kill implements plan.Processes.
func (c *Cluster) Kill(node string, tree bool) (why string, err error) {
	return c.end(node, func(r *process.Redis) { r.Kill(tree) }), nil
}

// Terminate implements plan.Processes.
func (c *Cluster) Terminate(node string) (why string, err error) {
	return c.end(node, func(r *process.Redis) { r.Term() }), nil
}

// Pause implements plan.Processes.
func (c *Cluster) Pause(node string) (why string, err error) {
	return c.signal(node, (*process.Redis).Pause), nil
}

// Resume implements plan.Processes.
func (c *Cluster) Resume(node string) (why string, err error) {
	return c.signal(node, (*process.Redis).Resume), nil
}

// signal does something to a process that runs.
func (c *Cluster) signal(node string, do func(*process.Redis)) (why string) {
	r := c.running(node)
	if r == nil {
		return node + " was down already"
	}
	do(r)
	return ""
}

// running is a node's process; nil when it has ended, or there is none of that name.
func (c *Cluster) running(node string) *process.Redis {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.processes[node]; r != nil && !r.Exited() {
		return r
	}
	return nil
}

// end ends a process and waits for that; its connections that are still being made
// never reach a successor.
func (c *Cluster) end(node string, how func(*process.Redis)) (why string) {
	r := c.running(node)
	if r == nil {
		return node + " was down already"
	}
	c.outside(func() {
		how(r)
		r.Wait()
		c.net.Ended(node)
	})
	return ""
}

// startLimit bounds a restart.
const startLimit = 30 * time.Second

// Restart implements plan.Restarts.
func (c *Cluster) Restart(node string) (why string, err error) {
	if c.running(node) != nil {
		return node + " runs", nil
	}
	c.mu.Lock()
	config, was := c.configs[node], c.processes[node]
	c.mu.Unlock()
	if config == "" {
		return node + " is no server or Sentinel", nil
	}
	c.outside(func() {
		was.WaitTree() // a snapshot child may still write into the directory
		c.net.Ended(node)
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		err = c.startNode(ctx, node, config)
	})
	var refused *machine.Refusal
	if errors.As(err, &refused) {
		return refused.Error(), nil
	}
	return "", err
}
