package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("sets", workload{about: "SADD of unique members and SMEMBERS over a few sets", step: (*Client).setStep,
		read: history.ReadSet, sends: []history.Kind{history.SetAdd}})
}

// setStep adds a unique member to a set, or reads a whole set.
func (c *Client) setStep() {
	if key := c.key(); c.reads() {
		c.read(key)
	} else {
		c.ask(history.Op{Kind: history.SetAdd, Key: key, Value: c.token()})
	}
}
