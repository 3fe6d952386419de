//go:build !linux

package guard

import (
	"errors"
	"io"
)

var errNotLinux = errors.New("real processes and FUSE mounts need Linux")

func startWatchdog() (io.WriteCloser, error) { return nil, errNotLinux }

func watch(io.Reader) int { return 1 }

// ServeDisks does nothing: no disks are served here.
func ServeDisks() error { return nil }
