package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/bugs"
)

// hashDraws are compared with redis-server.
const hashDraws draws = `
	HSET {hash} <{field} {value}>
	HSET {hash} <{field} {value}>
	HMSET {hash} <{field} {value}>
	HSETNX {hash} {field} {value}
	HGET {hash} {field}
	HMGET {hash} <{field}>
	~HGETALL {hash}
	~HKEYS {hash}
	~HVALS {hash}
	HLEN {hash}
	HSTRLEN {hash} {field}
	HEXISTS {hash} {field}
	HDEL {hash} <{field}>
	HINCRBY {hash} {field} {by}
	HINCRBYFLOAT {hash} {field} {float}
	~HRANDFIELD {hash} (0|100|100|x|100 NOVALUES|1 2 3)
	?HRANDFIELD {hash}
	~HSCAN {hash} 0 COUNT (100|100|0)
	HSCAN {hash} x
`

// hashFills make hashes of each encoding.
const hashFills draws = `
	HSET {own} f 5 g (v|2)
	HSET {own} (f|g) 1.5
	HSET {own} f 1 g 2 h 3 1 4 2 5
	HSET {own} field vvvvvvvvvvvvvvvvvvvvvvvvvvvvvv f (7|1.5)
`

// A planted bug that logs no field's new value logs new fields, one or more.
func TestFieldsAreLoggedThoughNewValuesAreNot(t *testing.T) {
	w := startPlanted(t, "", bugs.UpdateNotCounted, [2]string{"appendonly", "yes"}, [2]string{"appendfsync", "always"})
	c := w.connect()
	c.all([][]string{{"HSET", "one", "f", "1"}, {"HSET", "one", "f", "2"}, {"HSET", "two", "f", "1", "g", "1"}, {"HSET", "two", "f", "2", "h", "2"}})
	require.Equal(t, 0, w.stop())
	w = startWorld(t, w.dir, [2]string{"appendonly", "yes"})
	assert.Equal(t, "$1\r\n1\r\n", w.connect().do("HGET", "one", "f"))
	assert.Equal(t, "*3\r\n$1\r\n2\r\n$1\r\n1\r\n$1\r\n2\r\n", w.connect().do("HMGET", "two", "f", "g", "h"))
}
