package harness

import (
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// This file is what a plan's statements do to the simulated server, and what its
// conductor needs of the simulated world.

// simulatedWorld is the world of the plan of one experiment.
type simulatedWorld struct{ s *Simulator }

func (simulatedWorld) Lock()                {} // one task runs at a time
func (simulatedWorld) Unlock()              {}
func (w simulatedWorld) Now() time.Duration { return w.s.world.Now() }

// Strike implements conduct.World.
func (w simulatedWorld) Strike(t plan.Trigger) conduct.Strike {
	// A sync that is about to return has done its work; any other in flight has
	// something left to do.
	return simulatedServer{w.s, !t.InCall || t.Place != disk.PlaceReturn}
}

// Outside implements conduct.World.
func (w simulatedWorld) Outside(f func()) { w.s.world.Outside(f) }

// Wake implements conduct.World: the scheduler calls at the plan's next instant.
func (w simulatedWorld) Wake(next time.Duration) {
	s := w.s
	if next == conduct.Never || s.armed == next+1 {
		return
	}
	s.armed = next + 1
	s.world.At(next, func() {
		s.armed = 0
		s.conductor.Due(s.world.Now())
	})
}

// onCall is asked about every disk call as it enters.
func (s *Simulator) onCall(n *sim.Node, c *disk.Call) disk.Decision {
	if s.given == nil || n != s.node {
		return disk.Decision{}
	}
	return s.observed(c, s.conductor.OnCall(server, c))
}

// onAck is told of each acknowledgement.
func (s *Simulator) onAck(n int) {
	s.world.Mark("ack", uint64(n))
	s.conductor.OnAck(n)
	// The value of a read is not on record yet, and its reply promises nothing.
	if s.hist.Ops[s.rec.LastAcked()].Writes() {
		s.watch(MomentAck, nil, n)
	}
}

// simulatedServer is the server and its machine while a fault strikes. It is called
// outside all tasks.
type simulatedServer struct {
	s      *Simulator
	midway bool // no sync in flight has done all its work
}

// Name implements plan.System.
func (simulatedServer) Name() string { return "sim" }

// Lacks implements plan.System.
func (simulatedServer) Lacks(n plan.Need) string {
	if n == plan.NeedLinks {
		return oneServer
	}
	return ""
}

// oneServer is why faults of links cannot strike in an experiment with one server.
const oneServer = "an experiment with one server has no links between nodes; torntail splitbrain has"

// CountsAcks implements plan.Acks.
func (simulatedServer) CountsAcks() {}

// Unseen implements plan.Calls.
func (simulatedServer) Unseen(p plan.CallPattern) string {
	if p.Op == "symlink" || p.Op == "syncfs" {
		return "no simulated server makes that call"
	}
	return ""
}

// Done implements conduct.Strike. The end of a span is on record too, when it did
// something.
func (k simulatedServer) Done(t plan.Trigger, why string, _ error) {
	if why == "" {
		k.s.hist.Events = append(k.s.hist.Events, history.Event{At: k.s.world.Now(), Kind: history.FaultStruck, Node: server, Text: t.Statement.String()})
	}
}

// down is why a statement about a running server missed.
const down = "the server was down already"

// isDown is that, or "" when the server runs.
func (k simulatedServer) isDown() string {
	if !k.s.node.Running() || k.s.crashed != "" {
		return down
	}
	return ""
}

// Kill implements plan.Processes.
func (k simulatedServer) Kill(_ string, tree bool) (why string, err error) {
	if why = k.isDown(); why == "" {
		k.s.node.Kill(tree)
		k.s.crash(history.ProcessKill)
	}
	return why, nil
}

// Terminate implements plan.Processes.
func (k simulatedServer) Terminate(string) (why string, err error) {
	if why = k.isDown(); why == "" {
		k.s.termed = true
		k.s.node.Go("signal", func(env.Env) { k.s.server.Terminate("SIGTERM") })
	}
	return why, nil
}

// Pause implements plan.Processes.
func (k simulatedServer) Pause(string) (why string, err error) {
	if !k.s.node.Running() {
		return down, nil
	}
	k.s.node.Pause()
	return "", nil
}

// Resume implements plan.Processes.
func (k simulatedServer) Resume(string) (why string, err error) {
	if !k.s.node.Paused() {
		why = pausedIsGone
	}
	k.s.node.Resume()
	return why, nil
}

// pausedIsGone is why the end of a pause has nothing to do.
const pausedIsGone = "the process that was paused is gone"

// Restart implements plan.Restarts: the experiment restarts the server itself.
func (k simulatedServer) Restart(string) (why string, err error) {
	if why = k.isDown(); why == "" {
		why = noRestart
	}
	return why, nil
}

// noRestart is why a restart missed.
const noRestart = `"restart" has no effect in an experiment with one server`

// PowerCut implements plan.Power.
func (k simulatedServer) PowerCut(_ string, keep *disk.Choice) (why string, err error) {
	if why = k.isDown(); why == "" {
		k.s.midway = k.midway
		k.s.powerCut(kept(keep, k.s.x.Seed))
	}
	return why, nil
}

// kept is what survives a power cut.
func kept(keep *disk.Choice, seed uint64) disk.Choice {
	if keep == nil {
		return disk.Choice{Mode: disk.KeepRandom, Seed: seeding.Derive(seed, 4)}
	}
	return *keep
}

// MoveClock implements plan.Clocks.
func (k simulatedServer) MoveClock(_ string, by time.Duration) (why string, err error) {
	k.s.node.SetClock(by)
	return "", nil
}

// ReleaseCalls implements plan.HeldCalls.
func (k simulatedServer) ReleaseCalls(string) (why string, err error) {
	k.s.node.ReleaseStalled()
	return "", nil
}

// OnDisk implements plan.Disks.
func (k simulatedServer) OnDisk(_ string, f func(*disk.Disk)) (why string, err error) {
	f(k.s.node.Disk())
	return "", nil
}

// AtRest implements plan.AtRest.
func (k simulatedServer) AtRest(_ string, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	if k.s.node.Running() {
		return notAtRest, nil
	}
	return k.s.out.damage(k.s.node.Disk(), damage), nil
}

// notAtRest is why damage to files at rest missed.
const notAtRest = "the server runs, so its files are not at rest"

// Command implements plan.Commands. Whether it did anything shows in the disk's log.
func (k simulatedServer) Command(_ string, args []string) (why string, err error) {
	if why = k.isDown(); why != "" {
		return why, nil
	}
	k.s.control.Go("do", func(e env.Env) {
		conn, err := workloads.Dial(e, serverAddr)
		if err != nil {
			return // the server is gone, and the plan's next statement will say so
		}
		defer conn.Close()
		conn.Do(product.ReplyLimit, args...)
	})
	return "", nil
}
