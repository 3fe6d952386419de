package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("registers", workload{about: "SET of unique values and GET over a few keys", step: (*Client).registerStep})
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
