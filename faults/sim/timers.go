package sim

import "time"

// timerKind says what a timer does when it is due.
type timerKind uint8

const (
	wakeTask    timerKind = iota // the task's sleep or deadline is over
	deliverPipe                  // the first segment of a pipe arrives
	dialStep                     // a connection being made takes its next step
	tickDisk                     // background write-back of a node's disk
	callBack                     // World.At
)

// timer is embedded in what it wakes; only callbacks have one of their own.
type timer struct {
	pos    int32 // place in the heap plus one; 0 when not armed
	kind   timerKind
	task   *task
	pipe   *pipe
	stream *stream
	node   *Node
	call   func()
}

type timerEntry struct {
	at  time.Duration
	seq uint64 // timers due at the same instant fire in the order they were armed
	t   *timer
}

// timerHeap is a 4-ary heap that knows where each timer is, so that a wait that
// ended early takes its deadline out again: a server that waits for its next
// cron a thousand times a second leaves no thousand dead timers behind.
type timerHeap struct {
	h   []timerEntry
	seq uint64
}

func (q *timerHeap) before(a, b *timerEntry) bool {
	return a.at < b.at || a.at == b.at && a.seq < b.seq
}

// arm sets t to fire at the given time, moving it when it is armed already.
func (q *timerHeap) arm(t *timer, at time.Duration) {
	q.disarm(t)
	q.seq++
	q.h = append(q.h, timerEntry{at, q.seq, t})
	q.up(len(q.h) - 1)
}

func (q *timerHeap) disarm(t *timer) {
	if t.pos == 0 {
		return
	}
	i := int(t.pos) - 1
	t.pos = 0
	last := len(q.h) - 1
	moved := q.h[last]
	q.h[last] = timerEntry{}
	q.h = q.h[:last]
	if i == last {
		return
	}
	q.h[i] = moved
	if q.up(i) == i {
		q.down(i)
	}
}

func (q *timerHeap) up(i int) int {
	e := q.h[i]
	for i > 0 {
		parent := (i - 1) / 4
		if !q.before(&e, &q.h[parent]) {
			break
		}
		q.h[i] = q.h[parent]
		q.h[i].t.pos = int32(i + 1)
		i = parent
	}
	q.h[i] = e
	e.t.pos = int32(i + 1)
	return i
}

func (q *timerHeap) down(i int) {
	e := q.h[i]
	for {
		first := 4*i + 1
		if first >= len(q.h) {
			break
		}
		least := first
		for c := first + 1; c < first+4 && c < len(q.h); c++ {
			if q.before(&q.h[c], &q.h[least]) {
				least = c
			}
		}
		if !q.before(&q.h[least], &e) {
			break
		}
		q.h[i] = q.h[least]
		q.h[i].t.pos = int32(i + 1)
		i = least
	}
	q.h[i] = e
	e.t.pos = int32(i + 1)
}

// reset empties the heap and keeps its memory.
func (q *timerHeap) reset() {
	for i := range q.h {
		q.h[i].t.pos = 0
		q.h[i] = timerEntry{}
	}
	q.h = q.h[:0]
	q.seq = 0
}
