package listen_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process/redistest"
)

// A child is ended however soon after its start: FLUSHALL behind BGSAVE leaves no snapshot
// that runs on (tests/integration/rdb.tcl, "Test FLUSHALL aborts bgsave").
func TestChildrenAreEndedFromTheirStart(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			p := start(t, t.TempDir(), "--rdb-key-save-delay", "100000").listens()
			for range 10 {
				p.do("DEBUG", "POPULATE", "10000", "key") // which takes a quarter of an hour
				p.do("BGSAVE")
				p.do("FLUSHALL")
				p.eventually("the snapshot has ended", func() bool { return p.info("rdb_bgsave_in_progress") == "0" })
			}
			require.NoFileExists(t, filepath.Join(p.dir, "dump.rdb"))
		})
	}
}

// A signal waits for cron, which DEBUG PAUSE-CRON stops, and clients are served meanwhile.
func TestSignalWaitsForCron(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			p := start(t, t.TempDir()).listens()
			p.do("DEBUG", "PAUSE-CRON", "1")
			p.signal(syscall.SIGTERM)
			p.eventually("the signal has come", func() bool { return strings.Contains(p.log(), "Received SIGTERM") })
			for range 100 {
				require.Equal(t, "PONG", p.do("PING"))
			}
			require.Equal(t, "OK", p.do("SHUTDOWN", "ABORT"))
			p.do("DEBUG", "PAUSE-CRON", "0")
			require.Equal(t, "PONG", p.do("PING"))
		})
	}
}

// INFO counts replicas apart from clients, and who waits for the server's end among those
// who are blocked (redis 7.0.15 server.c genRedisInfoString).
func TestClientsAreCountedLikeRedis(t *testing.T) {
	script := func(k kind) (said []string) {
		m, r := k.start(t, "--shutdown-timeout", "1000"), redisKind.start(t)
		count := func(p *peer) {
			said = append(said, "connected "+p.info("connected_clients")+", blocked "+p.info("blocked_clients")+", replicas "+p.info("connected_slaves"))
		}
		count(m)
		g := startGate(t, m.addr)
		r.do("REPLICAOF", "127.0.0.1", g.port)
		r.catchUp(m)
		count(m)
		g.mu.Lock()
		defer sync.OnceFunc(g.mu.Unlock)()
		m.do("SET", "k", "v")
		for range 2 {
			c, err := redistest.Dial(m.addr)
			require.NoError(t, err)
			t.Cleanup(func() { c.Close() })
			c.Queue("SHUTDOWN", "NOSAVE")
			require.NoError(t, c.Flush())
		}
		m.eventually("both wait", func() bool { return strings.Count(m.do("CLIENT", "LIST"), "cmd=shutdown") == 2 })
		count(m)
		m.do("SHUTDOWN", "ABORT")
		count(m)
		return said
	}
	want := script(redisKind)
	assert.Contains(t, want, "connected 3, blocked 2, replicas 1")
	assert.Equal(t, want, script(engineKind))
}

// What was kept for a replica that lags goes away with it (redis 7.0.15 networking.c
// freeReplicaReferencedReplBuffer).
func TestWhatWasKeptForAReplicaGoesWithIt(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		t.Run(k.name, func(t *testing.T) {
			m, r := k.start(t, "--repl-backlog-size", "16384", "--client-output-buffer-limit", "replica 0 0 0"), redisKind.start(t)
			g := startGate(t, m.addr)
			r.do("REPLICAOF", "127.0.0.1", g.port)
			r.catchUp(m)
			kept := func() int {
				n := 0
				fmt.Sscan(m.info("mem_total_replication_buffers"), &n)
				return n
			}
			g.mu.Lock()
			defer sync.OnceFunc(g.mu.Unlock)()
			value := strings.Repeat("v", 64<<10)
			for kept() < 4<<20 { // beyond what sockets hold
				m.do("SET", "k", value)
			}
			m.do("CLIENT", "KILL", "TYPE", "replica")
			m.eventually("what was kept is gone", func() bool { return m.info("connected_slaves") == "0" && kept() < 64<<10 })
			assert.Equal(t, "0", m.info("mem_clients_slaves"))
		})
	}
}

