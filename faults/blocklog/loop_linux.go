package blocklog

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// loopTries bounds how often another loop device is chosen after somebody else
// took the free one.
const loopTries = 64

// attachLoop attaches a file to a free loop device, which clears itself when the
// last user has closed it. The caller holds it open until it is mounted.
//
// Direct I/O is off: the loop device then writes each request with one write of
// the file, in order, and a flush is an fsync of it.
func attachLoop(file string) (*os.File, error) {
	backing, err := os.OpenFile(file, os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range loopTries {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, os.NewSyscallError("LOOP_CTL_GET_FREE", err)
		}
		loop, err := openLoop(n)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(backing.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		copy(config.Info.File_name[:], file)
		err = unix.IoctlLoopConfigure(int(loop.Fd()), &config)
		if err == nil {
			return loop, nil
		}
		loop.Close()
		if err != unix.EBUSY {
			return nil, os.NewSyscallError("LOOP_CONFIGURE", err)
		}
	}
	return nil, fmt.Errorf("no loop device stayed free in %d tries", loopTries)
}

// openLoop opens a loop device, whose node a container's /dev may lack.
func openLoop(n int) (*os.File, error) {
	path := "/dev/loop" + strconv.Itoa(n)
	loop, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
	if !os.IsNotExist(err) {
		return loop, err
	}
	const loopMajor = 7 // Documentation/admin-guide/devices.txt
	if err := unix.Mknod(path, unix.S_IFBLK|0o660, int(unix.Mkdev(loopMajor, uint32(n)))); err != nil && err != unix.EEXIST {
		return nil, os.NewSyscallError("mknod "+path, err)
	}
	return os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC, 0)
}

// LoopAvailable says whether loop devices can be had.
func loopAvailable() error {
	f, err := os.OpenFile("/dev/loop-control", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("no loop devices (modprobe loop; in a container: --privileged): %w", err)
	}
	return f.Close()
}
