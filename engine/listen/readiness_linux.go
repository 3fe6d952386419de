package listen

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// epoll is readiness by the system call that redis-server uses on Linux, whose
// list of who is ready is in order of arrival.
type epoll struct {
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

// control changes the list for a socket.
func (e *epoll) control(op int, id int32, c syscall.RawConn) error {
	var failed error
	if err := c.Control(func(fd uintptr) {
		failed = unix.EpollCtl(e.fd, op, int(fd), &unix.EpollEvent{Events: unix.EPOLLIN, Fd: id})
	}); err != nil {
		return err
	}
	return failed
}

func (e *epoll) add(id int32, c syscall.RawConn) error { return e.control(unix.EPOLL_CTL_ADD, id, c) }

// The errors of the next two say that the connection is closed.

func (e *epoll) pause(id int32, c syscall.RawConn)  { _ = e.control(unix.EPOLL_CTL_DEL, id, c) }
func (e *epoll) resume(id int32, c syscall.RawConn) { _ = e.control(unix.EPOLL_CTL_ADD, id, c) }

// forget has nothing to do: a socket that is closed leaves the list.
func (e *epoll) forget(int32) {}

func (e *epoll) wait(into []int32) ([]int32, error) {
	for {
		n, err := unix.EpollWait(e.fd, e.events[:], -1)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return into, err
		}
		for _, event := range e.events[:n] {
			if event.Fd == 0 {
				var count [8]byte
				unix.Read(e.waker, count[:])
				continue
			}
			into = append(into, event.Fd)
		}
		return into, nil
	}
}

func (e *epoll) wake() { unix.Write(e.waker, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

func (e *epoll) close() {
	unix.Close(e.waker)
	unix.Close(e.fd)
}
