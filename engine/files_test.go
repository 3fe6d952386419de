package engine_test

import (
	"fmt"
	"os"
	"slices"
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

// data are commands that leave all shapes of data: values of all types, small and
// large, with members of every form, binary keys, expiry times, databases.
func data(seed int) [][]string {
	cmds := rapid.Custom(func(t *rapid.T) [][]string {
		out := [][]string{
			{"SET", "long", strings.Repeat("abcdefgh", 5000)},
			{"SET", "binary\x00\r\n\xff", "\x00\x01\xfe\r\n"},
			{"SET", "", ""},
			{"SET", "later", "v", "PXAT", "4102444800123"},
			{"SET", "gone", "v", "PXAT", "1000"},
			{"SELECT", "15"}, {"SET", "other", "database"}, {"SELECT", "0"},
			{"RPUSH", "wide", strings.Repeat("w", 20000), "1", "-129", "70000", "9223372036854775807"},
		}
		for range 300 {
			c := drawCommand(t)
			if c.relative || slices.ContainsFunc([]string{"MULTI", "FLUSHALL", "FLUSHDB", "SWAPDB", "SELECT", "DEL", "UNLINK", "MOVE"}, func(name string) bool { return strings.EqualFold(name, c.argv[0]) }) || slices.Contains(c.argv, "0.001") {
				continue
			}
			out = append(out, c.argv)
		}
		return append(out, []string{"RESET"}, []string{"EXISTS", "gone"})
	}).Example(seed)
	for i := range 700 {
		name := fmt.Sprint("name ", i, strings.Repeat("x", i%90))
		n := fmt.Sprint(i*i*i*1000 - 70000)
		cmds = append(cmds,
			[]string{"HSET", "hash9", name, n}, []string{"SADD", "set9", n}, []string{"SADD", "set8", name},
			[]string{"ZADD", "zset9", fmt.Sprintf("%g", float64(i%50)/3), name}, []string{"RPUSH", "list9", name, n})
	}
	for i := range 20 {
		n := fmt.Sprint(i * 1000)
		cmds = append(cmds, []string{"HSET", "hash8", n, "v"}, []string{"SADD", "set7", n}, []string{"ZADD", "zset8", "-0.5", n},
			[]string{"PEXPIREAT", "hash8", "4102444800123"})
	}
	return append(cmds, []string{"SPOP", "set9"}, []string{"ZPOPMIN", "zset9", "5"})
}

// heldKeys are all keys that data may leave, with how each is held.
func heldKeys(do func(...string) string) (out []string) {
	for _, kind := range keyTypes {
		for n := range 10 {
			key := fmt.Sprint(kind, n)
			out = append(out, key+": "+do("OBJECT", "ENCODING", key)+do("DEBUG", "DIGEST-VALUE", key))
		}
	}
	return out
}

// A file of every type that one of the two wrote, rewritten on the way, is loaded by both alike: the
// data of before, in the encodings that redis-server gives it.
func TestFilesGoBothWays(t *testing.T) {
	copyOf := func(dir string) string {
		to := t.TempDir()
		require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
		return to
	}
	for i, mode := range modes {
		ours, theirs := directivesOf(mode)
		rewrite := []string{"BGREWRITEAOF"}
		if strings.HasPrefix(mode, "appendonly no") {
			rewrite = []string{"SAVE"}
		}
		fill := func(do func(...string) string) (digest string) {
			cmds := data(i)
			for j, cmd := range cmds {
				do(cmd...)
				if j == len(cmds)-500 {
					do(rewrite...)
					waitForRewrite(t, do)
				}
			}
			return do("DEBUG", "DIGEST")
		}
		loaded := func(dir, want string) {
			other := copyOf(dir)
			redis := dial(t, startRedis(t, dir, theirs...).addr())
			engine := startWorld(t, other, ours...).connect()
			assert.Equal(t, want, redis.do("DEBUG", "DIGEST"))
			assert.Equal(t, want, engine.do("DEBUG", "DIGEST"))
			assert.Equal(t, heldKeys(redis.do), heldKeys(engine.do))
		}
		t.Run("engine/"+mode, func(t *testing.T) {
			w := startWorld(t, "", ours...)
			want := fill(w.connect().do)
			w.connect().batch([][]string{{"SHUTDOWN", "SAVE"}})
			require.Equal(t, 0, w.stop())
			loaded(w.dir, want)
		})
		t.Run("redis/"+mode, func(t *testing.T) {
			r := startRedis(t, "", theirs...)
			c := dial(t, r.addr())
			want := fill(c.do)
			c.send(encode("SHUTDOWN", "SAVE"))
			require.NoError(t, r.cmd.Wait())
			loaded(r.dir, want)
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
