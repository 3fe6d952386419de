package engine_test

import (
	"encoding/binary"
	"hash/crc64"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/rdb"
)

// jones is the polynomial of Redis's CRC64.
var jones = crc64.MakeTable(0x95ac9329ac4bc9b5)

// sealed is a payload with the version and the checksum that RESTORE asks for.
func sealed(value []byte) string {
	p := binary.LittleEndian.AppendUint16(append([]byte{}, value...), rdb.Version)
	return string(binary.LittleEndian.AppendUint64(p, ^crc64.Update(^uint64(0), jones, p)))
}

// oldPayloads are values in forms that redis-server 7.0.15 reads and does not write.
var oldPayloads = []string{
	"\x01\x02\x01a\xc0\x07",                                         // a list of strings
	"\x04\x01\x01f\x01v",                                            // a hash
	"\x03\x02\x01a\x011\x01b\xfe",                                   // a sorted set, scores as text
	"\x05\x01\x01a\x00\x00\x00\x00\x00\x00\xf8\x3f",                 // scores in binary
	"\x09\x0a\x01\x01f\x01\x00v\xff",                                // a zipmap, whose length is wrong
	"\x09\x07\x01\x01f\x01\x00v\xff",                                // a zipmap
	"\x0a\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01a\xff", // a list as a ziplist
	"\x0e\x01\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01a\xff",
	"\x0d\x11\x11\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01f\x03\x01v\xff", // a hash as a ziplist
	"\x0c\x10\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01a\x03\xf2\xff",  // a sorted set as one
	"\x00\xc3\x05\x32\x00v\xe0\x26\x00",                                      // a compressed string
	// Numbers of elements that are not known, unused bytes, a node that is one string,
	// and a length of the entry before in five bytes.
	"\x09\x07\xfe\x01f\x01\x00v\xff",
	"\x09\x09\x01\x01f\x01\x02v??\xff",
	"\x0a\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\xff\xff\x00\x01a\xff",
	"\x10\x0d\x0d\x00\x00\x00\xff\xff\x81f\x02\x81v\x02\xff",
	"\x12\x01\x01\x05hello",
	"\x0a\x41\x41\x41\x01\x00\x00\x39\x01\x00\x00\x02\x00\x00\x41\x2c" + strings.Repeat("y", 300) + "\xfe\x2f\x01\x00\x00\x01a\xff",
}

// FuzzRestore gives RESTORE what it likes, with a right checksum. The engine
// never panics and takes no memory beyond the payload's measure; what it accepts
// redis-server, told to sanitize payloads, accepts too, as the same value in the
// same encoding.
func FuzzRestore(f *testing.F) {
	for _, p := range somePayloads[:7] {
		f.Add([]byte(p[:len(p)-10]))
	}
	for _, p := range oldPayloads {
		f.Add([]byte(p))
	}
	ours := startWorld(f, "", [2]string{"sanitize-dump-payload", "yes"}).connect()
	var theirs *socket
	if _, err := os.Stat("/usr/bin/redis-server"); err == nil {
		theirs = dial(f, startRedis(f, "", "--sanitize-dump-payload", "yes").addr())
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		if len(value) > 4096 {
			t.Skip("longer than it needs to be")
		}
		restore := []string{"RESTORE", "k", "0", sealed(value), "REPLACE"}
		ours.do("DEL", "k")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		reply := ours.do(restore...)
		runtime.ReadMemStats(&after)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20), "%q", value)
		if reply != "+OK\r\n" || theirs == nil {
			require.True(t, reply == "+OK\r\n" || reply[0] == '-', reply)
			return
		}
		theirs.t = t
		theirs.do("DEL", "k")
		require.Equal(t, theirs.do(restore...), reply, "%q", value)
		for _, ask := range [][]string{{"DEBUG", "DIGEST-VALUE", "k"}, {"OBJECT", "ENCODING", "k"}} {
			require.Equal(t, theirs.do(ask...), ours.do(ask...), "%q", value)
		}
	})
}

