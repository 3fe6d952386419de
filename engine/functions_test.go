package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// aLibrary and others are what the tests load.
const (
	aLibrary  = `"#!lua name=one\nredis.register_function('set_two', function(keys, args) redis.call('SET', keys[1], args[1]) return redis.call('RPUSH', keys[2], args[1], args[2]) end) redis.register_function{function_name='get', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}, description='reads'}"`
	otherCode = `"#!lua name=two\nlocal n = 0 redis.register_function('count', function(keys, args) n = n + 1 return {n, #keys, #args, redis.call('INCR', 'counter')} end)"`
)

// functionLines are commands about functions and scripts; ONE and TWO in a line are the
// code of libraries.
var functionLines = strings.NewReplacer("ONE", aLibrary, "TWO", otherCode).Replace(`
FUNCTION STATS
FUNCTION LIST
FUNCTION LOAD ONE
FUNCTION LOAD ONE
FUNCTION LOAD REPLACE ONE
FUNCTION LOAD replace x ONE
FUNCTION LOAD
FUNCTION LIST LIBRARYNAME one
FUNCTION LIST WITHCODE LIBRARYNAME o*
FUNCTION LIST LIBRARYNAME
FUNCTION LIST LIBRARYNAME x
FUNCTION LIST WITHCODE WITHCODE
FUNCTION STATS
FCALL set_two 2 a b v w
FCALL SET_TWO 2 a b v w
FCALL_RO set_two 2 a b v w
FCALL get 1 a
FCALL_RO get 1 a
FCALL nosuch 0
FCALL get x
FCALL get 5 a
FCALL get -1
FCALL get 0
FUNCTION LOAD TWO
FCALL count 1 k x y
FCALL count 0
MULTI
FCALL count 0
EVAL "return redis.call('SET', 'in', 'multi')" 0
SET outside 1
EXEC
FUNCTION DELETE nosuch
FUNCTION DELETE two
FCALL count 0
FUNCTION KILL
SCRIPT KILL
FUNCTION LOAD "return 1"
FUNCTION LOAD "#!lua\nreturn 1"
FUNCTION LOAD "#!lua name=x"
FUNCTION LOAD "#!foo name=x\nreturn 1"
FUNCTION LOAD "#!lua name=x name=y\nreturn 1"
FUNCTION LOAD "#!lua name=x foo=y\nreturn 1"
FUNCTION LOAD "#!lua name=bad-name\nreturn 1"
FUNCTION LOAD "#!lua name=x\nreturn 1"
FUNCTION LOAD "#!lua name=x\nbad syntax here"
FUNCTION LOAD "#!lua name=x\nerror('at load')"
FUNCTION LOAD "#!lua name=x\nredis.call('SET', 'a', 1)"
FUNCTION LOAD "#!lua name=x\nreturn math.random()"
FUNCTION LOAD "#!lua name=x\nlocal t = setmetatable({}, {})"
FUNCTION LOAD "#!lua name=x\nglobal = 1"
FUNCTION LOAD "#!lua name=x\nredis.register_function('f')"
FUNCTION LOAD "#!lua name=x\nredis.register_function('f', 5)"
FUNCTION LOAD "#!lua name=x\nredis.register_function({}, function() end)"
FUNCTION LOAD "#!lua name=x\nredis.register_function('f', function() end, {})"
FUNCTION LOAD "#!lua name=x\nredis.register_function('bad-name', function() end)"
FUNCTION LOAD "#!lua name=x\nredis.register_function('f', function() end) redis.register_function('f', function() end)"
FUNCTION LOAD "#!lua name=x\nredis.register_function('get', function() end)"
FUNCTION LOAD "#!lua name=x\nredis.register_function{function_name='f'}"
FUNCTION LOAD "#!lua name=x\nredis.register_function{callback=function() end}"
FUNCTION LOAD "#!lua name=x\nredis.register_function{function_name=1, callback=function() end, flags={'nosuch'}}"
FUNCTION LOAD "#!lua name=x\nredis.register_function{function_name='f', callback=function() end, flags=1}"
FUNCTION LOAD "#!lua name=x\nredis.register_function{function_name='f', callback=function() end, foo=1}"
FUNCTION LOAD "#!lua name=x\nredis.register_function{function_name='f', callback=1}"
FUNCTION LOAD "#!lua name=x\nredis.register_function{function_name='f', callback=function() end, description={}}"
FUNCTION LOAD "#!LUA name=x\nredis.register_function('late', function() return redis.register_function('g', function() end) end)"
FCALL late 0
FUNCTION LOAD "#!lua name=y\nredis.register_function('err', function() error('in it') end) redis.register_function('undefined', function() return nosuch end) redis.register_function('global', function() x = 1 end) redis.register_function('tables', function() return {redis.REDIS_VERSION, type(cjson), type(math.random()), type(string)} end)"
FCALL err 0
FCALL undefined 0
FCALL global 0
FCALL tables 0
FUNCTION LOAD "#!lua name=z\nredis.register_function{function_name='all', callback=function() return redis.call('SET', 'z', 1) end, flags={'no-writes', 'allow-stale'}}"
FCALL all 0
FUNCTION LIST LIBRARYNAME z
FUNCTION RESTORE x
FUNCTION RESTORE x FLUSH y
FUNCTION RESTORE x FOO
FUNCTION FLUSH FOO
FUNCTION FLUSH SYNC ASYNC
FUNCTION FOO
FUNCTION FLUSH SYNC
FUNCTION LIST
SCRIPT LOAD "return 7"
SCRIPT LOAD "bad syntax"
SCRIPT LOAD "#!lua flags=no-writes\nreturn 8"
SCRIPT EXISTS d7b1c3dc1ee4cb8a5a3ba8d3b6b19d4c5f0a7c0b b
EVALSHA d7b1c3dc1ee4cb8a5a3ba8d3b6b19d4c5f0a7c0b 0
EVALSHA short 0
EVAL "return 9" 0
EVALSHA 7f923f79fe76194c868d7e1d0820de36700eb649 0
EVALSHA 7F923F79FE76194C868D7E1D0820DE36700EB649 0
EVALSHA_RO 7f923f79fe76194c868d7e1d0820de36700eb649 0
SCRIPT EXISTS 7f923f79fe76194c868d7e1d0820de36700eb649 7F923F79FE76194C868D7E1D0820DE36700EB649
SCRIPT FLUSH FOO
SCRIPT FLUSH SYNC ASYNC
SCRIPT FLUSH
SCRIPT EXISTS 7f923f79fe76194c868d7e1d0820de36700eb649
EVALSHA 7f923f79fe76194c868d7e1d0820de36700eb649 0
SCRIPT FOO
SCRIPT DEBUG NO
SCRIPT DEBUG foo
EVAL "return 1" x
EVAL "return 1" 5
EVAL "return 1" -1
EVAL
EVAL_RO "return redis.call('SET', 'a', 1)" 0
EVAL_RO "#!lua\nreturn redis.call('GET', 'a')" 0
EVAL_RO "#!lua flags=no-writes\nreturn redis.call('GET', 'a')" 0
EVAL_RO "return redis.call('PUBLISH', 'a', 1)" 0
WATCH watched
EVAL "return redis.call('SET', 'watched', 1)" 0
MULTI
GET watched
EXEC
COMMAND GETKEYS EVAL "return 1" 2 a b c
COMMAND GETKEYS FCALL f 1 a b
COMMAND INFO EVAL FCALL_RO FUNCTION|LOAD
DEBUG DIGEST
FUNCTION DUMP
FUNCTION LOAD ONE
FUNCTION DUMP
FCALL get 1 a
`)

