package mount

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/faults/plan"
)

// faultRun is one plan given to the mount. Its clock starts when it is given.
type faultRun struct {
	runner plan.Runner
	began  time.Duration
}

// ParseFaults reads what a user gives to torntail fault: a plan as docs/plans.md
// has it, or statements without the plan's first line. A statement may leave
// "at INSTANT:" out; it then strikes at once. Statements may be separated by
// semicolons as well as by lines.
func ParseFaults(text string) (*plan.Plan, error) {
	if first, _, _ := strings.Cut(strings.TrimSpace(text), " "); first == "plan" {
		return plan.Parse(text)
	}
	p := new(plan.Plan)
	for i, line := range statements(text) {
		word, _, _ := strings.Cut(line, " ")
		shift := 0
		if word != "at" {
			const now = "at 0s: "
			line, shift = now+line, len(now)
		}
		s, err := plan.ParseStatement(line)
		var where *plan.Error
		if errors.As(err, &where) {
			where.Line, where.Col = i+1, where.Col-shift
		}
		if err != nil {
			return nil, err
		}
		p.Statements = append(p.Statements, s)
	}
	if len(p.Statements) == 0 {
		return nil, errors.New("no fault is given: want a statement such as \"fail fsync(*) EIO for 1 calls\"")
	}
	return p, nil
}

// statements splits a text at newlines and semicolons outside quotes and drops
// comments and empty lines.
func statements(text string) []string {
	var list []string
	quoted, from := false, 0
	add := func(to int) {
		if s := strings.TrimSpace(text[from:to]); s != "" && s[0] != '#' {
			list = append(list, s)
		}
		from = to + 1
	}
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case b == '\n', b == ';' && !quoted:
			add(i)
			quoted = false
		}
	}
	if from < len(text) {
		add(len(text))
	}
	return list
}

// Impossible is a plan with statements that cannot strike on a mounted disk.
type Impossible struct{ Why []string }

func (e *Impossible) Error() string {
	return "nothing was put in place: " + strings.Join(e.Why, "; ")
}

// fault puts a plan in place and says of each statement what has become of it.
// What strikes at once has struck when it returns. A plan in which a statement
// cannot strike is refused whole.
func (m *Disk) fault(p *plan.Plan) (string, error) {
	refused := new(Impossible)
	for i := range p.Statements {
		if err := p.Statements[i].Check(plan.Mount, []string{Node}); err != nil {
			refused.Why = append(refused.Why, err.Error())
		}
	}
	if len(refused.Why) > 0 {
		return "", refused
	}
	r := &faultRun{began: m.clock()}
	r.runner.Reset(p)
	r.runner.Seed = m.o.Seed
	m.mu.Lock()
	m.runs = append(slices.DeleteFunc(m.runs, func(r *faultRun) bool { return r.runner.Over() }), r)
	due := slices.Clone(r.runner.Due(0))
	m.mu.Unlock()
	for _, t := range due {
		m.carryOut(r, t, false)
	}
	m.tell()
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, s := range r.runner.Report() {
		fmt.Fprintf(&b, "%s: %s\n", s.Text, Standing(s))
	}
	return b.String(), nil
}

// Standing is a statement's report in a few words.
func Standing(s plan.StatementReport) string {
	switch {
	case s.Hits == 1:
		return "struck"
	case s.Struck:
		return fmt.Sprintf("struck %d times", s.Hits)
	case s.State == plan.Missed:
		return "missed: " + s.Why
	case s.State == plan.Placed:
		return "in place"
	case s.State == plan.Ended:
		return "over, struck nothing"
	}
	return "waiting"
}

// onCall tells one plan of a call and adds what it decides. The caller holds mu.
func (r *faultRun) onCall(m *Disk, c *disk.Call, d *disk.Decision) {
	if c.Enter < r.began {
		return
	}
	now := c.Enter - r.began
	triggers := slices.Clone(r.runner.OnCall(Node, c, now))
	own := r.runner.Decide(Node, c, now)
	if r.runner.TimeSet() {
		m.tell()
	}
	if d.Err == 0 {
		d.Err = own.Err
	}
	if own.Short > 0 && (d.Short == 0 || own.Short < d.Short) {
		d.Short = own.Short
	}
	d.Delay += own.Delay
	d.Stall = d.Stall || own.Stall
	if own.Place != disk.PlaceEnter {
		d.Place, d.Fraction = own.Place, own.Fraction
	}
	if len(triggers) == 0 {
		return
	}
	last := triggers[len(triggers)-1]
	d.Place, d.Fraction = last.Place, last.Fraction
	before := d.Strike
	d.Strike = func() {
		if before != nil {
			before()
		}
		for _, t := range triggers {
			m.carryOut(r, t, true)
		}
	}
}

