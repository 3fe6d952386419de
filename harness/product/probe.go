package product

import (
	"fmt"
	"time"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/workloads"
)

// ReplyLimit is how long an answer to the harness's own commands may take.
const ReplyLimit = 30 * time.Second

// ProbeKey is the key of the harness's own write.
const ProbeKey = "torntail:probe"

// Probe makes one write after the dump: a server that has come back must also
// take writes. It returns the error reply, or an error when there was none.
func Probe(s Store, c *workloads.Conn) (refusal string, err error) {
	write := history.Op{Kind: history.Write, Key: ProbeKey, Value: "1"}
	c.Deadline(ReplyLimit)
	s.Ask(c, &write, 0)
	err = c.Flush()
	var a workloads.Answer
	if err == nil {
		a, err = s.Answer(c, &write)
	}
	if err != nil {
		return "", fmt.Errorf("write after the restart: %w", err)
	}
	return a.Why, nil
}
