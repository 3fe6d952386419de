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
