package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// optional are commands and, behind semicolons, what may follow in any order.
var optional = []string{
	"GEOSEARCH g ; FROMLONLAT 15 37 ; FROMMEMBER a ; BYRADIUS 200 km ; BYBOX 400 400 km ; COUNT 1 ; ANY ; ASC ; DESC ; WITHDIST ; WITHHASH",
	"GEOSEARCHSTORE d g ; FROMLONLAT 15 37 ; FROMMEMBER a ; BYRADIUS 200 km ; BYBOX 400 400 km ; COUNT 1 ; STOREDIST",
	"GEORADIUS g 15 37 200 km ; COUNT 1 ; ANY ; ASC ; STORE d ; STOREDIST d ; WITHHASH ; WITHCOORD",
	"GEORADIUSBYMEMBER g a 200 km ; COUNT 1 ; ANY ; DESC ; STORE d ; STOREDIST d ; WITHDIST",
	"GEOADD g ; NX ; XX ; CH ; 1 1 a ; 2 2 new", "GEODIST g a b ; km ; x",
	"SET k v ; NX ; XX ; GET ; EXAT 4102444800 ; PXAT 4102444800000 ; KEEPTTL", "GETEX k ; EXAT 4102444800 ; PXAT 4102444800000 ; PERSIST", "EXPIREAT k 4102444900 ; NX ; XX ; GT ; LT", "COPY k d ; DB 1 ; REPLACE",
	`RESTORE d 0 "\x00\x05hello\n\x00cr\xdfve4 \n" ; REPLACE ; ABSTTL ; IDLETIME 5 ; FREQ 3`, "LCS k t ; LEN ; IDX ; MINMATCHLEN 2 ; WITHMATCHLEN",
	"BITCOUNT k ; 0 ; 1 ; BIT", "BITPOS k 1 ; 0 ; 1 ; BIT", "BITFIELD k ; OVERFLOW SAT ; INCRBY u2 0 1 ; SET u2 0 1 ; GET u2 0",
	"SORT l ; BY w_* ; BY nosort ; GET # ; GET w_* ; LIMIT 0 1 ; DESC ; ALPHA ; STORE d", "LPOS l 2 ; RANK 2 ; COUNT 1 ; MAXLEN 3", "LMPOP 1 l LEFT ; COUNT 1 ; x", "SINTERCARD 2 s t ; LIMIT 1 ; x", "SSCAN s 0 ; MATCH 1 ; COUNT 5 ; x", "HSCAN h 0 ; MATCH f ; COUNT 5 ; x", "ZSCAN z 0 ; MATCH a ; COUNT 5 ; x",
	"ZADD z ; NX ; XX ; GT ; LT ; CH ; INCR ; 5 a ; 7 new", "ZRANGE z 0 1 ; BYSCORE ; BYLEX ; REV ; LIMIT 0 1 ; WITHSCORES", "ZRANGE z [a [b ; BYLEX ; REV ; LIMIT 0 1 ; WITHSCORES", "ZRANGESTORE d z 0 1 ; BYSCORE ; BYLEX ; REV ; LIMIT 0 1 ; WITHSCORES", "ZRANGEBYSCORE z 0 3 ; LIMIT 0 1 ; WITHSCORES", "ZREVRANGEBYSCORE z 3 0 ; LIMIT 0 1 ; WITHSCORES", "ZRANGEBYLEX z - + ; LIMIT 0 1", "ZREVRANGE z 0 1 ; WITHSCORES ; x",
	"ZUNION 2 z y ; WEIGHTS 1 2 ; AGGREGATE MAX ; AGGREGATE SUM ; WITHSCORES", "ZINTER 2 z y ; WEIGHTS 1 2 ; AGGREGATE MIN ; WITHSCORES", "ZUNIONSTORE d 2 z y ; WEIGHTS 1 2 ; AGGREGATE MAX ; WITHSCORES", "ZDIFF 2 z y ; WITHSCORES ; WEIGHTS 1 2", "ZINTERCARD 2 z y ; LIMIT 1 ; x", "ZMPOP 1 z MIN ; COUNT 1 ; x",
	"XADD x ; NOMKSTREAM ; MAXLEN 1 ; MAXLEN ~ 1 ; MINID 2 ; LIMIT 1 ; 9-9 ; f v", "XADD x ; MAXLEN = 1 ; 9-9 f v ; g", "XTRIM x ; MAXLEN 1 ; MAXLEN ~ 1 ; MINID ~ 2 ; LIMIT 1", "XREAD ; COUNT 1 ; NOACK ; GROUP g a ; STREAMS x 0", "XREADGROUP ; GROUP g a ; COUNT 1 ; NOACK ; STREAMS x 0 ; STREAMS x >", "XINFO STREAM x ; FULL ; COUNT 1",
	"XCLAIM x g bob 0 1-1 ; IDLE 0 ; RETRYCOUNT 3 ; FORCE ; JUSTID ; LASTID 5-5", "XAUTOCLAIM x g bob 0 0 ; COUNT 1 ; JUSTID", "XPENDING x g ; IDLE 0 ; - + 10 ; a", "XGROUP CREATE x new 0 ; MKSTREAM ; ENTRIESREAD 2", "XGROUP SETID x g 0 ; ENTRIESREAD 2 ; x", "XSETID x 9-9 ; ENTRIESADDED 9 ; MAXDELETEDID 1",
}

