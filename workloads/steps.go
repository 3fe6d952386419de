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

func (c *Client) set(key, token string) {
	c.conn.Begin(3)
	c.conn.Arg("SET")
	c.conn.Arg(key)
	c.conn.argPadded(token, c.run.spec.ValueSize)
}
