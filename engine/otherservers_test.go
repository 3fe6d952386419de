package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
)

// mixed are commands that leave so many keys of all types, the same for a seed.
func mixed(seed uint64, keys int) (out [][]string) {
	rng := rand.New(rand.NewPCG(seed, 0))
	word := func() string {
		if rng.IntN(2) == 0 {
			return strconv.Itoa(rng.IntN(1<<(1+rng.IntN(30))) - 100)
		}
		return strings.Repeat(string(rune('a'+rng.IntN(26))), 1+rng.IntN(1<<rng.IntN(8)))
	}
	for i := range keys {
		key := fmt.Sprint("key:", i)
		argv := map[int][]string{0: {"SET", key, word()}, 1: {"RPUSH", key}, 2: {"SADD", key}, 3: {"HSET", key}, 4: {"ZADD", key}, 5: {"XADD", key, "1-1"}}[i%6]
		members := 1 + rng.IntN(6)
		if i%500 < 6 {
			members = 600
		}
		for m := range members {
			switch i % 6 {
			case 1, 2:
				argv = append(argv, word())
			case 3, 5:
				argv = append(argv, word(), word())
			case 4:
				argv = append(argv, strconv.Itoa(m%7), word())
			}
		}
		out = append(out, argv)
		if i%5 == 0 {
			out = append(out, []string{"PEXPIREAT", key, "4102444800123"})
		}
	}
	return out
}

// TestFilesOfOtherServers loads what older and newer servers write: five files of
// 100,000 keys each of every server below TORNTAIL_SERVERS (torntail servers get
// unpacks them) and of the redis-server that is installed.
func TestFilesOfOtherServers(t *testing.T) {
	servers, err := filepath.Glob(filepath.Join(os.Getenv("TORNTAIL_SERVERS"), "*/*-server"))
	require.NoError(t, err)
	if os.Getenv("TORNTAIL_SERVERS") == "" || len(servers) == 0 {
		t.Skip("TORNTAIL_SERVERS names no directory of servers")
	}
	for _, path := range append(servers, "redis-server") {
		for i, mode := range []string{
			"appendonly no rdbcompression yes", "appendonly no rdbcompression no", "appendonly yes aof-use-rdb-preamble yes", "appendonly yes aof-use-rdb-preamble no",
			"appendonly no list-max-ziplist-size 4 hash-max-ziplist-entries 4 zset-max-ziplist-entries 4 set-max-intset-entries 4",
		} {
			t.Run(filepath.Base(filepath.Dir(path))+"/"+mode, func(t *testing.T) {
				dir := t.TempDir()
				r := &realRedis{t: t, dir: dir, port: freePort(t)}
				args := []string{"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", dir, "--save", ""}
				if !strings.Contains(path, "redis-6") {
					args = append(args, "--enable-debug-command", "yes")
				}
				ours, theirs := directivesOf(mode)
				r.cmd = exec.Command(path, append(args, theirs...)...)
				companion.Start(t, r.cmd)
				r.untilItAnswers()
				c := dial(t, r.addr())
				cmds := mixed(uint64(i), 100000)
				for len(cmds) > 0 {
					n := min(1000, len(cmds))
					c.all(cmds[:n])
					cmds = cmds[n:]
				}
				require.Equal(t, ":100000\r\n", c.do("DBSIZE"))
				want := c.do("DEBUG", "DIGEST")
				if strings.HasPrefix(mode, "appendonly yes") {
					c.do("BGREWRITEAOF")
					waitForRewrite(t, c.do)
				} else {
					require.Equal(t, "+OK\r\n", c.do("SAVE"))
				}
				c.send(encode("SHUTDOWN", "NOSAVE"))
				require.NoError(t, r.cmd.Wait())
				assert.Equal(t, want, startWorld(t, dir, ours[:1]...).connect().do("DEBUG", "DIGEST"))
			})
		}
	}
}
