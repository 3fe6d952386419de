package listen_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// process is a server in a process of its own, which signals reach.
type process struct {
	peer
	dir    string
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	errors string        // the file of what it says elsewhere than in its log
}

// servers start redis-server and the engine as processes.
var servers = map[string]func(t *testing.T, dir string, args ...string) *process{
	"redis":  func(t *testing.T, dir string, args ...string) *process { return startProcess(t, true, dir, args) },
	"engine": func(t *testing.T, dir string, args ...string) *process { return startProcess(t, false, dir, args) },
}

// startProcess starts one; it may refuse to start, see listens.
func startProcess(t *testing.T, real bool, dir string, args []string) *process {
	program := needs.Program(t, "redis-server")
	if !real {
		var err error
		program, err = os.Executable()
		require.NoError(t, err)
	}
	p := &process{dir: dir, done: make(chan struct{})}
	p.peer = peer{t: t, port: freePort(t), log: func() string { return readFile(filepath.Join(dir, "log")) }}
	p.addr = "127.0.0.1:" + p.port
	var file []string // of the configuration, which stands first
	if len(args) > 0 && !strings.HasPrefix(args[0], "--") {
		file, args = args[:1], args[1:]
	}
	p.cmd = exec.Command(program, append(append(file, "--port", p.port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--enable-debug-command", "yes",
		"--repl-diskless-sync-delay", "0", "--logfile", filepath.Join(dir, "log")), args...)...)
	if !real {
		p.cmd.Env = append(os.Environ(), asServer+"=1")
	}
	p.errors = filepath.Join(t.TempDir(), "errors")
	errors, err := os.Create(p.errors) // no pipe: a child that outlives it would hold that open
	require.NoError(t, err)
	defer errors.Close()
	p.cmd.Stderr = errors
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	companion.Start(t, p.cmd)
	// A child that is ended with it still logs that, into the directory that is removed.
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		p.eventually("its children have ended", func() bool { return !groupLives(p.cmd.Process.Pid) })
	})
	go func() {
		_ = p.cmd.Wait() // its state says how it ended
		close(p.done)
	}()
	return p
}

// groupLives tells whether a process of a group still runs: the system tells its state and, two
// words later, its group, behind the name in brackets (proc(5)).
func groupLives(group int) bool {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		line := readFile(file)
		words := strings.Fields(line[strings.LastIndex(line, ")")+1:])
		if len(words) > 2 && words[2] == strconv.Itoa(group) && words[0] != "Z" {
			return true
		}
	}
	return false
}

// listens waits until it takes connections, and makes one.
func (p *process) listens() *process {
	p.t.Helper()
	p.eventually("it listens", func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	p.dial()
	return p
}

func (p *process) signal(s syscall.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// status waits for the end and returns the exit status.
func (p *process) status() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(25 * time.Second):
		require.FailNow(p.t, "it does not end", p.log())
	}
	return p.cmd.ProcessState.ExitCode()
}

// logged are the lines of its log with one of some words, without dates.
func (p *process) logged(words ...string) (lines []string) {
	for line := range strings.Lines(p.log()) {
		for _, w := range words {
			if i := strings.IndexAny(line, "*#"); i >= 0 && strings.Contains(line, w) {
				lines = append(lines, strings.TrimSpace(line[i:]))
				break
			}
		}
	}
	return lines
}

