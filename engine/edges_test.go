package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// edges are commands at the edges of their rules, in order, that random streams
// meet too seldom to be asked for in every run of the tests.
var edges = map[string][]string{
	"bitmaps": {
		`SETBIT b 7 1`, `SETBIT b 100 1`, `STRLEN b`, `SET f "\xff\xff\x00\x0f\xf0\xff"`, `BITCOUNT f`, `BITCOUNT f 1 -2`, `BITCOUNT f -100 -1`, `BITCOUNT f -100 -100`, `BITCOUNT f 0 -3`, `BITCOUNT f 5 100`, `BITCOUNT f 3 2`,
		`BITCOUNT f 1 2 BIT`, `BITCOUNT f 12 34 BIT`, `BITCOUNT f -9 -1 BIT`, `BITCOUNT f 0 0 BYTE`, `BITCOUNT f 1`, `BITCOUNT f 1 2 x`, `BITCOUNT nothing 0 -1`,
		`BITPOS f 0`, `BITPOS f 1`, `BITPOS f 1 2`, `BITPOS f 0 3`, `BITPOS f 0 5`, `BITPOS f 0 5 5`, `BITPOS f 1 2 2`, `BITPOS f 0 0 1`, `BITPOS f 1 17 40 BIT`, `BITPOS f 0 9 31 BIT`, `BITPOS f 0 28 28 BIT`, `BITPOS f 1 -8 -1 BIT`,
		`BITPOS f 0 29 35 BIT`, `BITPOS f 1 24 27 BIT`, `BITPOS f 1 16 27 BIT`, `BITPOS f 0 0 15 BIT`, `BITPOS f 0 0 16 BIT`, `BITPOS f 0 1 -4`, `BITPOS f 2`, `BITPOS f x`, `BITPOS f 1 1 2 x`, `BITPOS nothing 0`, `BITPOS nothing 1`, `BITPOS f 1 3 2`, `BITPOS f 0 -1`,
		`SETBIT b 7 0`, `SETBIT b 100 0`, `GET b`, `SETBIT b 7 1`, `BITOP AND d f b`, `GET d`, `BITOP OR d f b nothing`, `GET d`, `BITOP XOR d f f b`, `GET d`, `BITOP NOT d f`, `GET d`, `BITOP NOT d f b`, `BITOP AND d nothing`, `EXISTS d`, `GETBIT f 16`, `GETBIT f 15`, `GETBIT f 1000`, `SETBIT f 16 2`, `SETBIT f 4294967296 1`,
	},
	"bitfields": {
		`BITFIELD k SET u8 0 255 SET i8 8 -1 SET u4 16 5`, `STRLEN k`, `GET k`, `BITFIELD k GET u8 0 GET i8 0 GET i8 8 GET u4 16 GET i4 16 GET u16 4 GET u8 #1 GET i5 3 GET u63 100`, `STRLEN k`,
		`BITFIELD k SET u8 #3 1`, `STRLEN k`, `BITFIELD k SET u1 40 1`, `STRLEN k`, `BITFIELD k SET u2 47 3`, `STRLEN k`,
		`BITFIELD k OVERFLOW WRAP INCRBY u8 0 1 INCRBY u8 0 -1 INCRBY i8 8 -128 INCRBY i8 8 100`, `BITFIELD k OVERFLOW SAT INCRBY u8 0 300 INCRBY u8 0 -300 INCRBY i8 8 300 INCRBY i8 8 -300 INCRBY i8 8 1`,
		`BITFIELD k OVERFLOW FAIL INCRBY u8 0 -1 INCRBY u8 0 255 INCRBY u8 0 1 INCRBY i8 8 -1 INCRBY i8 8 255 INCRBY i8 8 1 INCRBY i8 8 127`, `BITFIELD k SET i8 8 127 OVERFLOW SAT SET i8 8 200 SET i8 8 -200 SET u8 0 256 OVERFLOW FAIL SET u8 0 256 SET u8 0 -1 SET i8 8 128`,
		`BITFIELD n SET i64 0 9223372036854775807 OVERFLOW WRAP INCRBY i64 0 1 OVERFLOW SAT INCRBY i64 0 -1 INCRBY i64 0 9223372036854775807 INCRBY i64 0 9223372036854775807 OVERFLOW FAIL INCRBY i64 0 1`,
		`BITFIELD n SET u63 0 9223372036854775807 OVERFLOW SAT INCRBY u63 0 1 INCRBY u63 0 -9223372036854775808 OVERFLOW WRAP INCRBY u63 0 -1`, `BITFIELD n SET i64 0 -9223372036854775808 OVERFLOW SAT INCRBY i64 0 -1 OVERFLOW WRAP INCRBY i64 0 -1`,
		`BITFIELD m OVERFLOW SAT INCRBY i5 2 15 INCRBY i5 2 1 INCRBY i5 2 -31 INCRBY i5 2 -1 OVERFLOW WRAP INCRBY i5 2 -1 INCRBY i5 2 1`, `BITFIELD m OVERFLOW SAT SET u5 100 33 OVERFLOW WRAP SET u5 100 33 SET u5 100 -1`, `GET m`,
		`BITFIELD_RO k GET u8 0`, `BITFIELD_RO k SET u8 0 1`, `BITFIELD k`, `BITFIELD k GET u64 0`, `BITFIELD k GET i65 0`, `BITFIELD k GET u8 -1`, `BITFIELD k GET u8 #x`, `BITFIELD k OVERFLOW x`, `BITFIELD k SET u8 0`,
	},
	"geo": {
		`GEOADD g 13.361389 38.115556 palermo 15.087269 37.502669 catania 0 0 nil -179.9 0 west 179.9 0 east 10 85 pole 10 80.5 cold 12 79.9 cool 10 66.5 north 10 65.9 south 10 -84 antarctic`,
		`GEORADIUS g 10 84 800 km WITHDIST ASC`, `GEORADIUS g 10 80 700 km WITHDIST ASC`, `GEORADIUS g 10 66 100 km WITHDIST ASC`, `GEORADIUS g 10 -84 500 km WITHCOORD ASC`, `GEORADIUS g 180 0 50 km ASC`, `GEORADIUS g 15 37 200 km WITHHASH WITHDIST WITHCOORD DESC`,
		`GEOSEARCH g FROMLONLAT 10 82 BYBOX 1000 1000 km ASC WITHDIST`, `GEOSEARCH g FROMLONLAT 10 66 BYBOX 400 200 km ASC WITHDIST`, `GEOSEARCH g FROMMEMBER palermo BYBOX 400 200 km DESC WITHCOORD`, `GEOSEARCH g FROMMEMBER nosuch BYRADIUS 1 km`, `GEOSEARCH g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ASC`,
		`GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 1 m`, `GEOSEARCH g FROMLONLAT 0 0 BYRADIUS 0 m WITHDIST`, `GEORADIUS g 0 0 20000 km COUNT 3 ANY`, `GEORADIUS g 15 37 200 km STORE`, `GEORADIUS g 15 37 200 km STOREDIST`, `GEORADIUS g 15 37 200 km STORE s`, `ZRANGE s 0 -1 WITHSCORES`, `GEORADIUS g 15 37 20000 km STOREDIST s`, `ZRANGE s 0 -1 WITHSCORES`, `GEORADIUSBYMEMBER g catania 20000 mi STOREDIST s`, `ZRANGE s 0 -1 WITHSCORES`, `GEOSEARCHSTORE s g FROMLONLAT 15 37 BYBOX 10000 10000 ft STOREDIST`, `ZRANGE s 0 -1 WITHSCORES`,
		`GEORADIUS g 100 50 1 m STORE s`, `EXISTS s`, `GEOSEARCHSTORE s g FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST`, `GEORADIUS_RO g 15 37 200 km STORE s`,
		`GEODIST g palermo catania`, `GEODIST g palermo catania km`, `GEODIST g palermo nosuch`, `GEOHASH g palermo catania nosuch pole`, `GEOPOS g palermo nosuch west`, `GEOADD g NX 1 1 palermo`, `GEOADD g XX CH 1 1 palermo`, `GEOADD g CH 2 2 palermo 3 3 new`, `GEOADD g 181 1 x`, `GEOADD g 1 86 x`, `GEOADD g 1 1`,
		`ZADD z 3479099956230698 a inf b -inf c 18446744073709551616 d -1 e 9223372036854775808 f`, `GEOPOS z a b c d e f`, `GEOHASH z a b c d e f`,
	},
	"hashes": {
		`HSET h f 1 g 2 h 3`, `HRANDFIELD h 4611686018427387904 WITHVALUES`, `HRANDFIELD h -4611686018427387904 WITHVALUES`, `HRANDFIELD h -4611686018427387905 WITHVALUES`, `HRANDFIELD h 4611686018427387903 WITHVALUES`, `HRANDFIELD h 0 WITHVALUES`, `HRANDFIELD h 10`, `HRANDFIELD h 1 x`, `HRANDFIELD nothing 5`, `HRANDFIELD nothing`,
		`HINCRBY h f 9223372036854775806`, `HINCRBY h f 1`, `HINCRBY h g -3`, `HINCRBYFLOAT h g 1.5`, `HINCRBYFLOAT h g 1e400`, `HSETNX h f 1`, `HSETNX h new 1`, `HSTRLEN h f`, `HSTRLEN h nosuch`, `HMGET h f nosuch g`, `HDEL h f nosuch g h new`, `EXISTS h`, `HSET h f`, `HMSET h f 1 g`, `HGETALL h`, `HKEYS h`, `HVALS h`,
	},
	"keys": {
		`SET k v`, `HSET h f v`, `RPUSH l 2 1 3 10`, `COPY k c`, `COPY k c`, `COPY k c REPLACE`, `COPY k c DB 1`, `COPY k c DB 1 REPLACE`, `COPY k k`, `COPY nothing c`, `RENAME k r`, `RENAME nothing r`, `RENAMENX r h`, `RENAMENX r r`, `MOVE h 1`, `MOVE h 1`, `MOVE r 0`, `EXISTS r r nothing`, `TOUCH r nothing`, `TYPE r`, `TYPE nothing`, `OBJECT ENCODING r`, `OBJECT ENCODING nothing`, `OBJECT FREQ r`, `OBJECT REFCOUNT r`, `OBJECT REFCOUNT nothing`,
		`EXPIREAT r 4102444800`, `EXPIREAT r 4102444800 NX`, `EXPIREAT r 4102444700 GT`, `EXPIREAT r 4102444900 GT`, `EXPIREAT r 4102444901 LT`, `EXPIREAT r 4102444801 LT XX`, `EXPIREAT r 4102444800 NX XX`, `EXPIREAT r 4102444800 GT LT`, `PEXPIREAT r 4102444800000 XX`, `EXPIRETIME r`, `PEXPIRETIME r`, `EXPIRETIME nothing`, `PERSIST r`, `PERSIST r`, `TTL r`, `TTL nothing`, `PTTL r`, `PEXPIREAT r 1`, `EXISTS r`, `EXPIREAT l 4102444800 GT`, `EXPIREAT l 4102444800 LT`, `EXPIRE l -1`, `EXISTS l`,
		`MSET w_1 3 w_2 1 w_3 2 w_10 x v_1 a v_2 b v_3 c`, `RPUSH l 2 1 3`, `SORT l`, `SORT l DESC`, `SORT l ALPHA LIMIT 1 1`, `SORT l LIMIT -1 5`, `SORT l LIMIT 1 -1`, `SORT l LIMIT 5 1`, `SORT l BY w_* GET # GET v_* GET nothing`, `SORT l BY w_* DESC LIMIT 0 2 STORE d`, `LRANGE d 0 -1`, `SORT l BY nosort GET #`, `SORT l BY v_* ALPHA`, `SORT nothing STORE d`, `EXISTS d`, `RPUSH l 10`, `SORT l BY w_*`, `SORT_RO l BY w_* ALPHA`, `SORT_RO l STORE d`,
		`RESTORE x 0 "\x00\x05hello\n\x00cr\xdfve4 \n"`, `RESTORE x 0 "\x00\x05hello\n\x00cr\xdfve4 \n"`, `RESTORE x 4102444800000 "\x00\x05hello\n\x00cr\xdfve4 \n" REPLACE ABSTTL`, `PEXPIRETIME x`, `RESTORE x 0 "\x00\x05hello\n\x00cr\xdfve4 \n" REPLACE IDLETIME 5 FREQ 3`, `RESTORE x 1 "\x00\x05hello\n\x00cr\xdfve4 \n" REPLACE ABSTTL`, `EXISTS x`, `DEL x k nothing`, `UNLINK c h`, `SWAPDB 0 1`, `KEYS [h]`, `DBSIZE`,
	},
	"HyperLogLogs": {
		`PFADD h`, `PFADD h`, `PFADD h a`, `PFADD h a`, `GET h`, `PFADD h b c d`, `GET h`, `PFCOUNT h`, `GET h`, `PFADD h e f g i j k l m n o p q r s t u v w x y z`, `GET h`, `PFADD h 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20`, `GET h`, `PFCOUNT h`, `PFADD i 1 2 100 200`, `PFCOUNT h i nothing`, `PFMERGE m h i`, `GET m`, `PFCOUNT m`, `PFMERGE h`, `PFMERGE new`, `PFDEBUG ENCODING h`, `PFDEBUG DECODE i`, `PFDEBUG TODENSE i`, `PFDEBUG TODENSE i`, `PFDEBUG GETREG i`, `PFCOUNT i`, `PFADD i 1 300`, `GET i`, `PFMERGE h i`, `PFDEBUG ENCODING h`,
		`CONFIG SET hll-sparse-max-bytes 40`, `DEL h`, `PFADD h a b`, `PFDEBUG ENCODING h`, `STRLEN h`, `PFADD h c d`, `PFDEBUG ENCODING h`, `STRLEN h`, `PFADD h e f`, `PFDEBUG ENCODING h`, `PFADD h g`, `PFDEBUG ENCODING h`, `PFADD h i j k l`, `PFDEBUG ENCODING h`, `PFCOUNT h`, `CONFIG SET hll-sparse-max-bytes 3000`,
		`SET bad "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"`, `PFCOUNT bad`, `SET bad "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff\x80"`, `PFCOUNT bad`, `PFMERGE h bad`, `SET bad "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xfe"`, `PFCOUNT bad`, `SET bad "HYLL\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"`, `PFCOUNT bad`, `SET bad "HYLL\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80"`, `PFCOUNT bad`, `SET bad "HYLX\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"`, `PFCOUNT bad`, `SET bad HYLL`, `PFADD bad a`,
		`SET ok "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"`, `PFCOUNT ok`, `SET ok "HYLL\x01\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x7f\xff"`, `PFCOUNT ok`, `SET ok "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xfa\x80\x80\x81\x00"`, `PFCOUNT ok`, `PFADD ok a`, `GET ok`, `SET ok "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x83\x83\x82\x7f\xf4"`, `PFADD ok a`, `GET ok`, `PFADD ok b c d e f g`, `GET ok`,
	},
	"encodings at their limits": {
		`CONFIG SET hash-max-listpack-entries 3 hash-max-listpack-value 5 set-max-intset-entries 3 zset-max-listpack-entries 3 zset-max-listpack-value 5 list-max-listpack-size 3 stream-node-max-entries 3`,
		`HSET h a 1 b 2 c 3`, `OBJECT ENCODING h`, `DEBUG RELOAD`, `OBJECT ENCODING h`, `HSET h d 4`, `OBJECT ENCODING h`, `HSET v f 12345`, `OBJECT ENCODING v`, `DEBUG RELOAD`, `OBJECT ENCODING v`, `HSET v f abcdef`, `OBJECT ENCODING v`, `HSET n abcdef 1`, `OBJECT ENCODING n`, `HSETNX o abcde abcde`, `OBJECT ENCODING o`, `HINCRBY o n 123456`, `OBJECT ENCODING o`, `HINCRBYFLOAT o n 0.25`, `OBJECT ENCODING o`,
		`SADD s 1 2 3`, `OBJECT ENCODING s`, `DEBUG RELOAD`, `OBJECT ENCODING s`, `SADD s 3`, `OBJECT ENCODING s`, `SADD s 4`, `OBJECT ENCODING s`, `SADD t 1 2`, `SADD t x`, `OBJECT ENCODING t`, `SREM t x`, `OBJECT ENCODING t`, `DEBUG RELOAD`, `OBJECT ENCODING t`, `SUNIONSTORE u s t`, `OBJECT ENCODING u`, `SDIFFSTORE u s t`, `OBJECT ENCODING u`, `SINTERSTORE u s t`, `OBJECT ENCODING u`, `SADD e 5000000000`, `SADD f 70000`, `SADD g -32768`, `SADD g -32769`, `SADD i 32767`, `SADD i 32768`, `SADD j 2147483647 -2147483648`, `SADD j 2147483648`, `SADD w -2147483649`, `DEBUG RELOAD`, `SMEMBERS e`, `SMEMBERS f`, `SMEMBERS g`, `SMEMBERS i`, `SMEMBERS j`, `SMEMBERS w`,
		`ZADD z 1 a 2 b 3 c`, `OBJECT ENCODING z`, `DEBUG RELOAD`, `OBJECT ENCODING z`, `ZADD z 4 d`, `OBJECT ENCODING z`, `ZADD y 1 abcde`, `OBJECT ENCODING y`, `DEBUG RELOAD`, `OBJECT ENCODING y`, `ZADD y 1 abcdef`, `OBJECT ENCODING y`, `ZUNIONSTORE q 2 z y`, `OBJECT ENCODING q`, `ZRANGESTORE q z 0 2`, `OBJECT ENCODING q`, `ZRANGESTORE q y 0 -1`, `OBJECT ENCODING q`, `GEOADD geo 1 1 a 2 2 b 3 3 c`, `OBJECT ENCODING geo`, `GEORADIUS geo 1 1 1000 km STORE q`, `OBJECT ENCODING q`, `ZREM z d`, `OBJECT ENCODING z`, `DEBUG RELOAD`, `OBJECT ENCODING z`,
		`RPUSH l 1 2 3 4 5 6 7`, `DEBUG RELOAD`, `OBJECT ENCODING l`, `LRANGE l 0 -1`, `XADD x 1 a b`, `XADD x 2 a b`, `XADD x 3 a b`, `XADD x 4 a b`, `XTRIM x MAXLEN ~ 2`, `XLEN x`, `XTRIM x MAXLEN ~ 1`, `XLEN x`, `DEBUG RELOAD`, `XINFO STREAM x`, `SET n1 12`, `SET n2 12345678901234567890`, `SET n3 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`, `SET n4 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`, `OBJECT ENCODING n1`, `OBJECT ENCODING n2`, `OBJECT ENCODING n3`, `OBJECT ENCODING n4`, `DEBUG RELOAD`, `OBJECT ENCODING n1`, `OBJECT ENCODING n2`, `OBJECT ENCODING n3`, `OBJECT ENCODING n4`,
		`CONFIG SET hash-max-listpack-entries 2 hash-max-listpack-value 4 set-max-intset-entries 2 zset-max-listpack-entries 2 zset-max-listpack-value 4`, `HSET h2 a 1 b 2`, `SADD s2 1 2`, `ZADD z2 1 a 2 b`, `OBJECT ENCODING h2`, `OBJECT ENCODING s2`, `OBJECT ENCODING z2`, `OBJECT ENCODING v`, `OBJECT ENCODING u`, `DEBUG RELOAD`, `OBJECT ENCODING h2`, `OBJECT ENCODING s2`, `OBJECT ENCODING z2`, `OBJECT ENCODING v`, `OBJECT ENCODING o`, `OBJECT ENCODING u`, `OBJECT ENCODING y`, `OBJECT ENCODING geo`,
		`CONFIG SET hash-max-listpack-entries 9 hash-max-listpack-value 90 set-max-intset-entries 9 zset-max-listpack-entries 9 zset-max-listpack-value 90`, `DEBUG RELOAD`, `OBJECT ENCODING h`, `OBJECT ENCODING s`, `OBJECT ENCODING t`, `OBJECT ENCODING z`, `OBJECT ENCODING y`, `OBJECT ENCODING u`,
		`CONFIG SET hash-max-listpack-entries 128 hash-max-listpack-value 64 set-max-intset-entries 512 zset-max-listpack-entries 128 zset-max-listpack-value 64 list-max-listpack-size -2 stream-node-max-entries 100`,
	},
	"lists": {
		`RPUSH l a b c a b c a`, `LPOS l a`, `LPOS l a RANK 2`, `LPOS l a RANK -1`, `LPOS l a RANK -2 COUNT 2`, `LPOS l a COUNT 0`, `LPOS l a COUNT 2 MAXLEN 3`, `LPOS l a COUNT 0 MAXLEN 4 RANK -1`, `LPOS l a RANK 0`, `LPOS l x COUNT 1`, `LPOS l x`, `LPOS l a COUNT -1`, `LPOS l a MAXLEN -1`, `LPOS l a RANK -9223372036854775808`,
		`LINSERT l BEFORE b x`, `LINSERT l AFTER a y`, `LINSERT l AFTER nosuch y`, `LINSERT nothing BEFORE a y`, `LRANGE l 0 -1`, `LREM l 2 a`, `LREM l -1 c`, `LREM l 0 b`, `LRANGE l 0 -1`, `LSET l -1 last`, `LSET l 10 x`, `LTRIM l 1 -2`, `LRANGE l 0 -1`, `LINDEX l -1`, `LPOP l 0`, `LPOP l 2`, `LPOP nothing 0`, `LPOP l -1`, `RPOP l 100`, `EXISTS l`,
		`RPUSH l 1 2 3`, `LMPOP 2 nothing l LEFT COUNT 2`, `LMPOP 1 l RIGHT`, `LMPOP 1 l LEFT`, `LMPOP 0 l LEFT`, `LMPOP 1 l LEFT COUNT 0`, `LMPOP 2 l LEFT`, `RPUSH l 1 2`, `LMOVE l l LEFT RIGHT`, `LMOVE l m RIGHT LEFT`, `RPOPLPUSH l m`, `LRANGE m 0 -1`, `LPUSHX l x`, `RPUSHX m x`, `LLEN m`,
	},
	"sets": {
		`SADD s 1 2 3`, `OBJECT ENCODING s`, `SADD s a`, `OBJECT ENCODING s`, `SADD t 3 4 5`, `SINTER s t`, `SINTERCARD 2 s t`, `SINTERCARD 2 s t LIMIT 0`, `SINTERCARD 2 s s LIMIT 2`, `SINTERCARD 2 s t LIMIT -1`, `SINTERCARD 0 s`, `SINTERCARD 3 s t`, `SINTERCARD x s`, `SINTERSTORE d s t`, `SMEMBERS d`, `SDIFFSTORE d t s`, `SMEMBERS d`, `OBJECT ENCODING d`, `SUNIONSTORE d t nothing`, `SCARD d`,
		`SDIFF s nothing`, `SDIFF nothing s`, `SMOVE t s 4`, `SMOVE t s nosuch`, `SMOVE t t 5`, `SMISMEMBER s 4 5 a`, `SISMEMBER s 4`, `SREM s 1 2 nosuch`, `SPOP t 0`, `SPOP t 10`, `EXISTS t`, `SPOP t`, `SPOP t -1`, `SRANDMEMBER s 0`, `SRANDMEMBER nothing 5`, `SRANDMEMBER s 9223372036854775807`, `SRANDMEMBER s -9223372036854775808`,
	},
	"sorted sets": {
		`ZADD a 1 x 2 y 3 z`, `ZADD b 10 y 20 z 30 w`, `SADD c y w`, `ZUNION 2 a b WITHSCORES`, `ZUNION 3 a b c WITHSCORES`, `ZINTER 2 a b WITHSCORES`, `ZINTER 3 a b c WITHSCORES`, `ZDIFF 2 a b WITHSCORES`, `ZDIFF 2 a nothing WITHSCORES`, `ZUNION 2 a b WEIGHTS 2 3 WITHSCORES`, `ZUNION 2 a b WEIGHTS 2 3 AGGREGATE MIN WITHSCORES`, `ZINTER 2 a b AGGREGATE MAX WITHSCORES`,
		`ZUNION 2 a b WEIGHTS 2`, `ZUNION 2 a b WEIGHTS 2 x`, `ZUNION 1 a WEIGHTS 2`, `ZUNION 1 a WEIGHTS 2 WITHSCORES`, `ZUNION 2 a b WEIGHTS`, `ZUNION 2 a b AGGREGATE`, `ZUNION 2 a b AGGREGATE x`, `ZUNION 0 a`, `ZUNION 3 a b`, `ZDIFF 2 a b WEIGHTS 1 1`, `ZINTERCARD 2 a b`, `ZINTERCARD 2 a b LIMIT 1`, `ZINTERCARD 2 a b LIMIT 0`, `ZINTERCARD 2 a b LIMIT -1`, `ZINTERCARD 2 a b LIMIT`,
		`ZUNIONSTORE d 2 a b WITHSCORES`, `ZUNIONSTORE d 2 a b`, `ZRANGE d 0 -1 WITHSCORES`, `ZINTERSTORE d 2 a c`, `ZRANGE d 0 -1 WITHSCORES`, `ZDIFFSTORE d 2 a a`, `EXISTS d`,
		`ZRANGE a 0 1 BYSCORE BYLEX`, `ZRANGE a 0 1 BYSCORE BYSCORE`, `ZRANGE a - + BYLEX BYLEX`, `ZRANGE a (1 3 BYSCORE LIMIT 1 1`, `ZRANGE a 3 (1 BYSCORE REV WITHSCORES`, `ZRANGE a 3 1 BYSCORE REV LIMIT 1 2`, `ZRANGE a 0 -1 LIMIT 1 1`, `ZRANGE a 0 -1 REV`, `ZRANGE a - + BYLEX LIMIT 1 -1`, `ZRANGE a 1 3 BYSCORE LIMIT -1 2`, `ZRANGE a 1 3 BYSCORE LIMIT 5 2`,
		`ZRANGE a 0 -1 WITHSCORES REV`, `ZRANGE a [x [y BYLEX WITHSCORES`, `ZRANGESTORE d a 1 3 BYSCORE LIMIT 1 1`, `ZRANGE d 0 -1 WITHSCORES`, `ZRANGESTORE d a 3 1 BYSCORE REV LIMIT 1 5`, `ZRANGE d 0 -1 WITHSCORES`, `ZRANGESTORE d a 0 0`, `ZRANGE d 0 -1`, `ZRANGESTORE d a 5 1`, `EXISTS d`, `ZRANGESTORE d a 0 -1 WITHSCORES`,
		`ZRANGEBYSCORE a -inf +inf LIMIT 1 1 WITHSCORES`, `ZRANGEBYSCORE a 1 3 BYLEX`, `ZREVRANGEBYSCORE a +inf -inf LIMIT 0 2`, `ZREVRANGEBYSCORE a 3 1 REV`, `ZRANGEBYLEX a - + LIMIT 1 1`, `ZRANGEBYLEX a - + WITHSCORES`, `ZREVRANGEBYLEX a + -`, `ZREVRANGEBYLEX a + - LIMIT 1 2`, `ZREVRANGEBYLEX a + - BYSCORE`, `ZRANGEBYLEX a - + BYLEX`, `ZREVRANGE a 0 1 WITHSCORES`, `ZREVRANGE a 0 1 REV`,
		`ZRANDMEMBER a 10`, `ZRANDMEMBER a 0`, `ZRANDMEMBER a 10 WITHSCORES`, `ZRANDMEMBER a 10 x`, `ZRANDMEMBER a 10 WITHSCORES x`, `ZRANDMEMBER a 4611686018427387904 WITHSCORES`, `ZRANDMEMBER a -4611686018427387904 WITHSCORES`, `ZRANDMEMBER nothing 10`, `ZCOUNT a (1 3`, `ZCOUNT a 3 1`, `ZLEXCOUNT a [x (z`, `ZRANK a y`, `ZREVRANK a x`, `ZRANK a nosuch`, `ZMSCORE a x nosuch`,
		`ZADD a NX 5 x 6 new`, `ZADD a XX CH 5 x 5 nosuch`, `ZADD a GT CH 4 x 7 y`, `ZADD a LT CH 4 x 8 y`, `ZADD a INCR 1 x`, `ZADD a NX INCR 1 x`, `ZADD a XX INCR 1 nosuch`, `ZADD a NX GT 1 x`, `ZADD a INCR 1 x 2 y`, `ZINCRBY a -inf x`, `ZINCRBY a inf x`, `ZPOPMIN a 2`, `ZPOPMAX a`, `ZPOPMIN a 0`, `ZPOPMIN a -1`, `ZPOPMIN a 1 x`, `ZMPOP 2 nothing b MIN COUNT 2`, `ZMPOP 1 b MAX`, `ZMPOP 1 b MIN`,
		`ZADD r 1 a 2 b 3 c 4 d 5 e`, `ZREMRANGEBYRANK r 0 0`, `ZREMRANGEBYSCORE r (2 3`, `ZREMRANGEBYLEX r [d (e`, `ZRANGE r 0 -1`, `ZREMRANGEBYRANK r -1 -1`, `ZREMRANGEBYSCORE r -inf +inf`, `EXISTS r`, `ZADD e 1 a`, `SORT e BY nosort`, `OBJECT ENCODING e`,
	},
	"streams": {
		`XADD s 1-1 a 1`, `XADD s 1-* b 2`, `XADD s 2 c 3`, `XADD s 2-0 d 4`, `XADD s 5-5 e 5 f 6`, `XADD s 0-0 x y`, `XADD s NOMKSTREAM 6-0 a b`, `XADD n NOMKSTREAM 6-0 a b`, `XADD s 7 a`, `XADD s + a b`, `XADD s - a b`, `XRANGE s - +`, `XRANGE s (1-1 (5-5`, `XRANGE s 1 2`, `XRANGE s 2 1`, `XRANGE s + -`, `XRANGE s - + COUNT 0`, `XRANGE s - + COUNT -1`, `XRANGE s - + COUNT 2`, `XRANGE s - + 2`,
		`XREVRANGE s + - COUNT 2`, `XREVRANGE s (5-5 1-2`, `XRANGE s (18446744073709551615-18446744073709551615 +`, `XRANGE s - (0-0`, `XLEN s`, `XDEL s 1-2 9-9`, `XDEL s 1-1 2-0`, `XDEL s x`, `XDEL s 1-1 x`, `XLEN s`, `XDEL nothing 1-1`, `XINFO STREAM s`, `XADD s 8 a b`, `XADD s 9 a b`, `XTRIM s MAXLEN 2`, `XTRIM s MINID 9`, `XTRIM s MAXLEN = 5`, `XTRIM s MAXLEN ~ 1 LIMIT 10`, `XTRIM s MAXLEN 1 LIMIT 10`, `XTRIM s MAXLEN -1`, `XRANGE s - +`,
		`XSETID s 20-1`, `XSETID s 1-1`, `XSETID s 21-1 ENTRIESADDED 30 MAXDELETEDID 3-1`, `XSETID s 21-1 ENTRIESADDED 0`, `XSETID s 21-1 ENTRIESADDED 30 MAXDELETEDID 22-1`, `XSETID nothing 1-1`, `XINFO STREAM s`, `XREAD COUNT 1 STREAMS s 0`, `XREAD STREAMS s $`, `XREAD STREAMS s nothing 0`, `XREAD STREAMS s nothing 0 0`, `XREAD COUNT x STREAMS s 0`, `XREAD STREAMS`, `XREAD COUNT 1 s 0`, `XREAD STREAMS s >`, `XREAD NOACK STREAMS s 0`, `XREAD STREAMS s +`,
	},
	"consumer groups": {
		`XGROUP CREATE s g 0`, `XGROUP CREATE s g 0 MKSTREAM`, `XGROUP CREATE s g 0`, `XGROUP CREATE s h $ ENTRIESREAD -2`, `XGROUP CREATE s h $ ENTRIESREAD -1`, `XGROUP CREATE s i 0 ENTRIESREAD 3`, `XGROUP CREATE s j 0 ENTRIESREAD`, `XGROUP CREATE s j 0 ENTRIESREAD x`, `XGROUP CREATE s j 0 BOGUS 3`, `XADD s 1-1 a 1`, `XADD s 1-2 a 2`, `XADD s 2-1 a 3`, `XADD s 2-2 a 4`, `XADD s 3-1 a 5`,
		`XREADGROUP GROUP g alice COUNT 2 STREAMS s >`, `XREADGROUP GROUP g bob COUNT 1 STREAMS s >`, `XREADGROUP GROUP g carol NOACK COUNT 1 STREAMS s >`, `XREADGROUP GROUP g alice STREAMS s 0`, `XREADGROUP GROUP g alice STREAMS s 1-1`, `XREADGROUP GROUP g alice STREAMS s 9`, `XREADGROUP GROUP g new STREAMS s 0`, `XREADGROUP GROUP nosuch alice STREAMS s >`, `XREADGROUP GROUP g alice STREAMS nothing >`, `XREADGROUP GROUP g alice STREAMS s $`, `XREADGROUP STREAMS s >`, `XREADGROUP GROUP g alice COUNT 1`,
		`XPENDING s g`, `XPENDING s g - + 10 nosuch`, `XPENDING s g - +`, `XPENDING s g - + x`, `XPENDING s g IDLE 100000000 - + 10`, `XPENDING s g IDLE x - + 10`, `XPENDING s nosuch`, `XPENDING nothing g`, `XPENDING s g - + 0`, `XPENDING s h`, `XACK s g 1-1 9-9`, `XACK s g x`, `XACK s nosuch 1-1`, `XPENDING s g`,
		`XCLAIM s g dave 0 1-2 2-1 JUSTID`, `XCLAIM s g dave 0 9-9 JUSTID`, `XCLAIM s g dave 0 9-9 FORCE JUSTID`, `XCLAIM s g dave 0 3-1 FORCE JUSTID LASTID 3-1`, `XCLAIM s g dave -1 1-2 JUSTID`, `XCLAIM s g dave x 1-2`, `XCLAIM s g dave 100000000 1-2 JUSTID`, `XCLAIM s g dave 0 x`, `XCLAIM s nosuch dave 0 1-2`, `XCLAIM s g dave 0 1-2 IDLE x`, `XCLAIM s g dave 0 1-2 RETRYCOUNT -1`, `XCLAIM s g eve 0 1-2 RETRYCOUNT 5`, `XPENDING s g`,
		`XDEL s 1-2 2-1`, `XREADGROUP GROUP g dave STREAMS s 0`, `XREADGROUP GROUP g eve STREAMS s 0`, `XAUTOCLAIM s g frank 0 0 COUNT 1 JUSTID`, `XAUTOCLAIM s g frank 0 0 COUNT 1`, `XAUTOCLAIM s g frank 0 0`, `XAUTOCLAIM s g frank 0 0 JUSTID`, `XAUTOCLAIM s g frank -5 (1-1 JUSTID`, `XAUTOCLAIM s g frank x 0`, `XAUTOCLAIM s g frank 0 x`, `XAUTOCLAIM s g frank 0 0 COUNT 0`, `XAUTOCLAIM s g frank 0 0 COUNT x`, `XAUTOCLAIM s g frank 0 0 BOGUS`, `XAUTOCLAIM s nosuch frank 0 0`, `XAUTOCLAIM s g frank 100000000 0`, `XPENDING s g`,
		`XINFO GROUPS s`, `XGROUP SETID s g 2-1`, `XGROUP SETID s g 2-1 ENTRIESREAD 3`, `XGROUP SETID s g $ ENTRIESREAD -5`, `XGROUP SETID s nosuch 0`, `XINFO GROUPS s`, `XADD s 9-1 a b`, `XINFO GROUPS s`, `XREADGROUP GROUP g alice NOACK STREAMS s >`, `XINFO GROUPS s`, `XDEL s 9-1`, `XINFO GROUPS s`, `XTRIM s MAXLEN 0`, `XINFO GROUPS s`, `XGROUP CREATECONSUMER s g alice`, `XGROUP CREATECONSUMER s g zed`, `XGROUP DELCONSUMER s g frank`, `XGROUP DELCONSUMER s g nosuch`, `XGROUP DESTROY s g`, `XGROUP DESTROY s g`, `XINFO CONSUMERS s g`, `XINFO GROUPS nothing`,
	},
	"strings": {
		`SET s "ohmytext"`, `SET t "mynewtext"`, `LCS s t`, `LCS s t LEN`, `LCS s t IDX`, `LCS s t IDX WITHMATCHLEN`, `LCS s t IDX MINMATCHLEN 4`, `LCS s t IDX MINMATCHLEN 4 WITHMATCHLEN`, `LCS s t IDX MINMATCHLEN -1`, `LCS s t IDX LEN`, `LCS s nothing`, `LCS s nothing IDX`, `SET u "xaybzc"`, `SET v "abc"`, `LCS u v IDX WITHMATCHLEN`, `LCS v u IDX WITHMATCHLEN`,
		`SETRANGE s 20 x`, `GET s`, `SETRANGE s -1 x`, `SETRANGE s 536870912 x`, `SETRANGE nothing 5 ""`, `GETRANGE s 0 2`, `GETRANGE s -3 -1`, `GETRANGE s 5 1`, `GETRANGE s -100 100`, `APPEND s y`, `STRLEN s`, `INCR n`, `INCRBY n 9223372036854775806`, `INCR n`, `DECRBY n -9223372036854775808`, `DECRBY n 9223372036854775807`, `SET n " 1"`, `INCR n`,
		`INCRBYFLOAT f 3.0e3`, `INCRBYFLOAT f 1e-20`, `INCRBYFLOAT f 1.1e4932`, `INCRBYFLOAT f 1.1e4932`, `INCRBYFLOAT g 1e-4940`, `INCRBYFLOAT g 3.6e-4951`, `INCRBYFLOAT g -3.6e-4951`, `INCRBYFLOAT g 1.8e-4951`, `INCRBYFLOAT g 1.9e-4951`, `INCRBYFLOAT g 1e-4960`, `SET g 0`, `INCRBYFLOAT g 0x1p-16446`, `INCRBYFLOAT g 0x1.8p-16446`, `INCRBYFLOAT g 0x1p-16445`, `INCRBYFLOAT g 0x1.8p-16445`, `INCRBYFLOAT g 0x1.4p-16444`, `INCRBYFLOAT g 0x1.cp-16444`, `INCRBYFLOAT g 0x1.ffffffffffffffffp-16383`, `INCRBYFLOAT g 0x1p-16382`, `INCRBYFLOAT g 0x1.fffffffffffffffep16383`, `INCRBYFLOAT h 0.1`, `INCRBYFLOAT h 0.2`, `INCRBYFLOAT h -0.30000000000000000001`, `INCRBYFLOAT h inf`, `INCRBYFLOAT h nan`, `INCRBYFLOAT h 18446744073709551615`, `INCRBYFLOAT h 0.5`, `INCRBYFLOAT i 123456789012345678.123456789012345678`,
		`SET k v NX XX`, `SET k v EX 0`, `SET k v PX -1`, `SET k v EXAT 1`, `GET k`, `SET k v GET`, `SET k w NX GET`, `SET k w XX GET`, `SET k w KEEPTTL EX 5`, `SETEX k 0 v`, `PSETEX k x v`, `GETEX k PERSIST EX 5`, `GETDEL k`, `GETDEL k`, `GETSET k v`, `MSETNX k a m b`, `MSETNX m a o b`, `MSET m`, `MGET k m nothing`, `SUBSTR k 0 0`,
	},
}

