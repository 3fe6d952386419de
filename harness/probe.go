package harness

import (
	"fmt"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/workloads"
)

// probeKey is the key of the harness's own write.
const probeKey = "torntail:probe"

// probe makes one write after the dump: a server that has come back must also
// take writes. It returns the error reply, or an error when there was none.
func probe(c *workloads.Conn) (refusal string, err error) {
	reply, err := c.Do(replyLimit, "SET", probeKey, "1")
	if err != nil {
		return "", fmt.Errorf("write after the restart: %w", err)
	}
	if reply.Type == redcon.Error {
		return string(reply.Data), nil
	}
	return "", nil
}
