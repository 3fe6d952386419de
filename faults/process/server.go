package process

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/internal/redisconf"
)

// Server describes a server that is not started or asked as redis-server is, or does
// not let everybody in. The zero Server is redis-server's own way.
type Server struct {
	// Command is the command line, in which {{port}}, {{addr}}, {{dir}} and
	// {{conf}} stand for where the server is to listen, to keep its data, and to
	// read its configuration. A word {{directives}} becomes the directives as
	// arguments, "--name value"; without it and {{conf}} they are not passed on.
	// Empty: Binary with redis-server's own arguments.
	Command []string
	// Sentinel is the command line of a Sentinel; nil: it is not known.
	Sentinel []string
	// Directives come after those of redis-server's own way, before the experiment's.
	Directives []Directive

	// Env are variables of its environment, NAME=VALUE, in which the templates of Command
	// stand for the same. InDir: it is started in the directory where its data are kept.
	Env   []string
	InDir bool

	User, Password string
	TLS            *tls.Config
	// Ready asks over a new connection whether the server, whose process that is, serves;
	// version is what it says of itself, or "". nil: PING, which anything but LOADING answers,
	// and INFO.
	Ready func(c net.Conn, pid int) (version string, ok bool)
	// PingAlone: the server has no INFO, and is asked PING and nothing else.
	PingAlone bool
	// Rename maps commands, in upper case, to what the server calls them.
	Rename map[string]string
}

// open reports whether a client needs nothing but an address.
func (s *Server) open() bool {
	return s == nil || s.Password == "" && s.TLS == nil && len(s.Rename) == 0
}

// name is what the server calls a command.
func (s *Server) name(command string) string {
	if s != nil {
		if to, ok := s.Rename[command]; ok {
			return to
		}
	}
	return command
}

// handshakeLimit bounds a handshake with a server that says nothing.
const handshakeLimit = 10 * time.Second

