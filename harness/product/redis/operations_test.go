package redis

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
)

// TestOperationsOfAPlan: a command is an operation, changes nothing, or is refused.
func TestOperationsOfAPlan(t *testing.T) {
	for words, want := range map[string]string{
		"SET k v": "write k v", "set k v EX 5": "!", "DEL k": "delete k", "DEL k l": "txn delete k delete l", "FLUSHALL ASYNC": "txn",
		"HSET h f v": "hash-set h v", "HSET h f v g w": "!", "SADD s m": "set-add s m", "RPUSH l e": "push l e", "RPUSH l e f": "!",
		"GET k": "", "BGREWRITEAOF": "", "CONFIG SET appendfsync no": "", "CONFIG GET save": "", "DEBUG SLEEP 1": "", "SHUTDOWN": "", "NOSUCH": "",
		"CONFIG SET hz 1 SAVE x": "!", "INCR n": "!", "EVAL x 0": "!", "debug populate 5": "!", "REPLICAOF NO ONE": "!", "GETEX k": "!", "MULTI": "",
	} {
		op, err := Store.Operation(strings.Fields(words))
		got := ""
		switch {
		case err != nil:
			got = "!"
		case op != nil:
			got = strings.TrimSpace(op.Kind.String() + " " + op.Key + " " + op.Value)
			if op.Kind == history.Txn {
				for _, p := range op.More.Parts {
					got += " " + p.Kind.String() + " " + p.Key
				}
			}
		}
		require.Equal(t, want, got, words)
	}
}
