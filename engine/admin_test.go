package engine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/torntail/torntail/engine/config"
)

// Administration commands and their errors, one session, in order.
var adminCommands = []string{
	`CONFIG GET appendfsync`, `CONFIG GET appendonl?`, `CONFIG GET SAVE`, `CONFIG GET nosuch`, `CONFIG GET`, `CONFIG`, `CONFIG NOSUCH`, `config get MAXMEMORY`,
	`CONFIG SET hz 20 timeout 5`, `CONFIG GET hz`, `CONFIG SET hz`, `CONFIG SET hz x`, `CONFIG SET hz 10 hz 20`, `CONFIG SET nosuch 1`, `CONFIG SET hz 10 nosuch 1`,
	`CONFIG GET hz`, `CONFIG SET appendfilename x`, `CONFIG SET dbfilename x`, `CONFIG SET save "100 1 200 2"`, `CONFIG GET save`, `CONFIG SET save "1"`, `CONFIG SET save ""`,
	`CONFIG SET auto-aof-rewrite-min-size 1gb`, `CONFIG GET auto-aof-rewrite-min-size`, `CONFIG SET auto-aof-rewrite-min-size lots`, `CONFIG SET appendfsync sometimes`, `CONFIG SET appendonly maybe`,
	`CONFIG REWRITE`, `CONFIG RESETSTAT`, `CONFIG RESETSTAT x`, `CONFIG SET maxmemory-policy nosuch`, `CONFIG SET slave-read-only yes`,
	`CLIENT`, `CLIENT NOSUCH`, `CLIENT GETNAME`, `CLIENT SETNAME me`, `CLIENT GETNAME`, `CLIENT SETNAME "a b"`, `CLIENT SETNAME`, `CLIENT NO-EVICT ON`, `CLIENT NO-EVICT maybe`,
	`CLIENT REPLY maybe`, `CLIENT KILL`, `CLIENT KILL 1.2.3.4:5`, `CLIENT KILL ID 0`, `CLIENT KILL ID 999999`, `CLIENT KILL ID x`, `CLIENT LIST TYPE nosuch`, `CLIENT LIST ID x`, `CLIENT LIST x`,
	`AUTH`, `AUTH x`, `AUTH a b c`, `AUTH default x`, `AUTH nosuch x`, `HELLO 1`, `HELLO x`, `HELLO 2 NOSUCH`, `HELLO 2 SETNAME "a b"`, `HELLO 2 AUTH a`, `HELLO 2 AUTH nosuch x`,
	`PING`, `PING a`, `PING a b`, `ECHO`, `ECHO a`, `SELECT`, `SELECT 16`, `SELECT 15`, `SELECT 0`, `DBSIZE x`, `TIME x`, `ROLE`, `ROLE x`, `WAIT`, `WAIT 0 0`, `WAIT x 0`, `WAIT 0 x`, `WAIT 0 -1`,
	`DEBUG`, `DEBUG NOSUCH`, `DEBUG SLEEP`, `DEBUG SLEEP 0`, `DEBUG SLEEP x`, `DEBUG DIGEST`, `DEBUG DIGEST x`, `DEBUG SET-ACTIVE-EXPIRE 1`, `DEBUG RELOAD NOSUCH`, `DEBUG RELOAD`, `DEBUG POPULATE 3`, `DEBUG POPULATE 5 pre 20`, `DEBUG DIGEST`,
	`BGSAVE x`, `BGSAVE SCHEDULE x`, `BGREWRITEAOF x`, `SAVE x`, `SAVE`, `LASTSAVE x`, `SHUTDOWN x`, `SHUTDOWN SAVE NOSAVE`, `SHUTDOWN ABORT`, `SHUTDOWN ABORT NOW`,
	`FLUSHALL x`, `FLUSHALL SYNC`, `FLUSHDB ASYNC`, `FLUSHALL SYNC ASYNC`, `SCAN`, `SCAN x`, `SCAN 0 COUNT`, `SCAN 0 COUNT 0`, `SCAN 0 COUNT x`, `SCAN 0 NOSUCH 1`, `SCAN 0`, `KEYS`, `RANDOMKEY`, `RANDOMKEY x`,
	`COMMAND NOSUCH`, `COMMAND COUNT x`, `COMMAND INFO nosuch`, `OBJECT`, `OBJECT ENCODING`, `OBJECT ENCODING nosuch`, `OBJECT NOSUCH x`, `INFO nosuch`,
	`MULTI`, `SAVE`, `EXEC`, `MULTI`, `CONFIG GET hz`, `CONFIG NOSUCH`, `EXEC`, `MULTI x`, `EXEC`, `DISCARD`, `DISCARD x`, `MULTI`, `SHUTDOWN`, `DISCARD`, `MULTI`, `DEBUG NOSUCH`, `EXEC`, `MULTI`, `RESET`, `EXEC`,
	`SLOWLOG GET x`, `SLOWLOG GET -2`, `SLOWLOG GET 1 2`, `SLOWLOG NOSUCH`, `SLOWLOG`, `SLOWLOG HELP`, `SLOWLOG RESET`, `SLOWLOG LEN`, `SLOWLOG LEN x`, `SLOWLOG GET 5`,
	`LATENCY LATEST`, `LATENCY HISTORY`, `LATENCY HISTORY x`, `LATENCY RESET`, `LATENCY RESET x y`, `LATENCY NOSUCH`, `LATENCY LATEST x`,
	`MEMORY PURGE`, `MEMORY PURGE x`, `MEMORY NOSUCH`, `LOLWUT`, `LOLWUT VERSION x`, `LOLWUT VERSION 7`, `LOLWUT x`,
	`MODULE LIST`, `MODULE LOAD x`, `MODULE LOADEX x`, `MODULE UNLOAD x`, `MODULE LOAD`, `MODULE NOSUCH`,
	`CLIENT PAUSE x`, `CLIENT PAUSE -1`, `CLIENT PAUSE 1 maybe`, `CLIENT PAUSE`, `CLIENT PAUSE 1 WRITE x`, `CLIENT UNPAUSE`, `CLIENT UNPAUSE x`,
	`CLIENT HELP`, `ACL HELP`, `CLIENT TRACKING OFF`, `CLIENT TRACKING maybe`, `CLIENT TRACKING`, `CLIENT TRACKINGINFO`, `CLIENT GETREDIR`, `CLIENT CACHING YES`, `CLIENT CACHING`,
	`ACL WHOAMI`, `ACL LIST`, `ACL USERS`, `ACL CAT`, `ACL CAT nosuch`, `ACL CAT a b`, `ACL GETUSER default`, `ACL GETUSER nosuch`, `ACL GETUSER`, `ACL GENPASS 0`, `ACL GENPASS 5000`, `ACL GENPASS x`,
	`ACL DRYRUN default GET k`, `ACL DRYRUN default GET`, `ACL DRYRUN nosuch GET k`, `ACL DRYRUN default nosuch`, `ACL DRYRUN default CONFIG GET x`, `ACL NOSUCH`,
	`CONFIG SET requirepass secret`, `ACL LIST`, `ACL GETUSER default`, `CONFIG SET requirepass ""`,
	`CONFIG SET slowlog-log-slower-than x`, `CONFIG GET slowlog-max*`, `CONFIG GET latency-monitor*`,
	`NOSUCH`, `"no such" a b`, `""`, `GET`, `get a b`,
}

func TestSameAdministrationAsRedis(t *testing.T) {
	theirs, ours := dial(t, startRedis(t, "").addr()), startWorld(t, "").connect()
	for _, line := range adminCommands {
		argv, err := config.SplitArgs(line)
		assert.NoError(t, err, line)
		assert.Equal(t, theirs.do(argv...), ours.do(argv...), line)
	}
	for _, c := range []func(...string) string{theirs.do, ours.do} {
		c("HELLO", "3") // whose reply has the client's number
	}
	for _, line := range []string{"ACL GETUSER default", "CLIENT TRACKINGINFO", "LOLWUT"} {
		argv := strings.Fields(line)
		assert.Equal(t, theirs.do(argv...), ours.do(argv...), line)
	}
}