// The socket that has a name is served like a port (redis 7.0.15 networking.c
// genClientAddrString, catClientInfoString; replication.c replicationFeedMonitors).
func TestUnixSocketLikeRedis(t *testing.T) {
	script := func(k string) (said []string) {
		dir := t.TempDir()
		socket := filepath.Join(dir, "s")
		require.NoError(t, os.WriteFile(socket, []byte("what is in its place"), 0o600))
		p := servers[k](t, dir, "--unixsocket", socket, "--unixsocketperm", "700").listens()
		hide := func(text string) string {
			text = strings.ReplaceAll(text, dir, "DIR")
			return regexp.MustCompile(`(\$\d+|\d{10}\.\d+|127\.0\.0\.1:\d+|(id|fd|age|[a-z]+-mem|qbuf|qbuf-free|rbs|rbp|argv-mem)=-?\d+)`).ReplaceAllString(text, "X")
		}
		info, err := os.Stat(socket)
		require.NoError(t, err)
		said = append(said, info.Mode().String())
		unix, err := net.Dial("unix", socket)
		require.NoError(t, err)
		t.Cleanup(func() { unix.Close() })
		ask := func(command string) {
			_, err := unix.Write([]byte(command + "\r\n"))
			require.NoError(t, err)
			b := make([]byte, 16<<10)
			n, err := unix.Read(b)
			require.NoError(t, err)
			said = append(said, command+": "+hide(string(b[:n])))
		}
		ask("CLIENT SETNAME me")
		ask("CLIENT INFO")
		watch, err := net.Dial("tcp", p.addr)
		require.NoError(t, err)
		t.Cleanup(func() { watch.Close() })
		heard := make([]byte, 1<<10)
		_, err = watch.Write([]byte("MONITOR\r\n"))
		require.NoError(t, err)
		_, err = watch.Read(heard)
		require.NoError(t, err)
		ask("SET k v")
		n, err := watch.Read(heard)
		require.NoError(t, err)
		said = append(said, hide(string(heard[:n])), p.do("CONFIG", "GET", "unixsocketperm"))
		killed, err := p.c.Do("CLIENT", "KILL", "ADDR", socket+":0")
		said = append(said, fmt.Sprint(killed, " ", err))
		_, err = unix.Read(heard)
		said = append(said, fmt.Sprint("then: ", err))
		p.signal(syscall.SIGTERM)
		said = append(said, fmt.Sprint("status ", p.status()))
		_, err = os.Stat(socket)
		return append(said, fmt.Sprint("gone: ", os.IsNotExist(err)))
	}
	want := script("redis")
	assert.Contains(t, strings.Join(want, "\n"), "flags=U")
	assert.Equal(t, want, script("engine"))
}

// Redis's own tests wait for the number of the process, which the logo tells.
func TestLogoTellsTheProcess(t *testing.T) {
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			p := start(t, t.TempDir(), "--always-show-logo", "yes").listens()
			assert.Regexp(t, fmt.Sprintf(`(?m) Port: %s\n.* PID: %d\n`, p.port, p.cmd.Process.Pid), p.log())
			assert.NotContains(t, p.log(), "Running mode=")
		})
	}
}

// Whoever does not read is read from all the same: a program that sends a million commands
// before it reads a reply gets them all.
func TestRepliesThatNobodyReadsYet(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		t.Run(k.name, func(t *testing.T) {
			p := k.start(t)
			value := strings.Repeat("v", 1000)
			const n = 40000 // more than sockets hold, either way
			for range n {
				p.c.Queue("ECHO", value)
			}
			require.NoError(t, p.c.Flush())
			for range n {
				reply, err := p.c.Receive()
				require.NoError(t, err)
				require.Len(t, reply, 1000)
			}
		})
	}
}

