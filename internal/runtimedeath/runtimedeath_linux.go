//go:build amd64 || arm64

package runtimedeath

import (
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"
)

// What the handler in assembly reads: the status, and Go's handler of SIGABRT.
var (
	//lint:ignore U1000 the handler reads it
	exitStatus uint32
	//lint:ignore U1000 the handler reads it
	goHandler uintptr
)

// handler is where that stands; it is set in assembly.
var handler uintptr

// action is the kernel's struct sigaction on these machines (rt_sigaction(2)).
type action struct {
	handler  uintptr
	flags    uint64
	restorer uintptr
	mask     uint64
}

// ExitWith makes status, from 0 to 255, that of the runtime's own end from now on. Called
// again it changes the status alone. Stack traces are those of GOTRACEBACK=crash: of all goroutines.
func ExitWith(status int) error {
	var a action
	if err := sigaction(syscall.SIGABRT, nil, &a); err != nil {
		return err
	}
	exitStatus = uint32(status)
	if a.handler == handler {
		return nil
	}
	goHandler = a.handler
	a.handler = handler // on the stack for signals, as Go's is
	if err := sigaction(syscall.SIGABRT, &a, nil); err != nil {
		return err
	}
	debug.SetTraceback("crash")
	return nil
}

func sigaction(s syscall.Signal, act, old *action) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(act)), uintptr(unsafe.Pointer(old)), 8, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("rt_sigaction", errno)
	}
	return nil
}
