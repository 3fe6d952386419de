package listen

import (
	"sync"
	"syscall"
)

// watchers are readiness on any system: a goroutine waits for each connection.
// The order of those that become ready at about the same time is the scheduler's.
type watchers struct {
	ready chan int32
	woken chan struct{}
	mu    sync.Mutex
	all   map[int32]*watcher
	told  []int32 // by the last wait
}

// watcher waits for one connection each time it is told to look.
type watcher struct {
	look   chan struct{}
	gone   chan struct{} // is closed when there is no more to look for
	paused bool
}

func newWatchers() *watchers {
	return &watchers{ready: make(chan int32), woken: make(chan struct{}, 1), all: make(map[int32]*watcher)}
}

func (w *watchers) add(id int32, c syscall.RawConn) error {
	one := &watcher{look: make(chan struct{}, 1), gone: make(chan struct{})}
	w.mu.Lock()
	w.all[id] = one
	w.mu.Unlock()
	one.again()
	go one.watch(id, c, w.ready)
	return nil
}

func (o *watcher) again() {
	select {
	case o.look <- struct{}{}:
	default:
	}
}

func (o *watcher) watch(id int32, c syscall.RawConn, ready chan<- int32) {
	for {
		select {
		case <-o.look:
		case <-o.gone:
			return
		}
		// An error says that the connection is closed, as who reads it will see.
		_ = c.Read(func(fd uintptr) bool {
			_, err := uninterrupted(func() (int, error) {
				n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
				return n, err
			})
			return err != syscall.EAGAIN
		})
		select {
		case ready <- id:
		case <-o.gone:
			return
		}
	}
}

// with does something with a watcher that is still there.
func (w *watchers) with(id int32, f func(*watcher)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if o := w.all[id]; o != nil {
		f(o)
	}
}

func (w *watchers) pause(id int32, _ syscall.RawConn) {
	w.with(id, func(o *watcher) { o.paused = true })
}

func (w *watchers) resume(id int32, _ syscall.RawConn) {
	w.with(id, func(o *watcher) {
		o.paused = false
		o.again()
	})
}

func (w *watchers) forget(id int32) {
	w.with(id, func(o *watcher) {
		close(o.gone)
		delete(w.all, id)
	})
}

func (w *watchers) wait(into []int32) ([]int32, error) {
	for _, id := range w.told {
		w.with(id, func(o *watcher) {
			if !o.paused {
				o.again()
			}
		})
	}
	select {
	case id := <-w.ready:
		into = append(into, id)
	case <-w.woken:
	}
	for {
		select {
		case id := <-w.ready:
			into = append(into, id)
			continue
		default:
		}
		w.told = append(w.told[:0], into...)
		return into, nil
	}
}

func (w *watchers) wake() {
	select {
	case w.woken <- struct{}{}:
	default:
	}
}

func (w *watchers) close() {}
