package engine_test

import (
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/torntail/torntail/engine/config"
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

// scene is clients that wait, while one other makes keys ready.
type scene struct {
	waiters []drawn
	feed    []drawn
}

func drawScene(t *rapid.T) *scene {
	s := new(scene)
	waiters, feeders := waiterDraws.lines(), feederDraws.lines()
	for range rapid.IntRange(1, 5).Draw(t, "waiters") {
		s.waiters = append(s.waiters, draw(t, evenly(t, waiters)))
	}
	for range rapid.IntRange(1, 6).Draw(t, "steps") {
		commands := 1
		if rapid.IntRange(0, 3).Draw(t, "transaction") == 0 {
			commands = 3
			s.feed = append(s.feed, drawn{argv: []string{"MULTI"}})
		}
		for range commands {
			s.feed = append(s.feed, draw(t, evenly(t, feeders)))
		}
		if commands > 1 {
			s.feed = append(s.feed, drawn{argv: []string{"EXEC"}})
		}
	}
	return s
}

// play lets the scene happen in the database of a client: whoever waits is served
// in the order and with the replies of redis-server.
func (s *scene) play(t *testing.T, c *pair) {
	rt := c.t
	dial := func() *pair {
		p := c.both.dial(t)
		p.t, p.log, p.seen, p.begun = c.t, c.log, c.seen, c.begun
		p.ask("SELECT", fmt.Sprint(c.db))
		return p
	}
	feeder := dial()
	defer feeder.close()
	for _, key := range groupedStreams {
		feeder.do(drawn{argv: []string{"XGROUP", "CREATE", key, "g", "$", "MKSTREAM"}})
	}
	type waiting struct {
		p      *pair
		a      asked
		ours   chan string
		theirs chan string
		ids    [2]string
	}
	var all []waiting
	defer func() {
		for _, w := range all {
			c.both.world.env.Enter()
			w.p.ours.s.Gone()
			c.both.world.env.Leave()
			w.p.close()
		}
		for blockedClients(feeder.theirs.do) > 0 || blockedClients(feeder.ours.do) > 0 {
		}
	}()
	for _, command := range s.waiters {
		w := waiting{p: dial(), ours: make(chan string, 1), theirs: make(chan string, 1)}
		w.ids = [2]string{w.p.theirs.do("CLIENT", "ID"), w.p.ours.do("CLIENT", "ID")}
		w.a = asked{drawn: command, state: c.both.state(c.db, command.argv)}
		*c.log = append(*c.log, append([]string{"waits:"}, command.argv...))
		waits := make(chan bool, 1)
		w.p.ours.s.OnBlock(func() {
			select {
			case waits <- true:
			default: // it waits again
			}
		})
		go func() { w.ours <- w.p.ours.do(command.argv...) }()
		w.p.theirs.send(encode(command.argv...))
		go func() { w.theirs <- w.p.theirs.reply() }()
		// Either it is answered at once by both, or it waits in both.
		select {
		case <-waits:
			for !strings.Contains(feeder.theirs.do("CLIENT", "LIST", "ID", strings.Trim(w.ids[0], ":\r\n")), " flags=b ") {
				if len(w.theirs) > 0 {
					rt.Fatalf("after %q\nredis:  %q\nengine: it waits", *c.log, <-w.theirs)
				}
			}
			all = append(all, w)
		case w.a.reply = <-w.ours:
			select {
			case theirs := <-w.theirs:
				w.p.compare(w.a, theirs, 0)
			case <-time.After(20 * time.Second):
				rt.Fatalf("after %q\nredis:  it waits\nengine: %q", *c.log, w.a.reply)
			}
			w.p.close()
		}
	}
	feeder.do(s.feed...)
	feeder.ask("DEBUG", "DIGEST")
	for _, w := range all {
		theirs := feeder.theirs.do("CLIENT", "UNBLOCK", strings.Trim(w.ids[0], ":\r\n"), "ERROR")
		ours := feeder.ours.do("CLIENT", "UNBLOCK", strings.Trim(w.ids[1], ":\r\n"), "ERROR")
		require.Equal(rt, theirs, ours, "%q: %q still waits", *c.log, w.a.argv)
		w.a.reply = <-w.ours
		w.p.compare(w.a, <-w.theirs, 0)
	}
}

// blockedClients is how many clients wait.
func blockedClients(do func(...string) string) int {
	_, rest, _ := strings.Cut(do("INFO", "clients"), "\r\nblocked_clients:")
	n, _ := strconv.Atoi(strings.SplitN(rest, "\r\n", 2)[0])
	return n
}

// waitForBlocked waits until so many clients wait.
func waitForBlocked(t *testing.T, do func(...string) string, n int) {
	for range 2000 {
		if blockedClients(do) == n {
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

// streamFeeds are what may serve those who wait for streams.
var streamFeeds = []string{
	"XADD events0 7-1 f v", "XADD events0 7-6 f v", "XADD events0 9-1 f v", "XADD events1 7-5 f v; XADD events1 7-6 f v", "MULTI; XADD events0 9-1 f v; XADD events0 9-2 f v; XADD events1 9-3 g h; EXEC", "XADD new 9-1 f v", "MULTI; XADD events0 9-1 f v; XDEL events0 9-1; EXEC", "MULTI; XADD events0 9-1 f v; XADD events0 9-2 f v; XDEL events0 9-1; EXEC", "XADD events0 MAXLEN 0 9-1 f v",
	"XSETID events0 9-1", "XGROUP DESTROY events0 g", "XGROUP DESTROY events0 g; XADD events0 9-1 f v", "DEL events0", "SET events0 x", "RENAME events0 other", "XADD d 9-1 f v; RENAME d events0", "XADD d 9-1 f v; XGROUP CREATE d g 0; RENAME d events0", "XADD d 9-1 f v; COPY d events0 REPLACE", "MULTI; DEL events0; XADD events0 9-1 f v; EXEC", "XGROUP SETID events0 g 8; XADD events0 7-9 f v; XADD events0 9-1 f v", "XGROUP CREATECONSUMER events0 g alice; XADD events0 9-1 f v; XADD events0 9-2 f v",
}

// Every command that waits, twice at once, meets everything that may serve it, or end its
// wait: replies, events, and what replicas are sent are redis-server's.
func TestEveryWaiterMeetsEveryFeed(t *testing.T) {
	both := startCouple(t, [2]string{"notify-keyspace-events", "AKE"})
	defer restoreFlags("rapid.checks")()
	once := "1"
	if testing.Short() {
		once = "5" // of which rapid takes a fifth
	}
	require.NoError(t, flag.Set("rapid.checks", once))
	for _, c := range []struct {
		kind           string
		waiters, feeds []string
	}{
		{"lists", []string{
			"BLPOP a 0", "BRPOP a b 0", "BLMPOP 0 1 a LEFT", "BLMPOP 0 2 b a RIGHT COUNT 2", "BLMPOP 0 1 a left count 1", "BLMOVE a b LEFT LEFT 0", "BLMOVE a b right left 0", "BLMOVE a a RIGHT LEFT 0", "BLMOVE a c LEFT RIGHT 0", "BRPOPLPUSH a b 0", "BRPOPLPUSH a a 0",
		}, []string{
			"RPUSH a 1", "RPUSH a 1 2", "RPUSH a 1 2 3", "LPUSH b 1; LPUSH a 2", "RPUSHX a 1", "SET a x", "SET a x; DEL a; RPUSH a 1", "SADD c m; RPUSH a 1", "RPUSH c 0; RPUSH a 1; LRANGE c 0 -1",
			"MULTI; RPUSH a 1; LPOP a; EXEC", "MULTI; RPUSH a 1; DEL a; SET a x; EXEC", "MULTI; RPUSH a 1; RPUSH b 2; EXEC", "MULTI; RPUSH b 2; RPUSH a 1; EXEC", "MULTI; SET a x; DEL a; RPUSH a 1 2; EXEC",
			"RPUSH d 1 2; RENAME d a", "RPUSH d 1 2; COPY d a", "RPUSH d 2 1 3; SORT d STORE a", "RPUSH d 1; LMOVE d a LEFT LEFT", "RPUSH d 1; RPOPLPUSH d a", "RPUSH d 1; LMOVE d b LEFT LEFT; RPOPLPUSH b a", "FLUSHALL; RPUSH a 1", "RPUSH a 1; RPUSH a 2; LLEN a; LRANGE b 0 -1",
			"SELECT 3; RPUSH a 1; SWAPDB 0 3; SELECT 0", "SELECT 3; RPUSH a 1; MOVE a 0; SELECT 0", "EVAL \"redis.call('rpush',KEYS[1],1,2)\" 1 a",
		}},
		{"sorted sets", []string{
			"BZPOPMIN a 0", "BZPOPMAX a b 0", "BZMPOP 0 1 a MIN", "BZMPOP 0 2 b a MAX COUNT 2", "BZMPOP 0 1 a max count 1",
		}, []string{
			"ZADD a 1 x", "ZADD a 1 x 2 y", "ZADD a 1 x 2 y 3 z", "ZADD b 5 q; ZADD a 1 x", "ZADD a XX 1 x", "ZADD a INCR 1 x", "ZINCRBY a 1.5 x", "SET a x; DEL a; ZADD a 1 x", "MULTI; ZADD a 1 x; ZPOPMIN a; EXEC", "MULTI; ZADD a 1 x; ZADD b 2 y; EXEC", "ZADD d 1 x 2 y; RENAME d a", "ZADD d 1 x 2 y; COPY d a",
			"ZADD d 1 x 2 y; ZUNIONSTORE a 1 d", "ZADD d 1 x 2 y; ZRANGESTORE a d 0 -1", "GEOADD a 1 1 x", "RPUSH a 1", "ZADD a inf x -inf y", "SELECT 3; ZADD a 1 x; SWAPDB 0 3; SELECT 0",
		}},
		{"streams", []string{
			"XREAD BLOCK 0 STREAMS events0 $", "XREAD BLOCK 0 STREAMS events0 events0 8 5", "XREAD BLOCK 0 STREAMS new 0", "XREADGROUP GROUP g alice BLOCK 0 STREAMS events0 >", "XREADGROUP GROUP g bob COUNT 1 BLOCK 0 NOACK STREAMS events0 >",
		}, append(slices.Clone(streamFeeds), "FLUSHALL", "FLUSHDB", "SELECT 3; XADD events0 9-1 f v; SWAPDB 0 3; SELECT 0")},
		// Which of several streams is looked at first when all go is up to a hash table.
		{"several streams", []string{
			"XREAD BLOCK 0 COUNT 1 STREAMS events1 events0 $ $", "XREAD COUNT 0 BLOCK 0 STREAMS events0 events1 7 7-5", "XREADGROUP GROUP g bob BLOCK 0 COUNT 1 NOACK STREAMS events0 events1 > >", "XREADGROUP GROUP g carol COUNT 2 BLOCK 0 STREAMS events1 events0 > >",
		}, streamFeeds},
	} {
		t.Run(c.kind, func(t *testing.T) {
			events, stream := both.subscribe(t), both.follow(t)
			defer events.end()
			defer stream.end()
			p := both.dial(t)
			defer p.close()
			rapid.Check(t, func(rt *rapid.T) {
				p.begin(rt, new([][]string), nil, "2")
				for _, waiter := range c.waiters {
					for _, feed := range c.feeds {
						waits := drawn{argv: strings.Fields(waiter)}
						s := &scene{waiters: []drawn{waits, waits}}
						for line := range strings.SplitSeq(feed, "; ") {
							argv, err := config.SplitArgs(line)
							require.NoError(rt, err)
							s.feed = append(s.feed, drawn{argv: argv})
						}
						*p.log = nil
						p.ask("FLUSHALL")
						s.play(t, p)
						for _, do := range []func(...string) string{p.theirs.do, p.ours.do} {
							do("PUBLISH", "__key:end", "mark.")
						}
						want, got := events.heard("mark.")
						require.Equal(rt, commandsOf(want), commandsOf(got), "events of %q, fed with %q", waiter, feed)
						want, got = stream.heard("mark.")
						require.Equal(rt, timeless(commandsOf(want)), timeless(commandsOf(got)), "stream to a replica of %q, fed with %q", waiter, feed)
					}
				}
			})
		})
	}
}
