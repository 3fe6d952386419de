package engine_test

import (
	"fmt"
	"strconv"
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
