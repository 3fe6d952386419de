package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// waiterDraws are commands of clients that wait.
const waiterDraws draws = `
	BLPOP <{list}> 0
	BRPOP <{list}> 0
	BLMPOP 0 2 {list} {list} (LEFT|RIGHT) [COUNT 2]
	BLMOVE {list} {list} (LEFT|RIGHT) (LEFT|RIGHT) 0
	BRPOPLPUSH {list} {list} 0
	BZPOPMIN <{zset}> 0
	BZPOPMAX <{zset}> 0
	BZMPOP 0 2 {zset} {zset} (MIN|MAX) [COUNT 2]
	XREAD BLOCK 0 [COUNT 1] STREAMS {grouped} ($|2-0)
	XREAD BLOCK 0 STREAMS {grouped} {grouped} $ 1-0
	XREADGROUP GROUP g alice BLOCK 0 STREAMS {grouped} {new}
	XREADGROUP GROUP g bob BLOCK 0 [NOACK] [COUNT 1] STREAMS {grouped} {grouped} {new} {new}
`

// feederDraws are commands of the client that makes keys ready, or not.
const feederDraws draws = `
	RPUSH {list} <{member}>
	RPUSH {list} <{member}>
	LPUSH {list} <{member}>
	SET {list} x
	DEL <{list}>
	RENAME {key} {list}
	LMOVE {list} {list} LEFT RIGHT
	SADD {key} a
	LPOP {list}
	ZADD {zset} <{score} {member}>
	ZADD {zset} <{score} {member}>
	ZPOPMIN {zset}
	XADD {grouped} (9-*|8-*|1-1) f v
	XADD {grouped} 9-* f v
	XADD {grouped} MAXLEN 0 9-* f v
	XDEL {grouped} 9-0 9-1
	SET {grouped} x
	DEL {grouped} {list}
	XREADGROUP GROUP g carol STREAMS {grouped} {new}
	XGROUP DESTROY {grouped} g
	XGROUP CREATE {grouped} g 0 MKSTREAM
	XGROUP SETID {grouped} g 0
`

// groupedStreams are streams with a group that has read all.
var groupedStreams = []string{"events0", "events1"}

// Whoever waits is served in the order, with the replies and with the log of
// redis-server.
func TestWaitersAreServedAsByRedis(t *testing.T) {
	both := startCouple(t)
	waiters, feeders := waiterDraws.lines(), feederDraws.lines()
	rapid.Check(t, func(rt *rapid.T) {
		var log [][]string
		feeder, observer := both.dial(t, rt, &log, "2"), both.dial(t, rt, &log, "2")
		feeder.ask("FLUSHALL")
		feeder.ask("SET", "first", "key")
		for _, key := range groupedStreams {
			feeder.ask("XGROUP", "CREATE", key, "g", "$", "MKSTREAM")
		}
		theirStart, ourStart := incrSize(rt, both.redis.dir), incrSize(rt, both.world.dir)
		type waiting struct {
			p      *pair
			argv   []string
			ours   chan string
			theirs chan string
			ids    [2]string
		}
		var all []waiting
		defer func() {
			for _, w := range all {
				both.world.env.Enter()
				w.p.ours.s.Gone()
				both.world.env.Leave()
				w.p.close()
			}
			for _, do := range []func(...string) string{observer.theirs.do, observer.ours.do} {
				waitForBlocked(t, do, 0)
			}
			feeder.close()
			observer.close()
		}()
		for range rapid.IntRange(1, 5).Draw(rt, "waiters") {
			w := waiting{p: both.dial(t, rt, &log, "2"), ours: make(chan string, 1), theirs: make(chan string, 1)}
			w.ids = [2]string{w.p.theirs.do("CLIENT", "ID"), w.p.ours.do("CLIENT", "ID")}
			w.argv = draw(rt, rapid.SampledFrom(waiters).Draw(rt, "waiter")).argv
			log = append(log, append([]string{"waits:"}, w.argv...))
			go func() { w.ours <- w.p.ours.do(w.argv...) }()
			go func() {
				w.p.theirs.c.Write(encode(w.argv...))
				w.theirs <- w.p.theirs.reply()
			}()
			all = append(all, w)
			for _, do := range []func(...string) string{feeder.theirs.do, feeder.ours.do} {
				waitForBlocked(t, do, len(all))
			}
		}
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			commands := 1
			if rapid.IntRange(0, 3).Draw(rt, "transaction") == 0 {
				commands = 3
				feeder.ask("MULTI")
			}
			for range commands {
				feeder.do(draw(rt, rapid.SampledFrom(feeders).Draw(rt, "feeder")))
			}
			if commands > 1 {
				feeder.ask("EXEC")
			}
			feeder.ask("DEBUG", "DIGEST")
		}
		for _, w := range all {
			theirs := feeder.theirs.do("CLIENT", "UNBLOCK", strings.Trim(w.ids[0], ":\r\n"), "ERROR")
			ours := feeder.ours.do("CLIENT", "UNBLOCK", strings.Trim(w.ids[1], ":\r\n"), "ERROR")
			require.Equal(rt, theirs, ours, "%q: %q still waits", log, w.argv)
			require.Equal(rt, <-w.theirs, <-w.ours, "%q: %q", log, w.argv)
		}
		feeder.ask("DEBUG", "DIGEST")
		feeder.ask("PING")
		require.Equal(rt, timeless(incrTail(rt, both.redis.dir, theirStart)), timeless(incrTail(rt, both.world.dir, ourStart)), "%q", log)
	})
}

// waitForBlocked waits until so many clients wait.
func waitForBlocked(t *testing.T, do func(...string) string, n int) {
	for range 2000 {
		if strings.Contains(do("INFO", "clients"), fmt.Sprintf("blocked_clients:%d\r\n", n)) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal(fmt.Sprint(n, " clients do not wait: ", do("CLIENT", "LIST")))
}

// An element is not popped for a client that has gone away while it waited.
func TestWaiterThatHangsUp(t *testing.T) {
	w := startWorld(t, "")
	a, b := w.connect(), w.connect()
	ended := make(chan string, 1)
	go func() { ended <- a.do("BLPOP", "l", "0") }()
	waitForBlocked(t, b.do, 1)
	w.env.Enter()
	a.s.Gone()
	w.env.Leave()
	require.Equal(t, "<closed>", <-ended)
	a.close()
	require.Equal(t, ":1\r\n", b.do("RPUSH", "l", "v"))
	require.Equal(t, ":1\r\n", b.do("LLEN", "l"))
}
