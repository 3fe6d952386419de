package process

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// probeEvery is the pause between two attempts to reach a starting server.
	// redis-server is up after about 5 ms, so this is what a cycle may lose.
	probeEvery = time.Millisecond
	// portTries bounds how often a port is chosen again after another program took it.
	portTries = 8
	// readyWithin is RedisSpec.Within when that is 0.
	readyWithin = 30 * time.Second
)

// StartRedis starts a server and waits until it answers PING.
func StartRedis(ctx context.Context, s RedisSpec) (*Redis, error) {
	if s.Binary == "" {
		s.Binary = "redis-server"
	}
	if s.Addr == "" {
		s.Addr = "127.0.0.1"
	}
	if s.Within == 0 {
		s.Within = readyWithin
	}
	for try := 1; ; try++ {
		r, err := s.startOnce(ctx)
		var start *StartError
		if s.Port == 0 && try < portTries && errors.As(err, &start) && start.PortTaken() {
			continue
		}
		return r, err
	}
}

func (s RedisSpec) startOnce(ctx context.Context) (*Redis, error) {
	port := s.Port
	if port == 0 {
		free, err := freePort(s.Addr)
		if err != nil {
			return nil, err
		}
		port = free
	}
	began := time.Now()
	path, args, environ, release, err := s.expand(s.Addr, port)
	if err != nil {
		return nil, err
	}
	defer release() // it has been read when the server answers
	dir := ""
	if s.Server != nil && s.Server.InDir {
		dir = s.Dir
	}
	p, err := Start(Spec{
		Path: path, Args: args, Env: environ, Dir: dir,
		Output: s.Output, Clock: s.Clock, Space: s.Space,
	})
	if err != nil {
		return nil, err
	}
	if s.Started != nil {
		s.Started(p)
	}
	r := &Redis{Process: p, Addr: net.JoinHostPort(s.Addr, strconv.Itoa(port))}
	if err := r.await(ctx, s); err != nil {
		ended := p.Exited()
		if ended && r.why == "" && p.Wait().Code == 0 { // as a daemon's parent and a script that does not wait
			r.why = r.leftBehind()
		}
		p.KillTree()
		p.WaitTree()
		p.OutputDone() // the reason stands in the last lines
		if !errors.Is(err, errNotReady) {
			return nil, fmt.Errorf("start %s: %w", path, err)
		}
		return nil, &StartError{Path: path, Exited: ended && r.why == "", Exit: p.Wait(), Output: p.Tail(), Why: r.why}
	}
	r.Took = time.Since(began)
	return r, nil
}

// leftBehind is what is wrong with a process that has ended before the server has; "":
// nothing is left of it. What has left its group is killed.
func (r *Redis) leftBehind() string {
	switch {
	case r.killEscaped():
		return "it became a daemon: it must stay in the foreground"
	case len(r.Children()) > 0:
		return "the process that was started has ended and left the server behind: it must end with the server"
	}
	return ""
}

// freePort asks the kernel for a port nobody listens on. Between this and the
// server's own bind somebody else may take it: the caller tries again.
func freePort(addr string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(addr, "0"))
	if err != nil {
		return 0, fmt.Errorf("choose a port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// errNotReady means that the server ended or kept silent.
var errNotReady = errors.New("not ready")

// await probes until the server answers, ends, or the time is over.
func (r *Redis) await(ctx context.Context, s RedisSpec) error {
	deadline := time.Now().Add(s.Within)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.Done():
			return errNotReady
		case <-timer.C:
		}
		if r.probe(ctx, s, deadline) {
			return nil
		}
		if r.why == "" && time.Now().After(deadline) {
			r.why = r.elsewhere()
			return errNotReady
		}
		if r.why != "" {
			return errNotReady
		}
		timer.Reset(probeEvery)
	}
}

// probe asks once. The process id that a server tells, or the process that has the port,
// rules out that another has our port and answers in its place.
func (r *Redis) probe(ctx context.Context, s RedisSpec, deadline time.Time) bool {
	conn, err := s.dial(r.Addr)
	if err != nil {
		if why := hopeless(err); why != "" && r.isOurs(0) {
			r.why = why
		}
		return false
	}
	defer conn.Close()
	conn.SetDeadline(deadline)
	// What listens there may be somebody else's and silent: our own server's end
	// ends the wait.
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		select {
		case <-r.Done():
			conn.SetDeadline(time.Now())
		case <-ctx.Done():
			conn.SetDeadline(time.Now())
		case <-answered:
		}
	}()
	if s.Server != nil && s.Server.Ready != nil {
		version, ok := s.Server.Ready(conn, r.Pid())
		r.Version = version
		return ok
	}
	a := ask(conn, s.Server != nil && s.Server.PingAlone)
	if !a.answered || !r.isOurs(a.pid) {
		return false
	}
	r.why, r.Version = a.wrong, a.version
	return r.why == ""
}

// port is where it listens.
func (r *Redis) port() int {
	_, port, _ := net.SplitHostPort(r.Addr) // made here
	n, _ := strconv.Atoi(port)
	return n
}

// elsewhere is where a server listens that does not do so where it was told to; "": nowhere.
func (r *Redis) elsewhere() string {
	members := append(r.Children(), r.Pid())
	if listener(r.port(), members) != 0 {
		return "" // there, and it does not answer
	}
	for port := range listening(members) { // any order: one is enough
		return fmt.Sprintf("it listens at port %d, where it was told %d", port, r.port())
	}
	return ""
}

