package engine_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// keyDraws are compared with redis-server: commands about keys of any type.
const keyDraws draws = `
	DEL <{key}>
	UNLINK <{key}>
	EXISTS <{key}>
	TOUCH <{key}>
	TYPE {key}
	RENAME {key} {key}
	RENAMENX {key} {key}
	COPY {key} {key} [REPLACE]
	COPY {key} {key} (DB 1|DB 0|DB 1|DB 99|DB x|BOGUS) [REPLACE]
	MOVE {key} (1|1|1|0|x|99)
	^EXPIRE {key} (1000|100000) [{when}]
	EXPIRE {key} (0|-1|x|9223372036854775807) [{when}]
	^PEXPIRE {key} (1000000|100000000) [{when}]
	PEXPIRE {key} (0|-1|x|9223372036854775807)
	EXPIREAT {key} {seconds} [{when}] [{when}]
	PEXPIREAT {key} {millis} [{when}] [{when}]
	PEXPIREAT {key} 4102444800000
	PERSIST {key}
	TTL {key}
	PTTL {key}
	EXPIRETIME {key}
	PEXPIRETIME {key}
	OBJECT ENCODING {key}
	?OBJECT REFCOUNT {key}
	OBJECT IDLETIME {key}
	OBJECT FREQ {key}
	?DUMP {key}
	RESTORE {key} (0|0|4102444800000 ABSTTL|x|-1) {payload} [REPLACE] [(IDLETIME 5|FREQ 3|FREQ 256|BOGUS)]
	RESTORE {key} 0 {payload} REPLACE
	^RESTORE {key} 1000000 {payload} REPLACE
	~SORT_RO {key} BY nosort
	~KEYS (nothing|string0|?ash0|[k]1|list[^02]|\\set0|set[2-9]|l[|*t0*|STRING0|*)
	~SCAN 0 COUNT 1000 [MATCH {pattern}]
	~SCAN 0 COUNT 1000 TYPE (string|list|hash|nosuch)
	SCAN (x|0 COUNT 0|0 BOGUS)
	DBSIZE
	WAIT (0|x) (0|x|-1)
	PUBLISH {channel} {value}
	SPUBLISH {channel} {value}
	SWAPDB (0 1|1 0|0 x|0 99|2 2)
	(FLUSHALL|FLUSHDB) [(ASYNC|SYNC|BOGUS)]
	DEBUG DIGEST-VALUE {key}
	(GET|SET|PING|ECHO|SELECT|EXEC|NOSUCH|INCR|TYPE|MULTI|get|gEt) [{value}] [{value}] [{value}]
`

// sessionDraws are compared with redis-server: what a connection is about.
const sessionDraws draws = `
	PING [{value}]
	ECHO {value}
	SELECT (0|0|0|1|15|16|-1|x)
	MULTI
	EXEC
	EXEC
	DISCARD
	WATCH <{key}>
	UNWATCH
	RESET
	CLIENT GETNAME
	CLIENT SETNAME (me|{value})
`

// fills make a key of each type, in each of its forms: {own} is the key, and
// commands of one line are sent one after the other.
var fills = map[string]draws{
	"string": stringFills, "list": listFills, "hash": hashFills, "set": setFills, "zset": zsetFills, "same": sameFills, "hll": hllFills,
	"stream": streamFills,
}

// A small number is one object for all keys that hold it: what one key's reader
// does can be seen at another. A copy of it is an object of its own.
func TestSharedIntegersLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	// long ago or not: a second may pass between the two
	idle := func(reply string) int {
		n, err := strconv.Atoi(strings.Trim(reply, ":\r\n"))
		require.NoError(t, err, reply)
		return n / 500
	}
	for _, argv := range [][]string{
		{"SET", "a", "77"}, {"SET", "own", "10000"}, {"RESTORE", "old", "0", sealed([]byte("\x00\xc0\x4d")), "IDLETIME", "1000"},
		{"OBJECT", "IDLETIME", "old"}, {"OBJECT", "IDLETIME", "a"}, {"SET", "b", "77"}, {"OBJECT", "IDLETIME", "b"}, {"COPY", "b", "copy"}, {"OBJECT", "IDLETIME", "b"},
		{"OBJECT", "REFCOUNT", "b"}, {"OBJECT", "REFCOUNT", "copy"}, {"OBJECT", "REFCOUNT", "own"}, {"OBJECT", "ENCODING", "copy"}, {"OBJECT", "IDLETIME", "copy"},
		{"RESTORE", "old", "0", sealed([]byte("\x00\xc0\x4d")), "IDLETIME", "1000", "REPLACE"}, {"OBJECT", "IDLETIME", "b"}, {"INCRBY", "incremented", "77"}, {"OBJECT", "IDLETIME", "incremented"},
		{"GET", "a"}, {"OBJECT", "IDLETIME", "old"}, {"DEBUG", "RELOAD"}, {"OBJECT", "REFCOUNT", "copy"}, {"OBJECT", "REFCOUNT", "b"},
	} {
		want, got := theirs.do(argv...), ours.do(argv...)
		if argv[1] == "IDLETIME" {
			require.Equal(t, idle(want), idle(got), "%q", argv)
			continue
		}
		require.Equal(t, want, got, "%q", argv)
	}
}
