package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("sets", workload{about: "SADD of unique members, SREM, SISMEMBER and SMEMBERS over a few sets", step: (*Client).setStep,
		read: history.ReadSet, sends: []history.Kind{history.SetAdd, history.SetRemove, history.SetHas}})
}

// setStep adds a unique member to a set, or reads one; what this client's last answered command
// added it may look for, or take away.
func (c *Client) setStep() {
	switch reads, last := c.reads(), c.lastAdded(history.SetAdd); {
	case reads && last != nil && c.draw(2) == 0:
		c.ask(history.Op{Kind: history.SetHas, Key: last.Key, Value: last.Value})
	case reads:
		c.read(c.key())
	case last != nil && c.draw(5) == 0:
		c.ask(history.Op{Kind: history.SetRemove, Key: last.Key, Value: last.Value})
	default:
		c.ask(history.Op{Kind: history.SetAdd, Key: c.key(), Value: c.token()})
	}
}
