package workloads

import (
	"strconv"

	"github.com/torntail/torntail/checker/history"
)

func itoa(n int) string { return strconv.Itoa(n) }

// draw returns a number below n.
func (c *Client) draw(n int) int {
	return int(c.run.env.Uint64() >> 33 % uint64(n))
}

func (c *Client) reads() bool {
	return float64(c.run.env.Uint64()>>11)/(1<<53) < c.run.spec.ReadRatio
}

func (c *Client) token() string {
	t := c.run.tokens.Token(c.number, c.writes)
	c.writes++
	return t
}

// begin records an operation and remembers that its reply is awaited. False:
// the client lies (Recorder.PlantLie), and nothing is to be sent.
func (c *Client) begin(op history.Op, skip int) bool {
	op.Client, op.Invoke = c.number, c.run.env.Now()
	id := c.run.rec.Invoke(op)
	if c.run.rec.lies(id, op.Invoke) {
		return false
	}
	c.pending = append(c.pending, inHand{id: id, skip: skip})
	return true
}

// registerStep sets a key to a unique value, or reads one.
func (c *Client) registerStep() {
	key := c.run.keys[c.draw(c.run.spec.Keys)]
	if c.reads() {
		if !c.begin(history.Op{Kind: history.Read, Key: key}, 0) {
			return
		}
		c.conn.Begin(2)
		c.conn.Arg("GET")
		c.conn.Arg(key)
		return
	}
	token := c.token()
	if !c.begin(history.Op{Kind: history.Write, Key: key, Value: token}, 0) {
		return
	}
	c.set(key, token)
}

func (c *Client) set(key, token string) {
	c.conn.Begin(3)
	c.conn.Arg("SET")
	c.conn.Arg(key)
	c.conn.argPadded(token, c.run.spec.ValueSize)
}

// transactionStep writes two or three different keys in one MULTI, or reads one key.
func (c *Client) transactionStep() {
	keys := c.run.spec.Keys
	first := c.draw(keys)
	if c.reads() || keys < 2 {
		key := c.run.keys[first]
		if !c.begin(history.Op{Kind: history.Read, Key: key}, 0) {
			return
		}
		c.conn.Begin(2)
		c.conn.Arg("GET")
		c.conn.Arg(key)
		return
	}
	c.writeTogether(first)
}

// writeTogether sets two or three different keys in one MULTI.
func (c *Client) writeTogether(first int) {
	keys := c.run.spec.Keys
	n := min(2+c.draw(2), keys)
	parts := make([]history.Op, n)
	for i := range parts {
		parts[i] = history.Op{Kind: history.Write, Key: c.run.keys[(first+i)%keys], Value: c.token()}
	}
	if !c.begin(history.Op{Kind: history.Txn, More: &history.More{Offset: -1, Parts: parts}}, 1+n) {
		return
	}
	c.conn.Begin(1)
	c.conn.Arg("MULTI")
	for i := range parts {
		c.set(parts[i].Key, parts[i].Value)
	}
	c.conn.Begin(1)
	c.conn.Arg("EXEC")
}

// listStep appends a unique element to a list, or reads a whole list.
func (c *Client) listStep() {
	key := c.run.keys[c.draw(c.run.spec.Keys)]
	if c.reads() {
		if !c.begin(history.Op{Kind: history.ReadList, Key: key}, 0) {
			return
		}
		c.conn.Begin(4)
		c.conn.Arg("LRANGE")
		c.conn.Arg(key)
		c.conn.Arg("0")
		c.conn.Arg("-1")
		return
	}
	token := c.token()
	if !c.begin(history.Op{Kind: history.Append, Key: key, Value: token}, 0) {
		return
	}
	c.conn.Begin(3)
	c.conn.Arg("RPUSH")
	c.conn.Arg(key)
	c.conn.argPadded(token, c.run.spec.ValueSize)
}
