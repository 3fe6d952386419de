package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// Scripts: one line is a command and, after "->", the reply without its line
// ends: "+OK", ":1", "$v" for a bulk, "nil", "[a b]" for an array, "-..." for an
// error. "@2" before a command is client 2. "sleep 5s" moves the clock.
func TestCommands(t *testing.T) {
	for _, c := range []struct{ name, script string }{
		{"relative expiry", `
			SET k v EX 10 -> +OK
			TTL k -> :10
			PTTL k -> :10000
			sleep 9.4s
			TTL k -> :1
			GET k -> $v
			sleep 601ms
			GET k -> nil
			TTL k -> :-2
			SET k v PX 1500 -> +OK
			SET k w KEEPTTL -> +OK
			PTTL k -> :1500
			SET k x -> +OK
			TTL k -> :-1
			EXPIRE k 100 -> :1
			EXPIRE k 50 GT -> :0
			EXPIRE k 50 LT -> :1
			EXPIRE k 60 NX -> :0
			PEXPIRE k 60000 XX -> :1
			TTL k -> :60
			PERSIST k -> :1
			PERSIST k -> :0
			SETEX k 5 v -> +OK
			PSETEX k 5000 v -> +OK
			PTTL k -> :5000
			SETEX k 0 v -> -ERR invalid expire time in 'setex' command
			SET k v EX -1 -> -ERR invalid expire time in 'set' command
			EXPIRE k 9223372036854775807 -> -ERR invalid expire time in 'expire' command
			EXPIRE k 10 GT LT -> -ERR GT and LT options at the same time are not compatible
			GETEX k PX 100 -> $v
			sleep 101ms
			EXISTS k -> :0`},
		{"the active cycle deletes without being asked", `
			SET a v PX 100 -> +OK
			SET b v -> +OK
			sleep 1s
			until DBSIZE -> :1`},
		{"a key that expires fails the transaction that watches it", `
			SET k v PX 100 -> +OK
			WATCH k -> +OK
			sleep 101ms
			MULTI -> +OK
			SET x 1 -> +QUEUED
			EXEC -> nil
			EXISTS x -> :0`},
		{"a key watched after it expired does not", `
			DEBUG SET-ACTIVE-EXPIRE 0 -> +OK
			SET k v PX 100 -> +OK
			sleep 101ms
			WATCH k -> +OK
			@2 GET k -> nil
			MULTI -> +OK
			SET x 1 -> +QUEUED
			EXEC -> [OK]
			DEBUG SET-ACTIVE-EXPIRE 1 -> +OK`},
		{"a key watched after it expired and written since does", `
			DEBUG SET-ACTIVE-EXPIRE 0 -> +OK
			SET k v PX 100 -> +OK
			sleep 101ms
			WATCH k -> +OK
			@2 SET k w -> +OK
			MULTI -> +OK
			SET x 1 -> +QUEUED
			EXEC -> nil
			DEBUG SET-ACTIVE-EXPIRE 1 -> +OK`},
		{"flushing fails transactions on keys that exist, and only those", `
			SET k v -> +OK
			WATCH k -> +OK
			@2 WATCH missing -> +OK
			@3 FLUSHALL -> +OK
			MULTI -> +OK
			EXEC -> nil
			@2 MULTI -> +OK
			@2 EXEC -> []`},
		{"time stands still inside a transaction", `
			MULTI -> +OK
			SET k v PX 1 -> +QUEUED
			GET k -> +QUEUED
			PTTL k -> +QUEUED
			EXEC -> [OK v 1]`},
		{"errors inside a transaction", `
			MULTI -> +OK
			NOSUCH -> -ERR unknown command 'NOSUCH', with args beginning with: 
			SET k -> -ERR wrong number of arguments for 'set' command
			EXEC -> -EXECABORT Transaction discarded because of previous errors.
			MULTI -> +OK
			SET k v -> +QUEUED
			INCR k -> +QUEUED
			SET l w -> +QUEUED
			EXEC -> [OK -ERR value is not an integer or out of range OK]
			MULTI -> +OK
			MULTI -> -ERR MULTI calls can not be nested
			WATCH k -> -ERR WATCH inside MULTI is not allowed
			SHUTDOWN -> -ERR Command not allowed inside a transaction
			EXEC -> -EXECABORT Transaction discarded because of previous errors.`},
		{"configuration", `
			CONFIG GET appendfsync -> [appendfsync everysec]
			CONFIG GET APPENDFSYN? SAVE -> [appendfsync everysec SAVE ]
			CONFIG SET appendfsync always hz 50 -> +OK
			CONFIG GET hz -> [hz 50]
			CONFIG SET appendfsync no hz x -> -ERR CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed into an integer
			CONFIG GET appendfsync -> [appendfsync always]
			CONFIG SET hz 10 HZ 20 -> -ERR CONFIG SET failed (possibly related to argument 'HZ') - duplicate parameter
			CONFIG SET nosuch 1 -> -ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'
			CONFIG SET appenddirname x -> -ERR CONFIG SET failed (possibly related to argument 'appenddirname') - can't set immutable config
			CONFIG SET dbfilename x -> -ERR CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config
			CONFIG SET hz -> -ERR wrong number of arguments for 'config|set' command
			CONFIG SET hz 1 x -> -ERR syntax error
			CONFIG REWRITE -> -ERR The server is running without a config file
			CONFIG NOSUCH -> -ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.
			CONFIG SET hz 10 appendfsync everysec -> +OK`},
		{"passwords", `
			CONFIG SET requirepass secret -> +OK
			GET k -> nil
			@9 GET k -> -NOAUTH Authentication required.
			@9 AUTH wrong -> -WRONGPASS invalid username-password pair or user is disabled.
			@9 HELLO 3 -> -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
			@9 AUTH secret -> +OK
			@9 GET k -> nil
			CONFIG SET requirepass "" -> +OK
			AUTH x -> -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?`},
		{"clients", `
			CLIENT GETNAME -> nil
			CLIENT SETNAME me -> +OK
			CLIENT GETNAME -> $me
			CLIENT SETNAME "a b" -> -ERR Client names cannot contain spaces, newlines or special characters.
			CLIENT NO-EVICT on -> +OK
			CLIENT REPLY SKIP -> 
			PING -> 
			PING -> +PONG
			CLIENT REPLY OFF -> 
			PING -> 
			CLIENT REPLY ON -> +OK
			RESET -> +RESET
			CLIENT GETNAME -> nil`},
		{"the server about itself", `
			ROLE -> [master 0 []]
			WAIT 1 100 -> :0
			WAIT x 100 -> -ERR value is not an integer or out of range
			PING -> +PONG
			PING a -> $a
			ECHO a -> $a
			PING a b -> -ERR wrong number of arguments for 'ping' command
			SHUTDOWN ABORT -> -ERR No shutdown in progress.
			SHUTDOWN SAVE NOSAVE -> -ERR syntax error
			DEBUG NOSUCH -> -ERR unknown subcommand or wrong number of arguments for 'NOSUCH'. Try DEBUG HELP.
			DEBUG SLEEP 0.001 -> +OK`},
		{"scanning", `
			MSET a 1 b 2 c 3 -> +OK
			RPUSH l x -> :1
			SCAN 0 COUNT 100 -> [0 [a b c l]]
			SCAN 0 MATCH [ab] COUNT 100 -> [0 [a b]]
			SCAN 0 TYPE list COUNT 100 -> [0 [l]]
			SCAN 0 COUNT 2 -> [2 [a b]]
			SCAN 2 COUNT 2 -> [4 [c l]]
			SCAN x -> -ERR invalid cursor
			SCAN 0 COUNT 0 -> -ERR syntax error`},
		{"debug reload keeps everything", `
			MSET a 1 b 2 -> +OK
			RPUSH l x y -> :2
			PEXPIREAT a 4102444800000 -> :1
			DEBUG RELOAD -> +OK
			MGET a b -> [1 2]
			PEXPIRETIME a -> :4102444800000
			LRANGE l 0 -1 -> [x y]`},
	} {
		t.Run(c.name, func(t *testing.T) { runScript(t, c.script) })
	}
}

