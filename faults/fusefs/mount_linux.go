package fusefs

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/torntail/torntail/faults/guard"
	"golang.org/x/sys/unix"
)

// attachment is one FUSE mount as the kernel has it.
type attachment struct {
	dir   string
	space *guard.Space
	fd    int    // of /dev/fuse, close-on-exec from the start
	conn  uint32 // connection number under /sys/fs/fuse/connections
}

// mountAt mounts a FUSE file system at dir, in the namespace of the space.
//
// It does by hand what go-fuse would do, for one reason: go-fuse's direct mount
// opens /dev/fuse without close-on-exec. A server started between that and a
// later fcntl inherits the descriptor, keeps the connection open after
// torntail's death, and with it everything that waits on it in state D.
func mountAt(dir string, o Options) (*attachment, error) {
	a := &attachment{dir: dir, space: o.Space}
	var err error
	o.Space.Do(func() {
		if a.fd, err = mountDirect(dir, o.Others); err == unix.EPERM {
			a.fd, err = mountByHelper(dir)
		}
		if err == nil {
			a.conn, err = guard.ConnectionOf(dir)
		}
	})
	if err != nil {
		return nil, &MountError{dir, err}
	}
	return a, nil
}

// mountDirect opens /dev/fuse and mounts; it needs CAP_SYS_ADMIN.
func mountDirect(dir string, others bool) (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=%d,group_id=%d,max_read=%d",
		fd, unix.S_IFDIR, os.Geteuid(), os.Getegid(), maxRequest)
	if others {
		options += ",allow_other,default_permissions"
	}
	if err := unix.Mount("torntail", dir, "fuse.torntail", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOATIME, options); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// mountByHelper lets the setuid program fusermount3 mount; it sends the
// descriptor of /dev/fuse back over a socket (the protocol of libfuse's
// fusermount: the socket's number in _FUSE_COMMFD, one SCM_RIGHTS message).
func mountByHelper(dir string) (int, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "fusermount3"), os.NewFile(uintptr(pair[1]), "fusermount3")
	defer ours.Close()
	cmd := exec.Command("fusermount3", "-o", "fsname=torntail,subtype=torntail,max_read="+strconv.Itoa(maxRequest), "--", dir)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3") // 3 is the first of ExtraFiles
	cmd.ExtraFiles = []*os.File{theirs}
	out, err := cmd.CombinedOutput()
	theirs.Close()
	if err != nil {
		return -1, fmt.Errorf("fusermount3: %w: %s", err, strings.TrimSpace(string(out)))
	}
	data, control := make([]byte, 4), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(pair[0], data, control, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, os.NewSyscallError("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, fmt.Errorf("fusermount3 sent no descriptor: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, fmt.Errorf("fusermount3 sent no descriptor: %v", err)
	}
	return fds[0], nil
}

// detach takes the mount away. Whatever still has a call pending on it gets
// ENOTCONN, so nothing stays behind in state D.
func (a *attachment) detach() error {
	var err error
	a.space.Do(func() {
		guard.Abort(a.conn)
		err = guard.Unmount(a.dir)
	})
	return err
}

// Available says whether this machine can serve a disk over FUSE; the error
// tells what is missing and how to get it.
func Available() error {
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR|syscall.O_CLOEXEC, 0)
	switch {
	case os.IsNotExist(err):
		return fmt.Errorf("no /dev/fuse: the fuse kernel module is not loaded (modprobe fuse), or the container was started without --device /dev/fuse")
	case err != nil:
		return fmt.Errorf("/dev/fuse cannot be opened: %w", err)
	}
	f.Close()
	if canMount() {
		return nil
	}
	if _, err := exec.LookPath("fusermount3"); err != nil {
		return fmt.Errorf("not root, and no fusermount3 in PATH: run scripts/setup, or apt-get install fuse3")
	}
	return nil
}

// canMount reports whether this process has CAP_SYS_ADMIN, which mount(2) asks for.
func canMount() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return os.Geteuid() == 0
	}
	return data[0].Effective&(1<<unix.CAP_SYS_ADMIN) != 0
}
