package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// combination is commands with words that are exchanged for all of some others, each given
// to the same data and looked at afterwards. <a|b|c> is one of these, <|a> is there or not.
type combination struct {
	setup, commands, look []string
}

// ranges are words that stand for places.
var ranges = strings.NewReplacer(
	"{n}", "<-7|-6|-5|-4|-3|-1|0|1|2|3|4|5|6|7>",
	"{few}", "<-6|-1|0|1|2|5|6>",
	"{bit}", "<-33|-32|-31|-9|-8|-1|0|1|7|8|9|16|23|24|31|32|33>",
	"{score}", "<-inf|(1|1|2|(2|2.5|3|(3|+inf>",
	"{lex}", "<-|[a|(a|[b|(b|[bb|[d|(d|+>",
	"{id}", "<-|0|1|1-1|(1-1|1-2|(1-2|2|3-0|(3-0|5-5|(5-5|6|+>",
	"{exact}", "<0|1|1-1|1-2|2|3-0|5-5|6>",
)

var combinations = map[string]combination{
	"bits of a string": {
		[]string{`SET f "\xff\x0f\x00\xf0"`, `SET ones "\xff\xff"`, `SET zeroes "\x00\x00"`, `SET empty ""`, `SET one "\x00\x10"`},
		[]string{
			"BITCOUNT f {n} {n} <|BYTE>", "BITCOUNT f {bit} {bit} BIT", "BITPOS <f|ones|zeroes|empty|one|none> <0|1> {n} {n}", "BITPOS <f|ones|zeroes|empty|one|none> <0|1> {few}", "BITPOS <f|ones|zeroes> <0|1> {bit} {bit} BIT",
			"GETBIT f {bit}", "SETBIT f <0|1|7|8|31|32|33|40> <0|1>", "BITPOS <f|ones|zeroes|empty|one|none> <0|1>",
		},
		[]string{"GET f"},
	},
	"strings of many lengths together": {
		[]string{`SET k1 "\xf1"`, `SET k7 "\x11\x22\x33\x44\x55\x66\x77"`, `SET k8 abcdefgh`, `SET k31 "abcdefghijklmnopqrstuvwxyz01234"`, `SET k32 "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"`, `SET k33 "zBCDEFGHIJKLMNOPQRSTUVWXYZ0123456"`, `SET k70 "aBCDEFGHIJKLMNOPQRSTUVWXYZ0123456aBCDEFGHIJKLMNOPQRSTUVWXYZ0123456abcd"`},
		[]string{
			"BITOP <AND|OR|XOR> d <k1|k7|k8|k31|k32|k33|k70> <none|k1|k7|k8|k31|k32|k33|k70> <|k33>", "BITOP NOT d <none|k1|k7|k8|k31|k32|k33|k70>", "LCS <k1|k31|k33|k70> <k32|k33|k70> <|<LEN|IDX|IDX WITHMATCHLEN|IDX MINMATCHLEN <0|1|6|27|28>>>",
			"BITCOUNT <k1|k7|k8|k31|k32|k33|k70> <|<1|3|4|8> <-1|27|28|29|32>>", "BITPOS <k1|k7|k8|k31|k32|k33|k70> <0|1> <0|1|3|4|8|30>",
		},
		[]string{"GET d"},
	},
	"parts of strings": {
		[]string{"SET s abcdef", "DEL none"},
		[]string{"GETRANGE s {n} {n}", "SUBSTR <none|s> {few} {few}", `SETRANGE <none|s> <0|1|5|6|7|9> <""|x|xyz>`, `APPEND <none|s> <""|x>`, "GETRANGE s <-9223372036854775808|9223372036854775807> <-9223372036854775808|9223372036854775807>"},
		[]string{"GET s", "GET none", "EXISTS none"},
	},
	"numbers": {
		[]string{"SET n 5", "SET hi 9223372036854775806", "SET lo -9223372036854775807", "DEL none", "HSET h n 5 hi 9223372036854775806 lo -9223372036854775807"},
		[]string{
			"<INCRBY|DECRBY> <n|hi|lo|none> <-9223372036854775808|-9223372036854775807|-2|-1|0|1|2|9223372036854775806|9223372036854775807>", "HINCRBY h <n|hi|lo|none> <-9223372036854775808|-9223372036854775807|-2|-1|0|1|2|9223372036854775806|9223372036854775807>", "<INCR|DECR> <n|hi|lo|none>",
			"INCRBYFLOAT <n|hi|none> <-1|-0.5|0|1e17|1e-17|1e-18|3.5>", "HINCRBYFLOAT h <n|hi|none> <-1|-0.5|0|1e17|1e-17|1e-18|3.5>",
		},
		[]string{"MGET n hi lo none", "HMGET h n hi lo none"},
	},
	"lists": {
		[]string{"DEL l d", "RPUSH l a b c a b"},
		[]string{
			"LRANGE l {n} {n}", "LTRIM l {n} {n}", "LINDEX l {n}", "LSET l {n} x", "LREM l {n} <a|b|c|x>", "LINSERT l <BEFORE|AFTER> <a|b|c|x> y", "<LPOP|RPOP> l <|{n}>", "LPOS l <a|b|x> RANK {few} <|COUNT {few}> <|MAXLEN <-1|0|1|2|3|4|5|6>>", "LPOS l <a|b> COUNT {few} MAXLEN <0|1|4|5>",
			"LMPOP <1|2> l l <LEFT|RIGHT> <|COUNT <0|1|4|5|6>>", "LMOVE l <l|d> <LEFT|RIGHT> <LEFT|RIGHT>", "SORT l ALPHA <|DESC> LIMIT {few} {few}", "SORT l BY nosort <|DESC> LIMIT {few} {few} <|STORE d>",
		},
		[]string{"LRANGE l 0 -1", "LRANGE d 0 -1", "EXISTS l"},
	},
	"sorted sets": {
		[]string{"DEL z d", "ZADD z 1 a 2 b 2 bb 3 d"}, sortedCombinations, []string{"ZRANGE z 0 -1 WITHSCORES", "ZRANGE d 0 -1 WITHSCORES", "EXISTS z d"},
	},
	"sorted sets that are skip lists": {
		[]string{"DEL z d", "CONFIG SET zset-max-listpack-entries 0", "ZADD z 1 a 2 b 2 bb 3 d", "CONFIG SET zset-max-listpack-entries 128"}, sortedCombinations, []string{"ZRANGE z 0 -1 WITHSCORES", "ZRANGE d 0 -1 WITHSCORES", "OBJECT ENCODING d"},
	},
	"names in sorted sets": {
		[]string{"DEL z d", "ZADD z 0 a 0 b 0 bb 0 d"},
		[]string{"ZRANGEBYLEX z {lex} {lex} <|LIMIT {few} {few}>", "ZREVRANGEBYLEX z {lex} {lex} <|LIMIT <0|1|2> <-1|0|1|2>>", "ZLEXCOUNT z {lex} {lex}", "ZREMRANGEBYLEX z {lex} {lex}", "ZRANGESTORE d z {lex} {lex} BYLEX <|REV> <|LIMIT <0|1> <-1|1|2>>"},
		[]string{"ZRANGE z 0 -1", "ZRANGE d 0 -1"},
	},
	"streams": {
		[]string{"DEL s", "XADD s 1-1 a 1", "XADD s 1-2 b 2", "XADD s 3-0 a 3", "XADD s 5-5 a 5 b 6"},
		[]string{
			"XRANGE s {id} {id} <|COUNT <-1|0|1|2>>", "XREVRANGE s {id} {id} <|COUNT <0|1|2>>", "XREAD <|COUNT {few}> STREAMS s {exact}", "XTRIM s MAXLEN <|<=|~>> <-1|0|1|2|3|4|5> <|LIMIT <0|1|2|100>>", "XTRIM s MINID <|<=|~>> {exact} <|LIMIT <0|1|2|100>>", "XDEL s {exact} <|1-2>", "XADD s <|NOMKSTREAM> <|MAXLEN <0|1|2|4|5>> <0-0|0-1|5|5-5|5-6|5-*|6|6-0> f v", "XADD s MINID {exact} 9-9 f v",
			"XSETID s {exact} <|ENTRIESADDED <0|3|4|5> MAXDELETEDID <0|1-1|5-5|6>>", "XGROUP CREATE s g <{exact}|$> <|ENTRIESREAD <-2|-1|0|2|4|9>>", "XREAD STREAMS s s {exact} {exact}",
		},
		[]string{"XINFO STREAM s FULL COUNT 0"},
	},
	"streams of several nodes": {
		[]string{"DEL s", "CONFIG SET stream-node-max-entries 2", "XADD s 1-1 a 1", "XADD s 1-2 b 2", "XADD s 3-0 a 3", "XADD s 5-5 a 5 b 6", "XADD s 5-6 a 1", "XADD s 6-0 a 1", "XDEL s 5-6", "CONFIG SET stream-node-max-entries 100"},
		[]string{
			"XTRIM s MAXLEN <=|~> <0|1|2|3|4|5|6> ", "XTRIM s MAXLEN ~ <0|1|2|3|4|5|6> LIMIT <0|1|2|3|4|100>", "XTRIM s MINID <=|~> <{exact}|5-6|6-1>", "XTRIM s MINID ~ <{exact}|5-6|6-1> LIMIT <1|2|3|4>", "XDEL s {exact} <|<1-2|3-0|6-0>> <|1-1>", "XRANGE s {exact} {exact} <|COUNT <1|2|3>>", "XREVRANGE s {exact} {exact} <|COUNT <1|2|3>>", "XREAD <|COUNT <1|2|3>> STREAMS s {exact}",
		},
		[]string{"XINFO STREAM s FULL COUNT 0"},
	},
	"groups": {
		[]string{"DEL s", "XADD s 1-1 a 1", "XADD s 1-2 b 2", "XADD s 3-0 a 3", "XADD s 5-5 a 5", "XGROUP CREATE s g 0", "XREADGROUP GROUP g alice COUNT 2 STREAMS s >", "XREADGROUP GROUP g bob COUNT 1 STREAMS s >", "XDEL s 1-2"},
		[]string{
			"XREADGROUP GROUP g <alice|bob|carol> <|COUNT <-1|0|1|2>> <|NOACK> STREAMS s <{exact}|{fresh}>", "XACK s g {exact} <|<1-1|3-0>>", "XPENDING s g {id} {id} <-1|0|1|2|10> <|<alice|bob|carol>>", "XCLAIM s g <alice|carol> 0 {exact} <|<JUSTID|FORCE|FORCE JUSTID|RETRYCOUNT 5|LASTID 5-5|LASTID 1-1>>", "XCLAIM s g bob 1000000 <1-1|3-0|5-5>",
			"XAUTOCLAIM s g carol 0 {id} <|COUNT <0|1|2|3>> <|JUSTID>", "XGROUP SETID s g <{exact}|$> <|ENTRIESREAD <-2|-1|0|2|4|9>>", "XGROUP DELCONSUMER s g <alice|bob|carol>", "XGROUP CREATECONSUMER s g <alice|carol>", "XSETID s 9 ENTRIESADDED <1|4|9> MAXDELETEDID <0|3|9>", "XDEL s {exact}", "XTRIM s MAXLEN <0|1|2|3>",
		},
		[]string{"XINFO STREAM s FULL COUNT 0", "XINFO GROUPS s", "XPENDING s g"},
	},
	"sets": {
		[]string{"DEL d", "SADD s 1 2 3", "SADD t 2 3 4 x", "SADD u 3 9"},
		[]string{"SINTERCARD <0|1|2|3|4> s t <|u> <|LIMIT <-1|0|1|2|3>>", "<SINTER|SUNION|SDIFF> <s|t|none> <s|t|none> <|u>", "<SINTERSTORE|SUNIONSTORE|SDIFFSTORE> d <s|t|none> <s|t|none> <|u>", "SMISMEMBER <s|t|none> <1|x> <|4>"},
		[]string{"SMEMBERS d", "OBJECT ENCODING d"},
	},
	"times": {
		[]string{"SET k v EXAT 4102444800", "SET p v", "DEL d"},
		[]string{"<EXPIREAT|PEXPIREAT> <k|p|none> <-1|0|1|4102444799000|4102444800000|4102444801000> <|<NX|XX|GT|LT|GT XX|LT XX|NX GT|GT LT>>", "EXPIREAT <k|p> <4102444799|4102444800|4102444801|9223372036854775|9223372036854776> <|<NX|XX|GT|LT>>", "SET <k|p|none> w <|<EXAT <0|1|4102444801>|PXAT <0|1|4102444801000>|KEEPTTL>> <|<NX|XX>> <|GET>", "GETEX <k|p|none> <|<EXAT <0|1|4102444801>|PXAT <0|1|4102444801000>|PERSIST>>", "<PERSIST|GETDEL|EXPIRETIME|PEXPIRETIME> <k|p|none>", "COPY <k|p> <d|p> <|REPLACE>", "<RENAME|RENAMENX> <k|p> <d|k|p>"},
		[]string{"MGET k p d none", "PEXPIRETIME k", "PEXPIRETIME p", "PEXPIRETIME d", "PEXPIRETIME none"},
	},
	"fields of bits": {
		[]string{`SET k "\x80\x00\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff\xff"`},
		[]string{
			"BITFIELD k OVERFLOW <WRAP|SAT|FAIL> <SET|INCRBY> <i|u><1|2|5|8|31|32|33|63|64> <0|64|65|3> <-9223372036854775808|-4294967296|-129|-128|-2|-1|0|1|2|15|127|255|256|2147483648|9223372036854775807>", "BITFIELD <k|none> GET <i|u><0|1|2|5|8|31|32|33|63|64|65> <0|1|7|63|64|65|130|135|136|200|#0|#1|#2>", "BITFIELD_RO k GET <i|u><1|8|63> <0|60|#1> <|GET u8 8>",
		},
		[]string{"GET k"},
	},
}

