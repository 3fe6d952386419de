package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("streams", workload{about: "XADD of unique values, XDEL and XRANGE over a few streams", step: (*Client).streamStep,
		read: history.ReadStream, sends: []history.Kind{history.StreamAdd, history.StreamRemove}})
}

// streamStep adds an entry, removes the one that this client's last answered command added, or
// reads a whole stream.
func (c *Client) streamStep() {
	key := c.key()
	switch last := c.lastAdded(history.StreamAdd); {
	case c.reads():
		c.read(key)
	case last != nil && c.draw(5) == 0:
		c.ask(history.Op{Kind: history.StreamRemove, Key: last.Key, More: &history.More{Offset: -1, Entry: last.More.Result}})
	default:
		c.ask(history.Op{Kind: history.StreamAdd, Key: key, Value: c.token(), More: &history.More{Offset: -1, Field: "f"}})
	}
}
