package workloads

import (
	"math"
	"slices"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env"
)

// noOp is the place of no operation.
const noOp = -1

// Run is the clients of one experiment. Reset prepares it; each client's task
// calls Clients()[i].Run.
type Run struct {
	spec     Spec
	does     workload
	addr     string
	protocol Protocol
	env      env.Env
	rec      *Recorder
	tokens   *Tokens
	keys     []string
	clients  []*Client
	stopped  bool
	pause    env.Cond      // where clients wait for their next arrival; Stop wakes them
	span     time.Duration // of this life; 0: no end
	began    time.Duration // this life
	until    time.Duration // end of the span; Never when there is none
	begun    int           // operations started
	replies  int           // replies to operations read, whatever the record says
	dialed   int           // connections of clients
	beside   beside
}

// Client is one client of a Run.
type Client struct {
	run      *Run
	number   int
	conn     Conn
	writes   int        // tokens used
	answered int        // place in the history of the operation that was answered last, noOp: none was
	pending  []int      // operations sent and not answered, by their places in the history, in order
	op       history.Op // the one that is asked for or answered; here, so that it is no garbage
	answer   Answer
	Err      error // why it ended before it was told to; nil otherwise
}

// Reset prepares clients for one experiment against the server at addr, which speaks a
// protocol. The tokens and everything else a Run holds are reused.
func (r *Run) Reset(e env.Env, addr string, p Protocol, spec Spec, rec *Recorder) {
	if r.tokens == nil {
		r.tokens = new(Tokens)
	}
	for len(r.keys) < spec.Keys {
		r.keys = append(r.keys, "k"+itoa(len(r.keys)))
	}
	for len(r.clients) < spec.Clients {
		r.clients = append(r.clients, &Client{run: r, number: len(r.clients)})
	}
	r.does = workloads[spec.Name]
	r.spec, r.addr, r.protocol, r.env, r.rec = spec, addr, p, e, rec
	r.stopped, r.begun, r.replies, r.dialed, r.until = false, 0, 0, 0, history.Never
	r.beside.next, r.beside.sent, r.beside.ahead = 0, 0, 0
	r.pause, r.began = e.NewCond(), e.Now()
	if spec.Span > 0 {
		r.until = e.Now() + spec.Span
	}
	for _, c := range r.clients[:spec.Clients] {
		c.writes, c.answered, c.pending, c.Err = 0, noOp, c.pending[:0], nil
	}
}

// Resume lets the clients of the run go on in another life of the server, for
// another span; what they write stays unique over all lives.
func (r *Run) Resume(e env.Env, span time.Duration) {
	r.env, r.stopped, r.span, r.until = e, false, span, history.Never
	r.pause, r.began = e.NewCond(), e.Now()
	if span > 0 {
		r.until = e.Now() + span
	}
	for _, c := range r.Clients() {
		c.answered, c.pending, c.Err = noOp, c.pending[:0], nil
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

// Keys are the names of the keys that the clients use.
func (r *Run) Keys() []string { return r.keys[:r.spec.Keys] }

// Dialed is how many connections clients have asked for.
func (r *Run) Dialed() int { return r.dialed }

// readAtOnce is how many reads are sent at once.
const readAtOnce = 256

// ReadAll has the first client read every key, when all have ended.
func (r *Run) ReadAll() error {
	c := r.clients[0]
	r.dialed++
	if err := c.conn.Dial(r.env, r.addr); err != nil {
		return err
	}
	defer c.conn.Close()
	c.pending = c.pending[:0]
	if r.spec.Timeout > 0 {
		c.conn.Deadline(r.spec.Timeout)
	}
	for i, key := range r.Keys() {
		if c.read(key); i%readAtOnce == readAtOnce-1 {
			if err := c.exchange(); err != nil {
				return err
			}
		}
	}
	return c.exchange()
}

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
	r.dialed++
	if c.Err = c.conn.Dial(r.env, r.addr); c.Err != nil {
		return
	}
	defer c.conn.Close()
	next := r.env.Now()
	for !r.over() {
		rate, left := r.rate()
		if rate == Silent {
			r.pause.WaitFor(left)
			next = r.env.Now()
			continue
		}
		if rate > 0 {
			next += c.gap(rate)
			if wait := next - r.env.Now(); wait > left {
				r.pause.WaitFor(left)
				next = r.env.Now()
				continue
			} else if wait > 0 {
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
			r.does.step(c)
		}
		if c.Err = c.exchange(); c.Err != nil {
			return
		}
	}
}

// rate is what is asked for now, and for how long from now.
func (r *Run) rate() (rate float64, left time.Duration) {
	if len(r.spec.Phases) == 0 {
		return r.spec.Rate, history.Never
	}
	round := time.Duration(0)
	for _, p := range r.spec.Phases {
		round += p.For
	}
	into := (r.env.Now() - r.began) % round
	for _, p := range r.spec.Phases {
		if into < p.For {
			return p.Rate, p.For - into
		}
		into -= p.For
	}
	panic("unreachable: a phase begins before the round is over")
}

// gap draws the time to this client's next operation: exponential, so that the
// arrivals of all clients together form a Poisson stream of the asked rate.
func (c *Client) gap(rate float64) time.Duration {
	r := c.run
	mean := float64(r.spec.Clients) * float64(r.spec.Pipeline) / rate
	u := (float64(r.env.Uint64()>>11) + 1) / (1 << 53)
	return time.Duration(-math.Log(u) * mean * float64(time.Second))
}

// exchange sends what the steps have prepared and takes the answers.
func (c *Client) exchange() error {
	err := c.conn.Flush()
	for _, id := range c.pending {
		if err != nil {
			break
		}
		c.op = c.run.rec.H.Ops[id]
		if c.answer, err = c.run.protocol.Answer(&c.conn, &c.op); err == nil {
			c.run.replies++
			c.answered = id
			c.complete(id, &c.answer)
		}
	}
	c.pending = c.pending[:0]
	return err
}

// complete turns an answer into the operation's outcome.
func (c *Client) complete(id int, a *Answer) {
	r := c.run
	outcome := history.OK
	if a.Refused {
		outcome = history.Failed
	}
	op := r.rec.Complete(id, r.env.Now(), outcome)
	switch {
	case op == nil:
	case a.Refused:
		more(op).Err = a.Why
	case op.Kind == history.Read || op.Kind == history.HashGet || op.Kind == history.GetBit:
		if op.Absent = a.Absent; !a.Absent {
			op.Value = r.Value(a.Value)
		}
	case a.Values != nil:
		m := more(op)
		op.Absent = a.Absent
		m.Values = slices.Grow(m.Values, len(a.Values))
		for _, v := range a.Values {
			m.Values = append(m.Values, r.Value(v))
		}
	case a.Result != "":
		more(op).Result = a.Result
	case a.Absent:
		op.Absent = true
	case a.Value != nil:
		more(op).Result = r.Value(a.Value)
	}
}

func more(op *history.Op) *history.More {
	if op.More == nil {
		op.More = &history.More{Offset: -1}
	}
	return op.More
}
