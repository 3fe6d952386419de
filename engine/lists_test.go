package engine_test

// listDraws are compared with redis-server.
const listDraws draws = `
	RPUSH {list} <{member}>
	LPUSH {list} <{member}>
	RPUSHX {list} <{member}>
	LPUSHX {list} <{member}>
	LPOP {list} [{count}]
	RPOP {list} [{count}]
	LLEN {list}
	LINDEX {list} {index}
	LRANGE {list} {index} {index}
	LSET {list} {index} {value}
	LTRIM {list} {index} {index}
	LREM {list} {index} {member}
	LINSERT {list} (BEFORE|AFTER|AT) {member} {value}
	LPOS {list} {member} [RANK {index}] [COUNT {count}] [MAXLEN {count}]
	LMOVE {list} {list} (LEFT|RIGHT) (LEFT|RIGHT|UP)
	RPOPLPUSH {list} {list}
	LMPOP (1|2) <{list}> (LEFT|RIGHT) [COUNT {count}]
	BLPOP list0 list1 list2 list0 0.001
	BRPOP list0 list1 list2 0.001
	BLMPOP 0.001 3 list0 list1 list2 (LEFT|RIGHT) [COUNT {count}]
	BLMOVE {list} {list} (LEFT|RIGHT) (LEFT|RIGHT) 0.001
	BRPOPLPUSH {list} {list} 0.001
	BLPOP {key} (-1|x|1e400|1.5e-10)
	BLMPOP (x|0.001) (0|1) {key} (LEFT|x)
`

// listFills make lists, short and long.
const listFills draws = `
	RPUSH {own} <{member}> a b
	RPUSH {own} 3 1 2
	RPUSH {own} (a b c d e f|1 2 3 4 5 6) <{member}> <{value}>
`
