package listen_test

import (
	"bufio"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// trackingScenes are what clients a to d send; behind a line "=" all that they were sent
// is compared. $b is the number of client b. In a transaction time stands still, so that a
// key with a millisecond to live is still read there.
var trackingScenes = map[string]string{
	"what was read": `
		a HELLO 3|a CLIENT TRACKING ON|a CLIENT TRACKINGINFO|a CLIENT GETREDIR|b SET k 1|=|a GET k|b SET k 2|=|b SET k 3|=|a MGET k l m|b DEL l|b MSET k 1 m 2|=
		a GET k|a SET k 5|=|a GET k|a INCR k|a GET k|=|a GET k|a MULTI|a SET k 6|a GET k|a EXEC|=|b SET k 7|=|a HGET h f|b HSET h f v|=|a EXISTS x|b SET x 1|=|a GET k|b SELECT 1|b SET k 1|=|b SELECT 0
		a GET k|b EXPIRE k 100|=|a TTL k|b PERSIST k|=|a GET k|b RENAME k k2|=|a GET k|a GET k2|b COPY k2 k|=|a DBSIZE|b SET k 1|=|a GET k|b FLUSHDB|=|b FLUSHALL|=|a FLUSHALL|=|a GET k|a CLIENT TRACKING OFF|b SET k 1|=|a GET k|b SET k 2|=`,
	"scripts": `
		a HELLO 3|a CLIENT TRACKING ON|b SET k 1|a EVAL "return redis.call('get', 'k')" 0|b SET k 2|=|a EVAL "return redis.call('get', KEYS[1])" 2 k l|b SET l 2|=|b SET k 3|=|a EVAL_RO "return redis.call('get', KEYS[1])" 1 k|b SET k 4|=|a GET k|a EVAL "return redis.call('set', 'k', '5')" 0|=|a GET k|b EVAL "redis.call('set', 'k', '6') redis.call('set', 'k', '7')" 0|=`,
	"no loop": `
		a HELLO 3|a CLIENT TRACKING ON NOLOOP|a GET k|a SET k 1|=|b SET k 2|=|a GET k|b SET k 3|=|a CLIENT TRACKING OFF|a CLIENT TRACKING ON BCAST NOLOOP|a SET k 1|b SET l 1|=|a SET k 2|b SET k 3|=|b SET k 2|a SET k 3|=|a EVAL "redis.call('set', 'k', '6')" 0|=`,
	"prefixes": `
		a HELLO 3|b HELLO 3|a CLIENT TRACKING ON BCAST PREFIX ab PREFIX c|b CLIENT TRACKING ON BCAST|a CLIENT TRACKINGINFO|b CLIENT TRACKINGINFO|c SET abc 1|=|c MSET b 1 c 2 a 3 cc 4|=|a SET c 1|=|a CLIENT TRACKING ON BCAST PREFIX abc|a CLIENT TRACKING ON BCAST PREFIX x|a CLIENT TRACKINGINFO|c SET x 1|=|a CLIENT TRACKING ON BCAST PREFIX q PREFIX qq|a CLIENT TRACKING ON BCAST PREFIX ""|a CLIENT TRACKING ON|a CLIENT TRACKING OFF|c SET c 1|=|c FLUSHALL|=|a CLIENT TRACKING ON PREFIX a|a CLIENT TRACKING ON BCAST OPTIN|a CLIENT TRACKING ON OPTIN OPTOUT|a CLIENT TRACKINGINFO`,
	"opting in": `
		a HELLO 3|a CLIENT CACHING YES|a CLIENT TRACKING ON OPTIN|a GET k|b SET k 1|=|a CLIENT CACHING YES|a CLIENT TRACKINGINFO|a GET k|a GET l|b SET k 2|b SET l 2|=|a CLIENT CACHING YES|a MULTI|a GET k|a GET l|a EXEC|b SET l 3|b SET k 3|=|a CLIENT CACHING NO|a CLIENT CACHING x|a CLIENT TRACKING ON OPTOUT|a CLIENT CACHING YES|a CLIENT GETNAME|a CLIENT TRACKINGINFO`,
	"opting out": `
		a HELLO 3|a CLIENT TRACKING ON OPTOUT|a GET k|b SET k 1|=|a CLIENT CACHING NO|a GET k|b SET k 2|=|a CLIENT CACHING YES|a CLIENT TRACKINGINFO|a RESET|a CLIENT TRACKINGINFO`,
	"redirected, RESP2": `
		a CLIENT TRACKING ON REDIRECT $b|a CLIENT GETREDIR|a CLIENT TRACKINGINFO|a GET k|c SET k 1|=|b SUBSCRIBE __redis__:invalidate|a GET k|c SET k 2|=|a GET k|a SET k 3|=|c FLUSHALL|=|a CLIENT TRACKING ON REDIRECT 99999|a CLIENT TRACKING ON REDIRECT $b REDIRECT $c|a CLIENT TRACKING ON REDIRECT x|a CLIENT TRACKING ON REDIRECT|a CLIENT TRACKING ON BCAST|b UNSUBSCRIBE|a GET k|c SET k 1|=`,
	"redirected, RESP3": `
		a HELLO 3|b HELLO 3|a CLIENT TRACKING ON REDIRECT $b BCAST|c SET k 1|=|c FLUSHALL|=|c CLIENT KILL ID $b|c SET k 2|a PING|a CLIENT TRACKINGINFO|a CLIENT TRACKING ON REDIRECT $c BCAST|a CLIENT TRACKINGINFO`,
	"RESP2, not redirected": `
		a CLIENT TRACKING ON|a GET k|b SET k 1|=|a GET k|a HELLO 3|b SET k 2|=|a CLIENT TRACKING maybe|a CLIENT TRACKING ON nosuch|a CLIENT TRACKING OFF x`,
	"expired and evicted": `
		a HELLO 3|a CLIENT TRACKING ON|b DEBUG SET-ACTIVE-EXPIRE 0|a MULTI|a SET k 1 PX 1|a GET k|a EXEC|b SET l 1|a GET l|b DEBUG SLEEP 0.01|b GET k|=|b SET k 1 PX 1|b DEBUG SLEEP 0.01|a GET k|b SET k 2|=|a GET l|b CONFIG SET maxmemory-policy allkeys-random|b CONFIG SET maxmemory 1|b PING|=|b CONFIG SET maxmemory 0|b SET k 1 PX 1|a CLIENT TRACKING OFF|a CLIENT TRACKING ON BCAST NOLOOP|b DEBUG SLEEP 0.01|a GET k|=`,
	"unblocked": `
		a HELLO 3|a CLIENT TRACKING ON|b RPUSH m x|a LRANGE m 0 -1|a LLEN l|~a BLMOVE l m LEFT LEFT 0|b RPUSH l v|=`,
	"waiters": `
		a HELLO 3|a CLIENT TRACKING ON|a LLEN l|b RPUSH l 1|=|a LLEN l|b LPOP l|=|a LRANGE l 0 -1|a RPUSH l 1 2|=|a LLEN l|b LMOVE l m LEFT LEFT|=`,
}

var anyID = regexp.MustCompile(`\bid\r\n:\d+`)

func TestTrackingLikeRedis(t *testing.T) {
	for name, scene := range trackingScenes {
		t.Run(name, func(t *testing.T) {
			want := playTracking(t, realRedis(t, "--enable-debug-command", "yes"), scene)
			got := playTracking(t, start(t, t.TempDir(), "--enable-debug-command", "yes").addr, scene)
			assert.Equal(t, strings.Join(want, "\n"), strings.Join(got, "\n"))
		})
	}
}

// playTracking returns what each client was sent.
func playTracking(t *testing.T, addr, scene string) (log []string) {
	type client struct {
		net.Conn
		in   *bufio.Reader
		id   string
		gone bool
	}
	names := []string{"a", "b", "c"}
	clients := map[string]*client{}
	frame := func(c *client) string {
		var b strings.Builder
		if err := readFrame(&b, c.in); err != nil {
			c.gone = true
			return "closed"
		}
		return b.String()
	}
	for _, n := range names {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(time.Minute))
		clients[n] = &client{Conn: conn, in: bufio.NewReader(conn)}
		_, err = conn.Write([]byte("CLIENT ID\r\n"))
		require.NoError(t, err)
		clients[n].id = strings.Trim(frame(clients[n]), ":\r\n")
	}
	var ids []string
	for _, n := range names {
		ids = append(ids, "$"+n, clients[n].id)
	}
	here := strings.NewReplacer(ids...)
	note := func(n, what string) {
		what = anyID.ReplaceAllString(what, "id\r\n:N")
		for _, o := range names {
			if !strings.Contains(what, "redir") && !strings.Contains(log[len(log)-1], "REDIR") {
				break // a number that is none of a client
			}
			what = strings.ReplaceAll(what, ":"+clients[o].id+"\r\n", ":$"+o+"\r\n")
		}
		log = append(log, n+": "+strings.ReplaceAll(what, "\r\n", " "))
	}
	for _, line := range strings.FieldsFunc(scene, func(r rune) bool { return r == '|' || r == '\n' }) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		log = append(log, line)
		if line == "=" {
			for _, n := range names {
				c := clients[n]
				for c.Write([]byte("PING barrier\r\n")); !c.gone; {
					f := frame(c)
					if strings.Contains(f, "barrier") {
						break
					}
					note(n, f)
				}
			}
			continue
		}
		waits := line[0] == '~' // is not answered before somebody else has done something
		n, text, _ := strings.Cut(strings.TrimPrefix(line, "~"), " ")
		c := clients[n]
		argv, err := config.SplitArgs(here.Replace(text))
		require.NoError(t, err)
		_, err = c.Write([]byte(resp(argv...)))
		require.NoError(t, err)
		for d := clients["c"]; waits; { // until it does
			_, err := d.Write([]byte(resp("INFO", "clients")))
			require.NoError(t, err)
			waits = !strings.Contains(frame(d), "blocked_clients:1\r\n")
		}
		for line[0] != '~' {
			f := frame(c)
			note(n, f)
			if c.gone || f[0] != '>' || strings.Contains(strings.ToLower(text), "subscribe") {
				break
			}
		}
	}
	return log
}