var sortedCombinations = []string{
	"ZRANGE z {n} {n} <|REV>", "ZREVRANGE z {few} {few} WITHSCORES", "ZRANGEBYSCORE z {score} {score} <|LIMIT {few} {few}>", "ZREVRANGEBYSCORE z {score} {score} <|LIMIT <0|1|2> <-1|0|1|2>>", "ZCOUNT z {score} {score}", "ZREMRANGEBYSCORE z {score} {score}", "ZREMRANGEBYRANK z {n} {n}", "<ZPOPMIN|ZPOPMAX> z <|{few}>", "<ZRANK|ZREVRANK|ZSCORE> z <a|b|bb|d|x>",
	"ZRANGESTORE d z {few} {few} <|REV>", "ZRANGESTORE d z {score} {score} BYSCORE <|REV> <|LIMIT <0|1> <-1|1|2>>", "ZMPOP 1 z <MIN|MAX> <|COUNT {few}>", "ZADD z <|<NX|XX|GT|LT|XX GT|XX LT>> <|CH> <|INCR> <1|2|2.5> <a|b|d|x>", "SORT z BY nosort <|DESC> LIMIT {few} {few}", "SORT z ALPHA <|DESC> LIMIT <0|1> <-1|1|2> STORE d", "<ZUNION|ZINTER> 2 z z WEIGHTS <0|1|-1> <1|2|inf|-inf> AGGREGATE <SUM|MIN|MAX> WITHSCORES", "ZINTERCARD <1|2> z z <|LIMIT <-1|0|1|3|4|5>>", "ZINCRBY z <-1|0|1|inf|-inf> <a|d|x>",
}