// orders are all words in which up to so many of the options may follow, each also without
// its last word.
func orders(options []string, most int) (all []string) {
	if most == 0 {
		return nil
	}
	for i, option := range options {
		rest := slices.Delete(slices.Clone(options), i, i+1)
		words := strings.Fields(option)
		all = append(all, option, strings.Join(words[:len(words)-1], " "))
		for _, more := range orders(rest, most-1) {
			all = append(all, option+" "+more)
		}
	}
	return all
}

// Options in every order, and the last of them cut short, are taken as redis-server takes
// them.
func TestOptionsInAnyOrderLikeRedis(t *testing.T) {
	both := startCouple(t)
	theirs, ours := dial(t, both.redis.addr()), both.world.connect()
	split := func(line string) []string {
		argv, err := config.SplitArgs(line)
		require.NoError(t, err, line)
		return argv
	}
	var setup [][]string
	for _, line := range []string{
		"FLUSHALL", "GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b 15 37 c", "MSET k ohmytext t mynewtext w_1 3 w_2 1 w_3 2", "RPUSH l 2 1 3 2", "SADD s 1 2 3", "SADD t 2 3 4", "HSET h f 1 g 2", "ZADD z 0 a 1 b 2 c", "ZADD y 5 b 1 d",
		"XADD x 1-1 f v", "XADD x 5-5 f v", "XGROUP CREATE x g 0", "XREADGROUP GROUP g a COUNT 1 STREAMS x >",
	} {
		setup = append(setup, split(line))
	}
	for _, line := range optional {
		parts := strings.Split(line, " ; ")
		for _, options := range append(orders(parts[1:], 3), "") {
			argv := split(parts[0] + " " + options)
			commands := append(slices.Clone(setup), argv)
			for _, look := range []string{"DEBUG DIGEST", "PEXPIRETIME k", "ZRANGE d 0 -1 WITHSCORES", "XINFO STREAM x FULL"} {
				commands = append(commands, split(look))
			}
			p := &pair{begun: time.Now()}
			want, got := theirs.all(commands), ours.all(commands)
			for i, asked := range commands {
				if want[i] != got[i] && !(asked[0][0] == 'X' && someTimes(p, asked, want[i], got[i], 0)) && !(asked[0] == "SSCAN" && inOrder(want[i], "sscan") == inOrder(got[i], "sscan")) {
					require.Equal(t, want[i], got[i], "%q after %q", asked, argv)
				}
			}
		}
	}
}
