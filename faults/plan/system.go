package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/internal/spelling"
)

// System is what a plan strikes: the machines, disks and links of one world. What
// it can do is what it implements of the interfaces in this file; a fault that
// needs another cannot strike there, and is refused before the run. A system may
// therefore be asked about before there is one: a nil pointer of its type will do
// for everything but carrying out.
//
// A method that carries something out returns why there was nothing to strike (the
// process was down already), or an error when the world cannot go on.
type System interface {
	// Name is what torntail list faults calls it.
	Name() string
	// Lacks is why it does not have what a fault needs, in its own words; "" leaves
	// it to ours.
	Lacks(n Need) string
}

// Processes can be signalled. Kill takes the process's children with it when tree
// is set. Resume says why when there is nothing to resume: a paused process was
// killed meanwhile.
type Processes interface {
	Kill(node string, tree bool) (why string, err error)
	Terminate(node string) (why string, err error)
	Pause(node string) (why string, err error)
	Resume(node string) (why string, err error)
}

// Children of servers can be killed alone.
type Children interface {
	KillChildren(node string) (why string, err error)
}

// Forks of servers can be made to fail, or to fail no more.
type Forks interface {
	RefuseForks(node string, on bool) (why string, err error)
}

// Restarts are starts of a server on what its disk holds.
type Restarts interface {
	Restart(node string) (why string, err error)
}

// Power can be cut: of the machines of some nodes, or of All, at one instant. keep nil
// leaves to the run's own seed what survives.
type Power interface {
	PowerCut(nodes []string, keep *disk.Choice) (why string, err error)
}

// Clocks are wall clocks that can be moved.
type Clocks interface {
	MoveClock(node string, by time.Duration) (why string, err error)
}

// Calls on disks are seen by the world, which hands them to OnCall and Decide.
type Calls interface {
	// Unseen is why no call that matches ever arrives; "" when they do.
	Unseen(p CallPattern) (why string)
}

// HeldCalls are calls that stall; ReleaseCalls lets them return, of a node, or of
// all when node is "".
type HeldCalls interface {
	ReleaseCalls(node string) (why string, err error)
}

// Disks are disks of ours, of which everything can be set while they are used.
type Disks interface {
	OnDisk(node string, f func(*disk.Disk)) (why string, err error)
}

// AtRest are disks of ours whose files can be damaged while no process uses them.
// damage is called for each disk of a node, or of all when node is "". ErrNotYet
// means that the last process is on its way out.
type AtRest interface {
	AtRest(node string, damage func(d *disk.Disk, node string) (files int, why string)) (why string, err error)
}

// Directories are the files of servers as a whole, while no process uses them. What a
// server was configured with is none of them: it stands in another directory of the
// machine. All that a Sentinel keeps stands in its configuration file: without it, it is
// as it was installed.
type Directories interface {
	// Wipe empties a node's directory.
	Wipe(node string) (why string, err error)
	// Backup copies what is there at that instant, also while a process writes, and Restore
	// puts the last copy in the place of what is there.
	Backup(node string) (why string, err error)
	Restore(node string) (why string, err error)
}

// Configured are servers whose configuration files can be given more lines while they are down.
type Configured interface {
	AddLines(node string, lines []string) (why string, err error)
}

// Linked nodes have links between them, and faults that are in place on these.
type Linked interface {
	Links() *LinkFaults
}

// Commands can be sent to a node, on a connection of their own. Where Command does not wait
// for the answer, it calls answered once with what came of it: history.Failed when the
// command was surely not carried out, with why; history.Unknown when no answer came.
// Where it waits, an error reply is why, and answered is not called.
type Commands interface {
	Command(node string, args []string, answered func(o history.Outcome, why string)) (why string, err error)
}

// Acks are acknowledged writes that somebody counts.
type Acks interface {
	CountsAcks()
}

// Requests of clients are counted as they are sent.
type Requests interface {
	CountsRequests()
}

// Need is something of a System's that a fault needs.
type Need string

// They are named for the interfaces.
const (
	NeedProcesses  Need = "processes"
	NeedChildren   Need = "child processes"
	NeedForks      Need = "forks"
	NeedRestarts   Need = "restarts"
	NeedPower      Need = "power"
	NeedClocks     Need = "clocks"
	NeedCalls      Need = "calls"
	NeedHeldCalls  Need = "held calls"
	NeedDisks      Need = "disks"
	NeedAtRest     Need = "files at rest"
	NeedDirs       Need = "directories"
	NeedConfigured Need = "configuration files"
	NeedLinks      Need = "links"
	NeedCommands   Need = "commands"
	NeedAcks       Need = "acknowledgements"
	NeedRequests   Need = "requests"
)

