package engine_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scanned is the deletion of one of the keys that SCAN meets in an order of its own.
var scanned = regexp.MustCompile(`((?:DEL|UNLINK)\r\n\$1\r\n)[j-n]`)

// logged is what the incremental files in a server's directory hold, in order,
// without times.
func logged(t *testing.T, dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(b)
	}
	return scanned.ReplaceAllString(regexp.MustCompile(`\d{13}`).ReplaceAllString(all.String(), "TIME"), "${1}one")
}

// What the servers log is the same to the byte: a rewrite's new file selects a
// database once, and deletions of their own are the words that lazyfree's
// directives ask for.
func TestLoggedLikeRedis(t *testing.T) {
	for _, lazy := range []string{"no", "yes"} {
		t.Run("lazyfree "+lazy, func(t *testing.T) {
			directives := [][2]string{{"appendonly", "yes"}, {"appendfsync", "always"}}
			for _, name := range []string{"expire", "user-del", "server-del", "user-flush", "eviction"} {
				directives = append(directives, [2]string{"lazyfree-lazy-" + name, lazy})
			}
			both := startCouple(t, directives...)
			theirs, ours := dial(t, both.redis.addr()), both.world.connect()
			for _, line := range []string{
				"SET a 1", "BGREWRITEAOF", "wait", "SET b 2", "SET c 3", "SELECT 3", "SET d 4", "BGREWRITEAOF", "SET e 5", "wait", "SET f 6", "SELECT 0", "SET g 7",
				"SET h 8 PX 1", "SET i 9 PX 1", "SET j 10 PX 1", "SET k 11 PX 1", "pause", "GET h", "INCR i", "SCAN 0", "MULTI", "SET l 1 PX 1", "EXEC", "SET m 1 PX 1", "SET n 1 PX 1", "pause", "MULTI", "SCAN 0 COUNT 100", "EXEC",
				"SET p 1", "GETDEL p", "SET q 1", "GETEX q PXAT 1", "SET r 1", "EXPIRE r -1", "SADD s 1 2", "SPOP s 2", "SET t 1", "DEL t", "SET t 1", "UNLINK t", "RPUSH u 1", "RPOP u", "SET v 1 PX 1", "SET w 1 PX 1", "pause", "DEL v w",
				"SET x 1", "SET y 1", "RENAME x y", "SADD z 1", "SINTERSTORE y z nothing", "SUNIONSTORE z nothing", "SET 1 1", "FLUSHDB", "FLUSHDB SYNC", "FLUSHALL ASYNC", "SET o 1 PX 1", "pause", "RANDOMKEY",
			} {
				switch line {
				case "wait":
					for _, do := range []func(...string) string{theirs.do, ours.do} {
						require.Eventually(t, func() bool {
							text := do("INFO", "persistence")
							return strings.Contains(text, "aof_rewrite_in_progress:0") && strings.Contains(text, "aof_rewrite_scheduled:0")
						}, time.Minute, 10*time.Millisecond)
					}
				case "pause": // until keys with a deadline of a millisecond are past it
					time.Sleep(3 * time.Millisecond)
				default:
					want, got := theirs.do(strings.Fields(line)...), ours.do(strings.Fields(line)...)
					if !strings.HasPrefix(line, "SCAN") && !strings.HasPrefix(line, "EXEC") {
						assert.Equal(t, want, got, line)
					}
				}
			}
			assert.Equal(t, logged(t, both.redis.dir), logged(t, both.world.dir))
		})
	}
}
