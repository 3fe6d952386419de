// Package process starts, kills, pauses and restarts real servers.
//
// A server runs in a process group of its own, in the space (guard.Space) where
// the FUSE mount is visible, and dies with torntail in every case. All ends are
// by process id or group, never by name.
//
// It needs Linux; elsewhere everything returns ErrUnsupported.
package process

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/guard"
)

// ErrUnsupported means that this machine cannot run real servers.
var ErrUnsupported = errors.New("real server processes need Linux")

// Spec says what to start.
type Spec struct {
	Path string   // the program, not on a mount of ours; looked up in PATH when it holds no slash
	Args []string // without the program's name
	Dir  string   // working directory, which may be on a mount of ours; "" is torntail's own
	Env  []string // added to torntail's own environment

	// Output gets each line of stdout and stderr, in order, from one goroutine.
	Output func(Line)
	// Clock gives the times of lines and of the exit; nil counts from the start.
	Clock func() time.Duration
	// Space is where the server runs; nil is guard.Home.
	Space *guard.Space
}

// Line is one line of a server's output, without its newline.
type Line struct {
	At   time.Duration // when it was read
	Text string
}

// Exit says how a process ended.
type Exit struct {
	Code   int            // exit status; -1 when a signal ended it
	Signal syscall.Signal // 0 when it exited by itself
	At     time.Duration  // when that was noticed
}

func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("killed by signal %d (%v)", int(e.Signal), e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Code)
}