// needs are whether a system has it, and why not where it has no word of its own.
var needs = map[Need]struct {
	has       func(System) bool
	otherwise string
}{
	NeedProcesses:  {has[Processes], "there is no process to signal"},
	NeedChildren:   {has[Children], "a child process cannot be told from the others"},
	NeedForks:      {has[Forks], "a real kernel refuses no fork on demand"},
	NeedRestarts:   {has[Restarts], "torntail does not start the servers"},
	NeedPower:      {has[Power], "the power cannot be cut"},
	NeedClocks:     {has[Clocks], "a real process reads the machine's own clock"},
	NeedCalls:      {has[Calls], "disk calls are out of reach"},
	NeedHeldCalls:  {has[HeldCalls], "disk calls are out of reach"},
	NeedDisks:      {has[Disks], "the disk is not torntail's"},
	NeedAtRest:     {has[AtRest], "the disk is not torntail's"},
	NeedDirs:       {has[Directories], "the server's directory is not torntail's"},
	NeedConfigured: {has[Configured], "there is no configuration file of torntail's"},
	NeedLinks:      {has[Linked], "connections between real processes do not pass through torntail in this backend; torntail splitbrain and torntail topology put proxies between them"},
	NeedCommands:   {has[Commands], "torntail has no connection to the servers"},
	NeedAcks:       {has[Acks], "no client of torntail's counts acknowledged writes"},
	NeedRequests:   {has[Requests], "requests are counted in clusters (torntail splitbrain); ack#N counts acknowledged writes"},
}

func has[C any](on System) bool {
	_, ok := as[C](on)
	return ok
}

// as finds what a system implements, or what it wraps does.
func as[C any](on System) (c C, ok bool) {
	for on != nil {
		if c, ok = on.(C); ok {
			return c, true
		}
		wraps, ok := on.(interface{ Unwrap() System })
		if !ok {
			break
		}
		on = wraps.Unwrap()
	}
	return c, false
}

// lacking is why a system does not have what is needed; "" when it does. nil has
// everything.
func (n Need) lacking(on System) string {
	if on == nil || needs[n].has(on) {
		return ""
	}
	if why := on.Lacks(n); why != "" {
		return why
	}
	return needs[n].otherwise
}

// reach is the part of a system that a fault is carried out on. A plan that was
// checked has it; why is for one that was not.
func reach[C any](on System, n Need) (c C, why string) {
	if c, ok := as[C](on); ok {
		return c, ""
	}
	return c, n.lacking(on)
}

// ErrNotYet means that a statement is to be carried out later: the system asks for it.
var ErrNotYet = errors.New("not yet")

// Check reports why the plan cannot run: a node that is not in the topology,
// or something that cannot strike in the system. nodes are the names of the
// topology; nil skips that part.
func (p *Plan) Check(on System, nodes []string) error {
	for i := range p.Statements {
		if err := p.Statements[i].Check(on, nodes); err != nil {
			return err
		}
	}
	return nil
}

// Check is what Plan.Check does, for one statement.
func (s *Statement) Check(on System, nodes []string) error {
	if why := s.lacking(on); why != "" {
		return fmt.Errorf("%q cannot strike here: %s", s.String(), why)
	}
	if nodes == nil {
		return nil
	}
	return s.checkNodes(nodes)
}

// lacking is why a statement cannot strike in a system; "" when it can.
func (s *Statement) lacking(on System) string {
	if ok, why := lookupVerb(s.Action.Verb()).Available(on); !ok {
		return why
	}
	for _, t := range []*Instant{&s.At, &s.Span.Until} {
		why := ""
		switch t.Kind {
		case AtAck:
			why = NeedAcks.lacking(on)
		case AtRequest:
			why = NeedRequests.lacking(on)
		case AtCall:
			why = NeedCalls.lacking(on)
		}
		if why != "" {
			return why
		}
	}
	if seen, ok := as[Calls](on); ok {
		for _, c := range s.calls() {
			if why := seen.Unseen(c); why != "" {
				return why
			}
		}
	}
	return ""
}

// calls are the calls that the statement is about.
func (s *Statement) calls() []CallPattern {
	var calls []CallPattern
	for _, t := range []*Instant{&s.At, &s.Span.Until} {
		if t.Kind == AtCall {
			calls = append(calls, t.Call)
		}
	}
	if f, ok := s.Action.(CallFault); ok {
		calls = append(calls, f.calls().Call)
	}
	return calls
}

// SeesCalls reports whether the plan is about calls to disks: whether anybody need hear of
// them.
func (p *Plan) SeesCalls() bool {
	return slices.ContainsFunc(p.Statements, func(s Statement) bool { return len(s.calls()) > 0 })
}

func (s *Statement) checkNodes(nodes []string) error {
	for _, n := range slices.Concat(s.At.nodes(), s.Action.nodes(), s.Span.Until.nodes()) {
		if slices.Contains(nodes, n) {
			continue
		}
		hint := ""
		if near := spelling.Nearest(n, nodes); near != "" {
			hint = fmt.Sprintf("; did you mean %q?", near)
		}
		return fmt.Errorf("%q names the node %q; there are %s%s", s.String(), n, strings.Join(nodes, ", "), hint)
	}
	return nil
}
