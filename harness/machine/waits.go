package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// A clause about time speaks of a server that was given time. This is the witness of it:
// how long the threads of a real server stood in the queue for a processor, as the kernel
// counts it (the second number of /proc/PID/task/TID/schedstat, in ns; where there is no
// such file, nothing), and how much later than it asked for torntail itself, which is the
// server's disk and its clients, was woken. What a hypervisor or another container takes
// away shows in the second alone.
//
// A thread that hangs in the kernel for its own memory, in fork or in a page fault, waits for
// whoever looks at that memory (each reader of /proc/PID/cmdline does) and has itself no
// processor. It is no call to a disk, and has waited, too.

const (
	beat   = 25 * time.Millisecond  // torntail asks to be woken
	sample = 100 * time.Millisecond // the length of a stretch that is told apart
	// noWait is what a stretch may have of waiting without being on record: timers are
	// not more exact.
	noWait = 2 * time.Millisecond
)

// waits gathers the waiting of a server and of torntail.
type waits struct {
	mu   sync.Mutex
	list []history.Wait
}

// watch gathers until the server has ended.
func (w *waits) watch(pid int, clock func() time.Duration, dead <-chan struct{}) {
	threads := make(map[string]thread)
	queueing(pid, 0, threads)
	from, late := clock(), time.Duration(0)
	for timer := time.NewTimer(beat); ; timer.Reset(beat) {
		asked := clock() + beat
		select {
		case <-dead:
		case <-timer.C:
			late += max(0, clock()-asked)
		}
		now := clock()
		select {
		case <-dead:
			w.add(history.Wait{From: from, To: now, By: queueing(pid, now-from, threads) + 2*late})
			return
		default:
		}
		if now-from < sample {
			continue
		}
		// A call to the disk takes two turns: torntail is woken for it, and the server by its answer.
		w.add(history.Wait{From: from, To: now, By: queueing(pid, now-from, threads) + 2*late})
		from, late = now, 0
	}
}

func (w *waits) add(s history.Wait) {
	if s.By < noWait {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, s)
}

// seen is what has been gathered.
func (w *waits) seen() []history.Wait {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]history.Wait(nil), w.list...)
}

// thread is what was seen of one.
type thread struct {
	queued time.Duration // so far
	hung   bool          // for memory
}

// queueing is for how long the threads of a process have waited since before was written, which
// was so long ago and which it brings up to date: in the queue for a processor, and, where
// they hung for memory then and do so now, all the time.
func queueing(pid int, span time.Duration, before map[string]thread) (sum time.Duration) {
	dir := fmt.Sprintf("/proc/%d/task/", pid)
	threads, err := os.ReadDir(dir)
	if err != nil {
		return 0 // it has ended, or this is no Linux
	}
	for _, t := range threads {
		text, err := os.ReadFile(dir + t.Name() + "/schedstat")
		if err != nil {
			continue
		}
		was := before[t.Name()]
		now := thread{was.queued, hangs(dir + t.Name())}
		if f := strings.Fields(string(text)); len(f) > 1 {
			ns, _ := strconv.ParseInt(f[1], 10, 64)
			now.queued = time.Duration(ns)
			sum += now.queued - was.queued
		}
		if was.hung && now.hung {
			sum += span
		}
		before[t.Name()] = now
	}
	return sum
}
