package mount

import (
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/conduct"
)

// This file is what plans do to a mounted disk and the programs that use it, and what
// their conductor needs of the mount.

// System is what plans strike on a mounted disk.
func System() plan.System { return strike{} }

// onCall is asked about each call as it enters, under the volume's lock.
func (m *Disk) onCall(c *disk.Call) disk.Decision { return m.plans.OnCall(Node, c) }

// clear ends all faults: what is in place is lifted, what waits will not strike.
func (m *Disk) clear() {
	m.plans.End()
	m.volume.With(func(d *disk.Disk) {
		d.SetFree(-1)
		d.SetReadOnly(false)
	})
	m.mu.Lock()
	paused := m.paused
	m.paused = false
	m.mu.Unlock()
	if paused {
		signal(fusefs.UsersOf(m.volume), syscall.SIGCONT)
	}
	m.volume.Resume()
}

// begin begins a strike. When the mount ends, faults still end.
func (m *Disk) begin(t plan.Trigger) conduct.Strike {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed && !t.End {
		return nil
	}
	return strike{m, t.InCall}
}

// strike is the disk and the programs that use it while a fault strikes.
type strike struct {
	m      *Disk
	inCall bool // a call of one of them waits for it
}

// Name implements plan.System.
func (strike) Name() string { return "mount" }

// Lacks implements plan.System.
func (strike) Lacks(n plan.Need) string {
	switch n {
	case plan.NeedRestarts, plan.NeedCommands:
		return "torntail did not start the programs that use the disk"
	}
	return ""
}

// Unseen implements plan.Calls.
func (strike) Unseen(p plan.CallPattern) string { return plan.UnseenOnFUSE(p) }

// Done implements conduct.Strike: what struck goes into the log.
func (k strike) Done(t plan.Trigger, why string, _ error) {
	switch {
	case t.End:
		k.m.note("fault over: %s", t.Statement)
	case why != "":
		k.m.note("fault missed: %s: %s", t.Statement, why)
	default:
		k.m.note("fault struck: %s", t.Statement)
	}
}

// PowerCut implements plan.Power.
func (k strike) PowerCut(_ []string, keep *disk.Choice) (why string, err error) {
	choice := keep
	if choice == nil {
		seeded := k.m.seeded()
		choice = &seeded
	}
	var late *notSaved
	if _, _, err := k.m.powerCut(*choice); err != nil && !errors.As(err, &late) {
		return err.Error(), nil
	}
	return "", nil
}

// Kill implements plan.Processes: a machine's processes all have the disk for their own.
func (k strike) Kill(string, bool) (why string, err error) {
	users := fusefs.UsersOf(k.m.volume)
	users.KillTree()
	if len(users.Killed()) == 0 {
		return nobody, nil
	}
	k.m.mu.Lock()
	k.m.killed = append(k.m.killed[:0], users.Killed()...)
	k.m.mu.Unlock()
	if !k.inCall { // a process dies only when its call is answered
		users.WaitTree()
	}
	return "", nil
}

// Terminate implements plan.Processes.
func (k strike) Terminate(string) (why string, err error) {
	return signal(fusefs.UsersOf(k.m.volume), syscall.SIGTERM), nil
}

// Pause implements plan.Processes.
func (k strike) Pause(string) (why string, err error) {
	k.m.mu.Lock()
	k.m.paused = true
	k.m.mu.Unlock()
	return signal(fusefs.UsersOf(k.m.volume), syscall.SIGSTOP), nil
}

// Resume implements plan.Processes.
func (k strike) Resume(string) (why string, err error) {
	return signal(fusefs.UsersOf(k.m.volume), syscall.SIGCONT), nil
}

// ReleaseCalls implements plan.HeldCalls.
func (k strike) ReleaseCalls(string) (why string, err error) {
	k.m.volume.Resume()
	return "", nil
}

// OnDisk implements plan.Disks.
func (k strike) OnDisk(_ string, f func(*disk.Disk)) (why string, err error) {
	k.m.volume.With(f)
	return "", nil
}

// AtRest implements plan.AtRest.
func (k strike) AtRest(_ string, damage func(*disk.Disk, string) (int, string)) (why string, err error) {
	if pid := fusefs.UsersOf(k.m.volume).Await(k.m.dying()); pid != 0 {
		return fmt.Sprintf("process %d has files of the disk open, so they are not at rest", pid), nil
	}
	k.m.volume.With(func(d *disk.Disk) { _, why = damage(d, Node) })
	return why, nil
}

// dying are the processes that the last kill was for, and that may not be gone yet.
func (m *Disk) dying() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.killed)
}

// nobody is why a statement about processes missed.
const nobody = "no process has files of the disk open"

func signal(users *fusefs.Users, sig syscall.Signal) string {
	if len(users.Signal(sig)) == 0 {
		return nobody
	}
	return ""
}
