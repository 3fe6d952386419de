package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// zsetDraws are compared with redis-server.
const zsetDraws draws = `
	ZADD {zset} <{score} {member}>
	ZADD {zset} <{score} {member}>
	ZADD {zset} [(NX|XX)] [CH] [GT] [INCR] {score} {member}
	ZADD {zset} (NX|XX|GT|LT|LT XX|GT XX CH|NX GT|CH INCR) <{score} {member}>
	ZINCRBY {zset} {score} {member}
	ZINCRBY {zset} (x|nan|-inf|inf) {member}
	ZREM {zset} <{member}>
	ZCARD {zset}
	ZSCORE {zset} {member}
	ZMSCORE {zset} <{member}>
	ZRANK {zset} {member}
	ZREVRANK {zset} {member}
	~ZRANDMEMBER {zset} (0|100|100|x|100 SCORES|1 2 3)
	?ZRANDMEMBER {zset}
	~ZSCAN {zset} 0 COUNT (100|100|0)
	ZRANGE {zset} {index} {index} [REV] [WITHSCORES]
	ZRANGE {zset} {bound} {bound} BYSCORE [REV] [WITHSCORES] [LIMIT {index} {index}]
	ZRANGE {zset} {lex} {lex} BYLEX (LIMIT 0 x|WITHSCORES|REV BOGUS)
	ZREVRANGE {zset} {index} {index} [WITHSCORES]
	ZRANGEBYSCORE {zset} {bound} {bound} [WITHSCORES] [LIMIT {index} {index}]
	ZREVRANGEBYSCORE {zset} {bound} {bound} [WITHSCORES] [LIMIT {index} {index}]
	ZRANGESTORE {zset} {zset} {index} {index} [REV]
	ZRANGESTORE {zset} {zset} {bound} {bound} BYSCORE [REV] [LIMIT {index} {index}]
	ZCOUNT {zset} {bound} {bound}
	ZLEXCOUNT {same} {lex} {lex}
	ZLEXCOUNT {zset} - (+|x)
	ZRANGEBYLEX {same} {lex} {lex} [LIMIT {index} {index}]
	ZREVRANGEBYLEX {same} {lex} {lex} [LIMIT {index} {index}]
	ZRANGE {same} {lex} {lex} BYLEX [REV] [LIMIT {index} {index}]
	ZRANGESTORE {zset} {same} {lex} {lex} BYLEX [REV] [LIMIT {index} {index}]
	ZREMRANGEBYLEX {same} {lex} {lex}
	ZADD {same} 0 {member}
	ZREMRANGEBYRANK {zset} {index} {index}
	ZREMRANGEBYSCORE {zset} {bound} {bound}
	ZREMRANGEBYLEX {zset} (+ -|x y)
	ZUNION (1|2) <{zset}> [WITHSCORES]
	ZUNION 2 {zset} (set0|{zset}) [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX|AVG)] [WITHSCORES]
	ZUNIONSTORE {zset} 2 {zset} (set1|{zset}) [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)]
	ZINTER 2 {zset} (set0|{zset}) [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)] [WITHSCORES]
	ZINTERSTORE {zset} 2 {zset} (set0|{zset}) [WEIGHTS {score} {score}] [AGGREGATE (SUM|MIN|MAX)]
	ZINTERCARD (0|1|2|x) <{zset}> [LIMIT {count}]
	ZDIFF 2 {zset} (set0|{zset}) [WITHSCORES]
	ZDIFFSTORE {zset} (2|0|x) {zset} (set0|{zset})
	ZPOPMIN {zset} [{count}]
	ZPOPMAX {zset} [{count}]
	ZMPOP (1|2) <{zset}> (MIN|MAX) [COUNT {count}]
	BZPOPMIN zset0 zset1 zset2 0.001
	BZPOPMAX zset0 zset1 zset2 0.001
	BZMPOP 0.001 3 zset0 zset1 zset2 (MIN|MAX) [COUNT {count}]
`

// zsetFills make sorted sets of each encoding, places among them.
const zsetFills draws = `
	ZADD {own} inf a 1e19 b -inf c 18446744073709551616 d 1e300 1
	ZADD {own} 1 a 2 b 3 c
	ZADD {own} <{score} {member}>
	ZADD {own} 1 a 2 b 3 c 4 d 5 member 1.5 1
	GEOADD {own} 13.361389 38.115556 a 15.087269 37.502669 b
	GEOADD {own} 13.361389 38.115556 a 15.087269 37.502669 b -0.1278 51.5074 c -122.4 37.77 d 0 0 1
`

// sameFills make sorted sets whose members have one score, which the commands of
// ranges by name need.
const sameFills draws = `
	ZADD {own} 0 a 0 b 0 c
	ZADD {own} 0 a 0 b 0 c 0 d 0 1 0 member
`

// What ZUNION and its kin answer has the sign of a score of zero, which a set that is
// stored packed loses.
func TestNegativeZeroLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	for _, line := range []string{
		"HELLO 3", "ZADD a -inf x -1 a", "ZADD b 1 a 2 b 3 c", "ZADD zero -0 x", "ZRANGE zero 0 -1 WITHSCORES",
		"ZUNION 2 b a WEIGHTS 0 0 AGGREGATE MAX WITHSCORES", "ZINTER 2 a b WEIGHTS 0 0 AGGREGATE MIN WITHSCORES", "ZDIFF 2 a b WITHSCORES",
		"ZUNIONSTORE packed 2 b a WEIGHTS 0 0 AGGREGATE MAX", "ZRANGE packed 0 -1 WITHSCORES", "OBJECT ENCODING packed",
		"CONFIG SET zset-max-listpack-entries 1", "ZUNIONSTORE large 2 b a WEIGHTS 0 0 AGGREGATE MAX", "ZRANGE large 0 -1 WITHSCORES", "OBJECT ENCODING large",
		"ZADD sign -0 x 0 y", "ZADD sign 0 x", "ZRANGE sign 0 -1 WITHSCORES",
	} {
		argv := strings.Fields(line)
		if want, got := theirs.do(argv...), ours.do(argv...); argv[0] != "HELLO" {
			require.Equal(t, want, got, line)
		}
	}
}
