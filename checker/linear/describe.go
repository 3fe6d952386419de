package linear

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/checker/history"
)

// describe is an operation as porcupine's picture shows it.
func describe(in *input) string {
	if in.found != nil {
		return fmt.Sprintf("after the crash: %q", *in.found)
	}
	op := in.op
	var b strings.Builder
	verb := map[history.Kind]string{
		history.Read: "get", history.Write: "set", history.Delete: "del", history.Append: "append", history.Incr: "incrby",
		history.CAS: "cas", history.ReadList: "lrange", history.Pop: "pop", history.Expire: "expire",
		history.SetAdd: "sadd", history.SetRemove: "srem", history.ReadSet: "smembers",
		history.HashSet: "hset", history.HashRemove: "hdel", history.ReadHash: "hgetall",
		history.SortedAdd: "zadd", history.SortedRemove: "zrem", history.ReadSorted: "zrange", history.Txn: "transaction",
	}[op.Kind]
	fmt.Fprintf(&b, "%s %s", verb, op.Key)
	if op.Writes() && op.Value != "" {
		fmt.Fprintf(&b, " %s", op.Value)
	}
	switch {
	case op.Outcome != history.OK:
		b.WriteString(" -> ?")
	case op.Absent:
		b.WriteString(" -> nothing")
	case op.Kind == history.Read:
		fmt.Fprintf(&b, " -> %s", op.Value)
	case op.More != nil && !op.Writes():
		fmt.Fprintf(&b, " -> %q", op.More.Values)
	case op.More != nil && op.More.Result != "":
		fmt.Fprintf(&b, " -> %s", op.More.Result)
	}
	return b.String()
}
