package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/rdb"
	"github.com/torntail/torntail/faults/disk"
)

// streamDraws are compared with redis-server. No identifier is made from the
// clock, and no time is close enough to now for the two to differ by their own.
var streamDraws = draws(strings.NewReplacer(
	"{trim}", "(MAXLEN (|~|=) (0|1|2|3|5|x|-1) (|||LIMIT {count})|MINID (|~|=) {id} (|||LIMIT {count}))",
	"{claim}", "(IDLE (0|1000|x)|TIME (1000|9999999999999|x)|RETRYCOUNT (0|7|x)|FORCE|JUSTID|LASTID {id}|BOGUS)",
).Replace(`
	XADD {stream} {newid} <{field} {value}>
	XADD {stream} {newid} <{field} {value}>
	XADD {stream} {newid} f {value}
	XADD {stream} [NOMKSTREAM] {newid} f {value} g {value}
	XADD {stream} [NOMKSTREAM] {trim} {newid} <{field} {value}>
	XADD {stream} {trim} {trim} {newid} f v
	XADD {stream} (MAXLEN|MINID|LIMIT|{newid}) [{count}] [f]
	XTRIM {stream} {trim}
	XTRIM {stream} (MAXLEN|LIMIT|x) {count}
	XLEN {stream}
	XDEL {stream} <{id}>
	XRANGE {stream} {from} {to} [COUNT {count}]
	XREVRANGE {stream} {to} {from} [COUNT {count}]
	XSETID {stream} {id} [ENTRIESADDED {count}] [MAXDELETEDID {id}]
	XREAD [COUNT {count}] STREAMS {stream} {after}
	XREAD [COUNT {count}] [NOACK] STREAMS {stream} {stream} {after} {after}
	XREAD BLOCK (1|x|-1) STREAMS {stream} {after}
	XREAD (STREAMS|COUNT|GROUP g c) [STREAMS] {stream} [0]
	XREADGROUP GROUP {group} {consumer} [COUNT {count}] [NOACK] STREAMS {stream} {new}
	XREADGROUP GROUP {group} {consumer} [COUNT {count}] [NOACK] STREAMS {stream} {new}
	XREADGROUP GROUP {group} {consumer} [BLOCK 1] [NOACK] STREAMS {stream} {stream} {new} {after}
	XREADGROUP [GROUP {group} {consumer}] STREAMS {stream} ({after}|{new}|$|0)
	XGROUP CREATE {stream} {group} ({id}|$|0) [MKSTREAM] [ENTRIESREAD {count}]
	XGROUP CREATE {stream} {group} (0|$) MKSTREAM
	XGROUP SETID {stream} {group} ({id}|$|0|-) [ENTRIESREAD {count}] [BOGUS]
	XGROUP DESTROY {stream} {group}
	XGROUP CREATECONSUMER {stream} {group} {consumer}
	XGROUP DELCONSUMER {stream} {group} {consumer}
	XACK {stream} {group} <{id}>
	XPENDING {stream} {group}
	XPENDING {stream} {group} [IDLE {idle}] {from} {to} {count} [{consumer}]
	XPENDING {stream} {group} ({from}|IDLE 1) [{to}]
	XCLAIM {stream} {group} {consumer} {idle} <{id}> [{claim}] [{claim}]
	XCLAIM {stream} {group} {consumer} 0 <{id}> FORCE [JUSTID]
	XAUTOCLAIM {stream} {group} {consumer} {idle} {from} [COUNT {count}] [JUSTID]
	XAUTOCLAIM {stream} {group} {consumer} 0 0
	XINFO STREAM {stream}
	XINFO STREAM {stream} FULL [COUNT {count}]
	XINFO STREAM {stream} (FULL COUNT|FULL x 1|BOGUS|FULL COUNT x)
	XINFO GROUPS {stream}
	XINFO CONSUMERS {stream} {group}
	XINFO HELP
	XGROUP HELP
	COPY {stream} {stream} REPLACE
	RENAME {stream} {stream}
	COMMAND GETKEYS XREAD [COUNT 1] STREAMS a b 0 0
	COMMAND GETKEYS XREADGROUP GROUP g c [NOACK] STREAMS a {new}
`))

// streamFills make streams of several nodes with a group for which something is
// pending, and small ones.
const streamFills draws = `
	XGROUP CREATE {own} g 0 MKSTREAM; XADD {own} 1-1 f (v|1); XADD {own} 2-5 (f|g) v; XADD {own} 3-1 f v g w; XADD {own} 6 f v; XADD {own} (8-0|7-0) f v; XREADGROUP GROUP g alice COUNT (1|3) STREAMS {own} {new}; XREADGROUP GROUP g bob [COUNT 1] STREAMS {own} {new}; XGROUP CREATE {own} h (0|$|3-1)
	XGROUP CREATE {own} g 0 MKSTREAM; XADD {own} 2-5 f v; XADD {own} 3-1 f v g w; XREADGROUP GROUP g alice COUNT 1 STREAMS {own} {new}
	XADD {own} 1-1 f (v|1); XADD {own} (3-1|7-0) f v g w
	XADD {own} 2-5 (f|g) v
`

// What servers after 7.0 dump is loaded from files only.
func TestNewerTypesAreNotRestored(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	for _, kind := range []byte{rdb.TypeStream2, rdb.TypeSetListpack, rdb.TypeStream3} {
		payload := string(rdb.Payload(kind, false, func(e *rdb.Encoder) {
			if kind == rdb.TypeSetListpack {
				e.Pack().AppendText("member")
				e.Packed()
				return
			}
			e.Bytes(make([]byte, 10)) // an empty stream
		}))
		want := theirs.do("RESTORE", "k", "0", payload, "REPLACE")
		assert.Equal(t, want, ours.do("RESTORE", "k", "0", payload, "REPLACE"), "type %d", kind)
		assert.Equal(t, kind == rdb.TypeStream2, want == "+OK\r\n", "type %d: %s", kind, want)
	}
}

// An entry of now has the time of the server's clock, or comes right behind the last.
func TestEntriesOfNow(t *testing.T) {
	replies := inSimulation(t, 1, disk.New(disk.Options{}), nil, nil, "XADD s * f v", "XADD s * f v", "XADD s 9999999999999-7 f v", "XADD s * f v", "XLEN s")
	var last [2]int64
	for _, reply := range replies[:2] {
		var id [2]int64
		_, err := fmt.Sscanf(payload(reply), "%d-%d", &id[0], &id[1])
		require.NoError(t, err, reply)
		require.Equal(t, int64(1767225600), id[0]/1000, "the clock of the simulated world")
		require.True(t, id[0] == last[0] && id[1] == last[1]+1 || id[0] > last[0] && id[1] == 0, "%d behind %d", id, last)
		last = id
	}
	require.Equal(t, "9999999999999-8", payload(replies[3]))
	require.Equal(t, ":4\r\n", replies[4])
}
