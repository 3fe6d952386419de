package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("sets", workload{about: "SADD, SREM, SISMEMBER and SMEMBERS over a few sets, one of them large", step: (*Client).setStep,
		read: history.ReadSet, sends: []history.Kind{history.SetAdd, history.SetRemove, history.SetHas}})
}

// setStep adds a unique member to a set, or does something to one that this client has added.
func (c *Client) setStep() {
	key := c.key()
	op := history.Op{Kind: history.SetAdd, Key: key}
	what := c.draw(100)
	if c.writes == 0 {
		what = 0
	}
	switch {
	case c.reads() && what < 50:
		c.read(key)
		return
	case c.reads():
		op.Kind, op.Value = history.SetHas, c.earlier()
	case what < 80:
		op.Value = c.token()
	default:
		op.Kind, op.Value = history.SetRemove, c.earlier()
	}
	c.ask(op)
}

// earlier draws one of the last values that this client has written, to whatever key.
func (c *Client) earlier() string {
	return c.run.tokens.Token(c.number, max(0, c.writes-1-c.draw(fewMembers)))
}
