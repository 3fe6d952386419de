package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("counters", workload{about: "INCRBY and GET over a few counters", step: (*Client).counterStep,
		read: history.Read, sends: []history.Kind{history.Incr}})
}

// counterStep adds to a counter, or reads one. A client whose connection breaks does not add
// again: what it asked for last may be counted or not.
func (c *Client) counterStep() {
	if key := c.key(); c.reads() {
		c.read(key)
	} else {
		c.ask(history.Op{Kind: history.Incr, Key: key, Value: itoa(1 + c.draw(99))})
	}
}
