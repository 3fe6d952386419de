package engine

import (
	"time"

	"github.com/torntail/torntail/faults/env"
)

// pipeRoom is how many bytes a snapshot may be ahead of its slowest reader: a
// pipe's capacity.
const pipeRoom = 64 << 10

// transfer is a snapshot that goes to replicas while it is made. The child
// writes it, the replicas' writer tasks read it, each at its own place.
type transfer struct {
	env     env.Env
	mark    string
	buf     []byte // from position start on
	start   int64
	readers []*Session
	ended   bool
	broken  bool     // nobody reads any more
	room    env.Cond // the child waits here
}

// Write is called by the child. It blocks while the slowest replica is too far
// behind.
func (t *transfer) Write(p []byte) (int, error) {
	for len(t.buf) > pipeRoom && !t.broken && len(t.readers) > 0 && !t.env.Orphaned() {
		t.room.WaitFor(time.Second)
	}
	if t.broken || t.env.Orphaned() {
		return 0, env.ErrClosed
	}
	t.put(p)
	return len(p), nil
}

func (t *transfer) put(p []byte) {
	t.buf = append(t.buf, p...)
	for _, c := range t.readers {
		c.stream.wake.Signal()
	}
}

func (t *transfer) has(pos int64) bool { return pos < t.start+int64(len(t.buf)) }

// from returns bytes from a position on, which stay valid.
func (t *transfer) from(pos int64) []byte {
	b := t.buf[pos-t.start:]
	return append([]byte(nil), b[:min(len(b), sendRoom)]...)
}

// trim lets go of what every reader has.
func (t *transfer) trim() {
	low := t.start + int64(len(t.buf))
	for _, c := range t.readers {
		if c.replica != nil {
			low = min(low, c.replica.sent)
		}
	}
	t.buf = append(t.buf[:0], t.buf[low-t.start:]...)
	t.start = low
	t.room.Signal()
}

// leave takes a replica that is gone off the readers.
func (t *transfer) leave(c *Session) {
	for i, o := range t.readers {
		if o == c {
			t.readers = append(t.readers[:i], t.readers[i+1:]...)
			break
		}
	}
	if len(t.readers) > 0 {
		t.trim()
		return
	}
	t.abandon()
}

// abandon makes the child's next write fail, as a pipe without a reader does.
func (t *transfer) abandon() {
	if t == nil {
		return
	}
	t.broken = true
	t.room.Signal()
}
