package engine_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine"
	"github.com/torntail/torntail/engine/bugs"
	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// world is an engine in this process, without sockets, over a directory.
type world struct {
	t      testing.TB
	dir    string
	env    *osenv.Env
	server *engine.Server
	code   chan int
}

// startWorld starts an engine with directives on a directory, "" for a new one.
func startWorld(t testing.TB, dir string, directives ...[2]string) *world {
	t.Helper()
	return startPlanted(t, dir, 0, directives...)
}

// startPlanted starts one with planted bugs.
func startPlanted(t testing.TB, dir string, planted bugs.Set, directives ...[2]string) *world {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	cfg := config.Default()
	require.NoError(t, cfg.Set("save", ""))
	require.NoError(t, cfg.Set("enable-debug-command", "yes"))
	for _, d := range directives {
		require.NoError(t, cfg.Set(d[0], d[1]), d[0])
	}
	w := &world{t: t, dir: dir, env: osenv.New("n1", 1), code: make(chan int, 1)}
	w.env.Enter()
	w.server = engine.New(engine.Options{Env: w.env, FS: w.env.FS(osfs.New(dir)), Config: cfg, Bugs: planted, Log: func(level byte, msg string) {
		if _, fuzz := t.(*testing.F); testing.Verbose() && !fuzz { // whose Logf panics within the target
			t.Logf("engine: %c %s", level, msg)
		}
	}})
	err := w.server.Load()
	w.env.Go("main", func() { w.code <- w.server.Run() })
	w.env.Leave()
	require.NoError(t, err)
	t.Cleanup(func() { w.stop() })
	return w
}

// stop ends the server in order and returns its exit status; it may be called again.
func (w *world) stop() int {
	w.env.Enter()
	w.server.Terminate("SIGTERM")
	w.env.Leave()
	code := <-w.code
	w.code <- code
	return code
}

// wire is the transport of a session in this process: nobody reads it.
type wire struct{}

func (wire) Write(p []byte) (int, error) { return len(p), nil }
func (wire) Close() error                { return nil }
func (wire) LocalAddr() string           { return "127.0.0.1:2" }
func (wire) RemoteAddr() string          { return "127.0.0.1:1" }

// session is a client of the engine in this process.
type session struct {
	w *world
	s *engine.Session
}

func (w *world) connect() *session {
	w.env.Enter()
	defer w.env.Leave()
	s, refusal := w.server.Open(wire{})
	require.NotNil(w.t, s, refusal)
	return &session{w, s}
}

func (c *session) do(argv ...string) string {
	return c.batch([][]string{argv})
}

// batch executes commands that arrive together.
func (c *session) batch(cmds [][]string) string {
	c.w.env.Enter()
	defer c.w.env.Leave()
	for _, argv := range cmds {
		args := make([][]byte, len(argv))
		for i, a := range argv {
			args[i] = []byte(a)
		}
		c.s.Add(args)
	}
	reply, more := c.s.Execute()
	if !more {
		return string(reply) + "<closed>"
	}
	return string(reply)
}

// all executes commands one after another.
func (c *session) all(cmds [][]string) (replies []string) {
	for _, argv := range cmds {
		replies = append(replies, c.do(argv...))
	}
	return replies
}

func (c *session) close() {
	c.w.env.Enter()
	defer c.w.env.Leave()
	c.s.Close()
}

// realRedis is a redis-server process on a port of its own.
type realRedis struct {
	t    testing.TB
	dir  string
	port int
	cmd  *exec.Cmd
}

// startRedis starts redis-server 7.0; the test is skipped where there is none.
func startRedis(t testing.TB, dir string, directives ...string) *realRedis {
	t.Helper()
	path := needs.Program(t, "redis-server")
	if dir == "" {
		dir = t.TempDir()
	}
	r := &realRedis{t: t, dir: dir, port: freePort(t)}
	args := append([]string{
		"--port", strconv.Itoa(r.port), "--bind", "127.0.0.1", "--dir", dir,
		"--save", "", "--enable-debug-command", "yes", "--logfile", filepath.Join(dir, "redis.log"),
	}, directives...)
	r.cmd = exec.Command(path, args...)
	companion.Start(t, r.cmd)
	r.untilItAnswers()
	return r
}

func (r *realRedis) untilItAnswers() {
	for range 2000 {
		if c, err := net.Dial("tcp", r.addr()); err == nil {
			// Not LOADING any more: DEBUG would answer before.
			s := &socket{r.t, c, bufio.NewReader(c)}
			pong := s.do("PING") == "+PONG\r\n"
			c.Close()
			if pong {
				return
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	r.t.Fatal("redis-server does not listen")
}

func (r *realRedis) addr() string { return fmt.Sprintf("127.0.0.1:%d", r.port) }

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// socket is a client over TCP.
type socket struct {
	t testing.TB
	c net.Conn
	r *bufio.Reader
}

func dial(t testing.TB, addr string) *socket {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return &socket{t, c, bufio.NewReader(c)}
}

func (s *socket) do(argv ...string) string {
	s.send(encode(argv...))
	return s.reply()
}

// all sends commands at once.
func (s *socket) all(cmds [][]string) (replies []string) {
	var text []byte
	for _, argv := range cmds {
		text = append(text, encode(argv...)...)
	}
	s.send(text)
	for range cmds {
		replies = append(replies, s.reply())
	}
	return replies
}

func (s *socket) send(b []byte) {
	_, err := s.c.Write(b)
	require.NoError(s.t, err)
}

// reply reads one whole reply; "<closed>" at the end of the connection.
func (s *socket) reply() string {
	var b bytes.Buffer
	if err := copyReply(&b, s.r); err != nil {
		return b.String() + "<closed>"
	}
	return b.String()
}

func encode(argv ...string) []byte {
	b := []byte("*" + strconv.Itoa(len(argv)) + "\r\n")
	for _, a := range argv {
		b = append(b, "$"+strconv.Itoa(len(a))+"\r\n"+a+"\r\n"...)
	}
	return b
}

func copyReply(w *bytes.Buffer, r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	w.WriteString(line)
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(line[1 : len(line)-2])
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return nil
		}
		_, err = io.CopyN(w, r, int64(n)+2)
		return err
	case '%':
		n *= 2
	case '*', '~', '>':
	default:
		return nil
	}
	for range n {
		if err := copyReply(w, r); err != nil {
			return err
		}
	}
	return nil
}
