package harness

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/conduct"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// This file is what a plan's statements do to a real server, and what its conductor
// needs of the real world.

// realWorld is the world of the plan of one experiment.
type realWorld struct{ s *ServerRunner }

func (w realWorld) Lock()                   { w.s.mu.Lock() }
func (w realWorld) Unlock()                 { w.s.mu.Unlock() }
func (w realWorld) Now() time.Duration      { return w.s.rig.clock() }
func (w realWorld) Outside(f func())        { w.s.begin(f) }
func (w realWorld) Wake(next time.Duration) { w.s.timekeeper.Wake(next) }

// Strike implements conduct.World. It takes no lock while the fault strikes.
func (w realWorld) Strike(plan.Trigger) conduct.Strike {
	s := w.s
	if !s.enter() {
		return nil
	}
	k := &realServer{s: s, l: s.lastLife()}
	switch {
	case s.rig.mount != nil:
		return faultDiskServer{k}
	case s.rig.block != nil:
		return blockServer{k}
	}
	return k
}

// System is what the plan of an experiment with one server strikes in a backend; nil
// when there is no such backend.
func System(b plan.Backend) plan.System {
	switch b {
	case plan.Sim:
		return simulatedServer{}
	case plan.Process:
		return faultDiskServer{}
	case plan.ProcessHost:
		return (*realServer)(nil)
	case plan.Block:
		return blockServer{}
	}
	return nil
}

// blockDir is where the requests of a logged disk seem to be files: block/aof is a
// write that carries a part of an append-only file, block/other any other write,
// block/flush a flush, whose word is fsync.
const blockDir = "block/"

// onCall is asked about every disk call as it enters, under the volume's lock.
func (s *ServerRunner) onCall(c *disk.Call) disk.Decision { return s.conductor.OnCall(server, c) }

// realServer is a server and its processes while a fault strikes: all that is in
// reach on the host's own disk.
type realServer struct {
	s    *ServerRunner
	l    *life
	ends bool // the strike has ended the life
}

// Name implements plan.System.
func (*realServer) Name() string { return string(plan.ProcessHost) }

// Lacks implements plan.System.
func (*realServer) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedPower, plan.NeedAtRest:
		return "the host's own disk cannot lose what it was not told to keep; it needs --disk fuse"
	case plan.NeedCalls, plan.NeedHeldCalls, plan.NeedDisks:
		return "calls on the host's own disk are out of reach; it needs --disk fuse"
	}
	return ""
}

// CountsAcks implements plan.Acks.
func (*realServer) CountsAcks() {}

// Done implements conduct.Strike. The end of a span is on record too, when it did
// something.
func (k *realServer) Done(t plan.Trigger, why string, err error) {
	defer k.s.leave()
	switch {
	case errors.Is(err, plan.ErrNotYet):
	case err != nil:
		k.s.fail(err)
	case why == "":
		k.s.event(history.Event{Kind: history.FaultStruck, Text: t.Statement.String()})
	}
	if k.ends {
		close(k.l.over) // only now: who waits for it asks the plan next
	}
}

// Kill implements plan.Processes.
func (k *realServer) Kill(_ string, tree bool) (why string, err error) {
	if !k.s.claim(k.l) {
		return down, nil
	}
	k.ends = true
	k.l.how, k.l.at = history.ProcessKill, k.s.cutClients()
	k.l.redis.Kill(tree)
	return "", nil
}

// isDown is why a statement about a running server misses; "" when it runs.
func (k *realServer) isDown() string {
	if k.l.redis.Exited() {
		return down
	}
	return ""
}

// Terminate implements plan.Processes.
func (k *realServer) Terminate(string) (why string, err error) {
	if why = k.isDown(); why == "" {
		k.l.redis.Term()
	}
	return why, nil
}

// Pause implements plan.Processes.
func (k *realServer) Pause(string) (why string, err error) {
	if why = k.isDown(); why == "" {
		k.pause(true)
		k.l.redis.Pause()
	}
	return why, nil
}

// Resume implements plan.Processes.
func (k *realServer) Resume(string) (why string, err error) {
	if was := k.pause(false); !was || k.l.redis.Exited() {
		return pausedIsGone, nil
	}
	k.l.redis.Resume()
	return "", nil
}

// pause notes whether the process is paused, and says whether it was.
func (k *realServer) pause(on bool) (was bool) {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	was, k.l.paused = k.l.paused, on
	return was
}

// Restart implements plan.Restarts: the experiment restarts the server itself.
func (k *realServer) Restart(string) (why string, err error) {
	if why = k.isDown(); why == "" {
		why = noRestart
	}
	return why, nil
}

// Command implements plan.Commands.
func (k *realServer) Command(_ string, args []string) (why string, err error) {
	if why = k.isDown(); why == "" {
		k.s.command(k.l.redis.Addr, args)
	}
	return why, nil
}

