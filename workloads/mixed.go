package workloads

import (
	"time"

	"github.com/torntail/torntail/checker/history"
)

func init() {
	register("mixed", workload{about: "SET, MULTI/EXEC, SET with an expiry time, and GET over a few keys", step: (*Client).mixedStep,
		read: history.Read, sends: []history.Kind{history.Write, history.Txn, history.Expire}})
}

// Shares of the writes of the mixed workload, in percent; the rest are SETs of
// one key.
const (
	mixedTransactions = 20
	mixedExpiring     = 10
)

// expiryMost is the longest life of an expiring key: some end within a run, some after it.
const expiryMost = 20 * time.Second

// mixedStep does one of the things an application does with a few keys: it
// reads or sets one, sets several at once, or sets one that expires. Keys that
// expire ("x0" and so on) are never read, since nobody could say whether their
// absence was right.
func (c *Client) mixedStep() {
	what := c.draw(100)
	switch {
	case c.reads():
		c.read(c.key())
	case what < mixedTransactions && c.run.spec.Keys > 1:
		c.writeTogether(c.draw(c.run.spec.Keys))
	case what < mixedTransactions+mixedExpiring:
		c.setExpiring()
	default:
		c.write(c.key())
	}
}

// ShortLife is what the short-lived half of keys live at most where LongLife is set.
const ShortLife = 2 * time.Second

// life draws how long a key lives.
func (c *Client) life() time.Duration {
	long := c.run.spec.LongLife
	switch {
	case long == 0:
		return time.Duration(1+c.draw(int(expiryMost/time.Millisecond))) * time.Millisecond
	case c.draw(2) == 0:
		return long
	}
	return time.Duration(1+c.draw(int(ShortLife/time.Millisecond))) * time.Millisecond
}

// setExpiring sets a key together with the instant at which it expires.
func (c *Client) setExpiring() {
	key, token := "x"+itoa(c.draw(4)), c.token()
	life := c.life()
	wall, now := c.run.env.Wall(), c.run.env.Now()
	at := wall.Add(life).UnixMilli()
	c.ask(history.Op{Kind: history.Write, Key: key, Value: token, More: &history.More{Offset: -1, Deadline: now + time.UnixMilli(at).Sub(wall)}})
}