// isOurs reports whether the server that says it has that process id, or does not say (0), is
// the process that was started or one that this has started, and notes which.
func (r *Redis) isOurs(pid int) bool {
	if pid == r.Pid() {
		return true
	}
	members := append(r.Children(), r.Pid())
	if !slices.Contains(members, pid) { // not told, or that of another namespace
		if pid = listener(r.port(), members); pid == 0 && r.killEscaped() {
			r.why = "it became a daemon: it must stay in the foreground"
		}
	}
	return pid != 0 && r.serving(pid)
}

// answers is what a server said that was asked whether it serves.
type answers struct {
	answered bool // by somebody who is not loading
	version  string
	pid      int    // that it tells; 0: none
	wrong    string // why it cannot be used; "": it can
}

// ask asks a server of Redis's kin. It is satisfied by any answer but LOADING: one that
// refuses with MISCONF is up.
func ask(conn net.Conn, pingAlone bool) (a answers) {
	asked := command("PING")
	if !pingAlone {
		asked = append(asked, command("INFO", "server")...)
	}
	if _, err := conn.Write(asked); err != nil {
		return a
	}
	in := bufio.NewReader(io.LimitReader(conn, mostInfo))
	line, err := in.ReadString('\n')
	switch {
	case err != nil && !strings.HasPrefix(line, tlsAlert) || strings.HasPrefix(line, "-LOADING"):
		return a
	case strings.HasPrefix(line, "-NOAUTH"):
		return answers{answered: true, wrong: "it wants a password, which the target does not have (" + short(strings.TrimSpace(line)) + ")"}
	case !strings.ContainsRune(respTypes, rune(line[0])):
		return answers{answered: true, wrong: "it answers PING with " + short(strings.TrimSpace(line)) + ", which is not RESP"}
	}
	a.answered = true
	if pingAlone {
		return a
	}
	info := readInfo(in)
	a.version = info["redis_version"]
	a.pid, _ = strconv.Atoi(info["process_id"])
	return a
}

const (
	// respTypes are the first bytes of replies (RESP3 specification).
	respTypes = "+-:$*_#,(!=%~>"
	// tlsAlert is the type byte of the record with which a server answers what is not TLS
	// (RFC 8446, 5.1).
	tlsAlert = "\x15"
)

// hopeless is why a connection that failed will fail again; "": it may not.
func hopeless(err error) string {
	var denied *DeniedError
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &denied):
		return denied.Error()
	case errors.As(err, &record), errors.As(err, &certificate):
		return err.Error()
	}
	return ""
}

// mostInfo is how many bytes a starting server may answer.
const mostInfo = 1 << 20

// readInfo reads the bulk reply of INFO; nil when the server answers otherwise.
func readInfo(answers *bufio.Reader) map[string]string {
	head, err := answers.ReadString('\n')
	if err != nil || !strings.HasPrefix(head, "$") {
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(head[1:]))
	if err != nil || n < 0 || n > mostInfo {
		return nil
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(answers, body); err != nil {
		return nil
	}
	info := map[string]string{}
	for line := range strings.Lines(string(body)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// How long a server may take to say its version, and how much it may say.
const (
	versionWithin = 5 * time.Second
	versionBytes  = 64 << 10
)

// answerTo is what a program prints that is asked for its version. It is ended, and all that
// it has started, when it takes too long or does not stop.
func answerTo(command []string) (string, error) {
	asked := strings.Join(command, " ")
	var mu sync.Mutex
	var said strings.Builder
	full := make(chan struct{})
	p, err := Start(Spec{Path: command[0], Args: command[1:], Output: func(l Line) {
		mu.Lock()
		defer mu.Unlock()
		if said.Len() > versionBytes {
			return
		}
		said.WriteString(l.Text)
		said.WriteByte('\n')
		if said.Len() > versionBytes {
			close(full)
		}
	}})
	if err != nil {
		return "", err
	}
	defer p.OutputDone()
	defer p.WaitTree()
	defer p.KillTree()
	timer := time.NewTimer(versionWithin)
	defer timer.Stop()
	select {
	case <-p.Done():
		p.KillTree() // what it has left behind holds the output open
		p.OutputDone()
	case <-full:
		return "", fmt.Errorf("%s: prints more than %d bytes, where a version is expected", asked, versionBytes)
	case <-timer.C:
		return "", fmt.Errorf("%s: has not ended after %v", asked, versionWithin)
	}
	mu.Lock()
	defer mu.Unlock()
	text := strings.TrimSpace(said.String())
	if exit := p.Wait(); exit.Code != 0 {
		return "", fmt.Errorf("%s: %v: %s", asked, exit, short(text))
	}
	return text, nil
}

// short is the beginning of what a program said, for a message.
func short(text string) string {
	const most = 200
	if len(text) > most {
		return strconv.Quote(text[:most]) + "..."
	}
	return strconv.Quote(text)
}

// VersionOf asks a program that is not redis-server's kin for its version.
func VersionOf(command []string) (string, error) {
	out, err := answerTo(command)
	if err != nil {
		return "", err
	}
	if v := parseVersion(out); v != "" {
		return v, nil
	}
	if v := numberPattern.FindString(out); v != "" {
		return v, nil
	}
	return "", fmt.Errorf("%s: no version in %s", strings.Join(command, " "), short(out))
}

// Version asks a server binary for its version, "7.0.15".
func Version(binary string) (string, error) {
	v, _, err := Kind(binary)
	return v, err
}

// Kind asks a server binary for its version, and what it calls itself, such as "redis"
// or "valkey".
func Kind(binary string) (version, product string, err error) {
	out, err := answerTo([]string{binary, "--version"})
	if err != nil {
		return "", "", err
	}
	if version = parseVersion(out); version == "" {
		return "", "", fmt.Errorf("%s --version: no version in %s", binary, short(out))
	}
	product, _, _ = strings.Cut(strings.ToLower(out), " ")
	return version, product, nil
}
