package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("registers", workload{about: "SET of unique values and GET over a few keys", step: (*Client).registerStep,
		read: history.Read, sends: []history.Kind{history.Write}})
}

// registerStep sets a key to a unique value, or reads one.
func (c *Client) registerStep() {
	if key := c.key(); c.reads() {
		c.read(key)
	} else {
		c.write(key)
	}
}
