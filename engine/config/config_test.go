package config_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

func TestSet(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string // as CONFIG GET prints it
		err  string
	}{
		{"appendonly", []string{"YES"}, "yes", ""},
		{"appendonly", []string{"true"}, "", "argument must be 'yes' or 'no'"},
		{"appendonly", []string{"yes", "no"}, "", "wrong number of arguments"},
		{"appendonly", nil, "", "wrong number of arguments"},
		{"APPENDFSYNC", []string{"Always"}, "always", ""},
		{"appendfsync", []string{"sometimes"}, "", "argument(s) must be one of the following: everysec, always, no"},
		{"auto-aof-rewrite-min-size", []string{"64mb"}, "67108864", ""},
		{"auto-aof-rewrite-min-size", []string{"1K"}, "1000", ""},
		{"auto-aof-rewrite-min-size", []string{"1x"}, "", "argument must be a memory value"},
		{"auto-aof-rewrite-min-size", []string{"99999999999999gb"}, "", "argument must be a memory value"},
		{"auto-aof-rewrite-percentage", []string{"-1"}, "", "argument must be between 0 and 2147483647 inclusive"},
		{"hz", []string{"ten"}, "", "argument couldn't be parsed into an integer"},
		{"save", []string{"900", "1", "300", "10"}, "900 1 300 10", ""},
		{"save", []string{""}, "", ""},
		{"save", []string{"900"}, "", "Invalid save parameters"},
		{"save", []string{"0", "1"}, "", "Invalid save parameters"},
		{"dbfilename", []string{"a/b.rdb"}, "", "dbfilename can't be a path, just a filename"},
		{"databases", []string{"17"}, "", "argument must be between 1 and 16 inclusive"},
		{"slave-read-only", []string{"no"}, "no", ""},
		{"client-output-buffer-limit", []string{"pubsub", "1", "2", "3"}, "normal 0 0 0 slave 268435456 67108864 60 pubsub 1 2 3", ""},
		{"client-output-buffer-limit", []string{"replica", "1mb", "0", "0", "normal", "1", "2", "3"}, "normal 1 2 3 slave 1048576 0 0 pubsub 33554432 8388608 60", ""},
		{"client-output-buffer-limit", []string{"replica", "1"}, "", "Wrong number of arguments in buffer limit configuration."},
		{"client-output-buffer-limit", []string{"master", "1", "2", "3"}, "", "Invalid client class specified in buffer limit configuration."},
		{"client-output-buffer-limit", []string{"slave", "1", "2", "-3"}, "", "Error in hard, soft or soft_seconds setting in buffer limit configuration."},
		{"replicaof", []string{"127.0.0.1", "6379"}, "127.0.0.1 6379", ""},
		{"slaveof", []string{"no", "one"}, "", ""},
		{"replicaof", []string{"127.0.0.1", "x"}, "", "Invalid master port"},
		{"no-such-directive", []string{"1"}, "", "Bad directive or wrong number of arguments"},
	} {
		t.Run(c.name+" "+strings.Join(c.args, " "), func(t *testing.T) {
			cfg := config.Default()
			err := cfg.Set(c.name, c.args...)
			if c.err != "" {
				assert.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			got, ok := cfg.Value(c.name)
			assert.True(t, ok)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestSetRuntime(t *testing.T) {
	cfg := config.Default()
	assert.EqualError(t, cfg.SetRuntime("appendfilename", "x", true), "can't set immutable config")
	assert.EqualError(t, cfg.SetRuntime("dbfilename", "x.rdb", false), "can't set protected config")
	assert.NoError(t, cfg.SetRuntime("dbfilename", "x.rdb", true))
	assert.NoError(t, cfg.SetRuntime("save", "10 1 20 2", false))
	assert.NoError(t, cfg.SetRuntime("save", "30 3", false))
	assert.Equal(t, "30 3", cfg.SaveText(), "CONFIG SET replaces")
}

// A copy must not see later changes: CONFIG SET is undone by copying back.
func TestCopyIsIndependent(t *testing.T) {
	cfg := config.Default()
	require.NoError(t, cfg.Set("tcp-keepalive", "10"))
	old := *cfg
	require.NoError(t, cfg.Set("tcp-keepalive", "20"))
	require.NoError(t, cfg.Set("save", "1", "1"))
	*cfg = old
	v, _ := cfg.Value("tcp-keepalive")
	assert.Equal(t, "10", v)
	assert.Equal(t, "3600 1 300 100 60 10000", cfg.SaveText())
	assert.Equal(t, []string{"tcp-keepalive"}, cfg.Ignored())
}

// files reads from a map instead of a disk.
func files(m map[string]string) func(string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		text, ok := m[name]
		if !ok {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	}
}

func TestParseArgs(t *testing.T) {
	read := files(map[string]string{
		"redis.conf":   "# a comment\n\nappendonly yes\r\n  save 900 1  \nsave 300 10\nrequirepass \"a b\\x41\"\n",
		"include.conf": "port 7000\ninclude redis.conf\nport 7001\n",
		"loop.conf":    "include loop.conf\n",
		"bad.conf":     "port 7000\n\nappendfsync never\n",
		"quotes.conf":  "requirepass \"a\n",
	})
	for _, c := range []struct {
		args  string
		check map[string]string
		err   string
	}{
		{args: "", check: map[string]string{"port": "6379", "save": "3600 1 300 100 60 10000"}},
		{args: "redis.conf", check: map[string]string{"appendonly": "yes", "save": "900 1 300 10", "requirepass": "a bA"}},
		{args: "include.conf", check: map[string]string{"appendonly": "yes", "port": "7001"}},
		{args: "redis.conf|--port|7002|--appendonly|no", check: map[string]string{"appendonly": "no", "port": "7002"}},
		{args: "--port 7003", check: map[string]string{"port": "7003"}},
		{args: "--save|--port|7004", check: map[string]string{"save": "", "port": "7004"}},
		{args: "--save||--port|7004", check: map[string]string{"save": "", "port": "7004"}},
		{args: "--save", check: map[string]string{"save": ""}},
		{args: "--save|900|1|--save|300|10", check: map[string]string{"save": "900 1 300 10"}},
		{args: "--save|900 1 300 10", check: map[string]string{"save": "900 1 300 10"}},
		{args: "redis.conf|--save|", check: map[string]string{"save": ""}},
		{args: "--requirepass|--secret", check: map[string]string{"requirepass": "--secret"}},
		{args: "--bind|127.0.0.1|-::1", check: map[string]string{"bind": "127.0.0.1 -::1"}},
		{args: "bad.conf", err: "Reading the configuration file, at line 3\n>>> 'appendfsync never'\nargument(s) must be one of the following: everysec, always, no"},
		{args: "quotes.conf", err: "Reading the configuration file, at line 1\n>>> 'requirepass \"a'\nUnbalanced quotes in configuration line"},
		{args: "loop.conf", err: "Reading the configuration file, at line 1\n>>> 'include loop.conf'\ntoo many nested include lines"},
		{args: "missing.conf", err: "Fatal error, can't open config file 'missing.conf': file does not exist"},
		{args: "--nosuch|1", err: "Reading the configuration file, at line 1\n>>> 'nosuch \"1\"'\nBad directive or wrong number of arguments"},
		{args: "--port", err: "Reading the configuration file, at line 1\n>>> 'port'\nwrong number of arguments"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var args []string
			if c.args != "" {
				args = strings.Split(c.args, "|")
			}
			cfg := config.Default()
			_, err := cfg.ParseArgs(args, read)
			if c.err != "" {
				assert.EqualError(t, err, c.err)
				return
			}
			require.NoError(t, err)
			for name, want := range c.check {
				got, _ := cfg.Value(name)
				assert.Equal(t, want, got, name)
			}
		})
	}
}

func TestSplitArgs(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		err  error
	}{
		{"", nil, nil},
		{"  a\tb  ", []string{"a", "b"}, nil},
		{`"a b" 'c d'`, []string{"a b", "c d"}, nil},
		{`"\x41\n\r\t\b\a\"\\\q" `, []string{"A\n\r\t\b\a\"\\q"}, nil},
		{`'\n\''`, []string{`\n'`}, nil},
		{`""`, []string{""}, nil},
		{`a"b"`, []string{"ab"}, nil},
		{`"a"b`, nil, config.ErrUnbalanced},
		{`"a`, nil, config.ErrUnbalanced},
		{`'a`, nil, config.ErrUnbalanced},
		{`"\x4`, nil, config.ErrUnbalanced},
	} {
		got, err := config.SplitArgs(c.line)
		assert.Equal(t, c.err, err, c.line)
		assert.Equal(t, c.want, got, c.line)
	}
}

// FuzzSplitArgs: what a quoting of any arguments says is read back.
func FuzzSplitArgs(f *testing.F) {
	f.Add("a b", "\"")
	f.Add("", "\x00\xff\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip() // Go's quoting writes them differently from Redis's
		}
		_, _ = config.SplitArgs(a) // must not panic, whatever it says
		got, err := config.SplitArgs(redisQuote(a) + " " + redisQuote(b))
		require.NoError(t, err)
		require.Equal(t, []string{a, b}, got)
	})
}

