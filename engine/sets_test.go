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
	~SPOP {set} 100
	SPOP {set} (0|x|-1|1 2)
	~SRANDMEMBER {set} 100
	SRANDMEMBER {set} (0|x|1 2)
	~SINTER <{set}>
	SINTERSTORE {set} <{set}>
	SINTERCARD (1|2|0|x) <{set}> [LIMIT {count}]
	~SUNION <{set}>
	SUNIONSTORE {set} <{set}>
	~SDIFF <{set}>
	SDIFFSTORE {set} <{set}>
	SSCAN {set} 0 COUNT 0
	SSCAN {set} x
`
