package engine_test

import (
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Words the generated commands are made of: few keys, so that commands meet,
// and values and options at and beyond the edges.
var (
	someKeys   = []string{"k0", "k1", "k2", "l0", "l1", ""}
	someValues = []string{"", "a", "hello", "0", "1", "-1", "007", "9223372036854775807", "-9223372036854775808", "9223372036854775808", " 1", "1.5", "x\r\ny\x00z", strings.Repeat("v", 100)}
	someInts   = []string{"0", "1", "2", "3", "-1", "-2", "-3", "100", "-100", "9223372036854775807", "-9223372036854775808", "x", "", "1.0"}
	// Absolute times only, long past or far ahead: both servers must agree on
	// what has expired, and on what they write to the append-only file.
	someMillis  = []string{"1", "1000", "4102444800000", "9999999999999", "0", "-5", "x", "9223372036854775807"}
	someSeconds = []string{"1", "4102444800", "9999999999", "0", "-5", "x", "9223372036854775807", "9223372036854775"}
	setOptions  = []string{"NX", "XX", "GET", "KEEPTTL", "PXAT", "EXAT", "EX", "bogus", "get", "nx"}
	whenOptions = []string{"NX", "XX", "GT", "LT", "gt", "bogus"}
)

// genCommand draws one command that must get the same reply from both servers.
func genCommand(t *rapid.T) []string {
	pick := func(from []string) string { return rapid.SampledFrom(from).Draw(t, "word") }
	key := func() string { return pick(someKeys) }
	value := func() string { return pick(someValues) }
	several := func(n int, f func() string) []string {
		out := make([]string, rapid.IntRange(0, n).Draw(t, "n"))
		for i := range out {
			out[i] = f()
		}
		return out
	}
	cmd := func(head ...string) []string { return head }
	switch rapid.IntRange(0, 58).Draw(t, "command") {
	case 0, 1, 2:
		return cmd("SET", key(), value())
	case 3, 4:
		out := cmd("SET", key(), value())
		for _, o := range several(3, func() string { return pick(setOptions) }) {
			out = append(out, o)
			switch o {
			case "PXAT":
				out = append(out, pick(someMillis))
			case "EXAT":
				out = append(out, pick(someSeconds))
			case "EX":
				out = append(out, pick([]string{"0", "-1", "x", "9223372036854775807"}))
			}
		}
		return out
	case 5, 6:
		return cmd("GET", key())
	case 7:
		return cmd("GETSET", key(), value())
	case 8:
		return cmd("GETDEL", key())
	case 9:
		return append(cmd("MGET", key()), several(3, key)...)
	case 10:
		return append(cmd("MSET", key(), value()), several(4, value)...)
	case 11:
		return append(cmd("MSETNX", key(), value()), several(4, value)...)
	case 12, 13:
		return append(cmd(pick([]string{"DEL", "UNLINK"}), key()), several(2, key)...)
	case 14:
		return append(cmd("EXISTS", key()), several(2, key)...)
	case 15, 16:
		return cmd(pick([]string{"INCR", "DECR"}), key())
	case 17, 18:
		return cmd(pick([]string{"INCRBY", "DECRBY"}), key(), pick(someInts))
	case 19:
		return cmd("APPEND", key(), value())
	case 20:
		return cmd("STRLEN", key())
	case 21:
		return append(cmd("PEXPIREAT", key(), pick(someMillis)), several(2, func() string { return pick(whenOptions) })...)
	case 22:
		return append(cmd("EXPIREAT", key(), pick(someSeconds)), several(2, func() string { return pick(whenOptions) })...)
	case 23:
		return cmd(pick([]string{"EXPIRE", "PEXPIRE"}), key(), pick([]string{"0", "-1", "x", "9223372036854775807"}))
	case 24:
		return cmd(pick([]string{"PEXPIRETIME", "EXPIRETIME"}), key())
	case 25:
		return cmd("PERSIST", key())
	case 26:
		return cmd("TYPE", key())
	case 27, 28, 29, 30:
		return append(cmd(pick([]string{"RPUSH", "LPUSH"}), key(), value()), several(3, value)...)
	case 31:
		return append(cmd(pick([]string{"RPUSHX", "LPUSHX"}), key(), value()), several(2, value)...)
	case 32, 33:
		return append(cmd(pick([]string{"RPOP", "LPOP"}), key()), several(2, func() string { return pick(someInts) })...)
	case 34, 35:
		return cmd("LRANGE", key(), pick(someInts), pick(someInts))
	case 36:
		return cmd("LLEN", key())
	case 37:
		return cmd("LINDEX", key(), pick(someInts))
	case 38:
		return cmd("LSET", key(), pick(someInts), value())
	case 39:
		return cmd("LTRIM", key(), pick(someInts), pick(someInts))
	case 40:
		return cmd("LREM", key(), pick([]string{"0", "1", "-1", "2", "-2", "x"}), value())
	case 41, 42:
		return cmd("MULTI")
	case 43, 44:
		return cmd("EXEC")
	case 45:
		return cmd("DISCARD")
	case 46:
		return append(cmd("WATCH", key()), several(2, key)...)
	case 47:
		return cmd("UNWATCH")
	case 48:
		return cmd("SELECT", pick([]string{"0", "1", "15", "16", "-1", "x"}))
	case 49:
		return cmd("DBSIZE")
	case 50:
		return cmd(pick([]string{"RENAME", "RENAMENX"}), key(), key())
	case 51:
		return cmd("GETRANGE", key(), pick(someInts), pick(someInts))
	case 52:
		return cmd("SETRANGE", key(), pick([]string{"0", "1", "5", "-1", "x"}), value())
	case 53:
		out := cmd("GETEX", key())
		for _, o := range several(2, func() string { return pick([]string{"PERSIST", "PXAT", "EXAT", "KEEPTTL", "NX"}) }) {
			out = append(out, o)
			switch o {
			case "PXAT":
				out = append(out, pick(someMillis))
			case "EXAT":
				out = append(out, pick(someSeconds))
			}
		}
		return out
	case 54:
		// At most one match each: the order is the server's own, and inside EXEC
		// normalise does not see it.
		return cmd("KEYS", pick([]string{"nothing", "k0*", "?2", "[k]1", "k[^02]", "\\k0", "k[2-9]", "l[", "*k0*", "K0"}))
	case 55:
		return cmd(pick([]string{"FLUSHALL", "FLUSHDB"}))
	case 56:
		return cmd("SETNX", key(), value())
	case 57:
		return append(cmd(pick([]string{"GET", "SET", "PING", "ECHO", "SELECT", "EXEC", "NOSUCH", "CONFIG", "INCR", "TYPE", "MULTI", "CLIENT"})), several(4, value)...)
	default:
		return cmd("STRLEN", key())
	}
}

// normalise makes replies comparable whose order is the server's own business.
func normalise(argv []string, reply string) string {
	if strings.EqualFold(argv[0], "KEYS") && strings.HasPrefix(reply, "*") {
		parts := strings.Split(reply, "$")
		sort.Strings(parts[1:])
		return strings.Join(parts, "$")
	}
	return reply
}

// The engine must answer as redis-server does, hold the same data afterwards,
// and have written the same append-only file.
func TestSameRepliesAsRedis(t *testing.T) {
	aof := [][2]string{{"appendonly", "yes"}, {"appendfsync", "no"}, {"aof-use-rdb-preamble", "no"}, {"auto-aof-rewrite-percentage", "0"}}
	var flat []string
	for _, d := range aof {
		flat = append(flat, "--"+d[0], d[1])
	}
	redis := startRedis(t, "", flat...)
	world := startWorld(t, "", aof...)

	rapid.Check(t, func(rt *rapid.T) {
		const clients = 3
		var theirs [clients]*socket
		var ours [clients]*session
		for i := range clients {
			theirs[i], ours[i] = dial(t, redis.addr()), world.connect()
		}
		var log [][]string
		both := func(client int, argv ...string) {
			log = append(log, argv)
			want := normalise(argv, theirs[client].do(argv...))
			got := normalise(argv, ours[client].do(argv...))
			if want != got {
				rt.Fatalf("client %d: %q\nredis:  %q\nengine: %q", client, argv, want, got)
			}
		}
		both(0, "FLUSHALL")
		both(0, "DEBUG", "SET-ACTIVE-EXPIRE", "0")
		both(0, "SELECT", "7") // so that both files select a database again
		both(0, "SET", "k", "v")
		both(0, "SELECT", "0")
		theirStart, ourStart := incrSize(rt, redis.dir), incrSize(rt, world.dir)

		for range rapid.IntRange(1, 40).Draw(rt, "commands") {
			both(rapid.IntRange(0, clients-1).Draw(rt, "client"), genCommand(rt)...)
		}
		for i := range clients {
			both(i, "RESET")
		}
		both(0, "KEYS", "*")
		both(0, "DEBUG", "DIGEST")
		both(0, "PING") // the writes of the turn before are in the file now
		theirFile, ourFile := incrTail(rt, redis.dir, theirStart), incrTail(rt, world.dir, ourStart)
		if theirFile != ourFile {
			same := 0
			for same < min(len(theirFile), len(ourFile)) && theirFile[same] == ourFile[same] {
				same++
			}
			same = max(strings.LastIndex(theirFile[:same], "*"), 0)
			rt.Fatalf("after %q\nappend-only files differ from offset %d on\nredis:  %q\nengine: %q", log, same, theirFile[same:], ourFile[same:])
		}
		for i := range clients {
			theirs[i].c.Close()
			ours[i].close()
		}
	})
}

func incrFile(t require.TestingT, dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "appendonlydir", "*.incr.aof"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	return files[0]
}

func incrSize(t require.TestingT, dir string) int64 {
	info, err := os.Stat(incrFile(t, dir))
	require.NoError(t, err)
	return info.Size()
}

func incrTail(t require.TestingT, dir string, from int64) string {
	data, err := os.ReadFile(incrFile(t, dir))
	require.NoError(t, err)
	return string(data[from:])
}
