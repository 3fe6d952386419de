package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("lists", workload{about: "RPUSH of unique elements and LRANGE over a few lists", step: (*Client).listStep,
		read: history.ReadList, sends: []history.Kind{history.Append}})
}

// listStep appends a unique element to a list, or reads a whole list.
func (c *Client) listStep() {
	if key := c.key(); c.reads() {
		c.read(key)
	} else {
		c.ask(history.Op{Kind: history.Append, Key: key, Value: c.token()})
	}
}