// What is said of functions and scripts is the same, and so is what is logged of them.
func TestFunctionsLikeRedis(t *testing.T) {
	for _, resp := range []string{"2", "3"} {
		both := startCouple(t, [2]string{"appendonly", "yes"}, [2]string{"appendfsync", "always"})
		theirs, ours := dial(t, both.redis.addr()), both.world.connect()
		theirs.do("HELLO", resp)
		ours.do("HELLO", resp)
		dumped := false
		for line := range strings.Lines(strings.TrimSpace(functionLines)) {
			argv, err := config.SplitArgs(strings.TrimSpace(line))
			require.NoError(t, err, line)
			if argv[0] == "FUNCTION" && argv[1] == "DUMP" { // what follows loads what the other has dumped
				if !dumped {
					assert.Equal(t, logged(t, both.redis.dir), logged(t, both.world.dir), "before %s", line)
				}
				dumped = true
			}
			if want, got := theirs.do(argv...), ours.do(argv...); strings.HasPrefix(line, "FUNCTION DUMP") {
				// How far LZF shortens is not compared.
				assert.Equal(t, "+OK\r\n", theirs.do("FUNCTION", "RESTORE", payload(got), "FLUSH"), line)
				assert.Equal(t, "+OK\r\n", ours.do("FUNCTION", "RESTORE", payload(want), "FLUSH"), line)
			} else if strings.HasPrefix(line, "FUNCTION LIST") {
				assert.ElementsMatch(t, strings.Split(want, "\r\n"), strings.Split(got, "\r\n"), line) // in the order of a hash table
			} else {
				assert.Equal(t, want, got, line)
			}
		}
	}
}