// changes are those that a server counts since the last snapshot.
func changes(do func(...string) string) string {
	_, rest, _ := strings.Cut(do("INFO", "persistence"), "rdb_changes_since_last_save:")
	n, _, ok := strings.Cut(rest, "\r\n")
	if !ok {
		return "nobody knows how many"
	}
	return n
}

// Commands at the edges of their rules answer as redis-server's do, in both
// protocols, count as the same changes, tell the same events, and leave the same data.
func TestEdgesLikeRedis(t *testing.T) {
	both := startCouple(t, [2]string{"notify-keyspace-events", "AKE"})
	for kind, lines := range edges {
		for _, resp := range []string{"2", "3"} {
			t.Run(kind+" in RESP"+resp, func(t *testing.T) {
				theirs, ours := dial(t, both.redis.addr()), both.world.connect()
				events := both.subscribe(t)
				defer events.end()
				theirs.do("HELLO", resp)
				ours.do("HELLO", resp)
				for _, line := range append([]string{"FLUSHALL"}, lines...) {
					argv, err := config.SplitArgs(line)
					require.NoError(t, err, line)
					name := argv[0]
					want, got := theirs.do(argv...), ours.do(argv...)
					if kind == "sets" || name == "HRANDFIELD" || name == "ZRANDMEMBER" { // in an order of their own
						want, got = inOrder(want, "smembers"), inOrder(got, "smembers")
					}
					assert.Equal(t, want, got, line)
					made := changes(ours.do)
					assert.Equal(t, changes(theirs.do), made, "changes after %s", line)
					assert.NotContains(t, made, "nobody", line)
				}
				assert.Equal(t, theirs.do("DEBUG", "DIGEST"), ours.do("DEBUG", "DIGEST"))
				theirs.do("PUBLISH", "__key:end", "mark.")
				ours.do("PUBLISH", "__key:end", "mark.")
				want, got := events.heard("mark.")
				assert.Equal(t, commandsOf(want), commandsOf(got), "events")
			})
		}
	}
}

