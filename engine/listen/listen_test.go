package listen_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/listen"
	"github.com/torntail/torntail/internal/needs"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(asServer) == "":
	case len(os.Args) == 2 && os.Args[1] == "--child":
		os.Exit(listen.RunChild(os.Stdin, os.Stdout))
	default:
		os.Exit(beServer())
	}
	goleak.VerifyTestMain(m)
}

// running is a server on a real port.
type running struct {
	t    testing.TB
	addr string
	port string
	stop chan struct{}
	code chan int
	log  *lockedBuffer
}

// lockedBuffer is what the server logs to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs a server with command-line arguments in a directory.
func start(t testing.TB, dir string, args ...string) *running {
	t.Helper()
	cfg := config.Default()
	_, err := cfg.ParseArgs(append([]string{"--port", "0", "--bind", "127.0.0.1", "--dir", dir, "--save", ""}, args...), os.ReadFile)
	require.NoError(t, err)
	return startConfig(t, listen.Options{Config: cfg})
}

func startConfig(t testing.TB, o listen.Options) *running {
	t.Helper()
	r := &running{t: t, stop: make(chan struct{}, 1), code: make(chan int, 1), log: &lockedBuffer{}}
	ready := make(chan string, 1)
	o.Output, o.NoSignals, o.Stop = r.log, true, r.stop
	o.Ready = func(addrs []string) { ready <- addrs[0] }
	go func() { r.code <- listen.Run(o) }()
	select {
	case r.addr = <-ready:
	case code := <-r.code:
		t.Fatalf("exit status %d: %s", code, r.log)
	}
	_, r.port, _ = net.SplitHostPort(r.addr)
	t.Cleanup(func() { r.end() })
	return r
}

// end stops the server and returns its exit status; it may be called again.
func (r *running) end() int {
	select {
	case r.stop <- struct{}{}:
	default:
	}
	for {
		select {
		case code := <-r.code:
			r.code <- code
			return code
		case <-time.After(time.Second):
			// It refuses to end before a log that it begins anew is complete.
			select {
			case r.stop <- struct{}{}:
			default:
			}
		}
	}
}

func (r *running) dial() net.Conn {
	c, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { c.Close() })
	return c
}

// exchange sends bytes and returns what comes back until the server closes.
func (r *running) exchange(send string) string {
	c := r.dial()
	_, err := io.WriteString(c, send)
	require.NoError(r.t, err)
	reply, _ := io.ReadAll(c) // a reset after the reply is as good as a close
	return string(reply)
}

const quit = "*1\r\n$4\r\nQUIT\r\n"

func TestHostileInput(t *testing.T) {
	r := start(t, t.TempDir())
	ping := "*1\r\n$4\r\nPING\r\n"
	for _, c := range []struct{ name, send, want string }{
		{"length that panics redcon", "*1\r\n$9223372036854775807\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"count that burns redcon's time", "*2000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"},
		{"valid command before a malformed one", ping + "*1\r\n$x\r\n", "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n"},
		{"argument of 512 MB and one byte", "*1\r\n$536870913\r\n", "-ERR Protocol error: invalid bulk length\r\n"},
		{"endless inline line", strings.Repeat("x", 70<<10), "-ERR Protocol error: too big inline request\r\n"},
		{"unbalanced quotes", "set k \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n"},
		{"no dollar", "*2\r\n$3\r\nGET\r\nk\r\n", "-ERR Protocol error: expected '$', got 'k'\r\n"},
		{"nothing", "*0\r\n\r\n*-1\r\n" + quit, "+OK\r\n"},
		{"commands after QUIT", ping + quit + ping, "+PONG\r\n+OK\r\n"},
		{"inline pipeline", "PING\r\nPING hello\r\nQUIT\r\n", "+PONG\r\n$5\r\nhello\r\n+OK\r\n"},
		{"unknown command with binary arguments", "*2\r\n$3\r\na\x00b\r\n$2\r\n\r\n\r\n" + quit, "-ERR unknown command 'a', with args beginning with: '  ' \r\n+OK\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, r.exchange(c.send))
			assert.Equal(t, "+PONG\r\n+OK\r\n", r.exchange(ping+quit), "the server still serves")
		})
	}
	t.Run("half a command and gone", func(t *testing.T) {
		c := r.dial()
		io.WriteString(c, "*2\r\n$3\r\nSET")
		c.Close()
		assert.Equal(t, "+PONG\r\n+OK\r\n", r.exchange(ping+quit))
	})
}

func TestServerSurvivesRestart(t *testing.T) {
	for _, mode := range [][]string{
		{"--appendonly", "yes", "--appendfsync", "always"},
		{"--appendonly", "yes", "--aof-use-rdb-preamble", "no"},
		{"--save", "3600 1"},
	} {
		t.Run(strings.Join(mode, " "), func(t *testing.T) {
			dir := t.TempDir()
			r := start(t, dir, mode...)
			assert.Equal(t, "+OK\r\n:2\r\n+OK\r\n", r.exchange("SET k v\r\nRPUSH l a b\r\nQUIT\r\n"))
			require.Equal(t, 0, r.end(), r.log)
			r = start(t, dir, mode...)
			assert.Equal(t, "$1\r\nv\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n+OK\r\n", r.exchange("GET k\r\nLRANGE l 0 -1\r\nQUIT\r\n"))
			assert.Contains(t, r.log.String(), "Ready to accept connections")
		})
	}
}