// Libraries are in each server's files as the other reads them: in a snapshot, in a base
// of either kind, and in the log behind it; scripts are in none.
func TestFunctionsComeBack(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			both := startCouple(t, w.directives...)
			one, _ := config.SplitArgs("FUNCTION LOAD " + aLibrary)
			two, _ := config.SplitArgs("FUNCTION LOAD " + otherCode)
			for _, do := range []func(...string) string{dial(t, both.redis.addr()).do, both.world.connect().do} {
				do("SCRIPT", "LOAD", "return 1")
				require.Equal(t, "$3\r\none\r\n", do(one...))
				if w.name != "snapshot" {
					require.Contains(t, do("BGREWRITEAOF"), "started")
					require.Eventually(t, func() bool {
						text := do("INFO", "persistence")
						return strings.Contains(text, "aof_rewrite_in_progress:0") && strings.Contains(text, "aof_rewrite_scheduled:0")
					}, time.Minute, 10*time.Millisecond)
				}
				require.Equal(t, "$3\r\ntwo\r\n", do(two...))
				require.Equal(t, ":2\r\n", do("FCALL", "set_two", "2", "a", "b", "v", "w"))
			}
			both.exchange()
			for _, do := range []func(...string) string{dial(t, both.redis.addr()).do, both.world.connect().do} {
				require.Equal(t, "$1\r\nv\r\n", do("FCALL_RO", "get", "1", "a"))
				require.Equal(t, "*4\r\n:1\r\n:0\r\n:0\r\n:1\r\n", do("FCALL", "count", "0"))
				require.Equal(t, ":0\r\n", elements(do("SCRIPT", "EXISTS", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"))[0])
				require.Equal(t, "+OK\r\n", do("DEBUG", "RELOAD"))
				require.Equal(t, "$1\r\nv\r\n", do("FCALL_RO", "get", "1", "a"))
			}
		})
	}
}

// exchange ends both servers and starts each on what the other has written.
func (p *couple) exchange() {
	p.restartOn(p.world.dir, p.redis.dir)
}

// A script beyond its time lets others in, who are told BUSY; it is killed, or not once
// it has written, and then ends with the server alone.
func TestBusyScripts(t *testing.T) {
	w := startWorld(t, "", [2]string{"busy-reply-threshold", "1"})
	one, two := w.connect(), w.connect()
	answer := make(chan string, 1)
	busy := func(code string) {
		go func() { answer <- one.do("EVAL", code, "0") }()
		require.Eventually(t, func() bool { return strings.HasPrefix(two.do("PING"), "-BUSY") }, time.Minute, time.Millisecond)
	}
	busy("while true do end")
	require.Equal(t, "-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n", two.do("FUNCTION", "STATS"))
	require.Contains(t, two.do("FUNCTION", "KILL"), "BUSY")
	require.Equal(t, "+OK\r\n", two.do("SCRIPT", "KILL"))
	require.Contains(t, <-answer, "-ERR Script killed by user with SCRIPT KILL...")
	require.Equal(t, "+PONG\r\n", two.do("PING"))

	busy("while true do pcall(function() while true do redis.call('PING') end end) end")
	require.Equal(t, "+OK\r\n", two.do("SCRIPT", "KILL"))
	require.Contains(t, <-answer, "killed by user")
	require.Equal(t, "-NOTBUSY No scripts in execution right now.\r\n", two.do("SCRIPT", "KILL"))

	// Also who has asked in the same turn of the server, behind the script, is told.
	three := w.connect()
	w.env.Enter()
	three.s.Add([][]byte{[]byte("EVAL"), []byte("while true do end"), []byte("0")})
	three.s.Submit()
	two.s.Add([][]byte{[]byte("PING")})
	reply, _ := two.s.Execute()
	w.env.Leave()
	require.Contains(t, string(reply), "-BUSY")
	require.Equal(t, "+OK\r\n", two.do("SCRIPT", "KILL"))
	answered := func(c *session) {
		require.Eventually(t, func() bool {
			w.env.Enter()
			defer w.env.Leave()
			return !c.s.Busy()
		}, time.Minute, time.Millisecond)
	}
	answered(three)

	busy("redis.call('SET', 'a', 1) while true do end")
	require.Contains(t, two.do("SCRIPT", "KILL"), "-UNKILLABLE")
	require.Contains(t, two.do("SHUTDOWN"), "-BUSY")
	two.batch([][]string{{"SHUTDOWN", "NOSAVE"}})
	require.Equal(t, 0, <-w.code)
	w.code <- 0
}
