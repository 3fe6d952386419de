package guard

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// settle bounds how long the watchdog waits for killed processes to be gone
// before it removes directories under them.
const settle = 10 * time.Second

// startWatchdog starts this binary again as the watchdog and returns the write
// end of its pipe.
func startWatchdog() (io.WriteCloser, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	// argv[0] tells an operator who looks at ps what this is.
	cmd.Args = []string{"torntail-watchdog"}
	cmd.Env = append(os.Environ(), envWatchdog+"=1")
	cmd.Dir = "/"
	cmd.Stdin = r
	// Its own session: a Ctrl-C on the terminal must reach torntail alone, or
	// the watchdog would be gone before it is needed. No output: whoever reads
	// our own would otherwise wait for the watchdog too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	go cmd.Wait()
	return w, nil
}

// watch is the watchdog: it keeps the list until the pipe ends, then cleans up
// what is still on it. It returns the exit status.
func watch(in io.Reader) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	live := map[uint64]entry{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		e, remove, err := parseLine(lines.Text())
		switch {
		case err != nil: // cut off in the middle by the writer's death
		case remove:
			delete(live, e.id)
		default:
			live[e.id] = e
		}
	}
	left := make([]entry, 0, len(live))
	for _, e := range live {
		left = append(left, e)
	}
	sort.Slice(left, func(i, j int) bool { return left[i].id < left[j].id })
	if err := cleanUp(left); err != nil {
		return 1
	}
	return 0
}

// cleanUp ends and removes the entries in the order that cannot hang: processes
// get their SIGKILL first, then the file systems are aborted, which answers the
// calls the killed processes sit in, and only then are directories removed.
func cleanUp(entries []entry) error {
	deadline := time.Now().Add(settle)
	var firstErr error
	note := func(err error) {
		if firstErr == nil {
			firstErr = err
		}
	}
	each := func(k kind, f func(e entry)) {
		for _, e := range entries {
			if e.kind == k {
				f(e)
			}
		}
	}
	each(kindGroup, func(e entry) {
		pgid, _ := strconv.Atoi(e.number) // parseLine checked it
		if pgid > 1 {
			syscall.Kill(-pgid, syscall.SIGKILL)
		}
	})
	each(kindMount, func(e entry) {
		conn, _ := strconv.ParseUint(e.number, 10, 32) // parseLine checked it
		Abort(uint32(conn))
		note(Unmount(e.path))
	})
	each(kindGroup, func(e entry) {
		pgid, _ := strconv.Atoi(e.number) // parseLine checked it
		for GroupAlive(pgid) && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
	})
	each(kindDir, func(e entry) { note(RemoveDir(e.path)) })
	return firstErr
}

// Abort ends the FUSE connection of that number: every call pending on it
// returns ENOTCONN or ECONNABORTED. It does nothing where fusectl is not
// mounted or the connection is gone; the kernel also aborts a connection when
// the last descriptor of it is closed.
func Abort(conn uint32) {
	path := filepath.Join("/sys/fs/fuse/connections", strconv.FormatUint(uint64(conn), 10), "abort")
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.Write([]byte("1"))
		f.Close()
	}
}

// Unmount detaches a FUSE mount, in use or not. A directory that is not a
// mount point is no error.
func Unmount(dir string) error {
	for mounted(dir) {
		// MNT_FORCE aborts the connection, so that nothing can wait on it any
		// more; only then is the mount detached.
		unix.Unmount(dir, unix.MNT_FORCE|unix.UMOUNT_NOFOLLOW)
		err := unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if err == nil || err == unix.EINVAL {
			continue // EINVAL: MNT_FORCE alone was enough
		}
		out, err := exec.Command("fusermount3", "-u", "-z", "--", dir).CombinedOutput()
		if err != nil && mounted(dir) {
			return fmt.Errorf("unmount %s: %w: %s", dir, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// RemoveDir removes a directory and its content, but never reaches into a file
// system mounted below it.
func RemoveDir(path string) error {
	if below := mountBelow(path); below != "" {
		return fmt.Errorf("remove %s: %s is still mounted", path, below)
	}
	return os.RemoveAll(path)
}

// mounted reports whether dir is a mount point in this thread's namespace. It
// reads the mount table: a stat of a dead mount point fails, and one of a live
// mount asks the process that serves it, which may be this one.
func mounted(dir string) bool {
	for _, m := range mountPoints() {
		if m == dir {
			return true
		}
	}
	return false
}

// mountBelow returns a mount point at or below dir, or "".
func mountBelow(dir string) string {
	for _, m := range mountPoints() {
		if m == dir || strings.HasPrefix(m, strings.TrimSuffix(dir, "/")+"/") {
			return m
		}
	}
	return ""
}

// mountPoints lists the mount points of the calling thread's namespace (proc(5), mountinfo, field 5).
func mountPoints() []string {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return nil
	}
	var points []string
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, unescapeMount(fields[4]))
		}
	}
	return points
}

// unescapeMount undoes the octal escapes of /proc/*/mountinfo (space, tab, newline, backslash).
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// ConnectionOf returns the FUSE connection number of the mount at dir, as the
// calling thread's namespace has it: the minor device number of the mount
// (proc(5), mountinfo, field 3).
func ConnectionOf(dir string) (uint32, error) {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || unescapeMount(fields[4]) != dir {
			continue
		}
		_, minor, _ := strings.Cut(fields[2], ":")
		n, err := strconv.ParseUint(minor, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("mountinfo: device %q of %s: %w", fields[2], dir, err)
		}
		return uint32(n), nil
	}
	return 0, fmt.Errorf("%s is not a mount point", dir)
}

// GroupAlive reports whether a process of the group still runs. Zombies do not
// count: they hold no memory, no file and no mount, and who should reap them
// may never do so.
func GroupAlive(pgid int) bool {
	return len(GroupMembers(pgid)) > 0
}

// GroupMembers lists the living processes of a group, zombies excluded.
func GroupMembers(pgid int) []int {
	if syscall.Kill(-pgid, 0) == syscall.ESRCH {
		return nil // the usual case, without a walk through /proc
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var members []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if st, ok := ReadStat(pid); ok && st.Group == pgid && st.State != 'Z' && st.State != 'X' {
			members = append(members, pid)
		}
	}
	sort.Ints(members)
	return members
}

// Stat is what /proc says about a process.
type Stat struct {
	State  byte // 'R' 'S' 'D' 'T' 'Z' ... (proc(5))
	Parent int
	Group  int
}

// ReadStat reads /proc/PID/stat; false when there is no such process.
func ReadStat(pid int) (Stat, bool) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Stat{}, false
	}
	// The name in parentheses may itself hold spaces and parentheses.
	_, rest, ok := cutLast(string(data), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 3 {
		return Stat{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	group, err2 := strconv.Atoi(fields[2])
	return Stat{State: fields[0][0], Parent: parent, Group: group}, err1 == nil && err2 == nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Killed reports whether SIGKILL has been sent to a thread and it has only not
// died yet: because a file system call of it is pending. That is known at once,
// while the kernel's own FUSE_INTERRUPT may still be under way.
func Killed(tid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return true // it is gone altogether
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && mask&(1<<(uint(syscall.SIGKILL)-1)) != 0 {
			return true
		}
	}
	return false
}