// slowClock is an environment whose wall clock moves only when told.
type slowClock struct {
	*osenv.Env
	wall time.Time
}

func (e *slowClock) Wall() time.Time { return e.wall }

var _ env.Env = (*slowClock)(nil)

func runScript(t *testing.T, script string) {
	clock := &slowClock{Env: osenv.New("n1", 1), wall: time.UnixMilli(1_700_000_000_000)}
	cfg := config.Default()
	require.NoError(t, cfg.Set("save", ""))
	require.NoError(t, cfg.Set("hz", "500"))
	require.NoError(t, cfg.Set("enable-debug-command", "yes"))
	w := &world{t: t, env: clock.Env, code: make(chan int, 1)}
	clock.Enter()
	w.server = engine.New(engine.Options{Env: clock, FS: clock.FS(osfs.New(t.TempDir())), Config: cfg})
	require.NoError(t, w.server.Load())
	clock.Go("main", func() { w.code <- w.server.Run() })
	clock.Leave()
	defer w.stop()

	clients := map[string]*session{}
	for _, line := range strings.Split(strings.TrimSpace(script), "\n") {
		line = strings.TrimLeft(line, "\t ")
		if after, ok := strings.CutPrefix(line, "sleep "); ok {
			d, err := time.ParseDuration(after)
			require.NoError(t, err)
			clock.Enter()
			clock.wall = clock.wall.Add(d)
			clock.Sleep(5 * time.Millisecond) // a turn of cron sees the new time
			clock.Leave()
			continue
		}
		text, want, ok := strings.Cut(line, " -> ")
		require.True(t, ok, line)
		text, again := strings.CutPrefix(text, "until ") // what the server does in its own time
		argv, err := config.SplitArgs(text)
		require.NoError(t, err)
		who := "@1"
		if strings.HasPrefix(argv[0], "@") {
			who, argv = argv[0], argv[1:]
		}
		if clients[who] == nil {
			clients[who] = w.connect()
		}
		got, rest := readable(t, clients[who].do(argv...))
		for from := time.Now(); again && got != want && time.Since(from) < 30*time.Second; {
			got, rest = readable(t, clients[who].do(argv...))
		}
		require.Empty(t, rest, line)
		assert.Equal(t, want, got, line)
	}
}