// SIGTERM waits for replicas too, as its directive asks; a second SIGINT ends at
// once, and takes the snapshot away that the main thread was writing (redis 7.0.15
// server.c sigShutdownHandler).
func TestSignalsLikeRedis(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    []string
		signals []syscall.Signal
		waits   bool // before the last
		status  int
	}{
		{"SIGTERM", []string{"--shutdown-timeout", "1"}, []syscall.Signal{syscall.SIGTERM}, false, 0},
		{"no time to wait", []string{"--shutdown-timeout", "0"}, []syscall.Signal{syscall.SIGTERM}, false, 0},
		{"SIGTERM, now and with a snapshot", []string{"--shutdown-on-sigterm", "save", "now", "--shutdown-timeout", "1000"}, []syscall.Signal{syscall.SIGTERM}, false, 0},
		{"SIGINT, now", []string{"--shutdown-on-sigint", "nosave", "now", "--shutdown-timeout", "1000", "--save", "3600 1"}, []syscall.Signal{syscall.SIGINT}, false, 0},
		{"SIGINT twice", []string{"--shutdown-timeout", "1000"}, []syscall.Signal{syscall.SIGINT, syscall.SIGINT}, true, 1},
		{"SIGTERM, then SIGINT", []string{"--shutdown-timeout", "1000"}, []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}, true, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := map[string][]string{}
			for name, start := range servers {
				p := start(t, t.TempDir(), c.args...).listens()
				// A replica that says nothing lags for ever.
				silent, err := net.Dial("tcp", p.addr)
				require.NoError(t, err)
				defer silent.Close()
				_, err = silent.Write([]byte("PSYNC ? -1\r\n"))
				require.NoError(t, err)
				p.eventually("it has a replica", func() bool { return p.info("connected_slaves") == "1" })
				p.do("SET", "k", "v")
				temp := filepath.Join(p.dir, "temp-"+strconv.Itoa(p.cmd.Process.Pid)+".rdb")
				require.NoError(t, os.WriteFile(temp, nil, 0o644))
				for i, s := range c.signals {
					if i > 0 {
						p.eventually("it waits", func() bool { text, _ := p.c.Info("shutdown_in_milliseconds"); return text != "" })
					}
					p.signal(s)
				}
				assert.Equal(t, c.status, p.status(), name)
				_, err = os.Stat(temp)
				said[name] = append(p.logged("User requested", "shut down", "shutting down", "ready to exit", "in sync", "final"), "temporary file left: "+strconv.FormatBool(err == nil))
			}
			assert.Equal(t, said["redis"], said["engine"])
		})
	}
}

// sourceLine is a place in redis-server's source.
var sourceLine = regexp.MustCompile(`rdb\.c:\d+`)

// A server that cannot load its data says why once, with redis-server's words, and
// ends; a directory where a manifest should be is no manifest.
func TestRefusesToStartLikeRedis(t *testing.T) {
	const aofDir, manifest, incr = "appendonlydir", "appendonlydir/appendonly.aof.manifest", "appendonlydir/appendonly.aof.1.incr.aof"
	const line = "file appendonly.aof.1.incr.aof seq 1 type i\n"
	for _, c := range []struct {
		name  string
		files map[string]string // those that end with a slash are directories
		log   bool              // appendonly yes
	}{
		{"a snapshot that is none", map[string]string{"dump.rdb": "REDIS"}, false},
		{"a foreign snapshot", map[string]string{"dump.rdb": "SOMETHING0009"}, false},
		{"a snapshot of later", map[string]string{"dump.rdb": "REDIS0099"}, false},
		{"a snapshot that is a directory", map[string]string{"dump.rdb/": ""}, false},
		{"an empty manifest", map[string]string{manifest: ""}, true},
		{"a broken manifest", map[string]string{manifest: "file x\n"}, true},
		{"a broken manifest that nobody needs", map[string]string{manifest: "file x\n"}, false},
		{"a missing file", map[string]string{manifest: line}, true},
		{"a log that is a directory", map[string]string{manifest: line, incr + "/": ""}, true},
		{"a log in disorder", map[string]string{manifest: line, incr: "*1\r\n$4\r\nPING\r\nx"}, true},
		{"a log of unknown commands", map[string]string{manifest: line, incr: "*1\r\n$4\r\nPONG\r\n"}, true},
		{"a manifest that is a directory", map[string]string{manifest + "/": ""}, true},
		{"a directory that is a file", map[string]string{aofDir: ""}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := map[string][]string{}
			for name, start := range servers {
				dir := t.TempDir()
				for file, content := range c.files {
					path := filepath.Join(dir, file)
					require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
					if strings.HasSuffix(file, "/") {
						require.NoError(t, os.Mkdir(path, 0o755))
					} else {
						require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
					}
				}
				args := []string{"--appendonly", "no"}
				if c.log {
					args[1] = "yes"
				}
				p := start(t, dir, args...)
				p.eventually("it has started or not", func() bool {
					select {
					case <-p.done:
						return true
					default:
						return strings.Contains(p.log(), "Ready to accept")
					}
				})
				for _, l := range p.logged("#", "Ready to") {
					if !strings.Contains(l, "WARNING") && !strings.Contains(l, "edis is starting") && !strings.Contains(l, "version=") && !strings.Contains(l, "onfiguration") && !strings.Contains(l, "onfig file") && !strings.Contains(l, "no effect") {
						said[name] = append(said[name], sourceLine.ReplaceAllString(l, "rdb.c"))
					}
				}
				_ = p.cmd.Process.Kill()
				if status := p.status(); status >= 0 {
					said[name] = append(said[name], "ends with "+strconv.Itoa(status))
				}
			}
			assert.Equal(t, said["redis"], said["engine"])
		})
	}
}