// expand is all that a line stands for.
func expand(line string) (all []string) {
	begin := strings.IndexByte(line, '<')
	if begin < 0 {
		return []string{strings.ReplaceAll(line, "{fresh}", ">")}
	}
	deep, from := 0, begin+1
	var choices []string
	for i := begin; ; i++ {
		switch c := line[i]; {
		case c == '<':
			deep++
		case (c == '|' || c == '>') && deep == 1:
			choices = append(choices, line[from:i])
			from = i + 1
			if c == '|' {
				continue
			}
			for _, choice := range choices {
				all = append(all, expand(line[:begin]+choice+line[i+1:])...)
			}
			return all
		case c == '>':
			deep--
		}
	}
}

// Commands with each number, place and option that make a difference, in every combination,
// are answered as by redis-server, and leave the same data.
func TestEveryCombinationLikeRedis(t *testing.T) {
	both := startCouple(t)
	for kind, c := range combinations {
		t.Run(kind, func(t *testing.T) {
			theirs, ours := dial(t, both.redis.addr()), both.world.connect()
			theirs.do("FLUSHALL")
			ours.do("FLUSHALL")
			split := func(lines []string) (all [][]string) {
				for _, line := range lines {
					argv, err := config.SplitArgs(line)
					require.NoError(t, err, line)
					all = append(all, argv)
				}
				return all
			}
			setup, look := split(c.setup), split(c.look)
			tried := 0
			for _, pattern := range c.commands {
				for _, argv := range split(expand(ranges.Replace(pattern))) {
					commands := slices.Concat(setup, [][]string{argv}, look)
					p := &pair{begun: time.Now()}
					want, got := theirs.all(commands), ours.all(commands)
					for i, asked := range commands {
						switch {
						case want[i] == got[i]:
						case kind == "sets" && inOrder(want[i], "smembers") == inOrder(got[i], "smembers"): // in an order of their own
						case asked[0][0] == 'X' && someTimes(p, asked, want[i], got[i], 0):
						default:
							require.Equal(t, want[i], got[i], "%q after %q", asked, argv)
						}
					}
					tried++
				}
			}
			t.Log(tried, "commands")
		})
	}
}
