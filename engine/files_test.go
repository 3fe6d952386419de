package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	for range 12000 { // of a hundred thousand keys, on a busy machine
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

// Databases that a log names are selected as redis-server does, which goes on with
// the one before when there is none of that name.
func TestDatabasesOfALogLikeRedis(t *testing.T) {
	var log []byte
	for i, db := range []string{"0", "1", "15", "16", "x", "-1", "01", "2", "007", "100", "1000", "", "3", "1 ", "+4", "10", "9223372036854775808"} {
		log = append(append(log, encode("SELECT", db)...), encode("SET", fmt.Sprint("k", i), "v")...)
	}
	write := func(dir string) string {
		require.NoError(t, os.Mkdir(filepath.Join(dir, "appendonlydir"), 0o755))
		for name, text := range map[string]string{"appendonly.aof.1.incr.aof": string(log), "appendonly.aof.manifest": "file appendonly.aof.1.incr.aof seq 1 type i\n"} {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "appendonlydir", name), []byte(text), 0o644))
		}
		return dir
	}
	ours, theirs := directivesOf("appendonly yes")
	redis, w := startRedis(t, write(t.TempDir()), theirs...), startWorld(t, write(t.TempDir()), ours...)
	for db := range 16 {
		ask := []string{"KEYS", "*"}
		a, b := dial(t, redis.addr()), w.connect()
		require.Equal(t, a.do("SELECT", fmt.Sprint(db)), b.do("SELECT", fmt.Sprint(db)))
		assert.Equal(t, inOrder(a.do(ask...), "keys"), inOrder(b.do(ask...), "keys"), "database %d", db)
	}
}

// A rewritten log has redis-server's commands for each key: as many elements in
// each as there, groups, pending entries and deadlines included. Keys come in the
// order of a hash table.
func TestRewrittenLogLikeRedis(t *testing.T) {
	both := startCouple(t, [2]string{"appendonly", "yes"}, [2]string{"aof-use-rdb-preamble", "no"},
		[2]string{"hash-max-listpack-entries", "1000"}, [2]string{"zset-max-listpack-entries", "1000"}, [2]string{"set-max-intset-entries", "1000"}, [2]string{"stream-node-max-entries", "10"})
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	var commands [][]string
	for _, n := range []int{1, 63, 64, 65, 128, 200} {
		for i := range n {
			word := fmt.Sprint("w", i)
			commands = append(commands, []string{"RPUSH", fmt.Sprint("list", n), word}, []string{"HSET", fmt.Sprint("hash", n), word, fmt.Sprint(i)},
				[]string{"SADD", fmt.Sprint("set", n), fmt.Sprint(i * 100000)}, []string{"ZADD", fmt.Sprint("zset", n), fmt.Sprint(float64(i) / 3), word},
				[]string{"XADD", fmt.Sprint("stream", n), fmt.Sprint(i + 1), word, "v"})
		}
		stream := fmt.Sprint("stream", n)
		commands = append(commands, []string{"PEXPIREAT", fmt.Sprint("list", n), "4102444800123"},
			[]string{"XGROUP", "CREATE", stream, "g", "0"}, []string{"XGROUP", "CREATE", stream, "empty", "$"}, []string{"XGROUP", "CREATECONSUMER", stream, "empty", "idle"},
			[]string{"XREADGROUP", "GROUP", "g", "alice", "COUNT", "70", "STREAMS", stream, ">"}, []string{"XREADGROUP", "GROUP", "g", "bob", "COUNT", "1", "STREAMS", stream, ">"}, []string{"XDEL", stream, "1"})
	}
	commands = append(commands, []string{"SET", "string", "v"}, []string{"SET", "number", "-12"}, []string{"SET", "float", "1.50", "PXAT", "4102444800123"},
		[]string{"XGROUP", "CREATE", "nothing", "g", "5-5", "MKSTREAM"}, []string{"XADD", "emptied", "7-7", "a", "b"}, []string{"XDEL", "emptied", "7-7"},
		[]string{"ZADD", "scores", "inf", "a", "-inf", "b", "1e300", "c", "-0", "d", "3", "e", "0.1", "f"}, []string{"PFADD", "hll", "a", "b"},
		[]string{"SELECT", "9"}, []string{"SET", "other", "v"}, []string{"BGREWRITEAOF"})
	require.Equal(t, theirs.all(commands), ours.all(commands))
	rewritten := func(do func(...string) string, dir string) map[string][]string {
		waitForRewrite(t, do)
		files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.base.aof"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		text, err := os.ReadFile(files[0])
		require.NoError(t, err)
		byKey := map[string][]string{}
		for _, argv := range commandsOf(string(text)) {
			key := argv[1]
			if argv[0] == "XGROUP" {
				key = argv[2]
			}
			for i, arg := range argv { // when an entry was delivered, and how many milliseconds ago
				if n, err := strconv.ParseInt(arg, 10, 64); argv[0] == "XCLAIM" && err == nil && n > 1e12 {
					argv[i] = "then"
				}
			}
			byKey[key] = append(byKey[key], fmt.Sprintf("%q", argv))
		}
		return byKey
	}
	assert.Equal(t, rewritten(theirs.do, both.redis.dir), rewritten(ours.do, both.world.dir))
}
