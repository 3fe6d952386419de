package sim

import (
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
)

const (
	// window is how many bytes a connection takes from a writer before the reader
	// has read any: the kernel's send and receive buffers together.
	window = 1 << 20
	// bufferKeep is the largest stream buffer kept for the next connection.
	bufferKeep = 64 << 10
	// retransmitMin and retransmitMax bound the wait for a retransmission after a
	// machine is back (tcp_retries2 backs off from RTO_MIN, 200 ms).
	retransmitMin = 1 * time.Millisecond
	retransmitMax = 400 * time.Millisecond
)

func retransmitted(w *World) time.Duration {
	return retransmitMin + time.Duration(w.rng.below(int(retransmitMax-retransmitMin)))
}

// stream is a TCP connection: two ends, and a pipe from each to the other.
type stream struct {
	w     *World
	id    uint64
	pos   int // in World.streams plus one
	ends  [2]end
	pipes [2]pipe // pipes[i] carries what ends[i] writes

	// While it is being made (see dial.go).
	state  dialState
	tries  int
	number int // see network.Link.Loses
	dialer waitList
	timer  timer
	err    error
}

// end is one side of a stream; it implements env.Conn.
type end struct {
	s             *stream
	side          int
	node          *Node
	p             *proc
	port          int
	closed        bool // by its process, or by the kernel after a kill
	gone          bool // its machine lost power
	readDeadline  time.Duration
	writeDeadline time.Duration

	nextOwned, prevOwned *end // of p
}

type segmentKind uint8

const (
	segData segmentKind = iota
	segFin
	segReset
)

// segment is what one write, close or reset puts on the wire.
type segment struct {
	at   time.Duration // arrival
	upto uint64        // position in the pipe after it
	kind segmentKind
}

// pipe is one direction of a stream. Positions count bytes since the beginning:
// read <= arrived <= written, and what lies between read and written is in buf.
type pipe struct {
	s       *stream
	dir     int
	buf     []byte // ring, its length a power of two
	read    uint64
	arrived uint64
	written uint64

	segs   []segment // on the wire, in order of arrival, from index head
	head   int
	last   time.Duration // arrival of the last: a stream does not reorder
	timer  timer         // arrival of the first
	held   bool          // the first met a cut that holds
	lost   bool          // something was lost: nothing will ever arrive again
	eof    bool          // the peer's FIN has arrived
	reset  bool          // a RST has arrived
	reader waitList
	writer waitList
}

func (p *pipe) from() *end { return &p.s.ends[p.dir] }
func (p *pipe) to() *end   { return &p.s.ends[1-p.dir] }

func (p *pipe) link() *network.Link {
	return p.s.w.links.Link(p.from().node.id, p.to().node.id)
}

// newStream makes a connection between two nodes; its ends are owned later.
func (w *World) newStream(from, to *Node) *stream {
	s := w.streamPool.get()
	w.taskIDs++ // connections and tasks share one numbering
	s.w, s.id = w, w.taskIDs
	for i := range s.ends {
		s.ends[i].s, s.ends[i].side = s, i
		s.pipes[i].s, s.pipes[i].dir = s, i
		s.pipes[i].timer.kind, s.pipes[i].timer.pipe = deliverPipe, &s.pipes[i]
	}
	s.ends[0].node, s.ends[1].node = from, to
	s.timer.kind, s.timer.stream = dialStep, s
	w.streams = append(w.streams, s)
	s.pos = len(w.streams)
	return s
}

// own makes an end belong to a process, which closes it when it ends.
func (e *end) own(p *proc) {
	e.disown()
	e.p = p
	e.nextOwned, e.prevOwned = p.ends, nil
	if p.ends != nil {
		p.ends.prevOwned = e
	}
	p.ends = e
}

func (e *end) disown() {
	if e.p == nil {
		return
	}
	if e.prevOwned != nil {
		e.prevOwned.nextOwned = e.nextOwned
	} else {
		e.p.ends = e.nextOwned
	}
	if e.nextOwned != nil {
		e.nextOwned.prevOwned = e.prevOwned
	}
	e.p, e.nextOwned, e.prevOwned = nil, nil, nil
}

