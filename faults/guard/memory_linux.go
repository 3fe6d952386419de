package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Who serves a disk under a file system answers the kernel when it writes pages out, which
// it does when memory is short. If the answer needs memory itself, and the kernel waits for
// those same pages to find some, nobody goes on: not even SIGKILL ends such a wait, and who
// asks for the loop device waits too. A memory cgroup makes memory short for its own
// processes, whatever the machine has.

// flusherFlags are what PR_SET_IO_FLUSHER gives a thread (Linux, include/linux/sched.h:
// PF_MEMALLOC_NOIO, PF_LOCAL_THROTTLE): it finds memory without waiting for pages to be
// written.
const flusherFlags = 0x00080000 | 0x00100000

// envFlusher marks a process that ServeDisks has started again.
const envFlusher = "TORNTAIL_FLUSHER"

// enoughMemory is the limit, in bytes, from which on a process that is no flusher may serve
// disks: what torntail and its servers need for a usual run, several times.
const enoughMemory = 1 << 30

// ServeDisks makes this process one that may serve disks under file systems: the kernel
// does not let it wait for pages that it is to write (PR_SET_IO_FLUSHER), where this is
// allowed (CAP_SYS_RESOURCE), and never takes from it the memory that it has used
// (CAP_IPC_LOCK). The first is a matter of single threads, which threads and programs that
// they start take over: so it does not return but starts the program again, once. It comes
// before anything that must be done once only.
//
// Threads of a Space give it up, so that servers are what they are anywhere else.
func ServeDisks() error {
	if os.Getenv(envFlusher) != "" {
		os.Unsetenv(envFlusher)
		return lockMemory()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if setFlusher(true) != nil {
		return lockMemory() // RoomForDisks says where that is not enough
	}
	err := unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), envFlusher+"=1"))
	return errors.Join(os.NewSyscallError("exec", err), setFlusher(false))
}

func setFlusher(on bool) error {
	state := uintptr(0)
	if on {
		state = 1
	}
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_IO_FLUSHER, state, 0, 0, 0))
}

// MayFlush reports whether ServeDisks can do all that it is for.
func MayFlush() bool { return capable(unix.CAP_SYS_RESOURCE) }

// flusher reports whether a thread, such as /proc/thread-self, is one.
func flusher(thread string) bool {
	flags, err := threadFlags(thread)
	return err == nil && flags&flusherFlags == flusherFlags
}

// threadFlags are those of a thread (proc(5), stat, field 9).
func threadFlags(thread string) (uint64, error) {
	data, err := os.ReadFile(filepath.Join(thread, "stat"))
	if err != nil {
		return 0, err
	}
	_, rest, _ := cutLast(string(data), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 7 {
		return 0, fmt.Errorf("%s/stat: malformed", thread)
	}
	return strconv.ParseUint(fields[6], 10, 64)
}

// leaveFlushers makes the calling thread an ordinary one.
func leaveFlushers() error {
	if !flusher("/proc/thread-self") {
		return nil
	}
	return setFlusher(false)
}

// lockMemory keeps in memory what this process has touched and will touch. Without
// CAP_IPC_LOCK it does nothing: a limit of locked memory would be one of all memory.
func lockMemory() error {
	if !capable(unix.CAP_IPC_LOCK) {
		return nil
	}
	return os.NewSyscallError("mlockall", unix.Mlockall(unix.MCL_CURRENT|unix.MCL_FUTURE|unix.MCL_ONFAULT))
}

// capable reports whether this process has a capability.
func capable(n int) bool {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && mask&(1<<n) != 0
		}
	}
	return false
}

// RoomForDisks is why this process must not serve disks under file systems: a limit of
// memory, under which it could come to wait for itself. nil: it may.
func RoomForDisks() error {
	if flusher("/proc/thread-self") {
		return nil
	}
	limit, dir := memoryLimit()
	if limit >= enoughMemory {
		return nil
	}
	return fmt.Errorf("a memory limit of %d MiB (%s): without CAP_SYS_RESOURCE (in a container: --privileged) torntail and the kernel could wait for each other for ever; %d MiB are enough",
		limit>>20, dir, enoughMemory>>20)
}

// memoryLimit is the lowest limit of a memory cgroup that this process is in, in bytes, and
// where it is set.
func memoryLimit() (limit uint64, dir string) {
	limit = 1<<64 - 1
	of, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return limit, ""
	}
	for line := range strings.Lines(string(of)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, file := "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		if fields[0] == "0" {
			root, file = "/sys/fs/cgroup", "memory.max"
		} else if fields[1] != "memory" {
			continue
		}
		// A container may see the directory of its own cgroup as the root.
		for at := filepath.Join(root, fields[2]); strings.HasPrefix(at, root); at = filepath.Dir(at) {
			text, err := os.ReadFile(filepath.Join(at, file))
			if err != nil {
				continue
			}
			if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && n < limit { // "max" is none
				limit, dir = n, at
			}
		}
	}
	return limit, dir
}