// otherWords take the place of every word of a command, one at a time.
var otherWords = []string{"", "x", "-1", "0", "1", "3", "1.5", "(", "9223372036854775807", "-9223372036854775808", "wrong"}

// varied are a command without its last words, with one more, and with each word
// but the first another.
func varied(argv []string) (out [][]string) {
	for n := 1; n < len(argv); n++ {
		out = append(out, argv[:n])
	}
	out = append(out, append(slices.Clone(argv), "x"))
	for n := 1; n < len(argv); n++ {
		for _, word := range otherWords {
			if argv[0] != "XADD" && argv[0][0] == 'X' && (word == "1" || word == "3") {
				continue // for so many milliseconds an entry may have been idle at one of the two
			}
			v := slices.Clone(argv)
			v[n] = word
			out = append(out, v)
		}
	}
	return out
}

// notVaried are commands that draw by chance when they are varied, or set what
// others rely on.
var notVaried = []string{"SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "CONFIG", "DEBUG"}

// Each command of the edges with one word changed or missing is answered as by
// redis-server, and leaves the same data.
func TestVariedEdgesLikeRedis(t *testing.T) {
	both := startCouple(t)
	for kind, lines := range edges {
		if kind == "encodings at their limits" { // mostly reloads, which take long
			continue
		}
		t.Run(kind, func(t *testing.T) {
			theirs, ours := dial(t, both.redis.addr()), both.world.connect()
			before := [][]string{{"SELECT", "0"}, {"FLUSHALL"}, {"HSET", "wrong", "f", "v"}}
			for _, line := range lines {
				argv, err := config.SplitArgs(line)
				require.NoError(t, err, line)
				if !slices.Contains(notVaried, argv[0]) && !slices.Contains(argv, "PX") && argv[0] != "PSETEX" {
					began := time.Now()
					theirs.all(before)
					ours.all(before)
					p := &pair{begun: began}
					for _, v := range varied(argv) {
						want, got := theirs.do(v...), ours.do(v...)
						if strings.HasPrefix(v[0], "S") && len(want) > 0 && strings.ContainsRune("*~", rune(want[0])) {
							want, got = inOrder(want, "smembers"), inOrder(got, "smembers")
						}
						if strings.HasPrefix(v[0], "X") && want != got && someTimes(p, v, want, got, 0) {
							continue
						}
						assert.Equal(t, want, got, "%q after %q", v, before)
					}
					assert.Equal(t, theirs.do("DEBUG", "DIGEST"), ours.do("DEBUG", "DIGEST"), "%q varied", argv)
				}
				before = append(before, argv)
			}
		})
	}
}
