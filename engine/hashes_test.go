package engine_test

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
	HRANDFIELD {hash} (0|x|100 NOVALUES|1 2 3)
	~HRANDFIELD {hash} 100
	HSCAN {hash} 0 COUNT 0
	HSCAN {hash} x
`
