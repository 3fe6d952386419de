package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
)

// DiskCommands are power-cut, status, log and resume of a disk that is served
// on a mount. The caller adds fault, which needs the fault plans.
//
//	power-cut [keep CHOICE]  cut the power; programs with files open on the disk are killed
//	status                   what is not durable now, by file
//	log [N]                  the last N calls (all of them without N)
//	resume                   let stalled calls go on
func DiskCommands(v *fusefs.Volume) Commands {
	return Commands{
		"power-cut": func(args []string) (string, error) { return powerCut(v, args) },
		"status":    func(args []string) (string, error) { return status(v, args) },
		"log":       func(args []string) (string, error) { return showLog(v, args) },
		"resume": func(args []string) (string, error) {
			if len(args) > 0 {
				return "", fmt.Errorf("resume takes no arguments")
			}
			v.Resume()
			return "", nil
		},
	}
}

func powerCut(v *fusefs.Volume, args []string) (string, error) {
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
	users := fusefs.UsersOf(v)
	cut, err := v.PowerCut(choice, users)
	if err != nil {
		return "", fmt.Errorf("power-cut: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "power cut at %v, keep %v: %d calls (%d bytes) were not durable, %d of them (%d bytes) lost\n",
		cut.At.Round(time.Microsecond), cut.Choice, cut.Ops, cut.Bytes, cut.LostOps, cut.LostBytes)
	for _, c := range cut.InFlight {
		fmt.Fprintf(&b, "in flight: %d %v %s\n", c.ID, c.Kind, c.Path)
	}
	for _, pid := range users.Killed() {
		fmt.Fprintf(&b, "killed: process %d\n", pid)
	}
	return b.String(), nil
}

func status(v *fusefs.Volume, args []string) (string, error) {
	if len(args) > 0 {
		return "", fmt.Errorf("status takes no arguments")
	}
	var b strings.Builder
	pending := v.Pending()
	v.With(func(d *disk.Disk) {
		fmt.Fprintf(&b, "personality %s, %d calls pending\n", d.Personality().Name, pending)
		dirty := d.Dirty()
		if len(dirty) == 0 {
			b.WriteString("everything is durable\n")
		}
		for _, f := range dirty {
			path := f.Path
			if path == "" {
				path = fmt.Sprintf("(file %d, which has no name any more)", f.Ino)
			}
			if f.Dir {
				path += "/"
			}
			fmt.Fprintf(&b, "%s: %d calls, %d bytes, the oldest from %v\n", path, f.Ops, f.Bytes, f.Since.Round(time.Microsecond))
		}
	})
	return b.String(), nil
}

func showLog(v *fusefs.Volume, args []string) (string, error) {
	last := -1
	if len(args) > 0 {
		if _, err := fmt.Sscanf(strings.Join(args, " "), "%d", &last); err != nil || last < 0 || len(args) > 1 {
			return "", fmt.Errorf("log: want a number of calls, got %q", strings.Join(args, " "))
		}
	}
	var b strings.Builder
	v.With(func(d *disk.Disk) {
		log := d.Log()
		if last >= 0 && last < len(log) {
			log = log[len(log)-last:]
		}
		for _, r := range log {
			fmt.Fprintf(&b, "%d %v %v %s", r.ID, r.Enter.Round(time.Microsecond), r.Kind, r.Path)
			if r.Path2 != "" {
				fmt.Fprintf(&b, " -> %s", r.Path2)
			}
			switch r.Kind {
			case disk.OpWrite, disk.OpAllocate, disk.OpSyncRange:
				fmt.Fprintf(&b, " %d+%d", r.Off, r.Len)
			case disk.OpTruncate:
				fmt.Fprintf(&b, " to %d", r.Len)
			}
			switch {
			case r.Return == disk.Never:
				b.WriteString(" (pending)")
			case r.Err != 0:
				fmt.Fprintf(&b, " = %v", r.Err)
			default:
				fmt.Fprintf(&b, " in %v", (r.Return - r.Enter).Round(time.Microsecond))
			}
			b.WriteByte('\n')
		}
	})
	return b.String(), nil
}
