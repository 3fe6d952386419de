package engine_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// counted are commands that succeed, fail, are rejected and execute others.
var counted = []string{
	"SET s v", "GET s", "GET", "LPUSH s a", "LPUSH l a b c", "INCR s", "NOSUCH a", "CONFIG NOSUCH", "CONFIG GET hz", "CONFIG SET hz x", "CONFIG GET",
	"XREADGROUP GROUP g c STREAMS x >", "XGROUP CREATE x g $", "EXEC", "MULTI", "INCR n", "LPUSH s a", "GET s", "EXEC", "MULTI", "GET", "EXEC",
	"MULTI", "MULTI", "DISCARD", "AUTH x", "AUTH default x", "HELLO 9", "RESTORE r 0 bad", "OBJECT ENCODING s", "OBJECT FREQ s", "GEOADD g 13 38 a", "GEORADIUS g 1 1 1 km", "SETNX s v",
	"WATCH s", "UNWATCH", "SELECT 99", "SELECT 0", "EXPIRE s x", "EXPIRE s 100", "SETBIT s 0 2", "CLIENT KILL ID x", "DEBUG NOSUCH", "SUBSCRIBE", "BLPOP nothing 0.01", "BLPOP s 0",
	"HELLO 3 AUTH default secret SETNAME me", "CONFIG SET masterauth secret", "CONFIG SET masterauth secret hz 10", `CONFIG SET masterauth "" masteruser u`, "MIGRATE h 1 k 0 1 AUTH secret KEYS k", "MIGRATE h 1 k 0 1 AUTH2 u secret",
	`ECHO "\x00\xff\r\n\t\a\b\"\\"`,
	"MSET " + strings.Repeat("key "+strings.Repeat("v", 128)+" ", 15) + "key " + strings.Repeat("v", 129),
	"MSET " + strings.Repeat("key value ", 16), "ECHO " + strings.Repeat("v", 200), "HELLO 2",
}

// both sends lines to both servers.
func (p *couple) both(lines []string, theirs *socket, ours *session) {
	for _, line := range lines {
		argv, err := config.SplitArgs(line)
		require.NoError(p.t, err, line)
		theirs.do(argv...)
		ours.do(argv...)
	}
}

// unlike is what of such replies differs: times and addresses.
var unlike = regexp.MustCompile(`usec=[0-9]+,usec_per_call=[0-9.]+,|[0-9]+\.[0-9]{6} |127\.0\.0\.1:[0-9]+`)

// infoLines are the lines of a section in order, without what differs.
func infoLines(t *testing.T, reply, begin string) (lines []string) {
	for line := range strings.SplitSeq(unlike.ReplaceAllString(reply, ""), "\r\n") {
		if strings.HasPrefix(line, begin) {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	require.NotEmpty(t, lines, reply)
	return lines
}

func TestSameStatisticsAsRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	same := func() {
		t.Helper()
		for section, begin := range map[string]string{"commandstats": "cmdstat_", "errorstats": "errorstat_", "all": "cmdstat_", "default": "errorstat_"} {
			want, got := theirs.do("INFO", section), ours.do("INFO", section)
			assert.Equal(t, infoLines(t, want, begin), infoLines(t, got, begin), section)
		}
		for _, text := range []string{theirs.do("INFO"), ours.do("INFO")} {
			assert.NotContains(t, text, "cmdstat_")
		}
	}
	both.both([]string{"CONFIG RESETSTAT"}, theirs, ours)
	both.both(counted, theirs, ours)
	same()

	// Those that are answered later count as failed when they are.
	theirOther, ourOther := dial(t, both.redis.addr()), both.world.connect()
	for _, scene := range [][2]string{
		{"XREADGROUP GROUP g c BLOCK 0 STREAMS y >", "XGROUP DESTROY y g"},
		{"BLMOVE from s LEFT LEFT 0", "RPUSH from a"},
		{"BLPOP from 0", "RPUSH from a"},
		{"BRPOP from2 0", "UNBLOCK ERROR"},
		{"BRPOP from2 0", "UNBLOCK TIMEOUT"},
	} {
		both.both([]string{"XGROUP CREATE y g $ MKSTREAM", "SET s v", "DEL from"}, theirs, ours)
		waits, feeds := strings.Fields(scene[0]), strings.Fields(scene[1])
		theirFeeds, ourFeeds := feeds, feeds
		if feeds[0] == "UNBLOCK" {
			theirID, ourID := strings.Trim(theirOther.do("CLIENT", "ID"), ":\r\n"), strings.Trim(ourOther.do("CLIENT", "ID"), ":\r\n")
			theirFeeds, ourFeeds = []string{"CLIENT", "UNBLOCK", theirID, feeds[1]}, []string{"CLIENT", "UNBLOCK", ourID, feeds[1]}
		}
		answered := make(chan string, 1)
		go func() { answered <- ourOther.do(waits...) }()
		theirOther.send(encode(waits...))
		waitForBlocked(t, ours.do, 1)
		waitForBlocked(t, theirs.do, 1)
		require.Equal(t, theirs.do(theirFeeds...), ours.do(ourFeeds...))
		require.Equal(t, theirOther.reply(), <-answered)
	}
	asked := func(lines []string) []string {
		return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "cmdstat_info:") })
	}
	want, got := theirs.do("INFO", "commandstats", "errorstats"), ours.do("INFO", "commandstats", "errorstats")
	assert.Equal(t, asked(infoLines(t, want, "cmdstat_")), asked(infoLines(t, got, "cmdstat_")))
	assert.Equal(t, infoLines(t, want, "errorstat_"), infoLines(t, got, "errorstat_"))
}

