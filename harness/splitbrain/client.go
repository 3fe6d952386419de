package splitbrain

import (
	"strconv"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/workloads"
)

// Limits of what clients wait for besides an operation's reply.
const (
	connectLimit = 250 * time.Millisecond // to a server, and its first ROLE
	askLimit     = 100 * time.Millisecond // of a Sentinel
	askEvery     = 100 * time.Millisecond // how often a client that follows asks each Sentinel
	silentFor    = time.Second            // how long one that did not answer is left alone
	retryAfter   = 50 * time.Millisecond  // between two attempts to find the master
)

// client is one recording client. Each write has a key of its own and is sent
// once: whatever becomes of it, it is never sent again. With each write goes a
// ROLE in the same packet, so that the acknowledgement carries the node's
// replication offset just after the write.
type client struct {
	run    *run
	number int
	place  ClientPlace
	env    env.Env

	conn   *workloads.Conn
	at     string // node it is connected to, "" none
	last   string // node it was connected to last
	told   string // master that the Sentinels named last
	writes int

	sentinels []link
	said      []string // what each Sentinel named last
	silent    []time.Duration
}

func newClient(r *run, i int) *client {
	c := &client{run: r, number: i, place: r.s.Clients[i], env: r.c.Env(Client(i))}
	for _, name := range r.s.Topology.SentinelNames() {
		c.sentinels = append(c.sentinels, link{env: c.env, addr: r.c.Addr(name)})
	}
	c.said = make([]string, len(c.sentinels))
	c.silent = make([]time.Duration, len(c.sentinels))
	return c
}

// live is the client's task: it writes at its share of the rate until the run
// is over.
func (c *client) live() {
	r := c.run
	defer c.leave()
	gap := time.Duration(0)
	if r.s.Rate > 0 {
		gap = time.Duration(float64(len(r.s.Clients)) / r.s.Rate * float64(time.Second))
	}
	next := c.env.Now() + gap*time.Duration(c.number)/time.Duration(len(r.s.Clients))
	for !r.stopped {
		if wait := next - c.env.Now(); wait > 0 {
			r.wait(c.env, wait)
			continue
		}
		if c.at != "" && c.place.Routing == Follow && c.told != "" && c.told != c.at {
			c.leave()
		}
		if c.at == "" && !c.connect() {
			r.wait(c.env, retryAfter)
			continue
		}
		if r.s.Writes > 0 && r.begun >= r.s.Writes {
			return
		}
		r.begun++
		c.write()
		next = max(next+gap, c.env.Now()) // a client that was held up does not hurry to catch up
	}
}

func (c *client) leave() {
	if c.conn != nil {
		c.conn.Close()
	}
	c.conn, c.at = nil, ""
}

// connect finds the master and connects to it. False: nobody that it reaches is one.
func (c *client) connect() bool {
	target := c.told // by the task that watches; only that one asks then
	if c.place.Routing == Sticky {
		target = c.ask()
	}
	target = or(or(target, c.last), Server(0)) // n1 is what the client was configured with
	conn, err := dial(c.env, c.run.c.Addr(target), connectLimit)
	if err != nil {
		return false
	}
	reply, err := conn.Do(connectLimit, "ROLE")
	if is, ok := parseRole(reply); err != nil || !ok || !is.master {
		conn.Close()
		return false
	}
	c.conn, c.at, c.last = conn, target, target
	return true
}

