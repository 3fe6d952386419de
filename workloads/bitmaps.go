package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("bitmaps", workload{about: "SETBIT, GETBIT and GET over a few bitmaps", step: (*Client).bitmapStep,
		read: history.Read, sends: []history.Kind{history.SetBit, history.GetBit}})
}

// mostBits is how many bits a bitmap has at most.
const mostBits = 64

// bitmapStep sets or clears a bit, or reads one or all.
func (c *Client) bitmapStep() {
	key := c.key()
	op := history.Op{Kind: history.SetBit, Key: key, More: &history.More{Offset: -1, Index: int64(c.draw(mostBits))}}
	switch reads, what := c.reads(), c.draw(4); {
	case reads && what == 0:
		c.read(key)
		return
	case reads:
		op.Kind = history.GetBit
	case what == 0:
		op.Value = "0"
	default:
		op.Value = "1"
	}
	c.ask(op)
}
