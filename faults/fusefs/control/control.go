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
	s := &Server{listener: l, commands: c}
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
	conn.SetReadDeadline(time.Now().Add(requestWithin))
	var a answer
	r, err := readRequest(conn)
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
	s.open.Wait()
	return err
}

// Call sends a command to the server at path and returns its output. The error
// is the server's own, or says that there is none.
func Call(path, command string, args ...string) (string, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return "", fmt.Errorf("no mounted fault disk answers at %s: %w", path, err)
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
		return a.Output, errors.New(a.Error)
	}
	return a.Output, nil
}