// slowEntries are what SLOWLOG GET tells that is no time and no address: the ids,
// commands, and names of clients.
func slowEntries(reply string) (out []string) {
	for _, e := range elements(reply) {
		fields := elements(e)
		one := []string{strings.TrimSpace(fields[0]), payload(fields[5])}
		for _, a := range elements(fields[3]) {
			one = append(one, payload(a))
		}
		out = append(out, strings.Join(one, " "))
	}
	return out
}

func TestSameSlowlogAsRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	both.both([]string{"CONFIG SET slowlog-log-slower-than 0 slowlog-max-len 1000"}, theirs, ours)
	both.both(counted, theirs, ours)
	for _, ask := range [][]string{{"SLOWLOG", "GET", "-1"}, {"SLOWLOG", "GET"}, {"SLOWLOG", "GET", "3"}} {
		want, got := slowEntries(theirs.do(ask...)), slowEntries(ours.do(ask...))
		assert.Equal(t, want, got)
	}
	both.both([]string{"CONFIG SET slowlog-max-len 2", "PING"}, theirs, ours)
	assert.Equal(t, theirs.do("SLOWLOG", "LEN"), ours.do("SLOWLOG", "LEN"))
	both.both([]string{"CONFIG SET slowlog-log-slower-than -1", "SLOWLOG RESET", "PING"}, theirs, ours)
	assert.Equal(t, theirs.do("SLOWLOG", "LEN"), ours.do("SLOWLOG", "LEN"))
}

func TestSameMonitorAsRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	l := both.listen(t, "MONITOR")
	defer l.end()
	want := l.theirs.reply() // from then on it hears of all
	both.both(counted, theirs, ours)
	both.both([]string{"SELECT 3", "ECHO end", "ECHO mark"}, theirs, ours)
	for !strings.HasSuffix(want, "\"mark\"\r\n") {
		want += l.theirs.reply()
	}
	got := l.ours.until(func(all string) bool { return strings.HasSuffix(all, "\"mark\"\r\n") })
	assert.Equal(t, strings.Split(unlike.ReplaceAllString(want, ""), "\r\n"), strings.Split(unlike.ReplaceAllString(got, ""), "\r\n"))
	both.both([]string{"MULTI", "MONITOR"}, theirs, ours)
	assert.Equal(t, theirs.do("EXEC"), ours.do("EXEC"))
}

// A pause of writes lets through what only reads; a pause of all lets nothing.
func TestSamePausesAsRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	theirOther, ourOther := dial(t, both.redis.addr()), both.world.connect()
	for _, c := range []struct{ pause, blocked string }{
		{"CLIENT PAUSE 100000 WRITE", "SET k v"}, {"CLIENT PAUSE 100000 WRITE", "PUBLISH c m"}, {"CLIENT PAUSE 100000 WRITE", "PFCOUNT k2"},
		{"CLIENT PAUSE 300 ALL", "GET k"}, {"CLIENT PAUSE 300", "PING"}, {"CLIENT PAUSE 300", "NOSUCH"},
	} {
		t.Run(c.pause+" "+c.blocked, func(t *testing.T) {
			for _, do := range []func(...string) string{theirs.do, ours.do} {
				require.Equal(t, "+OK\r\n", do(strings.Fields(c.pause)...))
			}
			answered := make(chan string, 1)
			go func() { answered <- ourOther.do(strings.Fields(c.blocked)...) }()
			theirOther.send(encode(strings.Fields(c.blocked)...))
			if strings.HasSuffix(c.pause, "WRITE") {
				waitForBlocked(t, ours.do, 1)
				waitForBlocked(t, theirs.do, 1)
				assert.Equal(t, theirs.do("GET", "k"), ours.do("GET", "k"))
				assert.Equal(t, theirs.do("CLIENT", "UNPAUSE"), ours.do("CLIENT", "UNPAUSE"))
			}
			assert.Equal(t, theirOther.reply(), <-answered)
		})
	}
}
