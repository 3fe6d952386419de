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

// ask puts an operation on record, and asks for it; not when the client lies
// (Recorder.PlantLie).
func (c *Client) ask(op history.Op) {
	op.Client, op.Invoke = c.number, c.run.env.Now()
	id := c.run.rec.Invoke(op)
	if c.run.rec.lies(id, op.Invoke) {
		return
	}
	c.op = op
	c.run.protocol.Ask(&c.conn, &c.op, c.run.size())
	c.pending = append(c.pending, id)
}

// key draws one of the run's keys.
func (c *Client) key() string { return c.run.keys[c.draw(c.run.spec.Keys)] }

// read asks for what a key holds.
func (c *Client) read(key string) { c.ask(history.Op{Kind: c.run.does.read, Key: key}) }

// write sets a key to a unique value.
func (c *Client) write(key string) {
	c.ask(history.Op{Kind: history.Write, Key: key, Value: c.token()})
}

// lastAdded is what this client's last answered command added, when that is of a kind; nil:
// it is not.
func (c *Client) lastAdded(kind history.Kind) *history.Op {
	if c.answered < 0 {
		return nil
	}
	if op := &c.run.rec.H.Ops[c.answered]; op.Kind == kind && op.Acked() {
		return op
	}
	return nil
}
