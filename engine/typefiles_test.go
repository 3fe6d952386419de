package engine_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// typeData are commands that leave values of all types, small and large, with
// members of every form.
func typeData(seed int) [][]string {
	var patterns []string
	for _, d := range typeDraws {
		for _, line := range d.lines() {
			if !strings.Contains(line, "0.001") && !strings.Contains(line, "SWAPDB") && !strings.Contains(line, " DB ") && !strings.HasPrefix(line, "DEL") && !strings.HasPrefix(line, "SET {key}") {
				patterns = append(patterns, line)
			}
		}
	}
	cmds := rapid.Custom(func(t *rapid.T) [][]string {
		var out [][]string
		for range 300 {
			out = append(out, draw(t, rapid.SampledFrom(patterns).Draw(t, "pattern")).argv)
		}
		return out
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

// typeKeys are all keys that typeData may leave, with how each is held.
func typeKeys(do func(...string) string) (out []string) {
	for _, kind := range keyTypes {
		for n := range 10 {
			key := fmt.Sprint(kind, n)
			out = append(out, key+": "+do("OBJECT", "ENCODING", key)+do("DEBUG", "DIGEST-VALUE", key))
		}
	}
	return out
}

// A file of every type that one of the two wrote is loaded by both alike: the
// data of before, in the encodings that redis-server gives it.
func TestTypesGoBothWays(t *testing.T) {
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
			cmds := typeData(i)
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
			assert.Equal(t, typeKeys(redis.do), typeKeys(engine.do))
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
