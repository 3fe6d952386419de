package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("lists", workload{about: "RPUSH of unique elements and LRANGE over a few lists", step: (*Client).listStep, lists: true})
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
