package product

import (
	"fmt"
	"time"

	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/workloads"
)

// ReplyLimit is how long an answer to the harness's own commands may take.
const ReplyLimit = 30 * time.Second

// ProbeKey is the key of the harness's own write.
const ProbeKey = "torntail:probe"

// Probe makes one write after the dump: a server that has come back must also
// take writes. It returns the error reply, or an error when there was none.
func Probe(c *workloads.Conn) (refusal string, err error) {
	reply, err := c.Do(ReplyLimit, "SET", ProbeKey, "1")
	if err != nil {
		return "", fmt.Errorf("write after the restart: %w", err)
	}
	if reply.Type == redcon.Error {
		return string(reply.Data), nil
	}
	return "", nil
}
