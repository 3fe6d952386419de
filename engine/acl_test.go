package engine_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// aclScenes are sessions of two clients, a: and b:, in order; a is who may do everything.
var aclScenes = map[string][]string{
	"rules": {
		`ACL SETUSER u`, `ACL GETUSER u`, `ACL LIST`, `ACL USERS`, `ACL SETUSER u on >pw nopass`, `ACL GETUSER u`, `ACL SETUSER u resetpass >a >b >a`, `ACL GETUSER u`, `ACL SETUSER u <a`, `ACL SETUSER u <a`, `ACL GETUSER u`,
		`ACL SETUSER u #9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`, `ACL SETUSER u #9f86`, `ACL SETUSER u #9F86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`, `ACL SETUSER u !9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`, `ACL SETUSER u !9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`, `ACL SETUSER u !x`,
		`ACL SETUSER u ~a* ~b* ~a*`, `ACL SETUSER u %R~r* %W~w* %RW~x* %wr~y*`, `ACL GETUSER u`, `ACL SETUSER u %W~r*`, `ACL GETUSER u`, `ACL SETUSER u %X~r*`, `ACL SETUSER u %RR~r*`, `ACL SETUSER u %R`, `ACL SETUSER u ~`, `ACL GETUSER u`, `ACL SETUSER u "~a b"`, `ACL SETUSER u "~a\x00b"`, `ACL SETUSER u ~* ~c`, `ACL SETUSER u allkeys`, `ACL GETUSER u`, `ACL SETUSER u ~c`, `ACL SETUSER u resetkeys ~c`, `ACL GETUSER u`,
		`ACL SETUSER u &a* &b &a*`, `ACL GETUSER u`, `ACL SETUSER u &* &c`, `ACL SETUSER u allchannels`, `ACL SETUSER u &x`, `ACL GETUSER u`, `ACL SETUSER u resetchannels "&a b"`, `ACL SETUSER u resetchannels`, `ACL GETUSER u`,
		`ACL SETUSER u +get`, `ACL GETUSER u`, `ACL SETUSER u +GET +Set -get`, `ACL GETUSER u`, `ACL SETUSER u +config|get`, `ACL GETUSER u`, `ACL SETUSER u +config -config|set`, `ACL GETUSER u`, `ACL SETUSER u -config`, `ACL SETUSER u +select|0 +select|1 +SELECT|0`, `ACL GETUSER u`, `ACL SETUSER u +select`, `ACL GETUSER u`, `ACL SETUSER u -select|0`,
		`ACL SETUSER u +nosuch`, `ACL SETUSER u -nosuch`, `ACL SETUSER u +@nosuch`, `ACL SETUSER u -@nosuch`, `ACL SETUSER u +config|nosuch`, `ACL SETUSER u +config|get|x`, `ACL SETUSER u +config|`, `ACL SETUSER u +nosuch|x`, `ACL SETUSER u +get|`, `ACL SETUSER u +|`, `ACL SETUSER u +`, `ACL SETUSER u -`, `ACL SETUSER u nosuch`, `ACL SETUSER u @all`, `ACL SETUSER u ""`, `ACL SETUSER u "+get "`, `ACL SETUSER u "on\x00x"`,
		`ACL GETUSER u`, `ACL SETUSER u +get +nosuch`, `ACL GETUSER u`, `ACL SETUSER u reset`, `ACL GETUSER u`, `ACL SETUSER u +@all`, `ACL GETUSER u`, `ACL SETUSER u -@admin`, `ACL GETUSER u`, `ACL SETUSER u -config|get`, `ACL GETUSER u`, `ACL SETUSER u nocommands +@read -@string`, `ACL GETUSER u`, `ACL SETUSER u allcommands -@write +set`, `ACL GETUSER u`,
		`ACL SETUSER u skip-sanitize-payload`, `ACL GETUSER u`, `ACL SETUSER u sanitize-payload`, `ACL GETUSER u`, `ACL SETUSER "a b"`, `ACL SETUSER "a\x00b"`, `ACL SETUSER ""`, `ACL USERS`, `ACL DELUSER ""`,
		`ACL SETUSER s (~a* +get) "(%R~b* +set &c)"`, `ACL GETUSER s`, `ACL LIST`, `ACL SETUSER s ( ~c +del )`, `ACL GETUSER s`, `ACL SETUSER s (~c`, `ACL SETUSER s ()`, `ACL GETUSER s`, `ACL SETUSER s (on)`, `ACL SETUSER s (~a ( +get)`, `ACL SETUSER s "(\"~a)"`, `ACL SETUSER s ("" )`, `ACL SETUSER s )`, `ACL GETUSER s`, `ACL SETUSER s clearselectors`, `ACL GETUSER s`, `ACL SETUSER s (+@all) reset`, `ACL GETUSER s`,
		`ACL DELUSER u`, `ACL DELUSER u s nosuch`, `ACL DELUSER default`, `ACL DELUSER a default`, `ACL DELUSER`, `ACL SETUSER`, `ACL GETUSER u`, `ACL HELP`, `ACL CAT nosuch`, `ACL CAT a b`, `ACL GENPASS 1 2`, `ACL LOAD`, `ACL SAVE`, `ACL LOAD x`,
		`ACL SETUSER default -@all +acl`, `ACL LIST`, `GET k`, `ACL SETUSER default +@all`, `ACL LIST`,
	},
	"denied": {
		`ACL SETUSER u on >pw ~k* %R~r* %W~w* &c* +get +set +mget +multi +exec +publish +subscribe +psubscribe +copy +sort +sort_ro +eval +xread +config|get +select|0 +acl|whoami +object +zunionstore +spublish +ssubscribe`,
		`b: AUTH u no`, `b: AUTH nosuch pw`, `b: AUTH u pw`, `b: ACL WHOAMI`, `b: GET k1`, `b: GET x`, `b: GET r1`, `b: SET r1 x`, `b: SET w1 x`, `b: GET w1`, `b: SET w1 x GET`, `b: DEL k1`, `b: CONFIG GET hz`, `b: CONFIG SET hz 10`, `b: CONFIG NOSUCH`, `b: SELECT 0`, `b: SELECT 1`, `b: SELECT`, `b: nosuch`, `b: GET`,
		`b: MGET k1 k2`, `b: MGET k1 x`, `b: COPY k1 k2`, `b: COPY k1 r1`, `b: COPY r1 w1`, `b: COPY w1 k1`, `b: PUBLISH c1 m`, `b: PUBLISH x m`, `b: SPUBLISH x m`, `b: OBJECT ENCODING k1`, `b: OBJECT ENCODING x`, `b: OBJECT HELP`, `b: ZUNIONSTORE k1 2 k2 x`, `b: ZUNIONSTORE r1 1 k2`, `b: ZUNIONSTORE k1 2 k2 r1`,
		`b: SORT k9 BY p_*`, `b: SORT k9 BY nosort`, `b: SORT k9 GET p_*`, `b: SORT_RO k9 GET #`, `b: SORT k9 STORE r1`, `b: XREAD STREAMS k1 x 0 0`, `b: XREAD STREAMS k1 0`,
		`b: EVAL "return redis.call('get', KEYS[1])" 1 k1`, `b: EVAL "return redis.call('get', 'x')" 0`, `b: EVAL "return redis.pcall('del', 'k1').err" 0`, `b: EVAL "return redis.pcall('publish', 'x', 'y').err" 0`, `b: EVAL "return redis.call('get', KEYS[1])" 1 x`, `b: EVAL "return {redis.acl_check_cmd('get','k1'), redis.acl_check_cmd('get','x'), redis.acl_check_cmd('del', 'k1')}" 0`, `b: EVAL "return redis.acl_check_cmd('nosuch')" 0`, `b: EVALSHA x 0`,
		`b: MULTI`, `b: GET k1`, `b: GET x`, `b: EXEC`, `b: MULTI`, `b: GET k1`, `b: DEL k1`, `b: EXEC`, `b: MULTI`, `b: GET k1`, `b: SET k1 v`, `b: PUBLISH c1 m`, `ACL SETUSER u -set resetchannels`, `b: EXEC`, `b: MULTI`, `b: GET k1`, `ACL SETUSER u resetkeys`, `b: EXEC`, `b: MULTI`, `ACL SETUSER u -multi -exec -discard`, `b: EXEC`, `b: DISCARD`, `b: GET k1`,
		`b: PING`, `b: RESET`, `b: ACL WHOAMI`, `b: PING`, `b: HELLO 2 AUTH u no`, `ACL LOG RESET`, `b: HELLO 2 AUTH nosuch x`, `b: AUTH u no`, `b: AUTH u no`, `ACL LOG`,
		`ACL SETUSER u ~* +@all`, `b: AUTH u pw`, `b: ACL WHOAMI`, `CLIENT KILL USER nosuch`, `CLIENT KILL USER u`, `ACL DELUSER u`,
	},
	"log": {
		`ACL SETUSER u on nopass +get +multi +exec +eval ~k`, `b: AUTH u x`, `b: GET a`, `b: GET a`, `b: GET c`, `b: SET k v`, `b: CONFIG GET x`, `b: MULTI`, `b: GET a`, `b: EXEC`, `b: EVAL "return redis.pcall('get', 'a')" 0`, `b: EVAL "return redis.pcall('set', 'k', 'v')" 0`, `ACL LOG`, `ACL LOG 1`, `ACL LOG 0`, `ACL LOG -1`, `ACL LOG x`, `ACL LOG 1 2`, `CONFIG SET acllog-max-len 2`, `b: GET z`, `ACL LOG`, `ACL LOG RESET`, `ACL LOG`, `CONFIG SET acllog-max-len 0`, `b: GET z`, `ACL LOG`, `b: ACL WHOAMI`, `b: ACL LOG`,
		`b: HELLO 3`, `ACL SETUSER u -hello -ping`, `b: HELLO 3`, `b: AUTH u x`, `b: PING`,
	},
	"logging in": {
		`CONFIG SET requirepass secret`, `ACL LIST`, `b: PING`, `b: RESET`, `b: PING`, `b: HELLO 2`, `b: AUTH wrong`, `b: AUTH secret`, `b: PING`, `ACL SETUSER default >other`, `b: RESET`, `b: AUTH other`, `b: AUTH secret`, `CONFIG GET requirepass`, `CONFIG SET requirepass secret`, `ACL LIST`, `CONFIG SET requirepass new`, `ACL LIST`, `b: RESET`, `b: AUTH secret`, `b: HELLO 2 AUTH default new`, `b: ACL WHOAMI`, `ACL SETUSER default off`, `b: RESET`, `b: AUTH new`, `b: PING`, `ACL SETUSER default on nopass`, `b: PING`, `b: ACL WHOAMI`, `b: HELLO 2`, `b: AUTH x`, `b: AUTH default x`, `b: HELLO 2`, `CONFIG SET requirepass ""`, `ACL LIST`,
		`CONFIG SET acl-pubsub-default allchannels`, `ACL SETUSER p`, `ACL GETUSER p`, `ACL SETUSER p (+get)`, `ACL SETUSER p reset`, `ACL GETUSER p`, `CONFIG SET acl-pubsub-default resetchannels`, `ACL SETUSER p reset`, `ACL GETUSER p`, `CONFIG SET aclfile x`,
	},
	"dry run": {
		`ACL SETUSER u ~a* %R~r* &c +@read +publish +psubscribe +subscribe +config|get (~s +set) (%W~t &d +set +publish)`, `ACL DRYRUN u GET a`, `ACL DRYRUN u GET b`, `ACL DRYRUN u SET a v`, `ACL DRYRUN u SET s v`, `ACL DRYRUN u SET t v`, `ACL DRYRUN u SET t v GET`, `ACL DRYRUN u SET r v`, `ACL DRYRUN u GET r`, `ACL DRYRUN u PUBLISH c m`, `ACL DRYRUN u PUBLISH d m`, `ACL DRYRUN u PUBLISH e m`, `ACL DRYRUN u SUBSCRIBE c d`, `ACL DRYRUN u PSUBSCRIBE c*`, `ACL DRYRUN u PSUBSCRIBE c`, `ACL DRYRUN u CONFIG GET x`, `ACL DRYRUN u CONFIG SET x y`, `ACL DRYRUN u DEL a`, `ACL DRYRUN u MGET a b r`, `ACL DRYRUN u PING`, `ACL DRYRUN u AUTH x`, `ACL DRYRUN u nosuch`, `ACL DRYRUN u GET`, `ACL DRYRUN nosuch GET a`, `ACL DRYRUN u`,
		`ACL DRYRUN u GEORADIUS a 1 1 1 m`, `ACL DRYRUN u MEMORY USAGE a`, `ACL DRYRUN u MEMORY USAGE b`, `ACL DRYRUN u EVAL x 1 b`, `ACL DRYRUN u XREAD STREAMS a r 0 0`, `ACL DRYRUN u XREAD STREAMS b 0`, `ACL DRYRUN u BITFIELD_RO a GET u8 0`, `ACL DRYRUN u LCS a r`, `ACL DRYRUN u SINTER a b`, `ACL DRYRUN u UNSUBSCRIBE z`, `ACL DRYRUN default GET x`,
	},
	"who is deleted": {
		`ACL SETUSER u on nopass +@all ~*`, `b: AUTH u x`, `b: ACL DELUSER u`, `ACL USERS`,
	},
}