// cutPower cuts the power of the server's machine.
func (k *realServer) cutPower(keep *disk.Choice, cut func(disk.Choice, *life)) (why string, err error) {
	if !k.s.claim(k.l) {
		return down, nil
	}
	k.ends = true
	k.l.how, k.l.at = history.PowerCut, k.s.cutClients()
	cut(kept(keep, k.s.x.Seed), k.l)
	return "", nil
}

// blockServer is a server on a real file system over a logged disk.
type blockServer struct{ *realServer }

// Name implements plan.System.
func (blockServer) Name() string { return string(plan.Block) }

// Lacks implements plan.System.
func (blockServer) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedHeldCalls, plan.NeedDisks, plan.NeedAtRest:
		return "the file system is the kernel's own; of its disk, requests can fail, be slow or be short"
	}
	return ""
}

// Unseen implements plan.Calls.
func (blockServer) Unseen(p plan.CallPattern) string {
	if strings.HasPrefix(p.Glob, blockDir) && (p.Op == "write" || p.Op == "fsync") {
		return ""
	}
	return "the block backend sees blocks, not calls: write(block/*), write(block/aof) and fsync(block/*) are the disk's requests"
}

// PowerCut implements plan.Power.
func (k blockServer) PowerCut(_ string, keep *disk.Choice) (why string, err error) {
	return k.cutPower(keep, k.s.blockPowerCut)
}

// faultDiskServer is a server on the fault disk.
type faultDiskServer struct{ *realServer }

// Name implements plan.System.
func (faultDiskServer) Name() string { return string(plan.Process) }

// Lacks implements plan.System.
func (faultDiskServer) Lacks(plan.Need) string { return "" }

// Unseen implements plan.Calls.
func (faultDiskServer) Unseen(p plan.CallPattern) string { return plan.UnseenOnFUSE(p) }

// PowerCut implements plan.Power.
func (k faultDiskServer) PowerCut(_ string, keep *disk.Choice) (why string, err error) {
	return k.cutPower(keep, k.s.powerCut)
}

// ReleaseCalls implements plan.HeldCalls.
func (k faultDiskServer) ReleaseCalls(string) (why string, err error) {
	k.s.volume.Resume()
	return "", nil
}

// OnDisk implements plan.Disks.
func (k faultDiskServer) OnDisk(_ string, f func(*disk.Disk)) (why string, err error) {
	k.s.volume.With(f)
	return "", nil
}

// AtRest implements plan.AtRest. While the server is dying it is put off.
func (k faultDiskServer) AtRest(_ string, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	k.s.mu.Lock()
	gone, dying := k.s.gone, k.l.claimed
	k.s.mu.Unlock()
	switch {
	case !gone && dying:
		return "", plan.ErrNotYet
	case !gone:
		return notAtRest, nil
	}
	k.s.volume.With(func(d *disk.Disk) { why = k.s.out.damage(d, damage) })
	return why, nil
}

// powerCut cuts the power of the fault disk. The caller has claimed the life.
func (s *ServerRunner) powerCut(choice disk.Choice, l *life) {
	var before *disk.Disk
	s.volume.With(func(d *disk.Disk) {
		before = d
		if s.x.Plants.ReopenUncrashed {
			s.uncrashed = d.Clone()
		}
	})
	cut, err := s.volume.PowerCut(choice, l.redis)
	if err != nil {
		s.fail(fmt.Errorf("power cut: %w", err))
		return
	}
	l.redis.OutputDone()
	// The disk is frozen as it was at the cut.
	s.out.image = cut.Image
	s.out.asked, s.out.Cut, s.out.before, s.hadAOF = choice, cut, before.Hash(), product.HasData(before.FS(nil), &s.x.Mode)
	s.env.Enter()
	s.takeFacts(before.Log(), l.at)
	s.env.Leave()
	s.logFrom = 0 // the image has no log
}

// fail notes an error of the environment that ends the experiment.
func (s *ServerRunner) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failure == nil {
		s.failure = err
	}
}

// damageAtRest carries out what the plan has for files at rest, now that no
// process uses them: what came due while the server was dying, and what is due now.
func (s *ServerRunner) damageAtRest() {
	s.mu.Lock()
	s.gone = true
	s.mu.Unlock()
	s.conductor.CatchUp()
}

// command sends a command to the server on a connection of its own; whether it
// did anything shows in the disk's log.
func (s *ServerRunner) command(addr string, args []string) {
	s.begin(func() {
		s.env.Enter()
		defer s.env.Leave()
		conn, err := workloads.Dial(s.env, addr)
		if err != nil {
			return // the server is gone, and the plan's next statement will say so
		}
		defer conn.Close()
		conn.Do(product.ReplyLimit, args...)
	})
}
