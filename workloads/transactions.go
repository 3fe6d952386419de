package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("transactions", workload{about: "MULTI/EXEC writing two or three keys at once, and GET", step: (*Client).transactionStep})
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