// A client whose replies exceed its limit is closed without them, and a transaction of it is
// executed whole (redis 7.0.15 networking.c checkClientOutputBufferLimits).
func TestLimitsOfRepliesLikeRedis(t *testing.T) {
	script := func(k kind) (said []string) {
		p := k.start(t)
		p.do("SET", "big", strings.Repeat("v", 300<<10))
		p.do("SET", "small", "v")
		try := func(limit string, lines ...string) {
			p.do("CONFIG", "SET", "client-output-buffer-limit", limit)
			c, err := redistest.Dial(p.addr)
			require.NoError(t, err)
			defer c.Close()
			for _, line := range lines {
				c.Queue(strings.Fields(line)...)
			}
			require.NoError(t, c.Flush())
			got := limit + ": "
			for range lines {
				reply, err := c.Receive()
				if err != nil && !strings.HasPrefix(err.Error(), "server says") {
					got += "closed"
					break
				}
				got += fmt.Sprint(len(reply), " ")
			}
			said = append(said, got, p.do("EXISTS", "done"), fmt.Sprint(strings.Count(p.log(), "overcoming of output buffer limits")))
			p.do("DEL", "done")
		}
		try("normal 0 0 0", "GET big", "SET done 1")
		try("normal 100000 0 0", "GET small", "SET done 1")
		try("normal 100000 0 0", "GET big", "SET done 1")
		try("normal 400000 0 0", "GET big", "GET small", "SET done 1")
		try("normal 400000 0 0", "GET small", "GET big", "GET big", "SET done 1")
		try("normal 100000 0 0", "MULTI", "GET big", "SET done 1", "EXEC")
		try("normal 0 100000 1000", "GET big", "SET done 1")
		p.do("HSET", "h", "a", "b")
		p.do("SADD", "s", "a")
		p.do("ZADD", "z", "1", "a")
		for _, endless := range []string{"HRANDFIELD h -999999999", "SRANDMEMBER s -999999999", "ZRANDMEMBER z -999999999"} {
			try("normal 1000000 0 0", endless, "SET done 1")
		}
		return said
	}
	want := script(redisKind)
	assert.Contains(t, want, "normal 100000 0 0: closed")
	assert.Equal(t, want, script(engineKind))
}

// A subscriber that does not read is closed in time, though nobody publishes any more (redis
// 7.0.15 server.c clientsCron).
func TestSoftLimitsWithoutTraffic(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		t.Run(k.name, func(t *testing.T) {
			p := k.start(t, "--client-output-buffer-limit", "pubsub 0 100000 1")
			c, err := net.Dial("tcp", p.addr)
			require.NoError(t, err)
			t.Cleanup(func() { c.Close() })
			_, err = c.Write([]byte("SUBSCRIBE c\r\n"))
			require.NoError(t, err)
			p.eventually("it is heard", func() bool { return p.do("PUBLISH", "c", "m") == "1" })
			for range 200 { // beyond what sockets hold
				p.do("PUBLISH", "c", strings.Repeat("m", 100<<10))
			}
			p.eventually("it is closed", func() bool { return strings.Contains(p.log(), "overcoming of output buffer limits") })
		})
	}
}

// While a snapshot passes through no file clients are told LOADING, unless what is there is
// of the same history: that is served, and what bears on the load is refused
// (tests/integration/replication.tcl, "Diskless load swapdb").
func TestWhatIsServedDuringDisklessLoad(t *testing.T) {
	script := func(k kind) (said []string) {
		m := redisKind.start(t, "--repl-diskless-sync", "yes", "--rdbcompression", "no", "--repl-backlog-size", "16384")
		r := k.start(t, "--repl-diskless-load", "swapdb", "--replica-read-only", "no")
		ask := func() {
			for _, line := range []string{"GET mine", "DBSIZE", "CONFIG SET appendonly no", "CONFIG SET dir /", "BGSAVE", "REPLICAOF NO ONE", "PING", "SET other v"} {
				reply, err := r.c.Do(strings.Fields(line)...)
				said = append(said, fmt.Sprint(line, ": ", reply, " ", err))
			}
			said = append(said, fmt.Sprint("loading ", r.info("loading"), ", beside ", r.info("async_loading")))
		}
		m.do("DEBUG", "POPULATE", "400", "m", "100000")
		r.do("SET", "mine", "v")
		m.do("CONFIG", "SET", "rdb-key-save-delay", "20000")
		r.do("REPLICAOF", "127.0.0.1", m.port)
		r.eventually("it loads", func() bool { return r.info("loading") == "1" })
		ask()
		m.do("CONFIG", "SET", "rdb-key-save-delay", "0")
		m.do("CLIENT", "KILL", "TYPE", "replica")
		r.eventually("it follows", func() bool { return r.info("master_link_status") == "up" })
		said = append(said, r.do("DBSIZE"))

		r.do("SET", "mine", "v")
		m.do("CONFIG", "SET", "rdb-key-save-delay", "20000")
		m.c.Queue("MULTI")
		m.c.Queue("CLIENT", "KILL", "TYPE", "replica")
		m.c.Queue("SET", "large", strings.Repeat("x", 100000))
		m.c.Queue("EXEC")
		require.NoError(t, m.c.Flush())
		for range 4 {
			_, err := m.c.Receive()
			require.NoError(t, err)
		}
		r.eventually("it loads beside", func() bool { return r.info("async_loading") == "1" })
		ask()
		m.do("CONFIG", "SET", "rdb-key-save-delay", "0")
		m.do("CLIENT", "KILL", "TYPE", "replica")
		r.eventually("it follows again", func() bool { return r.info("master_link_status") == "up" })
		return append(said, r.do("DBSIZE"), r.do("EXISTS", "mine"))
	}
	want := script(redisKind)
	assert.Contains(t, want, "loading 0, beside 1")
	assert.Equal(t, want, script(engineKind))
}

