package listen

import (
	"slices"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is readiness by the system call that redis-server uses on Linux, whose list of who is
// ready is in order of arrival. It tells of each arrival once (EPOLLET): what it goes on
// telling, as for redis-server, keeps its place in the list while nothing is there any more, so
// that who sends next may come too early.
type epoll struct {
	again  []int32 // of which there is more
	fd     int
	waker  int // an eventfd, with the id 0
	events [128]unix.EpollEvent
}

func newReadiness() (readiness, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	waker, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err == nil {
		err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, waker, &unix.EpollEvent{Events: unix.EPOLLIN})
		if err != nil {
			unix.Close(waker)
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &epoll{fd: fd, waker: waker}, nil
}

func (e *epoll) control(op int, id int32, fd int) error {
	return unix.EpollCtl(e.fd, op, fd, &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: id})
}

func (e *epoll) add(id int32, fd int) error { return e.control(unix.EPOLL_CTL_ADD, id, fd) }

func (e *epoll) more(id int32) { e.again = append(e.again, id) }

// The errors of the next three would say that the socket is in the list already, or not.

func (e *epoll) pause(id int32, fd int)  { _ = e.control(unix.EPOLL_CTL_DEL, id, fd) }
func (e *epoll) resume(id int32, fd int) { _ = e.control(unix.EPOLL_CTL_ADD, id, fd) }

// forget: a socket that is closed leaves the list by itself only when no other descriptor is
// the same connection.
func (e *epoll) forget(id int32, fd int) { _ = e.control(unix.EPOLL_CTL_DEL, id, fd) }

// now does not tell the scheduler of its call, which does not wait.
func (e *epoll) now(into []int32) ([]int32, error) {
	for {
		n, _, err := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(e.fd), uintptr(unsafe.Pointer(&e.events[0])), uintptr(len(e.events)), 0, 0, 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != 0:
			return into, err
		}
		return e.told(into, int(n)), nil
	}
}

func (e *epoll) wait(into []int32, d time.Duration) ([]int32, error) {
	if len(e.again) > 0 {
		d = 0
	}
	n, err := unix.EpollWait(e.fd, e.events[:], milliseconds(d))
	switch {
	case err == unix.EINTR: // as when time is up: who waits looks around and comes back
		return into, nil
	case err != nil:
		return into, err
	}
	return e.told(into, n), nil
}

// told appends the ids of those of which there is more, and of n events.
func (e *epoll) told(into []int32, n int) []int32 {
	into = append(into, e.again...)
	earlier := into[len(into)-len(e.again):]
	e.again = e.again[:0]
	for i := range e.events[:n] {
		id := e.events[i].Fd
		switch {
		case id == 0:
			var count [8]byte
			unix.Read(e.waker, count[:])
			continue
		case e.events[i].Events != unix.EPOLLIN: // it has ended: nothing comes that would tell of that
			into = append(into, id)
		case slices.Contains(earlier, id):
			continue
		}
		into = append(into, id)
	}
	return into
}

func (e *epoll) wake() { unix.Write(e.waker, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (e *epoll) close() {
	unix.Close(e.waker)
	unix.Close(e.fd)
}

// raw makes a system call on a socket that does not wait, and so is none of which the
// scheduler has to know.
func raw(call uintptr, fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, _, err := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

func readSocket(fd int, b []byte) (int, error)  { return raw(syscall.SYS_READ, fd, b) }
func writeSocket(fd int, b []byte) (int, error) { return raw(syscall.SYS_WRITE, fd, b) }
