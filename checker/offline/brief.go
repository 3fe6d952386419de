package offline

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

func clientName(n int) string { return fmt.Sprintf("client %d", n) }

// brief is an operation as short as Jepsen writes it.
func brief(op *history.Op) string {
	more := op.More
	if more == nil {
		more = &history.More{}
	}
	read := func(found string) string {
		if op.Outcome != history.OK {
			return "?"
		}
		return found
	}
	switch op.Kind {
	case history.Txn:
		if isTransfer(op) {
			return fmt.Sprintf("transfer %s from %s to %s", more.Parts[1].Value, more.Parts[0].Key, more.Parts[1].Key)
		}
		var parts []string
		for i := range more.Parts {
			p := more.Parts[i]
			p.Outcome = op.Outcome
			parts = append(parts, brief(&p))
		}
		return strings.Join(parts, " ")
	case history.Append, history.Push:
		return fmt.Sprintf("append %s %s", op.Key, op.Value)
	case history.Write:
		return fmt.Sprintf("w %s %s", op.Key, op.Value)
	case history.Read:
		if op.Absent {
			return fmt.Sprintf("r %s %s", op.Key, read("nil"))
		}
		return fmt.Sprintf("r %s %s", op.Key, read(op.Value))
	case history.ReadList:
		return fmt.Sprintf("r %s %s", op.Key, read("["+strings.Join(more.Values, " ")+"]"))
	case history.Pop:
		if op.Absent {
			return fmt.Sprintf("dequeue %s %s", op.Key, read("nothing"))
		}
		return fmt.Sprintf("dequeue %s %s", op.Key, read(more.Result))
	}
	return fmt.Sprintf("%s %s %s", op.Kind, op.Key, op.Value)
}
