//go:build !linux

package guard

import (
	"errors"
	"io"
)

var errNotLinux = errors.New("real processes and FUSE mounts need Linux")

func startWatchdog(*ledger) (io.WriteCloser, error) { return nil, errNotLinux }

func watch(io.Reader) int { return 1 }

// ServeDisks does nothing: no disks are served here.
func ServeDisks() error { return nil }

// ledger is for what a watchdog watches.
type ledger struct{}

func newLedger() *ledger { return nil }

func (*ledger) add(entry) {}

func (*ledger) remove(uint64) {}

// Stat is what Linux says about a process.
type Stat struct{ Start uint64 }

// ReadStat finds nothing.
func ReadStat(int) (Stat, bool) { return Stat{}, false }

// Left is what a killed torntail has left: nothing here.
type Left struct{ Pid int }

func LookForLeft() []*Left { return nil }

func (*Left) Things() []string { return nil }

func (*Left) Clean() error { return nil }

func (*Left) Close() {}