// redisQuote is the opposite of SplitArgs.
func redisQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		fmt.Fprintf(&b, "\\x%02x", s[i])
	}
	return b.String() + "\""
}

// The table must have the directives of redis-server 7.0.15, with its defaults.
func TestSameDirectivesAsRedis(t *testing.T) {
	path := needs.Program(t, "redis-server")
	// On a unix socket, so that no port is needed.
	dir := t.TempDir()
	sock := filepath.Join(dir, "s")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", sock, "--dir", dir, "--logfile", filepath.Join(dir, "log"))
	companion.Start(t, cmd)
	lines := configGet(t, sock)
	cfg := config.Default()
	seen := make(map[string]bool)
	cfg.Each(func(name, value string) {
		seen[name] = true
		want, ok := lines[name]
		if !assert.True(t, ok, "redis-server has no directive %s", name) {
			return
		}
		switch name {
		case "port", "unixsocket", "dir", "logfile", "bind":
			return // given above, or shown differently
		}
		assert.Equal(t, want, value, name)
	})
	for name := range lines {
		assert.True(t, seen[name], "the table lacks %s", name)
	}
	assert.Greater(t, len(lines), 150, "CONFIG GET answered "+strconv.Itoa(len(lines)))
}

// FuzzParseFile: no configuration panics, and what is refused names its line.
func FuzzParseFile(f *testing.F) {
	f.Add("save 900 1\nappendonly yes\n")
	f.Add("include a\n\"")
	f.Add("bind\nmaxmemory 1gb\nhz 5 5")
	f.Fuzz(func(t *testing.T, text string) {
		cfg := config.Default()
		err := cfg.ParseFile("a", files(map[string]string{"a": text}))
		if err == nil {
			cfg.Each(func(string, string) {})
			return
		}
		var parse *config.ParseError
		var file *config.FileError
		switch {
		case errors.As(err, &parse):
			require.Positive(t, parse.Line)
			require.LessOrEqual(t, parse.Line, strings.Count(text, "\n")+1)
			require.NotEmpty(t, parse.Why)
		default:
			require.ErrorAs(t, err, &file)
		}
	})
}
