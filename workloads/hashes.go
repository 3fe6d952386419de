package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("hashes", workload{about: "HSET of unique values, HINCRBY, HDEL, HGET and HGETALL over a few hashes, one of them large", step: (*Client).hashStep,
		read: history.ReadHash, sends: []history.Kind{history.HashSet, history.HashIncr, history.HashRemove, history.HashGet}})
}

// Members that a key of a type has at most: few, so that they are written again, and of the
// first key more than fit its small encoding (hash-max-listpack-entries and
// zset-max-listpack-entries are 128 in redis.conf 7.0).
const (
	fewMembers  = 4
	manyMembers = 160
)

// member draws the name of one of a key's members.
func (c *Client) member(key string) string {
	if key == c.run.keys[0] {
		return "f" + itoa(c.draw(manyMembers))
	}
	return "f" + itoa(c.draw(fewMembers))
}

// hashStep does one of the things that are done to a hash. Fields that count have names of
// their own: what is set is no number.
func (c *Client) hashStep() {
	key := c.key()
	op := history.Op{Kind: history.HashSet, Key: key, More: &history.More{Offset: -1, Field: c.member(key)}}
	switch reads, what := c.reads(), c.draw(100); {
	case reads && what < 50:
		c.read(key)
		return
	case reads:
		op.Kind = history.HashGet
	case what < 70:
		op.Value = c.token()
	case what < 85:
		op.Kind, op.Value, op.More.Field = history.HashIncr, itoa(1+c.draw(9)), "n"+op.More.Field
	default:
		op.Kind = history.HashRemove
	}
	c.ask(op)
}