var (
	ruleWords = regexp.MustCompile(`[+-]@all[^\r\n()]*`)
	aClient   = regexp.MustCompile(`(?s)client-info\r\n\$\d+\r\n[^\r]*\r\n`)
	anAge     = regexp.MustCompile(`(?s)age-seconds\r\n(\$\d+\r\n[^\r]*|,[^\r]*)\r\n`)
)

// rulesInOrder brings what redis-server tells in an order that each of its runs draws into one,
// and leaves out what differs by itself.
func rulesInOrder(reply string) string {
	reply = aClient.ReplaceAllString(anAge.ReplaceAllString(reply, "age\r\n"), "client\r\n")
	return ruleWords.ReplaceAllStringFunc(reply, func(rules string) string {
		words := strings.Fields(rules)
		// Categories stay where they are: their order is no accident.
		i := slices.IndexFunc(words, func(w string) bool { return w[1] != '@' })
		if i >= 0 {
			slices.Sort(words[i:])
		}
		return strings.Join(words, " ")
	})
}

func TestUsersLikeRedis(t *testing.T) {
	for name, lines := range aclScenes {
		t.Run(name, func(t *testing.T) {
			both := startCouple(t)
			theirs := map[string]*socket{"a": dial(t, both.redis.addr()), "b": dial(t, both.redis.addr())}
			ours := map[string]*session{"a": both.world.connect(), "b": both.world.connect()}
			for _, line := range lines {
				who := "a"
				if rest, ok := strings.CutPrefix(line, "b: "); ok {
					who, line = "b", rest
				}
				argv, err := config.SplitArgs(line)
				require.NoError(t, err, line)
				want, got := rulesInOrder(theirs[who].do(argv...)), rulesInOrder(strings.TrimSuffix(ours[who].do(argv...), "<closed>"))
				if strings.EqualFold(argv[0], "hello") {
					want, got = withoutID(want), withoutID(got)
				}
				assert.Equal(t, want, got, line)
			}
		})
	}
}

var anID = regexp.MustCompile(`\$2\r\nid\r\n:\d+\r\n`)

func withoutID(reply string) string { return anID.ReplaceAllString(reply, "") }