// latency is the time a message of n bytes takes.
func (w *World) messageLatency(from, to *Node, l *network.Link, n int) time.Duration {
	d := &w.profile.OneWay
	if from == to {
		d = &w.profile.Loopback
	}
	return l.Send(w.now, n) + w.draw(d)
}

// send puts a segment on the wire, after extra.
func (p *pipe) send(kind segmentKind, n int, extra time.Duration) {
	w := p.s.w
	w.event(traceSend, p.s.id<<8|uint64(kind)<<1|uint64(p.dir), uint64(n))
	if w.trace != nil {
		w.line("send conn %d %s -> %s %s %d", p.s.id, p.from().node.name, p.to().node.name, segmentWords[kind], n)
	}
	if p.lost {
		return
	}
	at := max(w.now+extra+w.messageLatency(p.from().node, p.to().node, p.link(), n), p.last)
	p.last = at
	if p.head > 0 && p.head == len(p.segs) {
		p.segs, p.head = p.segs[:0], 0
	}
	p.segs = append(p.segs, segment{at, p.written, kind})
	if !p.held && p.timer.pos == 0 {
		w.timers.arm(&p.timer, p.segs[p.head].at)
	}
}

var segmentWords = [...]string{segData: "data", segFin: "fin", segReset: "reset"}

// sendControl sends a FIN or a RST.
func (p *pipe) sendControl(kind segmentKind, extra time.Duration) { p.send(kind, 0, extra) }

// deliver lets what is due arrive.
func (p *pipe) deliver() {
	w := p.s.w
	for p.head < len(p.segs) && p.segs[p.head].at <= w.now {
		switch p.link().Cut {
		case network.Hold:
			p.held = true
			return
		case network.Drop:
			p.lose()
			return
		}
		seg := p.segs[p.head]
		p.head++
		p.arrive(seg)
		if p.lost {
			return
		}
	}
	if p.head < len(p.segs) {
		w.timers.arm(&p.timer, p.segs[p.head].at)
	}
	p.s.releaseIfOver()
}

func (p *pipe) arrive(seg segment) {
	w, to := p.s.w, p.to()
	w.event(traceArrive, p.s.id<<8|uint64(seg.kind)<<1|uint64(p.dir), seg.upto)
	if to.gone && to.node.off {
		// Nobody answers: the sender retransmits until the machine is back or for ever.
		p.lose()
		return
	}
	if seg.kind == segData {
		// Not for the others: a RST may come after bytes that were lost.
		p.arrived = seg.upto
	}
	switch {
	case seg.kind == segReset:
		p.reset = true
		w.wakeAll(&p.reader)
		w.wakeAll(&p.s.pipes[1-p.dir].writer)
	case to.closed || to.gone:
		// Nobody holds the socket any more, so the kernel answers data with a RST.
		p.read = p.arrived
		w.wakeAll(&p.writer)
		if seg.kind == segData {
			p.s.pipes[1-p.dir].sendControl(segReset, 0)
		}
	case seg.kind == segFin:
		p.eof = true
		w.wakeAll(&p.reader)
	default:
		w.wakeAll(&p.reader)
	}
}

// lose drops what is on the wire; the stream cannot go on in this direction.
func (p *pipe) lose() {
	p.lost, p.held = true, false
	p.segs, p.head = p.segs[:0], 0
	p.s.w.timers.disarm(&p.timer)
}

// breakNow is what a cut that resets does to both ends.
func (s *stream) breakNow() {
	for i := range s.pipes {
		p := &s.pipes[i]
		p.lose()
		p.reset = true
		s.w.wakeAll(&p.reader)
		s.w.wakeAll(&p.writer)
	}
	s.releaseIfOver()
}

