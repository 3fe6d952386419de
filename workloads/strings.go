package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("strings", workload{about: "SET, APPEND, SETRANGE, GETDEL, DEL and GET over a few strings", step: (*Client).stringStep,
		read: history.Read, sends: []history.Kind{history.Write, history.StringAppend, history.SetRange, history.GetDelete, history.Delete}, bare: true})
}

// rangeWithin is how far behind the beginning of a string SETRANGE begins at most.
const rangeWithin = 16

// stringStep does one of the things that are done to a string.
func (c *Client) stringStep() {
	key := c.key()
	op := history.Op{Key: key}
	switch what := c.draw(100); {
	case c.reads():
		c.read(key)
		return
	case what < 40:
		op.Kind, op.Value = history.Write, c.token()
	case what < 70:
		op.Kind, op.Value = history.StringAppend, c.token()
	case what < 85:
		op.Kind, op.Value, op.More = history.SetRange, c.token(), &history.More{Offset: -1, Index: int64(c.draw(rangeWithin))}
	case what < 93:
		op.Kind = history.GetDelete
	default:
		op.Kind = history.Delete
	}
	c.ask(op)
}
