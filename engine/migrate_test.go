package engine_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// serve lets an engine be reached over TCP.
func (w *world) serve() (port string) {
	w.env.Enter()
	defer w.env.Leave()
	l, err := w.env.Listen("127.0.0.1:0")
	require.NoError(w.t, err)
	w.env.Go("accept", func() { w.server.Serve(l) })
	w.t.Cleanup(func() {
		w.env.Enter()
		defer w.env.Leave()
		l.Close()
	})
	_, port, err = net.SplitHostPort(l.Addr())
	require.NoError(w.t, err)
	return port
}

// MIGRATE from the engine and from redis-server, to either of the two, does the
// same to both ends.
func TestMigrate(t *testing.T) {
	type server struct {
		name string
		port string
		do   func(...string) string
	}
	both := func(directives ...[2]string) []server {
		var flat []string
		for _, d := range directives {
			flat = append(flat, "--"+d[0], d[1])
		}
		r, w := startRedis(t, "", flat...), startWorld(t, "", directives...)
		return []server{{"redis", fmt.Sprint(r.port), dial(t, r.addr()).do}, {"engine", w.serve(), w.connect().do}}
	}
	closed := freePort(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // never answers
	require.NoError(t, err)
	defer silent.Close()
	_, quiet, _ := net.SplitHostPort(silent.Addr().String())
	for _, to := range []int{0, 1} {
		sources, targets := both([2]string{"appendonly", "yes"}, [2]string{"aof-use-rdb-preamble", "no"}), both()
		target := targets[to]
		target.do("CONFIG", "SET", "requirepass", "secret")
		target.do("AUTH", "secret")
		var stories []string
		for _, from := range sources {
			var story strings.Builder
			for _, line := range []string{
				"SET s hello", "SET later v PXAT 4102444800000", "RPUSH l a 1 70000", "SADD i 1 2 3", "HSET h f v", "ZADD z 1 a 2.5 b", "XADD x 1-1 f v", "SET kept v",
				"MIGRATE 127.0.0.1 PORT s 0 5000", "MIGRATE 127.0.0.1 PORT s 0 5000 AUTH wrong", "MIGRATE 127.0.0.1 PORT s 0 5000 AUTH secret", "EXISTS s",
				"MIGRATE 127.0.0.1 PORT s 0 5000 AUTH secret", "SET s again", "MIGRATE 127.0.0.1 PORT s 0 5000 AUTH secret", "MIGRATE 127.0.0.1 PORT s 0 5000 REPLACE AUTH2 default secret",
				"MIGRATE 127.0.0.1 PORT kept 0 5000 COPY AUTH secret", "GET kept", "MIGRATE 127.0.0.1 PORT kept 3 5000 COPY AUTH secret", "MIGRATE 127.0.0.1 PORT kept 99 5000 COPY AUTH secret",
				"MIGRATE 127.0.0.1 PORT  0 5000 AUTH secret KEYS later l i h z x nothing", "MIGRATE 127.0.0.1 PORT  0 5000 AUTH secret KEYS nothing", "DBSIZE",
				"MIGRATE 127.0.0.1 PORT key 0 5000 KEYS a", "MIGRATE 127.0.0.1 PORT key x 5000", "MIGRATE 127.0.0.1 PORT key 0 x", "MIGRATE 127.0.0.1 PORT key 0 5000 BOGUS", "MIGRATE 127.0.0.1 PORT key 0 5000 AUTH",
				"MIGRATE 127.0.0.1 PORT key 0 5000 AUTH2 a", "MIGRATE 127.0.0.1 CLOSED kept 0 100", "MIGRATE 127.0.0.1 QUIET kept 0 50", "EXISTS kept", "MIGRATE 127.0.0.1 PORT",
				"MULTI", "MIGRATE 127.0.0.1 PORT kept 5 5000 AUTH secret", "EXEC", "DBSIZE", "DEBUG DIGEST",
			} {
				argv := strings.Split(strings.NewReplacer("PORT", target.port, "CLOSED", fmt.Sprint(closed), "QUIET", quiet).Replace(line), " ")
				fmt.Fprintf(&story, "%s: %q\n", line, from.do(argv...))
			}
			fmt.Fprintf(&story, "at the target: %q %q %q\n", target.do("DBSIZE"), target.do("DEBUG", "DIGEST"), target.do("PEXPIRETIME", "later")[:9]) // a relative time is sent
			target.do("FLUSHALL")
			stories = append(stories, story.String())
		}
		assert.Equal(t, stories[0], stories[1], "to %s", target.name)
		assert.Contains(t, stories[0], `KEYS later l i h z x nothing: "+OK\r\n"`)
	}
}