// heal lets a direction go on whose link is open again.
func (p *pipe) heal() {
	w := p.s.w
	if p.lost && !p.reset {
		switch {
		case p.to().gone:
			// The sender retransmits to a machine that has forgotten the connection,
			// or, while that is off, to nobody (see Node.powerOn).
			if !p.to().node.off {
				p.s.pipes[1-p.dir].sendControl(segReset, retransmitted(w))
			}
		case p.from().gone:
			// Nobody is left to retransmit.
		default:
			// Bytes are missing: both ends find out.
			for i := range p.s.pipes {
				q := &p.s.pipes[i]
				q.lost = false
				q.sendControl(segReset, retransmitted(w))
			}
		}
		return
	}
	if p.held {
		p.held = false
		// Retransmitted together, with the latency of a fresh message.
		at := w.now + w.messageLatency(p.from().node, p.to().node, p.link(), 0)
		for i := p.head; i < len(p.segs) && p.segs[i].at < at; i++ {
			p.segs[i].at = at
		}
		p.last = max(p.last, at)
		w.timers.arm(&p.timer, p.segs[p.head].at)
	}
}

// shut closes an end: by Close, by the kernel when its process ended, or by a power cut.
func (e *end) shut(how closing) {
	if e.closed || e.gone {
		e.disown()
		return
	}
	e.disown()
	s := e.s
	in, out := &s.pipes[1-e.side], &s.pipes[e.side]
	if s.state == dialing || s.err != nil {
		s.abandon()
		return
	}
	if how == vanish {
		e.gone = true
		if out.held {
			// What the machine would have retransmitted after the heal died with it.
			out.held = false
			out.segs, out.head = out.segs[:0], 0
		}
	} else {
		e.closed = true
		// Linux tcp_close: closing a socket with unread data answers with RST, else FIN.
		if in.reset || out.lost {
			// The peer knows already, or can't be told.
		} else if in.arrived > in.read {
			out.sendControl(segReset, 0)
		} else {
			out.sendControl(segFin, 0)
		}
	}
	in.read = in.arrived
	s.w.wakeAll(&in.reader)
	s.w.wakeAll(&in.writer)
	s.w.wakeAll(&out.writer)
	s.releaseIfOver()
}

// releaseIfOver gives back the memory of a stream that nobody can use any more.
func (s *stream) releaseIfOver() {
	for i := range s.ends {
		if !s.ends[i].closed && !s.ends[i].gone || s.pipes[i].head < len(s.pipes[i].segs) {
			return
		}
	}
	w := s.w
	if s.pos == 0 {
		return
	}
	i := s.pos - 1
	last := w.streams[len(w.streams)-1]
	w.streams[i] = last
	last.pos = i + 1
	w.streams[len(w.streams)-1] = nil
	w.streams = w.streams[:len(w.streams)-1]
	s.pos = 0
	s.release()
}

// release gives the buffers back.
func (s *stream) release() {
	s.w.timers.disarm(&s.timer)
	for i := range s.pipes {
		p := &s.pipes[i]
		s.w.timers.disarm(&p.timer)
		if p.buf != nil && len(p.buf) <= bufferKeep {
			s.w.buffers = append(s.w.buffers, p.buf)
		}
		p.buf = nil
	}
}

// put copies b into the ring; the caller has checked that the window allows it.
func (p *pipe) put(b []byte) {
	need := int(p.written-p.read) + len(b)
	if need > len(p.buf) {
		p.grow(need)
	}
	mask := len(p.buf) - 1
	n := copy(p.buf[int(p.written)&mask:], b)
	copy(p.buf, b[n:])
	p.written += uint64(len(b))
}

// take copies what has arrived into b.
func (p *pipe) take(b []byte) int {
	b = b[:min(len(b), int(p.arrived-p.read))]
	mask := len(p.buf) - 1
	n := copy(b, p.buf[int(p.read)&mask:])
	copy(b[n:], p.buf)
	p.read += uint64(len(b))
	return len(b)
}

const bufferStart = 1 << 10

func (p *pipe) grow(need int) {
	old := p.buf
	if old == nil && need <= bufferKeep {
		if p.buf = p.s.w.buffer(need); len(p.buf) >= need {
			return
		}
	}
	size := max(len(old), bufferStart)
	for size < need {
		size *= 2
	}
	p.buf = make([]byte, size)
	if len(old) > 0 {
		mask := uint64(len(old) - 1)
		for i := p.read; i < p.written; i++ {
			p.buf[i&uint64(size-1)] = old[i&mask]
		}
	}
}

