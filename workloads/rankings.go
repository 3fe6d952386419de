package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("rankings", workload{about: "ZADD, ZINCRBY, ZREM, ZPOPMIN, ZPOPMAX, ZSCORE and ZRANGE over a few sorted sets, one of them large", step: (*Client).rankingStep,
		read: history.ReadSorted, sends: []history.Kind{history.SortedAdd, history.SortedIncr, history.SortedRemove, history.SortedPop, history.SortedScore}})
}

// rankingStep does one of the things that are done to a ranking. Nobody else gives a member the
// score that a client gives it, so that it says who wrote it last.
func (c *Client) rankingStep() {
	key := c.key()
	op := history.Op{Kind: history.SortedAdd, Key: key, More: &history.More{Offset: -1}}
	switch reads, what := c.reads(), c.draw(100); {
	case reads && what < 50:
		c.read(key)
		return
	case reads:
		op.Kind, op.Value = history.SortedScore, c.member(key)
	case what < 60:
		op.Value, op.More.Score = c.member(key), c.score()
	case what < 75:
		op.Kind, op.Value, op.More.Score = history.SortedIncr, c.member(key), itoa(1+c.draw(9))
	case what < 90:
		op.Kind, op.Value = history.SortedRemove, c.member(key)
	default:
		op.Kind, op.More.Head = history.SortedPop, c.draw(2) == 0
	}
	c.ask(op)
}

// clientScores is how far apart the scores of two clients are.
const clientScores = 1_000_000

// score is one that nobody else gives.
func (c *Client) score() string {
	c.writes++
	return itoa(c.number*clientScores + c.writes)
}
