package splitbrain

import (
	"bytes"
	"cmp"
	"fmt"
	"strconv"
	"strings"
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
	askEvery     = time.Second            // how often a client that follows asks each Sentinel that announces nothing
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
	key    []byte         // "c1:", and the number of the last write
	more   []history.More // memory for its next writes

	sentinels []link
	heard     []*workloads.Conn // subscribed to what each Sentinel announces
	said      []string          // what each Sentinel named last
	silent    []time.Duration
}

func newClient(r *run, i int) *client {
	c := &client{run: r, number: i, place: r.s.Clients[i], env: r.c.Env(Client(i)), key: []byte(Client(i) + ":")}
	for _, name := range r.s.Topology.SentinelNames() {
		c.sentinels = append(c.sentinels, link{env: c.env, addr: r.c.Addr(name)})
	}
	c.heard = make([]*workloads.Conn, len(c.sentinels))
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
			r.pause.WaitFor(wait)
			continue
		}
		if c.at != "" && c.place.Routing == Follow && c.told != "" && c.told != c.at {
			c.leave()
		}
		if c.at == "" && !c.connect() {
			r.pause.WaitFor(retryAfter)
			continue
		}
		if r.s.Writes > 0 && r.begun >= r.s.Writes {
			return
		}
		r.begun++
		r.conductor.OnRequest(r.begun)
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
		if target = c.ask(); target != c.told {
			c.learns(target, Asked)
		}
	}
	target = cmp.Or(target, c.last, Server(0)) // n1 is what the client was configured with
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
	c.key = strconv.AppendInt(c.key[:bytes.IndexByte(c.key, ':')+1], int64(c.writes), 10)
	key := string(c.key)
	c.writes++
	if len(c.more) == 0 {
		c.more = make([]history.More, 64)
	}
	more := &c.more[0]
	c.more = c.more[1:]
	more.Node, more.Offset = c.at, -1
	id := r.rec.Invoke(history.Op{Client: c.number, Kind: history.Write, Key: key, Value: key, Invoke: c.env.Now(), More: more})
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
	if err == nil && reply.Type == redcon.Integer && offset >= 0 {
		c.run.waited(c.at, offset, int(reply.Int()))
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

// waited holds what WAIT answered for an offset against what replicas have said. The
// offset is that of ROLE, which was executed right behind the write, before anybody
// else's: what WAIT waits for (redis 7.0.15 replication.c waitCommand, c->woff).
func (r *run) waited(master string, offset int64, answered int) {
	most, known := r.c.Acknowledged(master, offset)
	if !known {
		return
	}
	r.out.Waits.Compared++
	if answered <= most {
		return
	}
	if r.out.Waits.TooHigh++; r.out.Waits.TooHigh == 1 {
		r.out.Findings = append(r.out.Findings, Finding{Anomaly: "wait-count", Text: fmt.Sprintf(
			"%s answered WAIT for offset %d with %d replicas; %d had acknowledged it", master, offset, answered, most)})
	}
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

// switchChannel is where a Sentinel announces that there is another master.
const switchChannel = "+switch-master"

// watch is a task of a client that follows, one for each Sentinel. It does what
// client libraries do: it subscribes to the announcement of another master, asks
// who it is now, and asks again now and then, so that a Sentinel that went
// silently is noticed. A Sentinel that names another master than before is believed.
func (c *client) watch(i int) {
	defer c.sentinels[i].close()
	for !c.run.stopped {
		c.hear(i)
		if !c.run.stopped {
			c.run.pause.WaitFor(silentFor)
		}
	}
}

// hear listens to a Sentinel until it does not answer, or the run is over.
func (c *client) hear(i int) {
	conn, err := dial(c.env, c.sentinels[i].addr, askLimit)
	if err != nil {
		return
	}
	c.heard[i] = conn
	defer func() {
		c.heard[i] = nil
		conn.Close()
	}()
	if _, err := conn.Do(askLimit, "SUBSCRIBE", switchChannel); err != nil {
		return
	}
	asked := func() (over bool) {
		if !c.run.stopped {
			c.believe(i, c.askOne(i), Asked)
		}
		return c.run.stopped || c.silent[i] > c.env.Now()
	}
	follow(conn, askEvery, asked, func(reply redcon.RESP) { c.believe(i, c.run.c.NodeAt(switched(reply)), Announced) })
}

func (c *client) believe(i int, named string, how How) {
	if named == "" || named == c.said[i] {
		return
	}
	c.said[i] = named
	if named != c.told {
		c.learns(named, how)
	}
	c.told = named
}

// learns puts on record who the client is told is the master.
func (c *client) learns(node string, how How) {
	if node != "" {
		c.run.out.Learnt = append(c.run.out.Learnt, Learnt{c.env.Now(), c.number, node, how})
	}
}

// hangUp ends the client's waiting for announcements, once the run is over.
func (c *client) hangUp() {
	for _, conn := range c.heard {
		if conn != nil {
			conn.Close()
		}
	}
}

// switched reads the address of the new master from a message: "message",
// channel, "mymaster OLD-HOST OLD-PORT HOST PORT". It is "" when it is none.
func switched(reply redcon.RESP) string {
	parts := elements(reply)
	if len(parts) != 3 || parts[0] != "message" || parts[1] != switchChannel {
		return ""
	}
	f := strings.Fields(parts[2])
	if len(f) != 5 || f[0] != Master {
		return ""
	}
	return f[3] + ":" + f[4]
}