// A replica's connection to its master is a client like others: it is listed, counted and
// killed, by its type or its address, after which the replica goes on partially.
func TestMastersConnectionLikeRedis(t *testing.T) {
	script := func(k kind) (said []string) {
		m, r := redisKind.start(t), k.start(t)
		r.follow(m)
		m.do("SET", "k", "v")
		converge(m, r)
		list := regexp.MustCompile(`addr=(\S+) .*flags=(\S+)`)
		look := func() {
			found := list.FindStringSubmatch(r.do("CLIENT", "LIST", "TYPE", "MASTER"))
			require.NotNil(t, found)
			said = append(said, fmt.Sprint(found[1] == m.addr, " ", found[2], ", connected ", r.info("connected_clients"), ", listed ", strings.Count(r.do("CLIENT", "LIST"), "addr=")))
		}
		look()
		for i, kill := range []string{"CLIENT KILL TYPE master", "CLIENT KILL " + m.addr, "CLIENT KILL ADDR " + m.addr} {
			reply := r.do(strings.Fields(kill)...)
			r.eventually("it goes on partially", func() bool { return m.info("sync_partial_ok") == fmt.Sprint(i+1) })
			m.do("INCR", "n")
			converge(m, r)
			said = append(said, reply)
		}
		look()
		r.do("REPLICAOF", "NO", "ONE")
		return append(said, r.do("CLIENT", "KILL", "TYPE", "master"), m.info("sync_full"))
	}
	assert.Equal(t, script(redisKind), script(engineKind))
}

// CONFIG RESETSTAT begins to count anew whatever redis-server does (server.c resetServerStats).
func TestStatisticsBeginAnewLikeRedis(t *testing.T) {
	script := func(k kind) (said []string) {
		m, r := k.start(t, "--appendonly", "yes", "--auto-aof-rewrite-percentage", "0"), redisKind.start(t)
		r.follow(m)
		converge(m, r)
		m.do("CLIENT", "KILL", "TYPE", "replica")
		r.eventually("it is back", func() bool { return m.info("sync_partial_ok") == "1" })
		for _, command := range []string{"BGREWRITEAOF", "BGSAVE"} {
			m.do(command)
			m.eventually("it is written", func() bool {
				return m.info("rdb_bgsave_in_progress") == "0" && m.info("aof_rewrite_in_progress") == "0"
			})
		}
		look := func() {
			for _, field := range []string{"sync_full", "sync_partial_ok", "sync_partial_err", "rdb_saves", "aof_rewrites", "total_forks", "total_eviction_exceeded_time", "evicted_keys", "expired_keys"} {
				said = append(said, field+" "+m.info(field))
			}
		}
		look()
		m.do("CONFIG", "RESETSTAT")
		look()
		m.do("BGSAVE")
		m.eventually("it is written", func() bool { return m.info("rdb_bgsave_in_progress") == "0" })
		look()
		return said
	}
	assert.Equal(t, script(redisKind), script(engineKind))
}

