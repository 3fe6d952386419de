package engine_test

// hllDraws are compared with redis-server.
const hllDraws draws = `
	PFADD {string} <{member}>
	PFADD {hll} <{counted}>
	PFADD {hll} <{counted}> <{counted}> <{counted}> <{counted}>
	PFADD {hll}
	PFCOUNT {hll}
	PFCOUNT <{hll}> {hll}
	PFMERGE {hll} <{hll}>
	PFMERGE {string} {hll} {key}
	PFDEBUG (DECODE|ENCODING|TODENSE|X) {hll}
	PFSELFTEST
	PFDEBUG ENCODING {string}
	GET {hll}
`

// hllFills make HyperLogLogs.
const hllFills draws = `
	PFADD {own} <{counted}>
	PFADD {own} <{counted}> <{counted}> <{counted}> <{counted}>
`
