package engine_test

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
	ZRANDMEMBER {zset} (0|x|100 SCORES|1 2 3)
	~ZRANDMEMBER {zset} 100
	ZSCAN {zset} 0 COUNT 0
	ZRANGE {zset} {index} {index} [REV] [WITHSCORES]
	ZRANGE {zset} {bound} {bound} BYSCORE [REV] [WITHSCORES] [LIMIT {index} {index}]
	ZRANGE {zset} {lex} {lex} BYLEX (LIMIT 0 x|WITHSCORES|REV BOGUS)
	ZREVRANGE {zset} {index} {index} [WITHSCORES]
	ZRANGEBYSCORE {zset} {bound} {bound} [WITHSCORES] [LIMIT {index} {index}]
	ZREVRANGEBYSCORE {zset} {bound} {bound} [WITHSCORES] [LIMIT {index} {index}]
	ZRANGESTORE {zset} {zset} {index} {index} [REV]
	ZRANGESTORE {zset} {zset} {bound} {bound} BYSCORE [REV] [LIMIT {index} {index}]
	ZCOUNT {zset} {bound} {bound}
	ZLEXCOUNT {zset} - (+|x)
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
