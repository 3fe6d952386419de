package guard

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ErrNotConfined means that this kernel does not let a process give up writing files.
var ErrNotConfined = errors.New("this kernel has no Landlock (5.19 or later, with landlock in its list of security modules)")

// writing are the rights of Landlock that change what a file system holds, by the version
// of its interface that brought them (Documentation/userspace-api/landlock.rst).
const (
	writing uint64 = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_REFER
	// Before version 2 no file could be renamed to another directory, which Redis does with
	// a base that it has rewritten.
	needsVersion    = 2
	truncateVersion = 3
)

// devices are what a program may write to that keeps nothing.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom"}

// envWithout, set in the environment, does without Landlock, to show what becomes of that.
const envWithout = "TORNTAIL_WITHOUT_LANDLOCK"

// landlockVersion is that of the kernel's interface, 0 where there is none.
func landlockVersion() int {
	if os.Getenv(envWithout) != "" {
		return 0
	}
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// CanConfine is why Confine cannot keep anybody from writing elsewhere; nil: it can.
func CanConfine() error {
	if landlockVersion() < needsVersion {
		return ErrNotConfined
	}
	return nil
}

// Confine is a space like this one whose programs, and whatever these start, write files
// only below the directories and in a new one, where they are at first and which is theirs for
// temporary files. They read and execute whatever they may. What Landlock does not know of
// is left to them: modes, owners, times and extended attributes of files.
//
// Where the kernel cannot do that, the space's programs are only looked at (Elsewhere);
// Confined says which.
//
// The rules are those of a thread, which its children take over, so that a start costs
// nothing more. Close ends the thread, and with it what was started from it.
func (s *Space) Confine(dirs ...string) (*Space, error) {
	watchdog, err := Default()
	if err != nil {
		return nil, err
	}
	work, release, err := watchdog.NewDir("", ".torntail-work-")
	if err != nil {
		return nil, err
	}
	c := &Space{calls: make(chan func()), private: s.private, work: work, confined: CanConfine() == nil}
	for _, dir := range append(dirs, work) {
		if whole, err := filepath.EvalSymlinks(dir); err == nil {
			dir = whole // as the kernel has it, for Elsewhere
		}
		c.below = append(c.below, dir)
	}
	if err = s.beside(c); err != nil {
		err = fmt.Errorf("confine servers to %s: %w", strings.Join(dirs, ", "), errors.Join(err, RemoveDir(work)))
		release()
		return nil, err
	}
	c.release = func() error {
		defer release()
		return RemoveDir(work)
	}
	return c, nil
}

// beside starts the thread of a space in the mount namespace of this one.
func (s *Space) beside(c *Space) (err error) {
	var namespace *os.File
	if s.private {
		if s.Do(func() { namespace, err = os.Open("/proc/thread-self/ns/mnt") }); err != nil {
			return err
		}
		defer namespace.Close()
	}
	return c.start(func() error {
		// A working directory and a mount namespace of its own need a file system
		// structure of its own (unshare(2), setns(2)).
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		if namespace != nil {
			if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS); err != nil {
				return os.NewSyscallError("setns", err)
			}
		}
		if err := unix.Chdir(c.work); err != nil {
			return os.NewSyscallError("chdir", err)
		}
		if !c.confined {
			return nil
		}
		return confineThread(c.below)
	})
}

// confineThread takes from the calling thread, for good, the right to write files that are
// not below the directories.
func confineThread(below []string) error {
	attr := unix.LandlockRulesetAttr{Handled_access_fs: writing}
	const onFiles uint64 = unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	onDevices := onFiles
	if landlockVersion() >= truncateVersion {
		attr.Handled_access_fs |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
		onDevices |= unix.LANDLOCK_ACCESS_FS_TRUNCATE // what a shell asks for when it writes to /dev/null
	}
	// The first fields alone: those that a later kernel knows are not of our concern.
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr.Handled_access_fs), 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(ruleset))
	for _, dir := range below {
		if err := allow(int(ruleset), dir, attr.Handled_access_fs); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err // one that is gone needs no right
		}
	}
	for _, device := range devices {
		if err := allow(int(ruleset), device, onDevices); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	// Without it the kernel asks for CAP_SYS_ADMIN, for a program with more rights than its
	// caller must not be confused.
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}

// allow adds to a ruleset that a file, or what is below a directory, may be written to.
func allow(ruleset int, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return &os.PathError{Op: "landlock_add_rule", Path: path, Err: errno}
	}
	return nil
}

// Elsewhere lists the files that processes of a group have open for writing and that are not
// where the space's programs may write: what a look can tell where nothing keeps them from
// it. A file that was written and closed before is not seen.
func (s *Space) Elsewhere(pgid int) (files []string) {
	for _, pid := range GroupMembers(pgid) {
		proc := filepath.Join("/proc", strconv.Itoa(pid))
		list, err := os.ReadDir(filepath.Join(proc, "fd"))
		if err != nil {
			continue // it has ended
		}
		for _, fd := range list {
			path, err := os.Readlink(filepath.Join(proc, "fd", fd.Name()))
			if err == nil && strings.HasPrefix(path, "/") && !s.mayWrite(path) && writable(filepath.Join(proc, "fdinfo", fd.Name())) {
				files = append(files, path)
			}
		}
	}
	return files
}

// mayWrite reports whether a path is one that the space's programs may write to; of memory
// that has a name, and of devices, all are.
func (s *Space) mayWrite(path string) bool {
	for _, dir := range append([]string{"/dev", "/memfd:"}, s.below...) {
		if strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") || strings.HasPrefix(path, dir) && strings.HasSuffix(dir, ":") {
			return true
		}
	}
	return false
}

// writable reports whether a descriptor is open for writing (proc(5), fdinfo, flags).
func writable(fdinfo string) bool {
	text, err := os.ReadFile(fdinfo)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, err := strconv.ParseUint(strings.TrimSpace(value), 8, 32)
			return err == nil && flags&unix.O_ACCMODE != unix.O_RDONLY
		}
	}
	return false
}

// start starts the space's thread, which prepares itself.
func (s *Space) start(prepare func() error) error {
	ready := make(chan error)
	go s.serve(prepare, ready)
	return <-ready
}

// serve is the thread. It is never unlocked, so that it ends with the process, or when the
// space is closed, and not before; and nobody else gets a thread that was changed.
func (s *Space) serve(prepare func() error, ready chan<- error) {
	runtime.LockOSThread()
	err := leaveFlushers()
	if err == nil {
		err = prepare()
	}
	ready <- err
	if err != nil {
		return
	}
	for f := range s.calls {
		f()
	}
}
