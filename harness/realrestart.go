package harness

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/workloads"
)

// This file is how a real server is started, brought back after a crash with
// its own tool if need be, and read.

// startServer starts the server on the volume. A refusal is the server's own
// word that it will not start; an error is ours, or that of the machine.
func (s *ServerRunner) startServer(ctx context.Context) (l *life, refusal *process.StartError, err error) {
	var directives []process.Directive
	for _, d := range s.x.Mode.Directives {
		directives = append(directives, process.Directive{Name: d.Name, Args: d.Arguments()})
	}
	redis, err := process.StartRedis(ctx, s.rig.spec(s.place(), directives, s.onLine))
	switch {
	case errors.As(err, &refusal) && product.Refused(refusal):
		return nil, refusal, nil
	case err != nil:
		return nil, nil, err
	}
	s.out.Took = redis.Took
	l = &life{redis: redis, over: make(chan struct{}), news: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.life, s.gone = l, false
	return l, nil, nil
}

// onLine follows the server's log: "PID:ROLE DD Mon YYYY HH:MM:SS.mmm LEVEL text".
// The stamp is the server's own, cut to the millisecond, so it is not later
// than what it speaks of; the moment at which we read the line would be.
func (s *ServerRunner) onLine(l process.Line) {
	_, rest, ok := strings.Cut(l.Text, " ")
	const layout = "02 Jan 2006 15:04:05.000"
	if !ok || len(rest) < len(layout)+3 {
		return
	}
	at, err := time.ParseInLocation(layout, rest[:len(layout)], time.Local)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Line(min(at.Sub(s.rig.start.Round(0)), l.At), rest[len(layout)+3:])
}

// restart brings the server back on what the crash left, with its own repair
// tool if it refuses. No life: it did not come back, or must not be asked to.
func (s *ServerRunner) restart(ctx context.Context, crashed history.EventKind) (*life, error) {
	image := uint64(0)
	if s.volume != nil {
		image = s.volume.Disk().Hash()
	}
	if s.out.Distrust = audit(s.out, image, s.run.Replies()); s.out.Distrust != "" {
		return nil, nil
	}
	if s.unmountable != "" {
		s.event(history.Event{Kind: history.Refused, Text: s.unmountable})
		s.out.Recovery = RefusedToStart
		return nil, nil
	}
	if crashed == history.PowerCut {
		s.files(func(fsys vfs.FS) { s.out.WholeAOFVanished = s.hadAOF && !product.HasData(fsys, &s.x.Mode) })
	}
	s.mu.Lock()
	s.log.Reset()
	s.mu.Unlock()
	s.event(history.Event{Kind: history.Restarted})
	l, refusal, err := s.startServer(ctx)
	if err != nil {
		return nil, s.restartError(err)
	}
	if refusal == nil {
		s.out.Recovery = ByItself
		s.event(history.Event{Kind: history.Ready})
		return l, nil
	}
	s.event(history.Event{Kind: history.Refused, Text: product.LastWords(refusal)})
	s.out.Recovery = RefusedToStart
	s.files(func(fsys vfs.FS) { s.out.NULBytes = product.HasStrayBytes(fsys) })
	if !s.x.Mode.AOF || s.rig.repair == nil {
		return nil, nil
	}
	if fixed, err := s.repair(ctx); err != nil || !fixed {
		return nil, err
	}
	l, refusal, err = s.startServer(ctx)
	if err != nil {
		return nil, s.restartError(err)
	}
	if refusal != nil {
		return nil, nil
	}
	s.out.Recovery = Repaired
	s.event(history.Event{Kind: history.Repaired})
	s.event(history.Event{Kind: history.Ready})
	return l, nil
}

// restartError is an error, unless the server only did not answer: then this
// run proves nothing, and the next may.
func (s *ServerRunner) restartError(err error) error {
	var silent *process.StartError
	if !errors.As(err, &silent) {
		return err
	}
	s.out.Why = "after the restart: " + err.Error()
	return nil
}

// repair runs the server's repair tool and reports whether it says that the AOF
// is in order now. The tool asks before it cuts; nobody is there to answer but yes.
func (s *ServerRunner) repair(ctx context.Context) (bool, error) {
	return product.RunRepair(ctx, s.rig.repair, s.place(), s.rig.clock)
}

// dump reads the whole recovered state and, when no further crash is to come,
// tries one write: it is no part of the workload, and would be a phantom later.
func (s *ServerRunner) dump(l *life) error {
	s.env.Enter()
	defer s.env.Leave()
	conn, err := workloads.Dial(s.env, l.redis.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	state, err := s.run.Dump(conn, product.ReplyLimit)
	if err != nil {
		return err
	}
	state.Node, state.Epoch = server, len(s.hist.Epochs)
	s.hist.States = append(s.hist.States, state)
	if s.x.Mode.AOF && !s.out.NULBytes {
		s.files(func(fsys vfs.FS) { s.out.NULBytes = product.HasStrayBytes(fsys) })
	}
	if !s.crashPending() {
		s.out.Refusal, err = product.Probe(conn)
	}
	return err
}
