package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("transactions", workload{about: "MULTI/EXEC writing two or three keys at once, and GET", step: (*Client).transactionStep,
		read: history.Read, sends: []history.Kind{history.Txn}})
}

// transactionStep writes two or three different keys in one MULTI, or reads one key.
func (c *Client) transactionStep() {
	keys := c.run.spec.Keys
	first := c.draw(keys)
	if c.reads() || keys < 2 {
		c.read(c.run.keys[first])
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
	c.ask(history.Op{Kind: history.Txn, More: &history.More{Offset: -1, Parts: parts}})
}