// readable turns the first raw reply into the notation of the scripts.
func readable(t *testing.T, raw string) (text, rest string) {
	if raw == "" {
		return "", ""
	}
	line, rest, ok := strings.Cut(raw, "\r\n")
	require.True(t, ok, "reply without an end: %q", raw)
	if line == "$-1" || line == "*-1" {
		return "nil", rest
	}
	switch line[0] {
	case '$':
		value, rest, _ := strings.Cut(rest, "\r\n")
		return "$" + value, rest
	case '*':
		n := 0
		for _, d := range line[1:] {
			n = n*10 + int(d-'0')
		}
		var elems []string
		for range n {
			var e string
			e, rest = readable(t, rest)
			if e[0] == '$' || e[0] == '+' || e[0] == ':' {
				e = e[1:]
			}
			elems = append(elems, e)
		}
		return "[" + strings.Join(elems, " ") + "]", rest
	}
	return line, rest
}

// What has expired is logged as deleted, a relative time as an absolute one,
// and several writes of one command or transaction as one transaction.
func TestWhatIsLogged(t *testing.T) {
	w := startWorld(t, "", [2]string{"appendonly", "yes"}, [2]string{"aof-use-rdb-preamble", "no"}, [2]string{"appendfsync", "no"}) // which postpones no write
	c := w.connect()
	for _, argv := range [][]string{
		{"SET", "a", "1", "PXAT", "1000"},                    // expired at once
		{"SET", "a", "2"},                                    // deletes it, then sets
		{"MULTI"}, {"SET", "b", "1"}, {"GET", "b"}, {"EXEC"}, // one write: no transaction
		{"MULTI"}, {"INCR", "b"}, {"INCR", "b"}, {"EXEC"},
		{"EXPIRE", "b", "-1"},
		{"GETDEL", "a"},
		{"INCRBYFLOAT", "f", "1.5"},
		{"GET", "a"},
		{"DEL", "a"},
		{"FLUSHALL"},
	} {
		c.do(argv...)
	}
	c.do("PING")
	log, err := os.ReadFile(incrFile(t, w.dir))
	require.NoError(t, err)
	var got []string
	for _, l := range strings.Split(string(log), "\r\n") {
		if l != "" && !strings.ContainsAny(l[:1], "*$") {
			got = append(got, l)
		}
	}
	assert.Equal(t, "SELECT 0 SET a 1 PXAT 1000 MULTI DEL a SET a 2 EXEC SET b 1 MULTI INCR b INCR b EXEC DEL b DEL a SET f 1.5 KEEPTTL FLUSHALL", strings.Join(got, " "))
}

// A batch is executed in order, and what follows QUIT or a lost server is not.
func TestBatch(t *testing.T) {
	w := startWorld(t, "")
	c := w.connect()
	assert.Equal(t, "+OK\r\n:2\r\n$1\r\n2\r\n", c.batch([][]string{{"SET", "n", "1"}, {"INCR", "n"}, {"GET", "n"}}))
	assert.Equal(t, "+OK\r\n<closed>", c.batch([][]string{{"QUIT"}, {"SET", "n", "9"}}))
	c2 := w.connect()
	assert.Equal(t, "$1\r\n2\r\n", c2.do("GET", "n"))
	assert.Equal(t, "<closed>", c2.batch([][]string{{"PING"}, {"SHUTDOWN", "NOSAVE"}, {"PING"}}))
	assert.Equal(t, 0, w.stop())
	assert.Equal(t, "<closed>", c2.do("PING"))
	assert.NoFileExists(t, filepath.Join(w.dir, "dump.rdb"))
}
