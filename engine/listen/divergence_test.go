package listen_test

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A key whose time passed while the master was down is left out when the master
// loads its snapshot, and its replica, which goes on partially from the
// snapshot's place, must hear of that: nobody else deletes it there (redis
// 7.0.15 rdb.c rdbLoadRioWithLoadingCtx, RDBFLAGS_FEED_REPL).
func TestExpiredWhileTheMasterWasDown(t *testing.T) {
	for _, k := range append(pairs, [2]kind{redisKind, redisKind}) {
		t.Run(k[0].name+"-to-"+k[1].name, func(t *testing.T) {
			dir, port := t.TempDir(), freePort(t)
			args := []string{"--dir", dir, "--port", port, "--save", "10000 10000", "--lazyfree-lazy-expire", "no"}
			m, r := k[0].start(t, args...), k[1].start(t)
			r.follow(m)
			m.do("SET", "stays", "v")
			m.do("SELECT", "2")
			m.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
			m.do("SET", "goes", "v", "PX", "1")
			m.do("SET", "later", "v", "PX", "1000000")
			converge(m, r)
			_, _ = m.c.Do("SHUTDOWN", "SAVE") // closes the connection
			r.eventually("its master is gone", func() bool { return r.info("master_link_status") == "down" })
			time.Sleep(2 * time.Millisecond) // so that its time has passed
			m = k[0].start(t, args...)
			converge(m, r)
			assert.Equal(t, "1", m.info("sync_partial_ok"), m.log())
			assert.Equal(t, "0", m.info("sync_full"))
			assert.Equal(t, "keys=1,expires=0,avg_ttl=0", r.info("db0"))
			r.do("SELECT", "2")
			assert.Equal(t, "1", r.do("DBSIZE"))
		})
	}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
