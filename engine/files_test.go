package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// directivesOf turns a mode into both servers' form.
func directivesOf(mode string) (ours [][2]string, theirs []string) {
	words := strings.Fields(mode)
	for i := 0; i < len(words); i += 2 {
		ours = append(ours, [2]string{words[i], words[i+1]})
		theirs = append(theirs, "--"+words[i], words[i+1])
	}
	return ours, theirs
}

// modes are the ways to keep data that both servers must read of each other.
var modes = []string{
	"appendonly yes appendfsync always aof-use-rdb-preamble no",
	"appendonly yes appendfsync everysec aof-use-rdb-preamble yes",
	"appendonly no rdbcompression no",
	"appendonly no rdbcompression yes",
}

// data are commands that leave all shapes of data: short and long values,
// numbers, binary keys, lists of one and of thousands, expiry times, databases.
func data(seed int) [][]string {
	cmds := rapid.Custom(func(t *rapid.T) [][]string {
		out := [][]string{
			{"SET", "long", strings.Repeat("abcdefgh", 5000)},
			{"SET", "binary\x00\r\n\xff", "\x00\x01\xfe\r\n"},
			{"SET", "", ""},
			{"SET", "later", "v", "PXAT", "4102444800123"},
			{"SET", "gone", "v", "PXAT", "1000"},
			{"SELECT", "15"}, {"SET", "other", "database"}, {"SELECT", "0"},
		}
		var many []string
		for i := range 2000 {
			many = append(many, fmt.Sprintf("element %d %s", i, strings.Repeat("x", i%100)))
		}
		out = append(out, append([]string{"RPUSH", "big"}, many...), []string{"RPUSH", "wide", strings.Repeat("w", 20000), "1", "-129", "70000", "9223372036854775807"})
		for range 60 {
			if cmd := genCommand(t); !strings.EqualFold(cmd[0], "FLUSHALL") && !strings.EqualFold(cmd[0], "FLUSHDB") {
				out = append(out, cmd)
			}
		}
		return append(out, []string{"RESET"}, []string{"EXISTS", "gone"})
	})
	return cmds.Example(seed)
}

// What the engine wrote, redis-server loads, and the other way round: the same
// digest, after a rewrite or a snapshot in the middle and an orderly end.
func TestFilesGoBothWays(t *testing.T) {
	for i, mode := range modes {
		ours, theirs := directivesOf(mode)
		rewrite := []string{"BGREWRITEAOF"}
		if strings.HasPrefix(mode, "appendonly no") {
			rewrite = []string{"SAVE"}
		}
		t.Run("engine to redis/"+mode, func(t *testing.T) {
			w := startWorld(t, "", ours...)
			c := w.connect()
			for _, cmd := range data(i) {
				c.do(cmd...)
			}
			c.do(rewrite...)
			waitForRewrite(t, c.do)
			c.do("SET", "after", "rewrite")
			want := c.do("DEBUG", "DIGEST")
			c.batch([][]string{{"SHUTDOWN", "SAVE"}})
			require.Equal(t, 0, w.stop())
			assert.Equal(t, want, dial(t, startRedis(t, w.dir, theirs...).addr()).do("DEBUG", "DIGEST"))
		})
		t.Run("redis to engine/"+mode, func(t *testing.T) {
			r := startRedis(t, "", theirs...)
			c := dial(t, r.addr())
			for _, cmd := range data(i + 100) {
				c.do(cmd...)
			}
			c.do(rewrite...)
			waitForRewrite(t, c.do)
			c.do("SET", "after", "rewrite")
			want := c.do("DEBUG", "DIGEST")
			c.send(encode("SHUTDOWN", "SAVE"))
			require.NoError(t, r.cmd.Wait())
			w := startWorld(t, r.dir, ours...)
			assert.Equal(t, want, w.connect().do("DEBUG", "DIGEST"))
		})
	}
}

// waitForRewrite waits until no rewrite runs or is due.
func waitForRewrite(t *testing.T, do func(...string) string) {
	for range 1000 {
		info := do("INFO", "persistence")
		if strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the rewrite does not end")
}

// DEBUG LOADAOF and a restart give what was there before.
func TestReloadKeepsData(t *testing.T) {
	ours, _ := directivesOf("appendonly yes appendfsync no aof-use-rdb-preamble no")
	w := startWorld(t, "", ours...)
	c := w.connect()
	for _, cmd := range data(7) {
		c.do(cmd...)
	}
	want := c.do("DEBUG", "DIGEST")
	require.Equal(t, "+OK\r\n", c.do("DEBUG", "LOADAOF"))
	assert.Equal(t, want, c.do("DEBUG", "DIGEST"))
	require.Equal(t, 0, w.stop())
	assert.Equal(t, want, startWorld(t, w.dir, ours...).connect().do("DEBUG", "DIGEST"))
}

// Turning the append-only file on and off at run time keeps the data on disk.
func TestConfigSetAppendonly(t *testing.T) {
	w := startWorld(t, "")
	c := w.connect()
	c.do("SET", "before", "1")
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "appendonly", "yes"))
	c.do("SET", "while", "1")
	waitForRewrite(t, c.do)
	c.do("SET", "after", "1")
	want := c.do("DEBUG", "DIGEST")
	require.Equal(t, 0, w.stop())
	ours, _ := directivesOf("appendonly yes")
	w = startWorld(t, w.dir, ours...)
	c = w.connect()
	assert.Equal(t, want, c.do("DEBUG", "DIGEST"))
	require.Equal(t, "+OK\r\n", c.do("CONFIG", "SET", "appendonly", "no"))
	assert.Contains(t, c.do("INFO", "persistence"), "aof_enabled:0")
}
