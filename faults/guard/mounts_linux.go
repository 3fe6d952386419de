package guard

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Abort ends the FUSE connection of that number: every call pending on it
// returns ENOTCONN or ECONNABORTED. It does nothing where the connection is gone, or
// where fusectl is not mounted and may not be; the kernel also aborts a connection when
// the last descriptor of it is closed.
func Abort(conn uint32) {
	if err := abort(conn); !errors.Is(err, os.ErrNotExist) {
		return
	}
	// Many machines have no fusectl mounted. This one is seen by a thread of its own, with
	// which it goes.
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends here
		if leaveNamespace() == nil && unix.Mount("fusectl", connections, "fusectl", 0, "") == nil {
			abort(conn)
		}
	}()
	<-done
}

// connections is where the kernel expects fusectl (Documentation/filesystems/fuse.rst).
const connections = "/sys/fs/fuse/connections"

func abort(conn uint32) error {
	f, err := os.OpenFile(filepath.Join(connections, strconv.FormatUint(uint64(conn), 10), "abort"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("1"))
	return errors.Join(err, f.Close())
}

// Unmount detaches a FUSE mount, in use or not. A directory that is not a
// mount point is no error. What is mounted there while it works stays: somebody
// else may use the directory as soon as it is free.
func Unmount(dir string) error {
	for _, m := range mountPoints() {
		if m != dir {
			continue
		}
		// MNT_FORCE aborts the connection, so that nothing can wait on it any
		// more; unless it is in use, the mount is then gone. Otherwise it is detached.
		err := unix.Unmount(dir, unix.MNT_FORCE|unix.UMOUNT_NOFOLLOW)
		if err == unix.EBUSY {
			err = unix.Unmount(dir, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		}
		if err == nil || err == unix.EINVAL { // EINVAL: somebody else was quicker
			continue
		}
		out, err := exec.Command("fusermount3", "-u", "-z", "--", dir).CombinedOutput()
		if err != nil && Mounted(dir) {
			return fmt.Errorf("unmount %s: %w: %s", dir, err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}

// TryUnmount unmounts as umount(8) does: not while a process uses the mount, and
// only when the kernel has written all that it has cached. It gives up quietly.
func TryUnmount(dir string) {
	if unix.Unmount(dir, unix.UMOUNT_NOFOLLOW) == unix.EPERM {
		exec.Command("fusermount3", "-u", "--", dir).Run()
	}
}

// RemoveDir removes a directory and its content, but never reaches into a file
// system mounted below it.
func RemoveDir(path string) error {
	if below := mountBelow(path); below != "" {
		return fmt.Errorf("remove %s: %s is still mounted", path, below)
	}
	return os.RemoveAll(path)
}

// Mounted reports whether dir is a mount point in this thread's namespace. It
// reads the mount table: a stat of a dead mount point fails, and one of a live
// mount asks the process that serves it, which may be this one.
func Mounted(dir string) bool {
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