// dumped are payloads, without version and checksum, that redis-server dumps of
// values of every form.
func dumped(do func(...string) string) (out []string) {
	long := strings.Repeat("y", 70)
	for _, argv := range [][]string{
		{"SET", "text", "hello"}, {"SET", "n8", "100"}, {"SET", "n16", "-1000"}, {"SET", "n32", "100000"}, {"SET", "n64", "5000000000"},
		{"RPUSH", "list", "a", "0", "127", "128", "-1", "-4096", "4095", "4096", "-32768", "32768", "-8388608", "8388608", "2147483647", "2147483648", "-9223372036854775808", "", long},
		{"SADD", "set16", "1", "-2", "300"}, {"SADD", "set32", "1", "70000"}, {"SADD", "set64", "1", "5000000000"}, {"SADD", "names", "a", "b", "1"},
		{"HSET", "packed", "f", "v", "g", "100000", "h", ""}, {"HSET", "table", "f", long, "g", "1"},
		{"ZADD", "packedz", "1", "a", "2.5", "b", "-inf", "c", "1e300", "d"}, {"ZADD", "tablez", "1", "a", "2.5", long},
		{"XADD", "s", "1-1", "f", "v"}, {"XADD", "s", "1-2", "f", "w"}, {"XADD", "s", "2-0", "g", "v", "h", "100000"}, {"XADD", "s", "7-0", "f", "x"}, {"XDEL", "s", "1-2"},
		{"XGROUP", "CREATE", "s", "g", "0"}, {"XREADGROUP", "GROUP", "g", "alice", "COUNT", "2", "STREAMS", "s", ">"}, {"XGROUP", "CREATE", "s", "h", "$", "ENTRIESREAD", "3"},
		{"PFADD", "hll", "a", "b", "c"},
	} {
		do(argv...)
	}
	for _, key := range []string{"text", "n8", "n16", "n32", "n64", "list", "set16", "set32", "set64", "names", "packed", "table", "packedz", "tablez", "s", "hll"} {
		dump := payload(do("DUMP", key))
		out = append(out, dump[:len(dump)-10])
	}
	return append(out, oldPayloads...)
}

// A payload that has any one byte changed, or is cut anywhere, is restored or
// refused as by redis-server, told to sanitize payloads: as the same value in the
// same encoding. What the engine refuses besides is bounded: scores, numbers and
// parts of streams that redis-server reads however they are written.
func TestEveryDamageOfAPayloadLikeRedis(t *testing.T) {
	both := startCouple(t, [2]string{"sanitize-dump-payload", "yes"}, [2]string{"rdbcompression", "no"})
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	refused, loaded, stricter := 0, 0, 0
	check := func(p []byte) {
		commands := [][]string{{"DEL", "k"}, {"RESTORE", "k", "0", sealed(p)}, {"DEBUG", "DIGEST-VALUE", "k"}, {"OBJECT", "ENCODING", "k"}}
		want, got := theirs.all(commands), ours.all(commands)
		switch ok, here := want[1] == "+OK\r\n", got[1] == "+OK\r\n"; {
		case ok && !here:
			stricter++
		case ok:
			loaded++
			assert.Equal(t, want[1:], got[1:], "%q", p)
		default:
			refused++
			assert.Equal(t, want[1][0], got[1][0], "%q: %s %s", p, want, got)
		}
	}
	for _, whole := range dumped(theirs.do) {
		for i := range whole {
			if i > 1 && i < len(whole)-1 && whole[i-1] == whole[i] && whole[i] == whole[i+1] {
				continue
			}
			check([]byte(whole[:i]))
			for _, b := range []byte{0, 0xff, whole[i] ^ 1, whole[i] ^ 0x80, whole[i] + 1, whole[i] - 1, whole[i] ^ 0x40} {
				p := []byte(whole)
				p[i] = b
				check(p)
			}
		}
	}
	t.Logf("%d loaded, %d refused, %d refused by the engine only", loaded, refused, stricter)
	assert.Greater(t, loaded, 1500)
	assert.Greater(t, refused, 3000)
	assert.LessOrEqual(t, stricter, 180)
}