// While a server loads its data it lets clients in, answers what needs no data,
// refuses the rest, and ends when it is told to, without touching its files (redis
// 7.0.15 networking.c processEventsWhileBlocked).
func TestLoadingLikeRedis(t *testing.T) {
	write := map[string]func(t *testing.T) (dir string, args []string){
		"snapshot": func(t *testing.T) (string, []string) {
			p := servers["redis"](t, t.TempDir()).listens()
			for i := range 3000 {
				p.c.Queue("SET", fmt.Sprint("key", i), strings.Repeat("v", 100))
			}
			p.c.Queue("SAVE")
			require.NoError(t, p.c.Flush())
			for range 3001 {
				_, err := p.c.Receive()
				require.NoError(t, err)
			}
			_, _ = p.c.Do("SHUTDOWN", "NOSAVE")
			p.status()
			return p.dir, []string{"--save", "1 1", "--key-load-delay", "1000"}
		},
		"log": func(t *testing.T) (string, []string) {
			dir := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(dir, "appendonlydir"), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "appendonlydir/appendonly.aof.manifest"), []byte("file appendonly.aof.1.incr.aof seq 1 type i\n"), 0o644))
			set := "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n"
			require.NoError(t, os.WriteFile(filepath.Join(dir, "appendonlydir/appendonly.aof.1.incr.aof"), []byte(strings.Repeat(set, 1000000)), 0o644))
			return dir, []string{"--appendonly", "yes", "--key-load-delay", "-20"}
		},
	}
	for name, prepare := range write {
		for _, end := range []string{"SHUTDOWN", "SIGTERM"} {
			t.Run(name+", "+end, func(t *testing.T) {
				from, args := prepare(t)
				said := map[string][]string{}
				for name, start := range servers {
					dir := t.TempDir()
					require.NoError(t, os.CopyFS(dir, os.DirFS(from)))
					_ = os.Remove(filepath.Join(dir, "log"))
					p := start(t, dir, append([]string{"--loading-process-events-interval-bytes", "1024"}, args...)...).listens()
					for _, line := range []string{"PING", "GET key1", "SET key1 v", "ECHO a", "DBSIZE", "SELECT 1", "CONFIG GET hz", "CONFIG SET hz 20", "CONFIG SET hz 30 appendonly yes", "CONFIG SET dir /", "CONFIG SET repl-diskless-load swapdb", "CONFIG GET hz", "MULTI", "TIME", "GET k", "EXEC", "MULTI", "SELECT 0", "EXEC",
						"PUBLISH a b", "CLIENT SETNAME x", "CLIENT GETNAME", "SHUTDOWN ABORT", "WAIT 0 0", "SAVE", "BGSAVE", "REPLICAOF NO ONE", "DEBUG DIGEST", "KEYS *", "UNWATCH", "WATCH k", "ROLE", "COMMAND COUNT", "RESET", "LASTSAVE", "FLUSHALL"} {
						reply, err := p.c.Do(strings.Fields(line)...)
						if line == "LASTSAVE" || line == "COMMAND COUNT" || line == "DEBUG DIGEST" { // how far it is
							reply = "?"
						}
						said[name] = append(said[name], fmt.Sprint(line, ": ", reply, " ", err))
					}
					assert.Equal(t, "1", p.info("loading"))
					total, err := strconv.Atoi(p.info("loading_total_bytes"))
					require.NoError(t, err)
					assert.Positive(t, total)
					for _, field := range []string{"loading_start_time", "loading_loaded_bytes", "loading_loaded_perc", "loading_eta_seconds", "loading_rdb_used_mem"} {
						assert.NotEmpty(t, p.info(field))
					}
					switch end {
					case "SHUTDOWN":
						_, err := p.c.Do("SHUTDOWN")
						require.Error(t, err)
					case "SIGTERM":
						p.signal(syscall.SIGTERM)
					}
					said[name] = append(said[name], "ends with "+strconv.Itoa(p.status()))
					said[name] = append(said[name], p.logged("User requested", "ready to exit", "Saving", "Ready")...)
					for _, file := range []string{"dump.rdb", "appendonlydir/appendonly.aof.1.incr.aof"} {
						was, _ := os.ReadFile(filepath.Join(from, file))
						is, _ := os.ReadFile(filepath.Join(dir, file))
						assert.Equal(t, was, is, file)
					}
				}
				assert.Equal(t, said["redis"], said["engine"])
			})
		}
	}
}

