package mount

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/reports/wording"
)

// commands are what the control socket understands:
//
//	fault 'PLAN'              puts statements in place
//	clear                     ends all faults; calls that stall go on
//	power-cut [keep CHOICE]   kills who has files open, keeps what the choice says; without one, nothing
//	save                      puts the disk into the backing directory as it is now
//	status                    what is not durable, by file, and which faults are in place
//	log [N]                   the last N lines of the log
//	log-tail N                the number of the line that N lines follow
//	log-from N                the lines from number N on; the first line of the answer is the next number
//	where                     the mount point
func (m *Disk) commands() control.Commands {
	none := func(f func() (string, error)) func([]string) (string, error) {
		return func(args []string) (string, error) {
			if len(args) > 0 {
				return "", fmt.Errorf("it takes no arguments, got %q", strings.Join(args, " "))
			}
			return f()
		}
	}
	return control.Commands{
		"fault": func(args []string) (string, error) { return m.plans.Fault(args, System(), []string{Node}, m.o.Seed) },
		"clear": none(func() (string, error) {
			m.clear()
			m.note("all faults ended")
			return "no fault is in place\n", nil
		}),
		"power-cut": m.cutCommand,
		"save":      none(m.saveCommand),
		"status":    none(func() (string, error) { return m.status(), nil }),
		"log":       m.logCommand,
		"log-tail":  m.logTail,
		"log-from":  m.logFrom,
		"where":     none(func() (string, error) { return m.Dir(), nil }),
	}
}

func (m *Disk) cutCommand(args []string) (string, error) {
	var choice disk.Choice
	if len(args) > 0 {
		// As words or as one quoted text: keep random 7, 'keep random 7'.
		word, rest, _ := strings.Cut(strings.Join(args, " "), " ")
		if word != "keep" {
			return "", fmt.Errorf("power-cut: want keep CHOICE, got %q", strings.Join(args, " "))
		}
		var err error
		if choice, err = disk.ParseChoice(rest); err != nil {
			return "", fmt.Errorf("power-cut: %w", err)
		}
	}
	cut, killed, err := m.powerCut(choice)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(Describe(cut) + "\n")
	for _, c := range cut.InFlight {
		fmt.Fprintf(&b, "in flight: %d %v %s\n", c.ID, c.Kind, c.Path)
	}
	for _, pid := range killed {
		fmt.Fprintf(&b, "killed: process %d\n", pid)
	}
	return b.String(), nil
}

func (m *Disk) saveCommand() (string, error) {
	if m.backing == nil {
		return "", errors.New("the disk is mounted without --backing: there is no place to save it in")
	}
	m.acting.Lock()
	defer m.acting.Unlock()
	if err := m.save(); err != nil {
		return "", err
	}
	m.note("saved in %s", m.backing.dir)
	return fmt.Sprintf("the disk as it is now is in %s\n", m.backing.dir), nil
}

func (m *Disk) status() string {
	var b strings.Builder
	pending := m.volume.Pending()
	m.volume.With(func(d *disk.Disk) {
		fmt.Fprintf(&b, "%s: personality %s, %d calls pending\n", m.Dir(), d.Personality().Name, pending)
		dirty := d.Dirty()
		if len(dirty) == 0 {
			b.WriteString("everything is durable\n")
		}
		now := m.clock()
		for _, f := range dirty {
			path := f.Path
			if path == "" {
				path = fmt.Sprintf("(file %d, which has no name any more)", f.Ino)
			}
			if f.Dir && path != "." {
				path += "/"
			}
			what := wording.Times(f.Ops, "call")
			if !f.Dir {
				what += ", " + wording.Times(int(f.Bytes), "byte")
			}
			fmt.Fprintf(&b, "not durable: %s: %s, the oldest for %v\n", path, what, (now - f.Since).Round(time.Millisecond))
		}
	})
	b.WriteString(m.plans.Status())
	return b.String()
}

func (m *Disk) logCommand(args []string) (string, error) {
	from, err := m.logStart(args)
	if err != nil {
		return "", err
	}
	text, _ := m.log.from(from, logKept)
	return text, nil
}

func (m *Disk) logTail(args []string) (string, error) {
	from, err := m.logStart(args)
	return strconv.FormatUint(from, 10), err
}

// logStart is the number of the line that so many lines follow; without a
// number the first that is kept.
func (m *Disk) logStart(args []string) (uint64, error) {
	last := uint64(logKept)
	if len(args) > 0 {
		n, err := strconv.ParseUint(args[0], 10, 31)
		if err != nil || len(args) > 1 {
			return 0, fmt.Errorf("log: want a number of lines, got %q", strings.Join(args, " "))
		}
		last = n
	}
	m.drain()
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	return m.log.lines - min(m.log.lines, last), nil
}

// linesAtOnce bounds the answer to one log-from.
const linesAtOnce = 4096

func (m *Disk) logFrom(args []string) (string, error) {
	n, err := strconv.ParseUint(strings.Join(args, " "), 10, 64)
	if err != nil {
		return "", fmt.Errorf("log-from: want the number of a line, got %q", strings.Join(args, " "))
	}
	m.drain()
	text, next := m.log.from(n, linesAtOnce)
	return strconv.FormatUint(next, 10) + "\n" + text, nil
}
