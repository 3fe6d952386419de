package engine_test

// geoDraws are compared with redis-server.
const geoDraws draws = `
	ZADD {zset} (inf|-inf|1e19|9223372036854775808|9223372036854775807|18446744073709551616|-1) {member}
	GEOPOS {zset} a b c d 1 2 -3 10 member
	GEOHASH {zset} a b c d 1 2 -3 10 member
	GEOADD {zset} <{long} {lat} {member}>
	GEOADD {zset} <{long} {lat} {member}>
	GEOADD {zset} [(NX|XX)] [CH] <{long} {lat} {member}>
	GEODIST {zset} {member} {member} [(m|km|ft|mi|x)]
	GEOHASH {zset} <{member}>
	GEOPOS {zset} <{member}>
	GEOSEARCH {zset} FROMLONLAT {long} {lat} BYRADIUS {meters} (m|km|mi|ft|x) (ASC|DESC) [COUNT {count}] [WITHDIST] [WITHCOORD] [WITHHASH]
	GEOSEARCH {zset} FROMMEMBER {member} BYBOX {meters} {meters} (m|km) [COUNT {count} ANY] [WITHDIST]
	GEOSEARCH {zset} (FROMMEMBER a|BYRADIUS 1 m) [ANY]
	GEOSEARCHSTORE {zset} {zset} FROMLONLAT {long} {lat} BYRADIUS {meters} km (ASC|DESC|WITHDIST) [COUNT {count}]
	GEORADIUS {zset} {long} {lat} {meters} (m|km) [WITHDIST] [WITHHASH] [STORE {zset}]
	GEORADIUS_RO {zset} {long} {lat} {meters} km [WITHCOORD] [STORE x]
	GEORADIUSBYMEMBER {zset} {member} {meters} (m|km) [ASC] [STORE {zset}]
	GEORADIUSBYMEMBER_RO {zset} {member} {meters} km [COUNT {count} [ANY]]
`
