package engine

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/sentinel"
	"github.com/torntail/torntail/faults/env"
)

// watcher is what makes a server a Sentinel: the state machine, and the
// connections it asked for. The machine's inputs and what they ask for are the
// main task's, one after the other; the connections have tasks of their own.
type watcher struct {
	s      *Server
	m      *sentinel.Machine
	conns  map[int]*probe
	period time.Duration // until the next tick
}

// probe is a connection to an instance, or a link of a cluster's nodes. One task dials and reads, another
// writes, so that an instance which takes nothing blocks nobody.
type probe struct {
	id    int
	wire  env.Conn // nil while it is dialed
	queue []byte
	spare []byte   // the queue's memory while the other is being written
	wake  env.Cond // the writer waits here
	ended bool
}

// maxProbeInput is how much of a reply may be waiting for its end, in bytes.
const maxProbeInput = 32 << 20

// startSentinel makes the server a Sentinel. The error is about the configuration
// (*config.ParseError), or that there is no file to keep the state in.
func (s *Server) startSentinel() error {
	if s.o.ConfigFile == "" || s.o.ConfigFS == nil {
		//lint:ignore ST1005 redis-server words it so
		return errors.New("Sentinel needs config file on disk!!! Exiting...")
	}
	var lines []sentinel.ConfigLine
	for _, l := range s.cfg.Sentinel {
		lines = append(lines, sentinel.ConfigLine{Number: l.Number, Args: l.Args})
	}
	m, err := sentinel.New(sentinel.Options{
		Now: s.wallMs(), Rand: s.env.Uint64, Port: int(s.cfg.Port), Requirepass: s.cfg.Requirepass, Bugs: s.bugs,
	}, lines)
	var bad *sentinel.LineError
	if errors.As(err, &bad) {
		return &config.ParseError{File: s.o.ConfigFile, Line: bad.Line.Number,
			Text: "sentinel " + strings.Join(bad.Line.Args, " "), Why: bad.Why}
	}
	s.sentinel = &watcher{s: s, m: m, conns: make(map[int]*probe), period: 100 * time.Millisecond}
	m.Start(s.wallMs())
	if !s.sentinel.perform() {
		return errors.New("Sentinel config file " + s.o.ConfigFile + " is not writable. Exiting...")
	}
	return nil
}

// mode is what the server is, as INFO and HELLO call it.
func (s *Server) mode() string {
	switch {
	case s.sentinel != nil:
		return "sentinel"
	case s.cluster != nil:
		return "cluster"
	}
	return "standalone"
}

func (s *Server) wallMs() int64 { return s.env.Wall().UnixMilli() }

// tick is the machine's timer.
func (w *watcher) tick() {
	w.period = w.m.Tick(w.s.wallMs())
	w.perform()
}

// perform does what the machine asks for, in its order, and reports whether
// all that was to be saved was.
func (w *watcher) perform() (saved bool) {
	s, saved := w.s, true
	for _, a := range w.m.Take() {
		switch a.Kind {
		case sentinel.Dial:
			w.dial(a.Conn, a.Addr.String())
		case sentinel.Hangup:
			w.hangup(a.Conn)
		case sentinel.Send:
			w.send(a.Conn, a.Args)
		case sentinel.Event:
			s.o.Log(a.Level, a.Name+" "+a.Text)
			if a.Level != sentinel.Debug {
				s.publish([]byte(a.Name), []byte(a.Text))
			}
		case sentinel.Log:
			s.o.Log(a.Level, a.Text)
		case sentinel.Save:
			saved = w.save(a.Lines) && saved
		case sentinel.Crash:
			s.exiting, s.exitCode = true, 99
			return saved
		}
	}
	return saved
}

// save writes the state into the configuration file.
func (w *watcher) save(lines []sentinel.Line) bool {
	err := w.s.rewriteConfig(func(r *config.Rewriter) {
		for _, l := range lines {
			r.Line(l.Option, l.Text, true)
		}
		for _, o := range sentinel.Rewritten {
			r.Done("sentinel " + o)
		}
	}, false)
	if err != nil {
		w.s.warn("WARNING: Sentinel was not able to save the new configuration on disk!!!: " + err.Error())
		return false
	}
	w.s.o.Log(sentinel.Notice, "Sentinel new configuration saved on disk")
	return true
}