// Secure turns a connection that was just made into one that a client can use:
// encrypted, authenticated, and with commands under the names that the server
// gives them. It closes the connection when that fails.
func (s *Server) Secure(c net.Conn) (net.Conn, error) {
	if s.open() {
		return c, nil
	}
	c.SetDeadline(time.Now().Add(handshakeLimit))
	if s.TLS != nil {
		t := tls.Client(c, s.TLS)
		if err := t.Handshake(); err != nil {
			c.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		c = t
	}
	if s.Password != "" {
		if err := s.authenticate(c); err != nil {
			c.Close()
			return nil, err
		}
	}
	c.SetDeadline(time.Time{})
	if len(s.Rename) > 0 {
		c = &renaming{Conn: c, names: s.Rename}
	}
	return c, nil
}

func (s *Server) authenticate(c net.Conn) error {
	words := []string{s.name("AUTH")}
	if s.User != "" {
		words = append(words, s.User)
	}
	words = append(words, s.Password)
	if _, err := c.Write(command(words...)); err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	// Byte by byte: nothing that comes after the reply may be read.
	var line []byte
	for one := make([]byte, 1); !bytes.HasSuffix(line, []byte("\n")) && len(line) < 4096; {
		if _, err := io.ReadFull(c, one); err != nil {
			return fmt.Errorf("AUTH: %w", err)
		}
		line = append(line, one[0])
	}
	switch text := strings.TrimSpace(string(line)); {
	case strings.HasPrefix(text, "-LOADING"):
		return fmt.Errorf("AUTH: %s", text)
	case line[0] != '+':
		return &DeniedError{text}
	}
	return nil
}

// DeniedError is a server's answer to a password that it does not take.
type DeniedError struct{ Answer string }

func (e *DeniedError) Error() string { return fmt.Sprintf("AUTH: the server answers %q", e.Answer) }

// command is a command as RESP.
func command(words ...string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b
}

// renaming puts the server's own names of commands into what is written.
type renaming struct {
	net.Conn
	names map[string]string
	out   []byte
}

// Write takes whole commands, as clients of torntail write them.
func (r *renaming) Write(p []byte) (int, error) {
	out := r.out[:0]
	rest := p
	for len(rest) > 0 {
		head, name, n, ok := firstCommand(rest)
		if !ok {
			out = append(out, rest...)
			break
		}
		if to, known := r.names[strings.ToUpper(name)]; known {
			name = to
		}
		out = append(out, rest[:head]...)
		out = fmt.Appendf(out, "$%d\r\n%s\r\n", len(name), name)
		out = append(out, rest[head+bulkLen(rest[head:]):n]...)
		rest = rest[n:]
	}
	r.out = out
	if _, err := r.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// firstCommand finds the first command in b: where its name's bulk begins, the
// name, and where the command ends. ok: there is a whole one.
func firstCommand(b []byte) (head int, name string, end int, ok bool) {
	args, head, ok := number(b, '*')
	if !ok || args < 1 {
		return 0, "", 0, false
	}
	end = head
	for i := range args {
		n, digits, ok := number(b[end:], '$')
		if !ok || n < 0 || end+digits+n+2 > len(b) {
			return 0, "", 0, false
		}
		if i == 0 {
			name = string(b[end+digits : end+digits+n])
		}
		end += digits + n + 2
	}
	return head, name, end, true
}

// bulkLen is the length of the bulk string at the beginning of b, which is there whole.
func bulkLen(b []byte) int {
	n, digits, _ := number(b, '$')
	return digits + n + 2
}

// number reads a length line: its kind, digits, CR LF.
func number(b []byte, kind byte) (n, length int, ok bool) {
	i := bytes.Index(b, []byte("\r\n"))
	if i < 2 || b[0] != kind {
		return 0, 0, false
	}
	n, err := strconv.Atoi(string(b[1:i]))
	return n, i + 2, err == nil && n <= 1<<30
}

// dial connects to the server and lets itself in.
func (s RedisSpec) dial(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return s.Server.Secure(c)
}

// expand makes the command line of a server with a template. release removes the
// configuration file that it may need, once the server has read it.
func (s RedisSpec) expand(addr string, port int) (path string, args, environ []string, release func(), err error) {
	release = func() {}
	if s.Server == nil || len(s.Server.Command) == 0 {
		if s.Server != nil {
			s.Directives = append(append([]Directive(nil), s.Server.Directives...), s.Directives...)
		}
		return s.Binary, s.args(addr, port), nil, release, nil
	}
	list := s.Directives
	if s.Config == "" { // in which they are
		list = append(append([]Directive(nil), s.Server.Directives...), s.Directives...)
	}
	conf := s.Config
	if conf == "" && strings.Contains(strings.Join(s.Server.Command, " "), "{{conf}}") {
		var forget func()
		if conf, forget, err = writeConf(list); err != nil {
			return "", nil, nil, release, err
		}
		release = forget
	}
	fill := strings.NewReplacer("{{port}}", strconv.Itoa(port), "{{addr}}", addr, "{{dir}}", s.Dir, "{{conf}}", conf)
	for _, v := range s.Server.Env {
		environ = append(environ, fill.Replace(v))
	}
	for _, w := range s.commandOf() {
		if w != "{{directives}}" {
			args = append(args, fill.Replace(w))
			continue
		}
		for _, d := range list {
			args = append(append(args, "--"+d.Name), d.Args...)
		}
	}
	if s.Server.InDir && strings.Contains(args[0], "/") {
		if args[0], err = filepath.Abs(args[0]); err != nil {
			return "", nil, nil, release, err
		}
	}
	return args[0], args[1:], environ, release, nil
}

// commandOf is the command line of what is started, of a Sentinel its own.
func (s RedisSpec) commandOf() []string {
	if s.Sentinel {
		return s.Server.Sentinel
	}
	return s.Server.Command
}

// writeConf writes directives as a configuration file, in a directory of its own that does not
// outlive torntail however that ends.
func writeConf(list []Directive) (path string, release func(), err error) {
	g, err := guard.Default()
	if err != nil {
		return "", nil, err
	}
	dir, forget, err := g.NewDir("", "torntail-conf-")
	if err != nil {
		return "", nil, err
	}
	release = func() {
		os.RemoveAll(dir)
		forget()
	}
	var conf redisconf.File
	for _, d := range list {
		conf.Line(d.Name, d.Args...)
	}
	path = filepath.Join(dir, "server.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		release()
		return "", nil, err
	}
	return path, release, nil
}
