package engine_test

// setDraws are compared with redis-server.
const setDraws draws = `
	SADD {set} <{member}>
	SADD {set} <{member}>
	SREM {set} <{member}>
	SMOVE {set} {set} {member}
	SISMEMBER {set} {member}
	SMISMEMBER {set} <{member}>
	SCARD {set}
	~SMEMBERS {set}
	~SPOP {set} (100|0|100|x|-1|1 2)
	~SRANDMEMBER {set} 100
	~SRANDMEMBER {set} 100
	SRANDMEMBER {set} (0|x|1 2)
	?SRANDMEMBER {set}
	~SINTER <{set}>
	SINTERSTORE {set} <{set}>
	SINTERCARD (1|2|0|x) <{set}> [LIMIT {count}]
	~SUNION <{set}>
	SUNIONSTORE {set} <{set}>
	~SDIFF <{set}>
	SDIFFSTORE {set} <{set}>
	~SSCAN {set} 0 COUNT (100|100|0)
	SSCAN {set} x
`

// setFills make sets of each encoding, with and without common members.
const setFills draws = `
	SADD {own} 1 2 10
	SADD {own} (1|a)
	SADD {own} a b c
	SADD {own} a b c d member 1
	SADD {own} 1 2 -3 10 70000 5000000000
`
