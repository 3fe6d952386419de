package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// What was found to differ once: cursors that are nearly numbers (redis 7.0.15 db.c
// parseScanCursorOrReply), and which strings are raw (t_string.c: what was appended
// to, set a range or a bit of, stays raw whatever its length).
func TestOnceDifferentLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	for _, line := range []string{
		`SADD s 1`, `SCAN ""`, `SCAN "0 "`, `SCAN " 0"`, `SCAN +0`, `SCAN -0`, `SCAN "\x000"`, `SCAN 0x0`, `SCAN 18446744073709551616`, `SSCAN s ""`, `SSCAN s "" COUNT 1`, `SCAN "" MATCH *`,
		`SET a x`, `APPEND a y`, `OBJECT ENCODING a`, `SET b 12`, `APPEND b 3`, `OBJECT ENCODING b`, `SETRANGE c 0 x`, `OBJECT ENCODING c`, `SETRANGE a 0 z`, `OBJECT ENCODING a`, `SETBIT d 1 1`, `OBJECT ENCODING d`, `APPEND e x`, `OBJECT ENCODING e`, `APPEND e x`, `OBJECT ENCODING e`,
		`INCRBYFLOAT f 1.5`, `OBJECT ENCODING f`, `INCRBYFLOAT g 1`, `OBJECT ENCODING g`, `GETSET a x`, `OBJECT ENCODING a`, `PFADD h a`, `OBJECT ENCODING h`, `BITOP NOT i a`, `OBJECT ENCODING i`, `BITFIELD j SET u8 0 1`, `OBJECT ENCODING j`, `COPY e k`, `OBJECT ENCODING k`, `DEBUG RELOAD`, `OBJECT ENCODING e`, `OBJECT ENCODING d`,
		`SET l 12345678901234567890`, `OBJECT ENCODING l`, `SET m 1e5`, `OBJECT ENCODING m`, `SET n 00`, `OBJECT ENCODING n`, `INCR o`, `OBJECT ENCODING o`, `APPEND o 1`, `INCR o`, `OBJECT ENCODING o`, `GETEX o`, `GETDEL o`, `OBJECT ENCODING o`,
	} {
		argv, err := config.SplitArgs(line)
		require.NoError(t, err, line)
		assert.Equal(t, theirs.do(argv...), ours.do(argv...), line)
	}
}