// keepTime carries out what plans have at given times, until the mount ends.
func (m *Disk) keepTime() {
	defer m.done.Done()
	for {
		wait := time.Hour // news will come before
		m.mu.Lock()
		for _, r := range m.runs {
			if next, ok := r.runner.NextTime(); ok {
				wait = min(wait, r.began+next-m.clock())
			}
		}
		m.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-m.stop:
			timer.Stop()
			return
		case <-m.news:
			timer.Stop()
		case <-timer.C:
		}
		m.mu.Lock()
		runs := slices.Clone(m.runs)
		m.mu.Unlock()
		for _, r := range runs {
			m.mu.Lock()
			due := slices.Clone(r.runner.Due(m.clock() - r.began))
			m.mu.Unlock()
			for _, t := range due {
				m.carryOut(r, t, false)
			}
		}
	}
}

// carryOut makes a statement happen. It is called without any lock. inCall says
// that a call of some process waits for it.
func (m *Disk) carryOut(r *faultRun, t plan.Trigger, inCall bool) {
	m.mu.Lock()
	if m.closed || r.runner.Arm(t, m.clock()-r.began) {
		m.mu.Unlock()
		m.tell()
		return
	}
	m.mu.Unlock()
	why := m.act(t, inCall)
	m.mu.Lock()
	if now := m.clock() - r.began; why != "" {
		r.runner.Missed(t, now, why)
	} else {
		r.runner.Struck(t, now)
	}
	m.mu.Unlock()
	m.tell()
	switch {
	case t.End:
		m.note("fault over: %s", t.Statement)
	case why != "":
		m.note("fault missed: %s: %s", t.Statement, why)
	default:
		m.note("fault struck: %s", t.Statement)
	}
}

// act does what a statement says. why: it had nothing to strike.
func (m *Disk) act(t plan.Trigger, inCall bool) (why string) {
	users := fusefs.UsersOf(m.volume)
	switch a := t.Statement.Action.(type) {
	case *plan.Stall:
		m.volume.Resume()
	case *plan.PowerCut:
		choice := a.Keep
		if !a.HasKeep {
			choice = m.seeded()
		}
		var late *notSaved
		if _, _, err := m.powerCut(choice); err != nil && !errors.As(err, &late) {
			return err.Error()
		}
	case *plan.Kill:
		users.KillTree()
		if len(users.Killed()) == 0 {
			return nobody
		}
		m.mu.Lock()
		m.killed = append(m.killed[:0], users.Killed()...)
		m.mu.Unlock()
		if !inCall { // a process dies only when its call is answered
			users.WaitTree()
		}
	case *plan.Term:
		return signal(users, syscall.SIGTERM)
	case *plan.Pause:
		if t.End {
			signal(users, syscall.SIGCONT)
			return ""
		}
		m.mu.Lock()
		m.paused = true
		m.mu.Unlock()
		return signal(users, syscall.SIGSTOP)
	case *plan.TruncateAtRest, *plan.CorruptAtRest:
		if pid := users.Await(m.dying()); pid != 0 {
			return fmt.Sprintf("process %d has files of the disk open, so they are not at rest", pid)
		}
		m.volume.With(func(d *disk.Disk) { _, why = t.Apply(d, Node) })
	default:
		if !plan.OnDisk(a) {
			return fmt.Sprintf("%q does nothing on a mounted disk", a.Verb())
		}
		m.volume.With(func(d *disk.Disk) { _, why = t.Apply(d, Node) })
	}
	return why
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

// clear ends all faults: what is in place is lifted, what waits will not strike.
func (m *Disk) clear() {
	m.mu.Lock()
	runs := m.runs
	m.runs = nil
	m.mu.Unlock()
	for _, r := range runs {
		m.mu.Lock()
		ends := r.runner.End()
		m.mu.Unlock()
		for _, t := range ends {
			m.act(t, false)
		}
	}
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
	m.tell()
}
