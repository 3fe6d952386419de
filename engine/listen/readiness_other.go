//go:build !linux

package listen

import "golang.org/x/sys/unix"

func newReadiness() (readiness, error) { return newPolled() }

func readSocket(fd int, b []byte) (int, error)  { return unix.Read(fd, b) }
func writeSocket(fd int, b []byte) (int, error) { return unix.Write(fd, b) }
