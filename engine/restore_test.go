package engine_test

import (
	"encoding/binary"
	"hash/crc64"
	"os"
	"runtime"
	"testing"

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