// buffer takes a free buffer of at least need bytes. When all are smaller, one is
// dropped, for the caller will make a larger one: so there are never more buffers
// than pipes were in use at once.
func (w *World) buffer(need int) []byte {
	last := len(w.buffers) - 1
	if last < 0 {
		return nil
	}
	i := last
	for i > 0 && len(w.buffers[i]) < need {
		i--
	}
	b := w.buffers[i]
	w.buffers[i] = w.buffers[last]
	w.buffers[last] = nil
	w.buffers = w.buffers[:last]
	return b
}

// Read blocks until something has arrived.
func (e *end) Read(b []byte) (int, error) {
	w := e.s.w
	t := w.self("Conn.Read")
	p := &e.s.pipes[1-e.side]
	for {
		switch {
		case e.closed:
			return 0, env.ErrClosed
		case e.readDeadline != 0 && e.readDeadline <= w.now:
			return 0, env.ErrTimeout
		case len(b) == 0:
			return 0, nil
		case p.arrived > p.read:
			t.use(w.profile.Syscall)
			n := p.take(b)
			w.wakeAll(&p.writer)
			return n, nil
		case p.reset:
			return 0, env.ErrReset
		case p.eof:
			return 0, io.EOF
		}
		if p.reader.head != nil {
			panic("sim: two tasks read one connection")
		}
		t.waitOn(&p.reader, e.readDeadline, waitRead, e)
	}
}

// Write blocks while the window is full.
func (e *end) Write(b []byte) (int, error) {
	w := e.s.w
	t := w.self("Conn.Write")
	t.spend(w.profile.Syscall)
	p, in := &e.s.pipes[e.side], &e.s.pipes[1-e.side]
	n := 0
	for {
		switch {
		case e.closed:
			return n, env.ErrClosed
		case in.reset:
			return n, env.ErrReset
		case e.writeDeadline != 0 && e.writeDeadline <= w.now:
			return n, env.ErrTimeout
		case n == len(b):
			return n, nil
		}
		if room := window - int(p.written-p.read); room > 0 {
			k := min(room, len(b)-n)
			p.put(b[n : n+k])
			mixBytes(w, b[n:n+k])
			p.send(segData, k, 0)
			n += k
			continue
		}
		if p.writer.head != nil {
			panic("sim: two tasks write one connection")
		}
		t.waitOn(&p.writer, e.writeDeadline, waitWrite, e)
	}
}

// Close closes the connection; readers and writers of this end get ErrClosed.
func (e *end) Close() error {
	e.s.w.alive()
	if e.closed || e.gone {
		return env.ErrClosed
	}
	e.shut(closeByKernel)
	return nil
}

// SetReadDeadline also moves the deadline of a read that is waiting.
func (e *end) SetReadDeadline(t time.Duration) {
	e.s.w.alive()
	e.readDeadline = t
	e.s.w.redeadline(&e.s.pipes[1-e.side].reader, t)
}

// SetWriteDeadline also moves the deadline of a write that is waiting.
func (e *end) SetWriteDeadline(t time.Duration) {
	e.s.w.alive()
	e.writeDeadline = t
	e.s.w.redeadline(&e.s.pipes[e.side].writer, t)
}

func (w *World) redeadline(l *waitList, at time.Duration) {
	t := l.head
	if t == nil {
		return
	}
	if at == 0 {
		w.timers.disarm(&t.timer)
		return
	}
	w.timers.arm(&t.timer, max(at, w.now))
}

func (e *end) peer() *end         { return &e.s.ends[1-e.side] }
func (e *end) LocalNode() string  { return e.node.name }
func (e *end) RemoteNode() string { return e.peer().node.name }

// LocalAddr is this end's "node:port".
func (e *end) LocalAddr() string { return e.node.name + ":" + strconv.Itoa(e.port) }

// RemoteAddr is the peer's "node:port".
func (e *end) RemoteAddr() string {
	return e.peer().node.name + ":" + strconv.Itoa(e.peer().port)
}

// pipesOver calls f for what connections have on a link, in the order of the
// world's list. f may end connections.
func (w *World) pipesOver(from, to *Node, f func(p *pipe)) {
	for _, s := range slices.Clone(w.streams) {
		if s.state == dialing || s.err != nil {
			continue
		}
		for i := range s.pipes {
			p := &s.pipes[i]
			if p.from().node == from && p.to().node == to {
				f(p)
			}
		}
	}
}
