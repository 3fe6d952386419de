package engine

import "github.com/torntail/torntail/faults/env"

// stream is the output of a session that is sent more than replies: a
// subscriber, a replica. From the batch on that makes it one, all its output,
// replies included, goes through a queue which a writer task of its own
// empties, so that nothing overtakes anything, and a client that does not read
// blocks nobody.
//
// What is pushed during a turn of the main loop leaves at its end, after the
// log is as durable as the replies need it (redis 7.0.15 server.c beforeSleep
// flushes the append-only file before it writes to clients).
type stream struct {
	queue []byte // in order, not handed to the transport yet
	spare []byte
	// unsent is what the transport has not taken yet: the queue and what is
	// being written. Limits count it.
	unsent  int64
	soft    softLimit
	wake    env.Cond // the writer waits here
	drained env.Cond // whoever waits for unsent to become 0
	marked  bool     // in Server.pushed
	last    bool     // the session ends once the queue is sent
}

// startStream makes the session one with a stream. What the current batch has
// answered so far becomes the beginning of the stream when the turn ends.
func (c *Session) startStream() {
	if c.stream != nil {
		return
	}
	c.stream = &stream{wake: c.s.env.NewCond(), drained: c.s.env.NewCond()}
	c.s.env.Go("writer", func() { c.write() })
}

// write is the writer task.
func (c *Session) write() {
	st := c.stream
	for {
		for len(st.queue) == 0 && !c.dead && !c.replicaDue() {
			st.wake.Wait()
		}
		if c.dead {
			st.drained.Broadcast()
			return
		}
		if len(st.queue) == 0 {
			c.sendReplica()
			continue
		}
		out := st.queue
		st.queue = st.spare[:0]
		_, err := c.wire.Write(out)
		st.unsent -= int64(len(out))
		if cap(out) > maxIdleReply {
			out = nil
		}
		st.spare = out
		if err != nil && !c.dead {
			c.kill()
		}
		if st.unsent == 0 {
			st.drained.Broadcast()
			if st.last && !c.dead {
				c.kill()
			}
		}
	}
}

// add puts bytes at the end of the queue and wakes the writer.
func (st *stream) add(c *Session, b []byte) {
	if len(b) == 0 || c.dead {
		return
	}
	st.queue = append(st.queue, b...)
	st.unsent += int64(len(b))
	c.s.stats.output += int64(len(b))
	st.wake.Signal()
}

// Queue sends what the transport would not take at once, and everything after it,
// from a task of its own. last: the session ends with that.
func (c *Session) Queue(rest []byte, last bool) {
	c.startStream()
	c.s.stats.output -= int64(len(rest)) // counted when it was released
	c.stream.add(c, rest)
	c.stream.last = c.stream.last || last
}

// Unsent is how many bytes the client has not taken yet.
func (c *Session) Unsent() int64 {
	if c.stream == nil {
		return 0
	}
	return c.stream.unsent
}

// drain waits until all is sent, or the session is dead.
func (st *stream) drain(c *Session) {
	for st.unsent > 0 && !c.dead {
		st.drained.Wait()
	}
}

// pushTo sends bytes that are no reply to a session with a stream. While a batch
// of it is part of the current turn they take their place among its replies.
func (s *Server) pushTo(c *Session, b []byte) {
	if c.dead {
		return
	}
	if c.inTurn {
		c.pushing(func() { c.out = append(c.out, b...) })
		return
	}
	st := c.stream
	st.queue = append(st.queue, b...)
	st.unsent += int64(len(b))
	s.stats.output += int64(len(b))
	if !st.marked {
		st.marked = true
		s.pushed = append(s.pushed, c)
	}
}

// replyRoom is how much of a reply no limit counts (redis 7.0.15 PROTO_REPLY_CHUNK_BYTES,
// the buffer before the list).
const replyRoom = 16 << 10

// mostElements is after how many elements a reply is over the client's limit for certain, so
// that nobody gets it and the rest need not be made (redis 7.0.15 CLIENT_CLOSE_ASAP); 0: there
// is no limit.
func (s *Server) mostElements(c *Session) int64 {
	hard := s.cfg.OutputLimits.Normal.Hard
	if hard == 0 || c.script || c.loader || c.master || c.class() != normalClient {
		return 0
	}
	const least = 4 // bytes of one, ":1\r\n"
	return (hard+replyRoom)/least + 1
}

// limitReplies ends a client that has let too many replies pile up, or for too long, and
// drops those of now (redis 7.0.15 networking.c closeClientOnOutputBufferLimitReached).
func (s *Server) limitReplies(c *Session) {
	l := s.cfg.OutputLimits.Normal
	if l.Hard == 0 && l.Soft == 0 || c.dead || c.class() != normalClient {
		return
	}
	room := replyRoom
	if c.lastCmd != nil && c.lastCmd.name == "keys" { // its length comes last, in the list
		room = 0
	}
	if c.soft.over(l, c.Unsent()+max(0, int64(len(c.out)-room)), s.env.Now()) {
		s.warn("Client " + c.String() + " scheduled to be closed ASAP for overcoming of output buffer limits.")
		c.out = c.out[:0]
		c.kill()
	}
}

// limitMessages ends a subscriber that has let too many messages pile up, or for too long. (A
// replica's limit is about the replication stream.)
func (s *Server) limitMessages(c *Session) {
	if st := c.stream; st != nil && !c.dead && c.class() == pubsubClient && st.soft.over(s.cfg.OutputLimits.Pubsub, st.unsent, s.env.Now()) {
		s.warn("Client " + c.String() + " scheduled to be closed ASAP for overcoming of output buffer limits.")
		c.kill()
	}
}

// sendPushed wakes the writers of what was pushed during the turn, and ends the
// subscribers that have let too much pile up (redis 7.0.15 networking.c
// checkClientOutputBufferLimits).
func (s *Server) sendPushed() {
	for _, c := range s.pushed {
		c.stream.marked = false
		if s.limitMessages(c); !c.dead {
			c.stream.wake.Signal()
		}
	}
	clear(s.pushed)
	s.pushed = s.pushed[:0]
}
