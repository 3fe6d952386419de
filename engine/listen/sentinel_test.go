package listen_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
	"github.com/torntail/torntail/engine/listen"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// asServer is set in the environment of a copy of this test that is to be a
// server: processes can be killed and stopped, goroutines cannot.
const asServer = "TORNTAIL_TEST_AS_SERVER"

// beServer runs the server that a process was started to be. Its arguments are
// redis-server's.
func beServer() int {
	args, sentinel := config.AskedForSentinel("", os.Args[1:])
	cfg := config.Default()
	if sentinel {
		cfg.MakeSentinel()
	}
	file, err := cfg.ParseArgs(args, listen.Matching(os.ReadFile))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return listen.Run(listen.Options{Config: cfg, ConfigFile: file, Output: os.Stdout, Child: []string{os.Args[0], "--child"}})
}

// member is a server or a Sentinel of a cluster, in a process of its own.
type member struct {
	t        *testing.T
	name     string
	real     bool // redis-server, not the engine
	sentinel bool
	addr     string
	port     string
	file     string
	cmd      *exec.Cmd
}

// hosts gives every member a loopback address of its own, so that none meets
// the port of another, in whatever test.
var hosts atomic.Int32

func newMember(t *testing.T, name string, real, sentinel bool, lines ...string) *member {
	n := hosts.Add(1)
	host := fmt.Sprintf("127.%d.%d.%d", 10+os.Getpid()%200, os.Getpid()/200%250, n)
	l, err := net.Listen("tcp", host+":0")
	require.NoError(t, err)
	m := &member{t: t, name: name, real: real, sentinel: sentinel, addr: l.Addr().String()}
	l.Close()
	_, m.port, _ = net.SplitHostPort(m.addr)
	dir := t.TempDir()
	m.file = filepath.Join(dir, "x.conf")
	lines = append([]string{"port " + m.port, "bind " + host, "dir " + dir, "logfile " + dir + "/log"}, lines...)
	require.NoError(t, os.WriteFile(m.file, []byte(strings.Join(lines, "\n")+"\n"), 0o644))
	return m
}

func (m *member) start() {
	args := []string{m.file}
	if m.sentinel {
		args = append(args, "--sentinel")
	}
	if m.real {
		m.cmd = exec.Command(needs.Program(m.t, "redis-server"), args...)
	} else {
		self, err := os.Executable()
		require.NoError(m.t, err)
		m.cmd = exec.Command(self, args...)
		m.cmd.Env = append(os.Environ(), asServer+"=1")
	}
	companion.Start(m.t, m.cmd)
	m.wait("answers", func() bool { r, err := m.ask("PING"); return err == nil && len(r) == 1 && r[0] == "PONG" })
}

func (m *member) signal(s syscall.Signal) { require.NoError(m.t, m.cmd.Process.Signal(s)) }

// ask sends a command and returns the reply's strings and numbers, flattened.
func (m *member) ask(args ...string) ([]string, error) {
	c, err := net.DialTimeout("tcp", m.addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(2 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	return flatReply(bufio.NewReader(c))
}

func flatReply(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	text := line[1 : len(line)-2]
	switch line[0] {
	case '$':
		n, _ := strconv.Atoi(text)
		if n < 0 {
			return []string{"(nil)"}, nil
		}
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return []string{string(b[:n])}, err
	case '*':
		var out []string
		for n, _ := strconv.Atoi(text); n > 0; n-- {
			e, err := flatReply(r)
			if err != nil {
				return out, err
			}
			out = append(out, e...)
		}
		return out, nil
	case '-':
		return nil, fmt.Errorf("%s", text)
	}
	return []string{text}, nil
}

// must asks what has to be answered, however busy the machine is: it asks again where nobody
// has answered in time.
func (m *member) must(args ...string) []string {
	m.t.Helper()
	var r []string
	var err error
	for range 10 {
		if r, err = m.ask(args...); !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	require.NoError(m.t, err, "%s: %v", m.name, args)
	return r
}

// wait waits for a condition; three minutes are more than a loaded machine takes.
func (m *member) wait(what string, ok func() bool) {
	m.t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	log, _ := os.ReadFile(filepath.Join(filepath.Dir(m.file), "log"))
	m.t.Fatalf("%s %s: not within 3 min; its log:\n%s", m.name, what, log)
}

// info is a field of INFO.
func (m *member) info(name string) string {
	r, err := m.ask("INFO")
	if err != nil || len(r) == 0 {
		return ""
	}
	for line := range strings.Lines(r[0]) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return v
		}
	}
	return ""
}

// field is a field of a SENTINEL MASTER reply.
func (m *member) field(name string) string {
	r, err := m.ask("SENTINEL", "MASTER", "mymaster")
	for i := 0; err == nil && i+1 < len(r); i += 2 {
		if r[i] == name {
			return r[i+1]
		}
	}
	return ""
}

// TestSentinelFailover: Sentinels of either kind, alone or together, watch servers of
// either kind, replace a master that dies or stops, and make it a replica when
// it is back.
func TestSentinelFailover(t *testing.T) {
	const engine, redis = false, true
	for _, c := range []struct {
		name      string
		servers   []bool
		sentinels []bool
		pause     bool // SIGSTOP, not SIGKILL
	}{
		{"real Sentinels watch engine servers", []bool{engine, engine, engine}, []bool{redis, redis, redis}, false},
		{"engine Sentinels watch real servers", []bool{redis, redis, redis}, []bool{engine, engine, engine}, false},
		{"a mixed quorum watches both kinds, which stop", []bool{engine, redis, engine}, []bool{redis, engine, engine}, true},
		{"another mixed quorum watches both kinds, which stop", []bool{redis, engine, redis}, []bool{engine, redis, redis}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			needs.Program(t, "redis-server")
			failover(t, c.servers, c.sentinels, c.pause)
		})
	}
}

