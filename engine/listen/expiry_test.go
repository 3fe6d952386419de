package listen_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Where few of many keys with a deadline are past it, the active cycle leaves most of these
// where they are for long, in memory and in the log; where many are, it goes on until few
// are left (redis 7.0.15 expire.c activeExpireCycle).
func TestActiveExpiryIsSampled(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		for _, effort := range []string{"1", "10"} {
			t.Run(k.name+"/"+effort, func(t *testing.T) {
				p := k.start(t, "--active-expire-effort", effort, "--hz", "10")
				fill := func(prefix string, n int, ttl string) {
					for i := range n {
						p.c.Queue("SET", fmt.Sprint(prefix, i), "v", "PX", ttl)
					}
					require.NoError(t, p.c.Flush())
					for range n {
						_, err := p.c.Receive()
						require.NoError(t, err)
					}
				}
				const live, dead = 20000, 200
				fill("live", live, "100000000")
				partly := false
				for n := 0; n < 20 && !partly; n++ { // a busy machine may let us look only when all are found
					before, seen := p.number("expired_keys"), 0
					fill(fmt.Sprint("dead", n, "-"), dead, "1")
					p.eventually("cycles have passed", func() bool { seen = p.number("expired_keys") - before; return seen > 0 })
					partly = seen < dead
				}
				assert.True(t, partly, "some are not found yet")
				before := p.number("expired_keys")
				fill("more", 10*live, "1")
				p.eventually("it has gone on while there were many", func() bool {
					return p.number("expired_keys")-before > 10*live*8/10
				})
				left, _ := strconv.Atoi(p.do("DBSIZE"))
				t.Logf("%d of %d that have expired are left", left-live, 10*live)
				assert.GreaterOrEqual(t, left, live)
				assert.Less(t, left, live+10*live*2/10)
				if left > live {
					assert.NotEqual(t, "0.00", p.info("expired_stale_perc"))
				}
			})
		}
	}
}

// A key that has expired and was not found is in the log, and a command that meets it logs
// its end before what the command itself does.
func TestExpiredIsDeletedBeforeItIsWritten(t *testing.T) {
	script := func(k kind) string {
		p := k.start(t, "--appendonly", "yes", "--aof-use-rdb-preamble", "no")
		p.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
		for _, line := range []string{"SET a 1 PX 1", "SET b 1 PX 1", "RPUSH l 1", "PEXPIRE l 1", "SET e 1 PX 1"} {
			p.do(strings.Fields(line)...)
		}
		p.eventually("their time has passed", func() bool { return p.do("PTTL", "e") == "-2" })
		for _, line := range []string{"SET a 2", "APPEND b 2", "RPUSH l 2"} {
			p.do(strings.Fields(line)...)
		}
		p.eventually("the log is in the file", func() bool { return p.info("aof_buffer_length") == "0" })
		files, err := filepath.Glob(filepath.Join(strings.Split(p.do("CONFIG", "GET", "dir"), "\n")[1], "appendonlydir", "*.incr.aof"))
		require.NoError(t, err)
		log := readFile(files[len(files)-1])
		_, log, _ = strings.Cut(log, "PEXPIREAT")
		_, log, _ = strings.Cut(log, "*2\r\n")
		return log
	}
	assert.Equal(t, script(redisKind), script(engineKind))
}
