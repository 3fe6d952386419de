package workloads

import "github.com/torntail/torntail/checker/history"

func init() {
	register("hashes", workload{about: "HSET of unique values to a few fields and HGETALL over a few hashes", step: (*Client).hashStep,
		read: history.ReadHash, sends: []history.Kind{history.HashSet}})
}

// hashFields is how many fields a hash has at most: few, so that they are written again.
const hashFields = 4

// hashStep sets a field of a hash to a unique value, or reads a whole hash.
func (c *Client) hashStep() {
	if key := c.key(); c.reads() {
		c.read(key)
	} else {
		c.ask(history.Op{Kind: history.HashSet, Key: key, Value: c.token(), More: &history.More{Offset: -1, Field: "f" + itoa(c.draw(hashFields))}})
	}
}
