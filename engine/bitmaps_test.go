package engine_test

// stringDraws are compared with redis-server.
const stringDraws draws = `
	SET {string} {value}
	SET {string} {value} [(NX|XX)] [GET] [KEEPTTL]
	SET {string} {value} [(NX|XX|GET|nx)] [(KEEPTTL|PXAT {millis}|EXAT {seconds}|EX 0|EX x|bogus)]
	^SET {string} {value} (EX 1000|PX 1000000)
	^SETEX {string} 1000 {value}
	^PSETEX {string} 1000000 {value}
	SETEX {string} (0|-1|x|9223372036854775807) {value}
	PSETEX {string} (0|-1|x|9223372036854775807) {value}
	GET {string}
	GETSET {string} {value}
	GETDEL {string}
	GETEX {string} [(PERSIST|PXAT {millis}|EXAT {seconds}|KEEPTTL|NX)]
	^GETEX {string} EX 1000
	GETRANGE {string} {index} {index}
	SUBSTR {string} {index} {index}
	SETRANGE {string} {count} {value}
	MGET <{string}>
	MSET <{string} {value}>
	MSET <{string}>
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

// stringFills make strings of each encoding.
const stringFills draws = `
	SET {own} (12|-7|9223372036854775807|5)
	SET {own} (hello|a|1.5||007)
	SET {own} vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv
	APPEND {own} (7|ab)
`
