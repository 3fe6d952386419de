package listen

import (
	"errors"
	"io"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// polled is readiness on any system, by poll(2). The order of those that become ready at
// about the same time is that in which they were added.
type polled struct {
	reader, writer int // of a pipe: it ends a wait
	mu             sync.Mutex
	all            []watched
	woken          bool // by wake, and not told yet
	set            []unix.PollFd
	ids            []int32
}

// watched is one socket.
type watched struct {
	id     int32
	fd     int
	paused bool
}

func newPolled() (*polled, error) {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return nil, err
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			return nil, errors.Join(err, unix.Close(ends[0]), unix.Close(ends[1]))
		}
	}
	return &polled{reader: ends[0], writer: ends[1]}, nil
}

// change changes the list, which a wait that goes on has a copy of.
func (p *polled) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	unix.Write(p.writer, []byte{0}) // a pipe that is full ends the wait as well
}

func (p *polled) add(id int32, fd int) error {
	p.change(func() { p.all = append(p.all, watched{id: id, fd: fd}) })
	return nil
}

func (p *polled) more(int32) {}

func (p *polled) setPaused(id int32, paused bool) {
	p.change(func() {
		if i := slices.IndexFunc(p.all, func(w watched) bool { return w.id == id }); i >= 0 {
			p.all[i].paused = paused
		}
	})
}

func (p *polled) pause(id int32, _ int)  { p.setPaused(id, true) }
func (p *polled) resume(id int32, _ int) { p.setPaused(id, false) }

func (p *polled) forget(id int32, _ int) {
	p.change(func() { p.all = slices.DeleteFunc(p.all, func(w watched) bool { return w.id == id }) })
}

func (p *polled) wake() { p.change(func() { p.woken = true }) }

func (p *polled) now(into []int32) ([]int32, error) { return p.wait(into, 0) }

func (p *polled) wait(into []int32, d time.Duration) ([]int32, error) {
	for begin := time.Now(); ; {
		p.mu.Lock()
		p.set, p.ids = append(p.set[:0], unix.PollFd{Fd: int32(p.reader), Events: unix.POLLIN}), append(p.ids[:0], 0)
		for _, w := range p.all {
			if !w.paused {
				p.set, p.ids = append(p.set, unix.PollFd{Fd: int32(w.fd), Events: unix.POLLIN}), append(p.ids, w.id)
			}
		}
		p.mu.Unlock()
		left := max(d-time.Since(begin), 0)
		_, err := unix.Poll(p.set, milliseconds(left))
		if err != nil && err != unix.EINTR {
			return into, err
		}
		for i, one := range p.set[1:] {
			if err == nil && one.Revents != 0 {
				into = append(into, p.ids[i+1])
			}
		}
		p.mu.Lock()
		unix.Read(p.reader, make([]byte, 512)) // what is left ends the next wait
		woken := p.woken
		p.woken = false
		p.mu.Unlock()
		if woken || len(into) > 0 || left == 0 {
			return into, nil
		}
	}
}

func (p *polled) close() {
	unix.Close(p.reader)
	unix.Close(p.writer)
}

// milliseconds is a time to wait, not too short.
func milliseconds(d time.Duration) int {
	return int((max(d, 0) + time.Millisecond - 1) / time.Millisecond)
}

// nonblocking is what a call to read or write a socket that does not wait has done: n is
// never negative. EAGAIN says that there is nothing, or no room.
func nonblocking(call func() (int, error), reads bool) (int, error) {
	for {
		n, err := call()
		switch {
		case err == syscall.EINTR:
			continue
		case err == nil && n == 0 && reads:
			err = io.EOF
		}
		return max(n, 0), err
	}
}