func failover(t *testing.T, kinds, watchers []bool, pause bool) {
	var servers, sentinels []*member
	for i, real := range kinds {
		lines := []string{"save \"\"", "appendonly no", "repl-diskless-sync-delay 0", "repl-timeout 5"}
		if i > 0 {
			host, port, _ := net.SplitHostPort(servers[0].addr)
			lines = append(lines, "replicaof "+host+" "+port)
		}
		s := newMember(t, fmt.Sprintf("n%d", i+1), real, false, append(lines, "")...)
		// What replicas are known by must be where they listen, though their
		// connections come from another address.
		host, port, _ := net.SplitHostPort(s.addr)
		appendLine(t, s.file, "replica-announce-ip "+host, "replica-announce-port "+port)
		s.start()
		servers = append(servers, s)
	}
	host, port, _ := net.SplitHostPort(servers[0].addr)
	for i, real := range watchers {
		s := newMember(t, fmt.Sprintf("s%d", i+1), real, true,
			fmt.Sprintf("sentinel monitor mymaster %s %s 2", host, port),
			"sentinel down-after-milliseconds mymaster 1000", "sentinel failover-timeout mymaster 2000", "sentinel parallel-syncs mymaster 2")
		own, ownPort, _ := net.SplitHostPort(s.addr)
		appendLine(t, s.file, "sentinel announce-ip "+own, "sentinel announce-port "+ownPort)
		s.start()
		s.must("SENTINEL", "DEBUG", "ping-period", "250", "info-period", "100", "publish-period", "100", "ask-period", "100",
			"min-link-reconnect-period", "300", "election-timeout", "1000", "slave-reconf-timeout", "1000", "tilt-trigger", "30000")
		sentinels = append(sentinels, s)
	}
	for _, s := range sentinels {
		s.wait("knows everybody", func() bool {
			return s.field("num-slaves") == "2" && s.field("num-other-sentinels") == "2" && s.field("flags") == "master"
		})
	}
	for _, s := range servers[1:] {
		s.wait("follows", func() bool { return s.info("master_link_status") == "up" })
	}
	servers[0].must("SET", "k", "before")
	for _, s := range servers[1:] {
		s.wait("has the key", func() bool { r, _ := s.ask("GET", "k"); return len(r) == 1 && r[0] == "before" })
	}

	old := servers[0]
	if pause {
		old.signal(syscall.SIGSTOP)
	} else {
		old.signal(syscall.SIGKILL)
		old.cmd.Wait()
	}
	addr := ""
	sentinels[0].wait("and the others agree on a new master", func() bool {
		seen := map[string]bool{}
		for _, s := range sentinels { // a second election may change their minds meanwhile
			r, err := s.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster")
			if err != nil || len(r) != 2 {
				return false
			}
			addr = net.JoinHostPort(r[0], r[1])
			seen[addr] = true
		}
		return len(seen) == 1 && !seen[old.addr]
	})
	var master *member
	for _, s := range servers[1:] {
		if s.addr == addr {
			master = s
		}
	}
	require.NotNil(t, master, "%s is nobody's address", addr)
	master.wait("is the master", func() bool { return master.info("role") == "master" })
	master.wait("takes writes", func() bool { _, err := master.ask("SET", "k", "after"); return err == nil })

	if pause {
		old.signal(syscall.SIGCONT)
	} else {
		old.start()
	}
	newHost, newPort, _ := net.SplitHostPort(addr)
	for _, s := range servers {
		if s == master {
			continue
		}
		s.wait("follows the new master", func() bool {
			return s.info("role") == "slave" && s.info("master_host") == newHost && s.info("master_port") == newPort && s.info("master_link_status") == "up"
		})
		s.wait("has what was written since", func() bool { r, _ := s.ask("GET", "k"); return len(r) == 1 && r[0] == "after" })
	}
	for _, s := range sentinels {
		s.wait("sees nobody down", func() bool { return s.field("flags") == "master" && s.field("num-slaves") == "2" })
		text, err := os.ReadFile(s.file)
		require.NoError(t, err)
		require.Contains(t, string(text), "sentinel monitor mymaster "+newHost+" "+newPort+" 2", "%s has saved the new master", s.name)
	}
	text, err := os.ReadFile(old.file)
	require.NoError(t, err)
	require.Contains(t, string(text), "replicaof "+newHost+" "+newPort, "the old master was told to remember whom it follows")
}

func appendLine(t *testing.T, file string, lines ...string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = io.WriteString(f, strings.Join(lines, "\n")+"\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
}
