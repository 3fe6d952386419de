package persist

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// redis is a running redis-server.
type redis struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan struct{}
	conn net.Conn
	in   *bufio.Reader
}

// startRedis starts redis-server in a directory and waits until it serves. When
// it exits instead, running is false and the log says why.
func startRedis(t testing.TB, dir string, args ...string) (r *redis, running bool) {
	bin := needs.Program(t, "redis-server")
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		port := l.Addr().(*net.TCPAddr).Port
		require.NoError(t, l.Close())
		r = &redis{t: t, log: new(bytes.Buffer), done: make(chan struct{})}
		r.cmd = exec.Command(bin, append([]string{"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
			"--save", "", "--enable-debug-command", "yes"}, args...)...)
		r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
		companion.Start(t, r.cmd)
		go func() { _ = r.cmd.Wait(); close(r.done) }()
		if r.connect(port) {
			t.Cleanup(r.stop)
			return r, true
		}
		<-r.done
		if !strings.Contains(r.log.String(), "Address already in use") {
			return r, false
		}
	}
}

// connect waits until the server answers PING or has ended.
func (r *redis) connect(port int) bool {
	for {
		select {
		case <-r.done:
			return false
		case <-time.After(5 * time.Millisecond):
		}
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		r.conn, r.in = conn, bufio.NewReader(conn)
		if r.do("PING") == "PONG" {
			return true
		}
		_ = conn.Close()
	}
}

func (r *redis) stop() {
	select {
	case <-r.done:
	default:
		_ = r.cmd.Process.Kill()
		<-r.done
	}
}

// shutdown ends the server in an orderly way.
func (r *redis) shutdown(how ...string) {
	r.send(append([]string{"SHUTDOWN"}, how...)...)
	<-r.done
}

func (r *redis) send(args ...string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	_, _ = r.conn.Write(b.Bytes())
}

// do sends a command and returns its reply as text, elements one a line.
func (r *redis) do(args ...string) string {
	r.send(args...)
	return r.reply()
}

func (r *redis) reply() string {
	line, err := r.in.ReadString('\n')
	if err != nil {
		return "lost: " + err.Error()
	}
	line = strings.TrimRight(line, "\r\n")
	n, _ := strconv.Atoi(line[1:])
	switch line[0] {
	case '$':
		if n < 0 {
			return "nil"
		}
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r.in, b); err != nil {
			return "lost: " + err.Error()
		}
		return string(b[:n])
	case '*':
		var parts []string
		for range n {
			parts = append(parts, r.reply())
		}
		return strings.Join(parts, "\n")
	}
	return line[1:]
}

// digest is DEBUG DIGEST: the same for the same data.
func (r *redis) digest() string { return r.do("DEBUG", "DIGEST") }

// wait waits until INFO shows a field with a value.
func (r *redis) wait(field string) {
	for !strings.Contains(r.do("INFO"), field) {
		time.Sleep(5 * time.Millisecond)
	}
}
