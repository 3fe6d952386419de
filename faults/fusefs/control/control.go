// Package control is the socket through which a mounted fault disk is told what
// to do: `torntail fault`, `power-cut`, `log` and `status` are its clients.
//
// A connection carries one request and one answer, each a line of JSON:
//
//	{"v":1,"command":"power-cut","args":["keep","none"]}
//	{"output":"...","error":""}
//
// It is synchronous: when the answer is there, the fault is in place. Requests
// are carried out one after the other.
package control

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// version of the protocol. A client of another one is refused.
const version = 1

// maxRequest bounds what is read of a request, in bytes; a plan is much shorter.
const maxRequest = 1 << 20

// requestWithin is how long a client may take to send its one line.
const requestWithin = 10 * time.Second

type request struct {
	Version int      `json:"v"`
	Command string   `json:"command"`
	Args    []string `json:"args"`
}

type answer struct {
	Output string `json:"output"`
	Error  string `json:"error"`
}

// Commands are what a socket understands, by name. Each returns what the user is to read.
type Commands map[string]func(args []string) (string, error)

// Server answers on one socket.
type Server struct {
	listener net.Listener
	commands Commands
	one      sync.Mutex // one request at a time
	open     sync.WaitGroup

	mu      sync.Mutex
	reading map[net.Conn]bool // connections whose request has not come yet
	closed  bool
}

// Listen makes the socket and answers until Close. Only the user who owns the
// socket may use it. A socket that nobody answers on any more is replaced.
func Listen(path string, c Commands) (*Server, error) {
	l, err := net.Listen("unix", path)
	if err != nil && abandoned(path) {
		os.Remove(path)
		l, err = net.Listen("unix", path)
	}
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	s := &Server{listener: l, commands: c, reading: map[net.Conn]bool{}}
	s.open.Add(1)
	go s.accept()
	return s, nil
}

// abandoned reports whether path is a socket that a dead server left.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	return err != nil
}

func (s *Server) accept() {
	defer s.open.Done()
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.open.Add(1)
		go func() {
			defer s.open.Done()
			defer conn.Close()
			s.serve(conn)
		}()
	}
}

func (s *Server) serve(conn net.Conn) {
	if !s.expect(conn) {
		return
	}
	var a answer
	r, err := readRequest(conn)
	s.mu.Lock()
	delete(s.reading, conn)
	s.mu.Unlock()
	if err == nil {
		s.one.Lock()
		a.Output, err = s.commands.run(r)
		s.one.Unlock()
	}
	if err != nil {
		a.Error = err.Error()
	}
	json.NewEncoder(conn).Encode(a) // a client that has gone does not want it
}

// expect waits for no request longer than requestWithin, and for none when the
// server is closed.
func (s *Server) expect(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading[conn] = true
	conn.SetReadDeadline(time.Now().Add(requestWithin))
	return !s.closed
}

// readRequest reads the one line of a client.
func readRequest(from io.Reader) (request, error) {
	var r request
	line, err := bufio.NewReader(io.LimitReader(from, maxRequest)).ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("request: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("request: %w", err)
	}
	if r.Version != version {
		return r, fmt.Errorf("request: version %d of the protocol; this server speaks %d", r.Version, version)
	}
	return r, nil
}

func (c Commands) run(r request) (string, error) {
	f := c[r.Command]
	if f == nil {
		return "", fmt.Errorf("unknown command %q", r.Command)
	}
	return f(r.Args)
}

// Close ends the server when the requests under way are answered, and removes the socket.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.reading { // any order: all are turned away
		conn.SetReadDeadline(time.Now())
	}
	s.mu.Unlock()
	s.open.Wait()
	return err
}

// Refused is what a server said instead of carrying a command out.
type Refused struct{ Why string }

func (e *Refused) Error() string { return e.Why }

// ErrNoServer means that nobody answers at a socket.
var ErrNoServer = errors.New("no mounted fault disk answers")

// Call sends a command to the server at path and returns its output. The error
// is a *Refused, or says that there is no server (ErrNoServer) or that it went away.
func Call(path, command string, args ...string) (string, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return "", fmt.Errorf("%w at %s: %w", ErrNoServer, path, err)
	}
	defer conn.Close()
	if err := json.NewEncoder(conn).Encode(request{version, command, args}); err != nil {
		return "", fmt.Errorf("control socket: %w", err)
	}
	var a answer
	if err := json.NewDecoder(conn).Decode(&a); err != nil {
		return "", fmt.Errorf("control socket: the server went away: %w", err)
	}
	if a.Error != "" {
		return a.Output, &Refused{a.Error}
	}
	return a.Output, nil
}
