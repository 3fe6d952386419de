package workloads

import (
	"math"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env"
)

// Run is the clients of one experiment. Reset prepares it; each client's task
// calls Clients()[i].Run.
type Run struct {
	spec    Spec
	addr    string
	env     env.Env
	rec     *Recorder
	tokens  *Tokens
	keys    []string
	clients []*Client
	stopped bool
	pause   env.Cond      // where clients wait for their next arrival; Stop wakes them
	until   time.Duration // end of the span; Never when there is none
	begun   int           // operations started
	replies int           // replies to operations read, whatever the record says
}

// Client is one client of a Run.
type Client struct {
	run     *Run
	number  int
	conn    Conn
	step    func(*Client)
	writes  int      // tokens used
	pending []inHand // operations sent and not answered, in order
	Err     error    // why it ended before it was told to; nil otherwise
}

// inHand is an operation under way: its place in the history, and how many
// replies come before the one that answers it (MULTI and its queued commands).
type inHand struct {
	id   int
	skip int
}

// Reset prepares clients for one experiment against the server at addr. The
// tokens and everything else a Run holds are reused.
func (r *Run) Reset(e env.Env, addr string, spec Spec, rec *Recorder) {
	if r.tokens == nil {
		r.tokens = new(Tokens)
	}
	for len(r.keys) < spec.Keys {
		r.keys = append(r.keys, "k"+itoa(len(r.keys)))
	}
	for len(r.clients) < spec.Clients {
		r.clients = append(r.clients, &Client{run: r, number: len(r.clients)})
	}
	r.spec, r.addr, r.env, r.rec = spec, addr, e, rec
	r.stopped, r.begun, r.replies, r.until = false, 0, 0, history.Never
	r.pause = e.NewCond()
	if spec.Span > 0 {
		r.until = e.Now() + spec.Span
	}
	for _, c := range r.clients[:spec.Clients] {
		c.writes, c.pending, c.Err = 0, c.pending[:0], nil
		c.step = workloads[spec.Name].step
	}
}

// Resume lets the clients of the run go on in another life of the server, for
// another span; what they write stays unique over all lives.
func (r *Run) Resume(e env.Env, span time.Duration) {
	r.env, r.stopped, r.until = e, false, history.Never
	r.pause = e.NewCond()
	if span > 0 {
		r.until = e.Now() + span
	}
	for _, c := range r.Clients() {
		c.pending, c.Err = c.pending[:0], nil
	}
}

// Expect makes the values of the first n writes of each client known to Dump,
// for reading what another Run has written.
func (r *Run) Expect(n int) {
	for c := range r.Clients() {
		for i := range n {
			r.tokens.Token(c, i)
		}
	}
}

// MoveTo says that the server listens elsewhere in this life.
func (r *Run) MoveTo(addr string) { r.addr = addr }

// Clients are the run's clients; the caller starts a task for each.
func (r *Run) Clients() []*Client { return r.clients[:r.spec.Clients] }

// Replies is how many operations have been answered, counted where replies are
// read and not where outcomes are recorded, so that one can be held against the other.
func (r *Run) Replies() int { return r.replies }

// Stop tells the clients to end after the replies they wait for. Before the
// first Resume there are none.
func (r *Run) Stop() {
	r.stopped = true
	if r.pause != nil {
		r.pause.Broadcast()
	}
}

func (r *Run) over() bool {
	return r.stopped || r.spec.Ops > 0 && r.begun >= r.spec.Ops || r.env.Now() >= r.until
}

// Run is the body of the client's task: connect, operate until the run is over
// or the connection fails, never retry.
func (c *Client) Run() {
	r := c.run
	if c.Err = c.conn.Dial(r.env, r.addr); c.Err != nil {
		return
	}
	defer c.conn.Close()
	next := r.env.Now()
	for !r.over() {
		if r.spec.Rate > 0 {
			next += c.gap()
			if wait := next - r.env.Now(); wait > 0 {
				r.pause.WaitFor(wait)
			} else {
				next = r.env.Now() // behind: a client does not hurry to catch up
			}
			if r.over() {
				return
			}
		}
		if r.spec.Timeout > 0 {
			c.conn.Deadline(r.spec.Timeout)
		}
		for n := 0; n < r.spec.Pipeline && (r.spec.Ops == 0 || r.begun < r.spec.Ops); n++ {
			r.begun++
			c.step(c)
		}
		if c.Err = c.exchange(); c.Err != nil {
			return
		}
	}
}

// gap draws the time to this client's next operation: exponential, so that the
// arrivals of all clients together form a Poisson stream of the asked rate.
func (c *Client) gap() time.Duration {
	r := c.run
	mean := float64(r.spec.Clients) * float64(r.spec.Pipeline) / r.spec.Rate
	u := (float64(r.env.Uint64()>>11) + 1) / (1 << 53)
	return time.Duration(-math.Log(u) * mean * float64(time.Second))
}

// exchange sends what the steps have prepared and takes the replies.
func (c *Client) exchange() error {
	if err := c.conn.Flush(); err != nil {
		c.pending = c.pending[:0]
		return err
	}
	for i, p := range c.pending {
		var queued error
		for range p.skip {
			reply, err := c.conn.Reply()
			if err != nil {
				c.pending = c.pending[:0]
				return err
			}
			if reply.Type == redcon.Error {
				queued = replyError(reply)
			}
		}
		reply, err := c.conn.Reply()
		if err != nil {
			c.pending = c.pending[:0]
			return err
		}
		c.run.replies++
		c.complete(c.pending[i].id, reply, queued)
	}
	c.pending = c.pending[:0]
	return nil
}

// complete turns a reply into the operation's outcome.
func (c *Client) complete(id int, reply redcon.RESP, queued error) {
	r := c.run
	now := r.env.Now()
	if reply.Type == redcon.Error || queued != nil {
		// An error reply says that the command was not executed.
		if op := r.rec.Complete(id, now, history.Failed); op != nil {
			more(op).Err = string(reply.Data)
		}
		return
	}
	kind := r.rec.H.Ops[id].Kind
	if kind == history.Write && string(reply.Data) != "OK" || kind == history.Txn && reply.Count < 0 {
		if op := r.rec.Complete(id, now, history.Failed); op != nil {
			more(op).Err = "not executed: " + string(reply.Raw)
		}
		return
	}
	op := r.rec.Complete(id, now, history.OK)
	if op == nil {
		return
	}
	switch kind {
	case history.Read:
		if reply.Data == nil {
			op.Absent = true
		} else {
			op.Value = r.tokens.Parse(reply.Data, r.spec.ValueSize)
		}
	case history.ReadList:
		m := more(op)
		op.Absent = reply.Count == 0
		reply.ForEach(func(e redcon.RESP) bool {
			m.Values = append(m.Values, r.tokens.Parse(e.Data, r.spec.ValueSize))
			return true
		})
	case history.Append:
		more(op).Result = string(reply.Data)
	}
}

func more(op *history.Op) *history.More {
	if op.More == nil {
		op.More = &history.More{Offset: -1}
	}
	return op.More
}

func replyError(reply redcon.RESP) error { return &ServerError{string(reply.Data)} }

// ServerError is an error reply.
type ServerError struct{ Text string }

func (e *ServerError) Error() string { return e.Text }