func (w *watcher) dial(id int, addr string) {
	p := &probe{id: id, wake: w.s.env.NewCond()}
	w.conns[id] = p
	w.s.env.Go("probe", func() { w.run(p, addr) })
}

func (w *watcher) hangup(id int) {
	if p := w.conns[id]; p != nil {
		delete(w.conns, id)
		p.end()
	}
}

// end makes the connection's tasks end.
func (p *probe) end() {
	p.ended = true
	p.wake.Signal()
	if p.wire != nil {
		p.wire.Close() // its error says that it is closed
	}
}

// endAll is for a server that ends.
func (w *watcher) endAll() {
	for _, id := range slices.Sorted(maps.Keys(w.conns)) {
		w.hangup(id)
	}
}

func (w *watcher) send(id int, args []string) {
	p := w.conns[id]
	if p == nil {
		return
	}
	p.queue = redcon.AppendArray(p.queue, len(args))
	for _, a := range args {
		p.queue = redcon.AppendBulkString(p.queue, a)
	}
	p.wake.Signal()
}

// run is the task that dials and reads.
func (w *watcher) run(p *probe, addr string) {
	why := w.talk(p, addr)
	if p.ended {
		return
	}
	p.end()
	w.s.post(func() {
		if w.conns[p.id] == p {
			delete(w.conns, p.id)
			w.m.Disconnected(w.s.wallMs(), p.id, why)
			w.perform()
		}
	})
}

// talk returns why the connection ended.
func (w *watcher) talk(p *probe, addr string) string {
	wire, err := w.s.env.Dial(addr)
	if err != nil {
		return err.Error()
	}
	if p.ended {
		wire.Close() // nobody wants it any more
		return ""
	}
	p.wire = wire
	host := wire.LocalAddr()
	if i := strings.LastIndexByte(host, ':'); i >= 0 {
		host = strings.Trim(host[:i], "[]")
	}
	w.s.post(func() { w.m.Connected(w.s.wallMs(), p.id, host) })
	w.s.env.Go("probe-writer", func() { p.write() })
	var in []byte
	buf := make([]byte, 4<<10)
	for {
		n, err := wire.Read(buf)
		if err != nil {
			return err.Error()
		}
		in = append(in, buf[:n]...)
		replies, rest, err := parseReplies(in)
		if err != nil {
			return err.Error()
		}
		in = in[:copy(in, rest)]
		if len(in) > maxProbeInput {
			return "a reply that does not end"
		}
		if len(replies) > 0 {
			w.s.post(func() { w.received(p, replies) })
		}
	}
}

// parseReplies reads the replies that are complete, and returns what follows them.
func parseReplies(in []byte) (replies []sentinel.Reply, rest []byte, err error) {
	for {
		var r sentinel.Reply
		r, rest, err = sentinel.Parse(in)
		if errors.Is(err, sentinel.ErrIncomplete) {
			return replies, in, nil
		}
		if err != nil {
			return nil, nil, err
		}
		replies = append(replies, r)
		in = rest
	}
}

func (w *watcher) received(p *probe, replies []sentinel.Reply) {
	for _, r := range replies {
		if w.conns[p.id] != p {
			return // what came before ended it
		}
		w.m.Received(w.s.wallMs(), p.id, r)
		w.perform()
	}
}

// write is the writer task.
func (p *probe) write() {
	for !p.ended {
		if len(p.queue) == 0 {
			p.wake.Wait()
			continue
		}
		out := p.queue
		p.queue, p.spare = p.spare[:0], nil
		if _, err := p.wire.Write(out); err != nil {
			p.wire.Close() // the reader notices and tells
			return
		}
		if cap(out) <= maxIdleReply {
			p.spare = out
		}
	}
}
