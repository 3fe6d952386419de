package harness

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/seeding"
	"github.com/torntail/torntail/workloads"
)

// This file is how a plan is carried out on a real server: who keeps its time,
// and what its statements do.

// keepTime carries out what the plan has at given times, until the life ends.
func (s *ServerRunner) keepTime(l *life) {
	for {
		s.mu.Lock()
		next, ok := s.plan.NextTime()
		s.nextAt = next
		wait := s.planAt + next - s.rig.clock()
		s.mu.Unlock()
		if !ok {
			wait = time.Hour // news will come before
		}
		timer := time.NewTimer(wait)
		select {
		case <-l.over:
			timer.Stop()
			return
		case <-l.news:
			timer.Stop()
		case <-timer.C:
		}
		for _, t := range s.due(l) {
			s.carryOut(t)
		}
	}
}

// due is what the plan has for now; nothing once the life is over, for then it
// waits until the server is gone.
func (s *ServerRunner) due(l *life) []plan.Trigger {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-l.over:
		return nil
	default:
		return append([]plan.Trigger(nil), s.plan.Due(s.rig.clock()-s.planAt)...)
	}
}

// onCall is asked about every disk call as it enters, under the volume's lock.
func (s *ServerRunner) onCall(c *disk.Call) disk.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.planAt == 0 {
		return disk.Decision{}
	}
	now := s.rig.clock() - s.planAt
	triggers := append([]plan.Trigger(nil), s.plan.OnCall(server, c, now)...)
	d := s.plan.Decide(server, c, now)
	s.hurry()
	if len(triggers) > 0 {
		last := triggers[len(triggers)-1]
		d.Place, d.Fraction = last.Place, last.Fraction
		d.Strike = func() {
			for _, t := range triggers {
				s.carryOut(t)
			}
		}
	}
	return d
}

// onAck is told of each acknowledgement, under the clients' exclusion.
func (s *ServerRunner) onAck(n int) {
	s.mu.Lock()
	triggers := append([]plan.Trigger(nil), s.plan.OnAck(n, s.rig.clock()-s.planAt)...)
	s.hurry()
	s.mu.Unlock()
	if len(triggers) == 0 {
		return
	}
	s.begin(func() {
		for _, t := range triggers {
			s.carryOut(t)
		}
	})
}

// carryOut makes a statement of the plan happen. It is called without any lock.
func (s *ServerRunner) carryOut(t plan.Trigger) {
	if !s.enter() {
		return
	}
	defer s.leave()
	s.mu.Lock()
	l := s.life
	if s.plan.Arm(t, s.rig.clock()-s.planAt) {
		s.mu.Unlock()
		l.tell()
		return
	}
	if isAtRest(t.Statement.Action) && l.claimed && !s.gone {
		s.atRest = append(s.atRest, t)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()

	ends, why := s.act(t, l)
	if why == "" {
		s.event(history.Event{Kind: history.FaultStruck, Text: t.Statement.String()})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.rig.clock() - s.planAt; why != "" {
		s.plan.Missed(t, now, why)
	} else {
		s.plan.Struck(t, now)
	}
	if ends {
		close(l.over) // only now: who waits for it asks the plan next
	}
	l.tell()
}

// hurry wakes the timekeeper when the plan has something sooner than what it
// waits for: a fault that the plan put in place itself may have been what the
// next statement counts its time from. The caller holds mu.
func (s *ServerRunner) hurry() {
	if at, ok := s.plan.NextTime(); ok && at < s.nextAt {
		s.life.tell()
	}
}

// tell wakes the timekeeper.
func (l *life) tell() {
	select {
	case l.news <- struct{}{}:
	default: // it has not looked since it was last told
	}
}

func isAtRest(a plan.Action) bool {
	switch a.(type) {
	case *plan.TruncateAtRest, *plan.CorruptAtRest:
		return true
	}
	return false
}

// down is why a statement about a running server missed.
const down = "the server was down already"

// act does what a statement says. ends: it ended the life, which the caller
// must declare over. why: it had nothing to strike.
func (s *ServerRunner) act(t plan.Trigger, l *life) (ends bool, why string) {
	switch a := t.Statement.Action.(type) {
	case *plan.Stall:
		s.volume.Resume()
		return false, ""
	case *plan.TruncateAtRest, *plan.CorruptAtRest:
		return false, s.damage(t)
	case *plan.Full, *plan.ReadOnly:
		s.volume.With(func(d *disk.Disk) { _, why = t.Apply(d, server) })
		return false, why
	case *plan.Kill:
		if !s.claim(l) {
			return false, down
		}
		l.how, l.at = history.ProcessKill, s.cutClients()
		l.redis.Kill(a.Tree)
		return true, ""
	case *plan.PowerCut:
		if !s.claim(l) {
			return false, down
		}
		s.powerCut(a, l)
		return true, ""
	}
	if l.redis.Exited() {
		return false, down
	}
	switch a := t.Statement.Action.(type) {
	case *plan.Term:
		l.redis.Term()
	case *plan.Pause:
		if t.End {
			l.redis.Resume()
		} else {
			l.redis.Pause()
		}
	case *plan.Do:
		s.command(l.redis.Addr, a.Args)
	default:
		return false, fmt.Sprintf("%q has no effect in an experiment with one server", a.Verb())
	}
	return false, ""
}

// powerCut cuts the power of the machine whose server this is. The caller has
// claimed the life.
func (s *ServerRunner) powerCut(a *plan.PowerCut, l *life) {
	l.how, l.at = history.PowerCut, s.cutClients()
	choice := a.Keep
	if !a.HasKeep {
		choice = disk.Choice{Mode: disk.KeepRandom, Seed: seeding.Derive(s.x.Seed, 4)}
	}
	if s.rig.block != nil {
		s.blockPowerCut(choice, l)
		return
	}
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
	due := s.atRest
	s.atRest = nil
	s.mu.Unlock()
	for {
		for _, t := range due {
			s.carryOut(t)
		}
		s.mu.Lock()
		due = append([]plan.Trigger(nil), s.plan.Due(s.rig.clock()-s.planAt)...)
		s.mu.Unlock()
		if len(due) == 0 {
			return
		}
	}
}

// damage carries out one statement about files at rest.
func (s *ServerRunner) damage(t plan.Trigger) (why string) {
	s.mu.Lock()
	gone := s.gone
	s.mu.Unlock()
	if !gone {
		return "the server runs, so its files are not at rest"
	}
	s.volume.With(func(d *disk.Disk) { why = s.out.damage(d, t) })
	return why
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

func (s *ServerRunner) whyNot() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return whyNoCrash(&s.plan, s.x.Plan)
}

func (s *ServerRunner) crashPending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return crashPending(&s.plan, s.x.Plan)
}
