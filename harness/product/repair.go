package product

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
)

// Refused reports whether a server that did not come up is to blame itself: it
// exited, or crashed. One that was killed, or did not answer in time, may have
// lacked memory or CPU.
func Refused(e *process.StartError) bool {
	if !e.Exited || e.Exit.Code == killedChild {
		return false
	}
	switch e.Exit.Signal {
	case 0, syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL:
		return true
	}
	return false
}

// killedChild is how a shell ends whose child was killed: 128 and SIGKILL.
const killedChild = 128 + int(syscall.SIGKILL)

// ErrHangs means that a repair tool did not end in time: it has not said whether the files
// can be repaired.
var ErrHangs = errors.New("did not end in time")

// RunRepair runs a repair tool on the files in a server's directory, and answers y to
// whatever it asks; said is the end of what it says. space is where it runs. limit is how
// long it may take; 0: ReplyLimit.
func RunRepair(ctx context.Context, command []string, dir string, space *guard.Space, clock func() time.Duration, limit time.Duration) (fixed bool, said string, err error) {
	args := []string{"-c", `yes | "$0" "$@"`}
	for i, w := range command {
		if i == 0 && strings.Contains(w, "/") { // it is not run where torntail is
			whole, err := filepath.Abs(w)
			if err != nil {
				return false, "", err
			}
			w = whole
		}
		args = append(args, strings.ReplaceAll(w, "{{dir}}", dir))
	}
	p, err := process.Start(process.Spec{Path: "sh", Args: args, Space: space, Clock: clock})
	if err != nil {
		return false, "", err
	}
	defer p.OutputDone()
	defer p.WaitTree()
	defer p.KillTree()
	limit = cmp.Or(limit, ReplyLimit)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.Done():
		p.KillTree() // yes may be there still
		p.WaitTree()
		p.OutputDone()
		return p.Wait().Code == 0, p.Tail(), nil
	case <-ctx.Done():
		return false, "", context.Cause(ctx)
	case <-timer.C:
		return false, "", fmt.Errorf("the repair tool %s %w (%v):\n%s", command[0], ErrHangs, limit, p.Tail())
	}
}

// LastWords is the last line that a server wrote before it gave up, without its time; and, if
// it said so before, that a file is of a later version than it reads.
func LastWords(s Store, e *process.StartError) string {
	last, format := "", ""
	for line := range strings.Lines(strings.TrimSpace(e.Output)) {
		last = strings.TrimRight(line, "\n")
		if _, msg, ok := s.Line(last); ok {
			last = msg
		}
		if what, _ := s.Says(last); what == FormatRefused {
			format = last
		}
	}
	switch {
	case last == "":
		return e.Error()
	case format != "" && format != last:
		return format + "; " + last
	}
	return last
}