// What aof-disable-auto-gc has kept goes away once it is switched off (redis 7.0.15 config.c
// updateAofAutoGCEnabled).
func TestHistoryGoesWhenItIsNoLongerKept(t *testing.T) {
	script := func(k kind) (said []string) {
		p := k.start(t, "--appendonly", "yes", "--aof-disable-auto-gc", "yes", "--auto-aof-rewrite-percentage", "0")
		dir := filepath.Join(strings.Split(p.do("CONFIG", "GET", "dir"), "\n")[1], "appendonlydir")
		look := func() {
			files, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			for i := range files {
				files[i] = filepath.Base(files[i])
			}
			said = append(said, readFile(filepath.Join(dir, "appendonly.aof.manifest")), strings.Join(files, " "))
		}
		for range 2 {
			p.do("SET", "k", "v")
			p.do("BGREWRITEAOF")
			p.eventually("it is rewritten", func() bool { return p.info("aof_rewrite_in_progress") == "0" })
		}
		look()
		p.do("CONFIG", "SET", "aof-disable-auto-gc", "no")
		p.eventually("the files are gone", func() bool { files, _ := filepath.Glob(filepath.Join(dir, "*")); return len(files) == 3 })
		look()
		return said
	}
	assert.Equal(t, script(redisKind), script(engineKind))
}

// What clients have sent and have not read counts against maxmemory
// (tests/unit/maxmemory.tcl, "eviction due to output buffers").
func TestBuffersOfClientsEvict(t *testing.T) {
	for _, k := range []kind{redisKind, engineKind} {
		t.Run(k.name, func(t *testing.T) {
			p := k.start(t, "--maxmemory", "11mb", "--maxmemory-policy", "allkeys-lru")
			for i := range 50 {
				p.do("SETRANGE", fmt.Sprint(i), "100000", "x")
			}
			open := func() net.Conn {
				c, err := net.Dial("tcp", p.addr)
				require.NoError(t, err)
				t.Cleanup(func() { c.Close() })
				return c
			}
			assert.Equal(t, "0", p.info("evicted_keys"))
			for range 30 {
				_, err := fmt.Fprintf(open(), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$400000\r\n%s", strings.Repeat("x", 300000))
				require.NoError(t, err)
			}
			p.eventually("keys are evicted for what was sent", func() bool { return p.info("evicted_keys") != "0" })

			p.do("CONFIG", "SET", "maxmemory", "0")
			p.do("CLIENT", "KILL", "TYPE", "NORMAL")
			p.do("FLUSHALL")
			p.do("CONFIG", "RESETSTAT")
			for i := range 50 {
				p.do("SETRANGE", fmt.Sprint(i), "100000", "x")
			}
			p.do("CONFIG", "SET", "maxmemory", "11mb")
			for range 20 {
				c := open()
				for range 100 { // ten megabytes, of which sockets hold some
					_, err := c.Write([]byte("GET 49\r\n"))
					require.NoError(t, err)
				}
			}
			p.eventually("keys are evicted for what is not read", func() bool { p.do("PING"); return p.info("evicted_keys") != "0" })
		})
	}
}

// What DEBUG is told by tests of Redis: to write to the log, to answer an error, to feed
// replicas, to forget the history, to restore whatever the checksum is.
func TestDebugLikeRedis(t *testing.T) {
	script := func(k kind) (said []string) {
		m, r := k.start(t), redisKind.start(t)
		r.follow(m)
		m.do("SET", "k", "v")
		r.catchUp(m)
		say := func(args ...string) {
			reply, err := m.c.Do(args...)
			said = append(said, fmt.Sprint(args, ": ", reply, " ", err))
		}
		say("DEBUG", "LOG", "a line")
		m.eventually("it is there", func() bool { return strings.Contains(m.log(), "DEBUG LOG: a line") })
		say("DEBUG", "ERROR", "MINE of\r\ntwo lines")
		say("DEBUG", "REPLICATE", "SET", "r", "only there")
		r.eventually("the replica has it", func() bool { return r.do("GET", "r") == "only there" })
		say("GET", "r")
		id := m.info("master_replid")
		say("DEBUG", "CHANGE-REPL-ID")
		said = append(said, fmt.Sprint("another: ", id != m.info("master_replid"), ", before: ", m.info("master_replid2")))
		payload := "\x00\x05hello\n\x00cr\xdfve4 \x00"
		say("RESTORE", "h", "0", payload)
		say("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1")
		say("RESTORE", "h", "0", payload)
		say("RESTORE", "h2", "0", "\x00\x05hello\x0b\x00cr\xdfve4 \x00")
		say("RESTORE", "h2", "0", "short")
		say("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "0")
		say("RESTORE", "h2", "0", payload)
		return said
	}
	assert.Equal(t, script(redisKind), script(engineKind))
}