// CONFIG SET moves a running server to another directory, port or address, or says
// why it cannot, and stays then (redis 7.0.15 config.c setConfigDirOption, server.c
// changeListenPort, changeBindAddr).
func TestServerMovesLikeRedis(t *testing.T) {
	said := map[string][]string{}
	for name, start := range servers {
		p := start(t, t.TempDir(), "--enable-protected-configs", "yes").listens()
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer taken.Close()
		_, takenPort, _ := net.SplitHostPort(taken.Addr().String())
		free := freePort(t)
		require.NoError(t, os.MkdirAll(filepath.Join(p.dir, "a/b"), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, "file"), nil, 0o644))
		clean := strings.NewReplacer(p.dir, "DIR", takenPort, "TAKEN", free, "FREE", p.port, "PORT")
		do := func(line string) {
			reply, err := p.c.Do(strings.Fields(line)...)
			said[name] = append(said[name], clean.Replace(fmt.Sprint(line, ": ", reply, " ", err)))
		}
		reachable := func(addr string) {
			c, err := net.Dial("tcp", addr)
			if err == nil {
				c.Close()
			}
			said[name] = append(said[name], clean.Replace(fmt.Sprint(addr, " is reachable: ", err == nil)))
		}
		exists := func(file string) {
			_, err := os.Stat(filepath.Join(p.dir, file))
			said[name] = append(said[name], fmt.Sprint(file, " is there: ", err == nil))
		}
		do("SET k v")
		for _, line := range []string{"CONFIG SET dir a", "CONFIG GET dir", "SAVE", "CONFIG SET dir b", "CONFIG GET dir", "CONFIG SET dir nosuch", "CONFIG SET dir ../../file", "CONFIG GET dir", "CONFIG SET dir .. hz x", "CONFIG GET dir", "SAVE", "DEBUG RELOAD", "GET k"} {
			do(line)
		}
		do("CONFIG SET dir " + p.dir)
		do("CONFIG GET dir")
		for _, file := range []string{"dump.rdb", "a/dump.rdb", "a/b/dump.rdb"} {
			exists(file)
		}
		do("CONFIG SET port " + takenPort)
		do("CONFIG GET port")
		reachable(p.addr)
		do("CONFIG SET port " + free)
		do("CONFIG GET port")
		reachable(p.addr)
		reachable("127.0.0.1:" + free)
		do("CONFIG SET bind 127.0.0.2")
		do("CONFIG GET bind")
		reachable("127.0.0.1:" + free)
		reachable("127.0.0.2:" + free)
		do("CONFIG SET bind 192.0.2.1") // nobody's
		do("CONFIG GET bind")
		reachable("127.0.0.2:" + free)
		do("CONFIG SET bind 127.0.0.1 port " + p.port)
		reachable("127.0.0.2:" + free)
		reachable(p.addr)
		do("CONFIG SET port 0")
		reachable(p.addr)
		do("CONFIG GET port")
		do("CONFIG SET port " + p.port)
		reachable(p.addr)
		do("GET k")
	}
	assert.Equal(t, said["redis"], said["engine"])
}
