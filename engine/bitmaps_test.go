package engine_test

// stringDraws are compared with redis-server.
const stringDraws draws = `
	SET {string} {value}
	SET {string} {value} [(NX|XX)] [GET] [KEEPTTL]
	GET {string}
	GETSET {string} {value}
	GETDEL {string}
	GETEX {string} [PERSIST]
	GETRANGE {string} {index} {index}
	SUBSTR {string} {index} {index}
	SETRANGE {string} {count} {value}
	MGET <{string}>
	MSET <{string} {value}>
	MSETNX <{string} {value}>
	SETNX {string} {value}
	STRLEN {string}
	APPEND {string} {value}
	INCR {string}
	DECR {string}
	INCRBY {string} {by}
	DECRBY {string} {by}
	INCRBYFLOAT {string} {float}
	SETBIT {string} {bit} (0|1|2)
	GETBIT {string} {bit}
	BITCOUNT {string} [{index} {index}]
	BITCOUNT {string} {bit} {index} (BIT|BYTE|x)
	BITPOS {string} (0|1|2) [{index}]
	BITPOS {string} (0|1) {index} {index} [(BIT|BYTE|x)]
	BITOP (AND|OR|XOR|NOT|x) {string} <{string}>
	BITOP NOT {string} {string}
	BITFIELD {string} <GET {width} {bit}>
	BITFIELD {string} <[OVERFLOW (WRAP|SAT|FAIL|x)] (SET|INCRBY) {width} {bit} {by}>
	BITFIELD_RO {string} GET {width} {bit} [SET u8 0 1]
	LCS {string} {string} [LEN] [IDX] [WITHMATCHLEN] [MINMATCHLEN {count}]
`