// write sends one write and takes what comes back.
func (c *client) write() {
	r := c.run
	key := Client(c.number) + ":" + strconv.Itoa(c.writes)
	c.writes++
	id := r.rec.Invoke(history.Op{Client: c.number, Kind: history.Write, Key: key, Value: key, Invoke: c.env.Now(),
		More: &history.More{Node: c.at, Offset: -1}})
	limit := r.s.Timeout
	if r.s.Wait > 0 {
		limit += r.s.WaitFor
	}
	c.conn.Deadline(limit)
	c.conn.Begin(3)
	c.conn.Arg("SET")
	c.conn.Arg(key)
	c.conn.Arg(key)
	c.conn.Begin(1)
	c.conn.Arg("ROLE")
	if r.s.Wait > 0 {
		c.conn.Begin(3)
		c.conn.Arg("WAIT")
		c.conn.Arg(strconv.Itoa(r.s.Wait))
		c.conn.Arg(strconv.FormatInt(r.s.WaitFor.Milliseconds(), 10))
	}
	outcome, why := history.Unknown, ""
	set, err := redcon.RESP{}, c.conn.Flush()
	if err == nil {
		set, err = c.conn.Reply()
	}
	switch {
	case err != nil:
		why = err.Error()
	case set.Type == redcon.Error:
		outcome, why = history.Failed, string(set.Data)
	case string(set.Data) == "OK":
		outcome = history.OK
	default:
		why = "SET answered " + strconv.Quote(string(set.Raw))
	}
	offset := int64(-1)
	if err == nil {
		offset, outcome, why, err = c.rest(outcome, why)
	}
	op := r.rec.Complete(id, c.env.Now(), outcome)
	if op == nil {
		c.leave()
		return
	}
	op.More.Offset, op.More.Err = offset, why
	if outcome == history.Failed {
		r.refused(why)
	}
	if err != nil || outcome == history.Failed && refusesAsReplica(why) {
		c.leave()
	}
}

// rest reads the replies behind that of the write. An error is the connection's.
// The write's outcome changes only by WAIT: without enough replicas it is not
// acknowledged, though it has taken effect where it was written.
func (c *client) rest(outcome history.Outcome, why string) (int64, history.Outcome, string, error) {
	offset := int64(-1)
	reply, err := c.conn.Reply()
	if err == nil {
		if is, ok := parseRole(reply); ok && is.master {
			offset = is.offset
		}
		if c.run.s.Wait == 0 {
			return offset, outcome, why, nil
		}
		reply, err = c.conn.Reply()
	}
	if c.run.s.Wait == 0 || outcome != history.OK {
		return offset, outcome, why, err
	}
	switch {
	case err != nil:
		return offset, history.Unknown, "WAIT: " + err.Error(), err
	case reply.Type == redcon.Error:
		return offset, history.Unknown, "WAIT: " + string(reply.Data), nil
	case reply.Int() < int64(c.run.s.Wait):
		return offset, history.Unknown, "WAIT: " + string(reply.Data) + " of " + strconv.Itoa(c.run.s.Wait) + " replicas", nil
	}
	return offset, outcome, why, nil
}

// refusesAsReplica reports whether an error reply says that the node is no master.
func refusesAsReplica(text string) bool {
	for _, code := range []string{"READONLY", "MASTERDOWN", "LOADING"} {
		if len(text) >= len(code) && text[:len(code)] == code {
			return true
		}
	}
	return false
}

// ask asks one Sentinel after the other who the master is; "" when none answers.
func (c *client) ask() string {
	for i := range c.sentinels {
		if named := c.askOne((c.number + i) % len(c.sentinels)); named != "" {
			return named
		}
	}
	return ""
}

func (c *client) askOne(i int) string {
	now := c.env.Now()
	if c.silent[i] > now {
		return ""
	}
	reply, err := c.sentinels[i].do(askLimit, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", Master)
	if err != nil {
		c.silent[i] = now + silentFor
		return ""
	}
	return c.run.c.NodeAt(address(reply))
}

// watch is the task of a client that follows: it asks every Sentinel again and
// again, and believes one that names another master than before, as a client that
// has subscribed to +switch-master would.
func (c *client) watch() {
	defer func() {
		for i := range c.sentinels {
			c.sentinels[i].close()
		}
	}()
	for !c.run.stopped {
		for i := range c.sentinels {
			named := c.askOne(i)
			if c.run.stopped {
				return
			}
			if named != "" && named != c.said[i] {
				c.said[i], c.told = named, named
			}
		}
		c.run.wait(c.env, askEvery)
	}
}