func TestShutdown(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	idle := r.dial()
	assert.Equal(t, "+OK\r\n+OK\r\n", r.exchange("SET k v\r\nQUIT\r\n"))
	assert.Empty(t, r.exchange("SET k w\r\nSHUTDOWN SAVE\r\nPING\r\n"), "nothing is answered any more, as redis-server's buffers die with it")
	assert.Equal(t, 0, r.end())
	n, err := idle.Read(make([]byte, 1))
	assert.Zero(t, n)
	assert.Error(t, err, "idle connections are closed")
	assert.FileExists(t, filepath.Join(dir, "dump.rdb"))
}

func TestRunRefuses(t *testing.T) {
	taken := start(t, t.TempDir())
	for _, c := range []struct {
		name string
		args []string
		log  string
	}{
		{"a port in use", []string{"--port", taken.port}, "Address already in use"},
		{"a directory that is not there", []string{"--dir", "/no/such/directory"}, "Can't chdir to '/no/such/directory'"},
		{"an address others can reach", []string{"--bind", "0.0.0.0"}, "only loopback addresses are served"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config.Default()
			_, err := cfg.ParseArgs(append([]string{"--bind", "127.0.0.1", "--port", "0", "--dir", t.TempDir()}, c.args...), os.ReadFile)
			require.NoError(t, err)
			var log bytes.Buffer
			assert.Equal(t, 1, listen.Run(listen.Options{Config: cfg, Output: &log, NoSignals: true}))
			assert.Contains(t, strings.ToLower(log.String()), strings.ToLower(c.log))
		})
	}
}

func TestTooManyClients(t *testing.T) {
	r := start(t, t.TempDir(), "--maxclients", "2")
	var conns []net.Conn
	for range 2 {
		c := r.dial()
		io.WriteString(c, "PING\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "+PONG\r\n", line)
		conns = append(conns, c)
	}
	reply, _ := io.ReadAll(r.dial())
	assert.Equal(t, "-ERR max number of clients reached\r\n", string(reply))
	_ = conns
}

// Whole values come back whole, larger than any buffer on the way.
func TestLargeValue(t *testing.T) {
	r := start(t, t.TempDir())
	value := strings.Repeat("0123456789abcdef", 1<<18) // 4 MiB
	got := r.exchange(fmt.Sprintf("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\nGET k\r\nQUIT\r\n", len(value), value))
	assert.True(t, got == fmt.Sprintf("+OK\r\n$%d\r\n%s\r\n+OK\r\n", len(value), value))
}

func TestManyClientsAtOnce(t *testing.T) {
	r := start(t, t.TempDir(), "--appendonly", "yes", "--appendfsync", "always")
	const clients, each = 20, 50
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			c, err := net.Dial("tcp", r.addr)
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			in := bufio.NewReader(c)
			for range each {
				io.WriteString(c, "INCR n\r\n")
				line, err := in.ReadString('\n')
				if !assert.NoError(t, err) || !assert.True(t, strings.HasPrefix(line, ":"), line) {
					return
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, fmt.Sprintf("$%d\r\n%d\r\n+OK\r\n", len(strconv.Itoa(clients*each)), clients*each), r.exchange("GET n\r\nQUIT\r\n"))
}

// redis-cli and redis-benchmark are clients nobody wrote for this server.
func TestRedisTools(t *testing.T) {
	cli := needs.Program(t, "redis-cli")
	r := start(t, t.TempDir())
	run := func(name string, args ...string) string {
		out, err := exec.Command(name, append([]string{"-h", "127.0.0.1", "-p", r.port}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		return string(out)
	}
	assert.Equal(t, "OK\n", run(cli, "SET", "k", "v"))
	assert.Equal(t, "v\n", run(cli, "-3", "GET", "k"))
	assert.Equal(t, "k\n", run(cli, "--scan"))
	assert.Contains(t, run(cli, "INFO"), "redis_version:7.0.15")
	assert.Contains(t, run(cli, "--bigkeys"), "Biggest string found")
	assert.Equal(t, "master\n0\n\n", run(cli, "ROLE"))

	bench := needs.Program(t, "redis-benchmark")
	out := run(bench, "-q", "--csv", "-n", "2000", "-c", "10", "-P", "4", "-t", "ping,set,get,incr,lpush,lpop,lrange_100,mset")
	assert.NotContains(t, strings.ToLower(out), "err")
	for _, test := range []string{"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "LPOP", "LRANGE_100", "MSET (10 keys)"} {
		assert.Contains(t, out, test)
	}
}

func readFile(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
