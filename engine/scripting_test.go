package engine_test

import (
	_ "embed"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scriptTable are scripts, one a line; \n stands for a line's end. Each is called with
// two keys and two arguments.
//
//go:embed testdata/scripts.txt
var scriptTable string

// Every script of the table is answered alike in both protocols, the words of errors
// included, logs the same bytes, and leaves the same data.
func TestScriptsLikeRedis(t *testing.T) {
	for _, resp := range []string{"2", "3"} {
		t.Run("RESP"+resp, func(t *testing.T) {
			both := startCouple(t, [2]string{"appendonly", "yes"}, [2]string{"appendfsync", "always"})
			theirs, ours := dial(t, both.redis.addr()), both.world.connect()
			theirs.do("HELLO", resp)
			ours.do("HELLO", resp)
			n := 0
			for line := range strings.Lines(scriptTable) {
				line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `\n`, "\n")
				argv := []string{"EVAL", line, "2", "k1", "k2", "a1", "a2"}
				assert.Equal(t, theirs.do(argv...), ours.do(argv...), line)
				n++
			}
			assert.Greater(t, n, 300)
			for db := range 2 {
				for _, do := range []func(...string) string{theirs.do, ours.do} {
					do("SELECT", string(rune('0'+db)))
				}
				assert.Equal(t, theirs.do("DEBUG", "DIGEST"), ours.do("DEBUG", "DIGEST"), "the data")
			}
			assert.Equal(t, logged(t, both.redis.dir), logged(t, both.world.dir))
			require.Contains(t, logged(t, both.world.dir), "MULTI", "nothing was logged as a transaction")
		})
	}
}
