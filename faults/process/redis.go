package process

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/guard"
)

// Directive is one line of redis.conf: the name and its arguments.
type Directive struct {
	Name string
	Args []string
}

// RedisSpec says how to start a Redis-like server.
type RedisSpec struct {
	Binary     string      // "" is redis-server
	Dir        string      // data directory, as the server sees it; "" leaves the server's default
	Addr       string      // loopback address to bind; "" is 127.0.0.1
	Port       int         // 0: a free one, chosen again while others are faster
	Directives []Directive // after those that torntail needs, so that they win
	Config     string      // a configuration file, read before all that; "" is none
	Sentinel   bool        // start it as a Sentinel, which needs a Config that it can write

	// Within limits the time until the server answers; 0 is 30 s. Loading a
	// large file counts.
	Within time.Duration

	// Started gets the process as soon as it runs, long before it is ready: a
	// fault that strikes during the start must know whom to kill. It is called
	// again with each new process when a port was taken.
	Started func(*Process)

	// Server describes one that is not started, or not entered, as redis-server is.
	Server *Server

	Output func(Line)
	Clock  func() time.Duration
	Space  *guard.Space
}

// args is the command line: what torntail needs, then the caller's directives.
func (s RedisSpec) args(addr string, port int) []string {
	var args []string
	if s.Config != "" {
		args = append(args, s.Config)
	}
	if s.Sentinel {
		args = append(args, "--sentinel")
	}
	args = append(args,
		"--port", strconv.Itoa(port),
		"--bind", addr,
		"--daemonize", "no",
		"--logfile", "", // to stdout, where Output sees it
	)
	if s.Dir != "" {
		args = append(args, "--dir", s.Dir)
	}
	for _, d := range s.Directives {
		args = append(args, "--"+d.Name)
		args = append(args, d.Args...)
	}
	return args
}

// Redis is a server that has answered.
type Redis struct {
	*Process
	Addr    string        // host:port it listens on
	Version string        // as INFO says; "" when it does not say
	Took    time.Duration // from the start of the process to the first answer
	why     string        // it will never be ready; "": it may
}

// StartError means that the server ended, or said nothing, before it was ready.
// For a restart after a crash that is a result, not a failure of the harness:
// the server refused what the crash left.
type StartError struct {
	Path   string
	Exited bool // false: it runs but did not answer in time
	Exit   Exit
	Output string // its last lines
	// Why is what keeps torntail from using a server that was there; "": it was not.
	Why string
}

// shownLines is how many of a server's last lines its StartError has.
const shownLines = 3

func (e *StartError) Error() string {
	how := "did not answer in time"
	switch {
	case e.Exited:
		how = e.Exit.String()
	case e.Why != "":
		how = e.Why
	}
	lines := strings.Split(strings.TrimSpace(e.Output), "\n")
	lines = lines[max(0, len(lines)-shownLines):]
	return fmt.Sprintf("%s did not start: %s; its last lines:\n%s", e.Path, how, strings.Join(lines, "\n"))
}

// Silent reports whether it ran until the time was over, and nobody answered.
func (e *StartError) Silent() bool { return !e.Exited && e.Why == "" }

// PortTaken reports whether the server ended because somebody else had its port.
func (e *StartError) PortTaken() bool {
	return e.Exited && strings.Contains(strings.ToLower(e.Output), "address already in use")
}

// versionPattern matches the answer of `redis-server --version` and of its relatives:
// "Redis server v=7.0.15 sha=...", "Valkey server v=8.0.1 ...".
var versionPattern = regexp.MustCompile(`\bv=([0-9][^ ]*)`)

// numberPattern matches a version in what other servers print.
var numberPattern = regexp.MustCompile(`[0-9]+\.[0-9][^\s,]*`)

// parseVersion finds the version in what a server prints for --version; "" when there is none.
func parseVersion(output string) string {
	if m := versionPattern.FindStringSubmatch(output); m != nil {
		return m[1]
	}
	return ""
}
