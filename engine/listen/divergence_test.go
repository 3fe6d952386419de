package listen_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process/redistest"
)

// A key whose time passed while the master was down is left out when the master
// loads its snapshot, and its replica, which goes on partially from the
// snapshot's place, must hear of that: nobody else deletes it there (redis
// 7.0.15 rdb.c rdbLoadRioWithLoadingCtx, RDBFLAGS_FEED_REPL).
func TestExpiredWhileTheMasterWasDown(t *testing.T) {
	for _, k := range append(pairs, [2]kind{redisKind, redisKind}) {
		t.Run(k[0].name+"-to-"+k[1].name, func(t *testing.T) {
			dir, port := t.TempDir(), freePort(t)
			args := []string{"--dir", dir, "--port", port, "--save", "10000 10000", "--lazyfree-lazy-expire", "no"}
			m, r := k[0].start(t, args...), k[1].start(t)
			r.follow(m)
			m.do("SET", "stays", "v")
			m.do("SELECT", "2")
			m.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
			m.do("SET", "goes", "v", "PX", "1")
			m.do("SET", "later", "v", "PX", "1000000")
			converge(m, r)
			_, _ = m.c.Do("SHUTDOWN", "SAVE") // closes the connection
			r.eventually("its master is gone", func() bool { return r.info("master_link_status") == "down" })
			time.Sleep(2 * time.Millisecond) // so that its time has passed
			m = k[0].start(t, args...)
			converge(m, r)
			assert.Equal(t, "1", m.info("sync_partial_ok"), m.log())
			assert.Equal(t, "0", m.info("sync_full"))
			assert.Equal(t, "keys=1,expires=0,avg_ttl=0", r.info("db0"))
			r.do("SELECT", "2")
			assert.Equal(t, "1", r.do("DBSIZE"))
		})
	}
}

// What the master sends while a script keeps its replica busy waits for the script's end.
// (To answer BUSY would end the replica.)
func TestBusyReplicaHearsItsMasterLater(t *testing.T) {
	for _, k := range pairs {
		t.Run(k[0].name+"-to-"+k[1].name, func(t *testing.T) {
			m, r := k[0].start(t), k[1].start(t, "--busy-reply-threshold", "10")
			r.follow(m)
			converge(m, r)
			busy, err := redistest.Dial(r.addr)
			require.NoError(t, err)
			t.Cleanup(func() { busy.Close() })
			busy.Queue("EVAL", "for i = 1, 100000000000 do end", "0")
			require.NoError(t, busy.Flush())
			r.eventually("the script is busy", func() bool {
				m.do("INCR", "n")
				_, err := r.c.Do("GET", "n")
				return err != nil && strings.Contains(err.Error(), "BUSY")
			})
			for range 100 {
				m.do("INCR", "n")
			}
			r.do("SCRIPT", "KILL")
			_, err = busy.Receive()
			require.ErrorContains(t, err, "killed")
			converge(m, r)
			assert.Equal(t, "1", m.info("sync_full"))
			assert.Equal(t, "0", m.info("sync_partial_ok"))
		})
	}
}

// freePort is a port that nobody listens on.
func freePort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// A client's write on a writable replica deletes a key past its time first, and
// keys whose time a client has set there end there; what the master has given an
// end stays until the master says so (redis 7.0.15 db.c lookupKey,
// EXPIRE_FORCE_DELETE_EXPIRED; expire.c expireSlaveKeys).
func TestExpiryOnAWritableReplica(t *testing.T) {
	script := func(replica kind) (replies []string, log string) {
		m, r := redisKind.start(t), replica.start(t, "--replica-read-only", "no", "--appendonly", "yes", "--lazyfree-lazy-expire", "no")
		m.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
		r.follow(m)
		r.catchUp(m)
		keys := []string{"incr", "getset", "append", "set", "setnx", "del", "unlink", "expire", "persist", "rename", "copy", "getdel", "rpush", "stays"}
		for _, key := range keys {
			m.do("SET", key, "5", "PX", "1")
		}
		m.do("RPUSH", "list", "5")
		m.do("PEXPIRE", "list", "1")
		r.catchUp(m)
		time.Sleep(2 * time.Millisecond)
		r.eventually("its log is in force", func() bool { return r.info("aof_rewrite_in_progress") == "0" && r.info("aof_rewrite_scheduled") == "0" })
		for _, line := range []string{"GET stays", "DBSIZE", "INCR incr", "TTL incr", "GETSET getset 6", "TTL getset", "APPEND append 6", "TTL append", "SET set 6 KEEPTTL", "TTL set", "SETNX setnx 6", "TTL setnx", "DEL del", "UNLINK unlink",
			"EXPIRE expire 100", "PERSIST persist", "SET to 1", "COPY copy to", "GETDEL getdel", "RPUSH rpush 1", "TYPE rpush", "LPOP list", "RPUSHX list 1", "LLEN list", "EXISTS list stays", "DBSIZE",
			"SET own 1", "PEXPIRE own 1000000", "RENAME own other", "SET other 1", "SET third 1 PX 1000000", "FLUSHDB"} {
			reply, err := r.c.Do(strings.Fields(line)...)
			replies = append(replies, fmt.Sprint(line, ": ", reply, " ", err))
		}
		m.do("SET", "stays", "5", "PX", "1")
		r.catchUp(m)
		for i := range 20 {
			r.do("SET", "own"+strconv.Itoa(i), "1", "PX", "1")
		}
		r.do("SET", "own20", "1", "PX", "1000000")
		r.eventually("its own keys are gone", func() bool { return r.do("DBSIZE") == "2" })
		replies = append(replies, "left: "+r.do("EXISTS", "own20"), "expired: "+r.info("expired_keys"))
		r.do("FLUSHALL")
		m.do("SET", "own20", "the master's", "PX", "1")
		r.catchUp(m)
		for i := range 20 {
			r.do("SET", "own"+strconv.Itoa(i), "1", "PX", "1")
		}
		r.eventually("its own keys are gone again", func() bool { return r.do("DBSIZE") == "1" })
		files, err := filepath.Glob(filepath.Join(strings.Split(r.do("CONFIG", "GET", "dir"), "\n")[1], "appendonlydir", "*.incr.aof"))
		require.NoError(t, err)
		require.Len(t, files, 1)
		log, _, _ = strings.Cut(readFile(files[0]), "FLUSHDB")
		return replies, regexp.MustCompile(`\d{13}`).ReplaceAllString(log, "TIME")
	}
	want, wantLog := script(redisKind)
	got, gotLog := script(engineKind)
	assert.Equal(t, want, got)
	assert.Equal(t, wantLog, gotLog)
	assert.Contains(t, strings.Join(want, "\n"), "INCR incr: 1 <nil>\nTTL incr: -1 <nil>")
}

// A client of a writable replica may set a deadline before 1970: no command takes the key
// for dead, until the replica's own cycle meets it.
func TestDeadlinesBefore1970OnAWritableReplica(t *testing.T) {
	script := func(replica kind) (replies []string) {
		m, r := redisKind.start(t), replica.start(t, "--replica-read-only", "no", "--appendonly", "yes", "--hz", "1")
		r.follow(m)
		r.catchUp(m)
		for _, line := range []string{"SET a 1", "SET b 1", "SET c 1", "SET d 1", "SET e 1", "SET f 1"} {
			m.do(strings.Fields(line)...)
		}
		r.catchUp(m)
		// As one transaction: no cycle comes in between.
		lines := []string{"PEXPIREAT a -5", "GET a", "TTL a", "PTTL a", "EXPIRETIME a", "PEXPIRETIME a", "INCR a", "RENAME a aa", "PTTL aa", "COPY aa copied", "PTTL copied",
			"PEXPIREAT b -1", "GET b", "PTTL b", "PEXPIRETIME b", "PEXPIREAT b -5 XX", "PEXPIREAT b 4102444800000 NX", "PERSIST b", "PEXPIREAT b -1", "PERSIST b", "PERSIST b",
			"PEXPIREAT c 0", "GET c", "EXPIRE d -9999999999", "GET d", "KEYS aa", "SCAN 0 MATCH aa COUNT 100", "DBSIZE", "EXPIREAT e -1", "PEXPIREAT e -2000 GT", "PEXPIREAT e -2000 LT", "PEXPIRETIME e",
			"PEXPIREAT f -1", "PEXPIREAT f -1 LT", "TOUCH a aa b c d e f", "DEBUG DIGEST-VALUE a aa b d e f"}
		r.do("MULTI")
		for _, line := range lines {
			r.do(strings.Fields(line)...)
		}
		replies = strings.Split(r.do("EXEC"), "\n")
		r.eventually("its own keys are gone", func() bool { return r.do("DBSIZE") == "1" })
		return append(replies, "left: "+r.do("KEYS", "*"))
	}
	want, got := script(redisKind), script(engineKind)
	assert.Equal(t, want, got)
	require.Greater(t, len(want), 30)
	assert.Equal(t, []string{"1", "1", "0"}, want[:3])
}

// gate is a way to a server that can be held up.
type gate struct {
	port string
	mu   sync.RWMutex // held: nothing passes towards the client
}

// startGate lets connections through to an address.
func startGate(t *testing.T, to string) *gate {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := &gate{}
	_, g.port, _ = net.SplitHostPort(l.Addr().String())
	var wg sync.WaitGroup
	var mu sync.Mutex
	conns := []io.Closer{l}
	t.Cleanup(func() {
		mu.Lock()
		for _, c := range conns {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				continue
			}
			mu.Lock()
			conns = append(conns, in, out)
			mu.Unlock()
			wg.Go(func() {
				_, _ = io.Copy(out, in)
				out.Close()
			})
			wg.Go(func() {
				b := make([]byte, 1<<16)
				for {
					n, err := out.Read(b)
					g.mu.RLock()
					_, failed := in.Write(b[:n])
					g.mu.RUnlock()
					if err != nil || failed != nil {
						in.Close()
						return
					}
				}
			})
		}
	})
	return g
}

// An orderly end waits for replicas that lag, as long as shutdown-timeout says; it
// can be aborted, and NOW does not wait (redis 7.0.15 server.c prepareForShutdown).
func TestShutdownWaitsForReplicas(t *testing.T) {
	script := func(t *testing.T, k kind) (said []string) {
		m := k.start(t, "--shutdown-timeout", "1000")
		other := &peer{t: t, addr: m.addr, port: m.port, log: m.log}
		other.dial()
		g := startGate(t, m.addr)
		r := redisKind.start(t)
		r.do("REPLICAOF", "127.0.0.1", g.port)
		r.catchUp(m)
		say := func(c *peer, line string) {
			reply, err := c.c.Do(strings.Fields(line)...)
			said = append(said, fmt.Sprint(line, ": ", reply, " ", err))
		}
		waits := func() {
			m.eventually("it waits for its replica", func() bool { text, _ := other.c.Info("shutdown_in_milliseconds"); return text != "" })
		}
		g.mu.Lock()
		open := sync.OnceFunc(g.mu.Unlock)
		defer open()
		say(m, "SET k v")
		say(other, "SHUTDOWN ABORT")
		say(other, "SHUTDOWN ABORT NOW")
		say(other, "SHUTDOWN SAVE NOSAVE")
		m.c.Queue("SHUTDOWN", "NOSAVE")
		require.NoError(t, m.c.Flush())
		waits()
		third := &peer{t: t, addr: m.addr, port: m.port, log: m.log}
		third.dial()
		third.c.Queue("SHUTDOWN", "NOW")
		require.NoError(t, third.c.Flush())
		say(other, "GET k")
		other.eventually("the second waits too", func() bool {
			return strings.Count(other.do("CLIENT", "LIST"), "cmd=shutdown") == 2
		})
		say(other, "SHUTDOWN ABORT")
		for _, c := range []*peer{m, third} {
			reply, err := c.c.Receive()
			said = append(said, fmt.Sprint(reply, " ", err))
		}
		// (Another command of theirs would make redis-server fail an assertion.)
		for _, c := range []*peer{m, third} {
			c.c.Close()
			c.dial()
		}
		say(m, "SET k w")
		// Writes wait for the end: of the wait, or of the server.
		m.c.Queue("SHUTDOWN")
		require.NoError(t, m.c.Flush())
		waits()
		third.c.Queue("SET", "k", "x")
		require.NoError(t, third.c.Flush())
		other.eventually("the write waits", func() bool { return strings.Contains(other.do("CLIENT", "LIST"), "cmd=set") })
		say(other, "GET k")
		open()
		for _, c := range []*peer{m, third, other} {
			reply, err := c.c.Receive()
			said = append(said, fmt.Sprint(reply, " ", err))
		}
		r.eventually("its master is gone", func() bool { return r.info("master_link_status") == "down" })
		said = append(said, r.do("GET", "k"))
		for line := range strings.Lines(m.log()) {
			for _, what := range []string{"shutting down", "shut down", "Shutdown", "shutdown", "ready to exit", "agging"} {
				if strings.Contains(line, what) {
					_, text, _ := strings.Cut(line, " 20") // the date is no matter
					said = append(said, strings.TrimSpace(text[strings.LastIndexAny(text, "*#"):]))
					break
				}
			}
		}
		return said
	}
	assert.Equal(t, script(t, redisKind), script(t, engineKind))
}

// CONFIG SET counts the replicas anew at once: no write is refused that has its
// replicas (redis 7.0.15 config.c updateGoodSlaves).
func TestReplicasAreCountedAnew(t *testing.T) {
	for _, k := range []kind{engineKind, redisKind} {
		t.Run(k.name, func(t *testing.T) {
			m, r := k.start(t), redisKind.start(t)
			r.follow(m)
			m.do("SET", "k", "v")
			converge(m, r)
			for range 20 {
				m.do("CONFIG", "SET", "min-replicas-to-write", "1", "min-replicas-max-lag", "10")
				m.do("SET", "k", "v")
				m.do("CONFIG", "SET", "min-replicas-to-write", "2")
				_, err := m.c.Do("SET", "k", "v")
				assert.ErrorContains(t, err, "NOREPLICAS")
				m.do("CONFIG", "SET", "min-replicas-max-lag", "0")
				m.do("SET", "k", "v")
				m.do("CONFIG", "SET", "min-replicas-to-write", "0")
			}
		})
	}
}

// Where nothing is to be kept the files of a synchronisation go away again, at the
// master once no replica needs its file (redis 7.0.15 replication.c
// removeRDBUsedToSyncReplicas).
func TestFilesOfASynchronisationGoAway(t *testing.T) {
	for _, kinds := range [][2]kind{{engineKind, redisKind}, {redisKind, engineKind}} {
		for _, remove := range []string{"no", "yes"} {
			t.Run(kinds[0].name+"-to-"+kinds[1].name+", rdb-del-sync-files "+remove, func(t *testing.T) {
				m := kinds[0].start(t, "--repl-diskless-sync", "no", "--rdb-del-sync-files", remove)
				load(m, "k", 10)
				r := kinds[1].start(t, "--rdb-del-sync-files", remove)
				r.follow(m)
				converge(m, r)
				for _, p := range []*peer{m, r} {
					file := filepath.Join(strings.Split(p.do("CONFIG", "GET", "dir"), "\n")[1], "dump.rdb")
					if remove == "no" {
						assert.FileExists(t, file)
						continue
					}
					p.eventually("its file is gone", func() bool { _, err := os.Stat(file); return os.IsNotExist(err) })
					assert.Contains(t, p.log(), "Removing the RDB file")
				}
			})
		}
	}
}

// A save point without changes saves whenever its time has passed.
func TestSavePointWithoutChanges(t *testing.T) {
	for _, k := range []kind{engineKind, redisKind} {
		p := k.start(t, "--save", "1 0")
		p.eventually("it has saved twice of itself", func() bool { n, _ := strconv.Atoi(p.info("rdb_saves")); return n >= 2 })
		assert.Contains(t, p.log(), "0 changes in 1 seconds. Saving...")
		p.do("CONFIG", "SET", "save", "")
		p.eventually("nobody writes into what is removed", func() bool { return p.info("rdb_bgsave_in_progress") == "0" })
	}
}

// A replica that loads its master's snapshot lets clients in, and tells them so.
func TestReplicaLoads(t *testing.T) {
	for _, k := range []kind{engineKind, redisKind} {
		t.Run(k.name, func(t *testing.T) {
			m := redisKind.start(t)
			m.do("DEBUG", "POPULATE", "3000", "key", "100")
			r := k.start(t, "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
			r.follow(m)
			r.eventually("it loads", func() bool { return r.info("loading") == "1" })
			_, err := r.c.Do("GET", "key:1")
			assert.EqualError(t, err, "server says LOADING Redis is loading the dataset in memory")
			r.do("CONFIG", "SET", "key-load-delay", "0")
			converge(m, r)
			assert.Equal(t, "3000", r.do("DBSIZE"))
		})
	}
}

// INFO has every field of redis-server's, those that never change among them.
func TestInfoHasEveryField(t *testing.T) {
	t.Parallel()
	fields := map[string][]string{}
	for name, start := range servers {
		p := start(t, t.TempDir()).listens()
		for line := range strings.Lines(p.do("INFO", "everything")) {
			field, _, ok := strings.Cut(line, ":")
			if ok && !strings.HasPrefix(field, "latency_percentiles_usec_") && !strings.HasPrefix(field, "cmdstat_") {
				fields[name] = append(fields[name], field)
			}
		}
	}
	require.NotEmpty(t, fields["redis"])
	require.Subset(t, fields["engine"], fields["redis"])
}

// A replica that takes its master's snapshot from memory has no file of it, and what
// cannot take the place of its data leaves these alone (swapdb).
func TestDisklessLoad(t *testing.T) {
	for _, k := range []kind{engineKind, redisKind} {
		for _, c := range []struct {
			how             string
			had, fromMemory bool // keys before, which may decide
		}{
			{"disabled", false, false},
			{"on-empty-db", false, true},
			{"on-empty-db", true, false},
			{"swapdb", true, true},
		} {
			for _, diskless := range []string{"yes", "no"} { // at the master
				t.Run(fmt.Sprintf("%s, %s, keys before %v, diskless %s", k.name, c.how, c.had, diskless), func(t *testing.T) {
					t.Parallel()
					m := redisKind.start(t, "--repl-diskless-sync", diskless)
					load(m, "k", 200)
					m.do("FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)")
					r := k.start(t, "--repl-diskless-load", c.how)
					if c.had {
						r.do("SET", "mine", "v")
					}
					r.follow(m)
					converge(m, r)
					file := filepath.Join(strings.Split(r.do("CONFIG", "GET", "dir"), "\n")[1], "dump.rdb")
					if c.fromMemory {
						assert.NoFileExists(t, file)
						assert.Contains(t, r.log(), "to parser")
					} else {
						assert.FileExists(t, file)
						assert.Contains(t, r.log(), "to disk")
					}
					assert.Equal(t, "", r.do("GET", "mine"))
					assert.Contains(t, r.do("FUNCTION", "LIST"), "lib")
				})
			}
		}
	}
}

// A replica that cannot write what its master sends ends, unless it is told to go on.
func TestReplicaThatCannotWrite(t *testing.T) {
	for _, k := range []kind{engineKind, redisKind} {
		for ignore, says := range map[string]string{
			"no":  "Replica was unable to write command to disk.",
			"yes": "Replica is applying a command even though it is unable to write to disk.",
		} {
			t.Run(k.name+", replica-ignore-disk-write-errors "+ignore, func(t *testing.T) {
				t.Parallel()
				m := redisKind.start(t)
				r := k.start(t, "--repl-diskless-load", "swapdb", "--save", "3600 1", "--replica-ignore-disk-write-errors", ignore)
				r.follow(m)
				converge(m, r)
				dir := strings.Split(r.do("CONFIG", "GET", "dir"), "\n")[1]
				require.NoError(t, os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o755))
				r.do("BGSAVE")
				r.eventually("it has failed", func() bool { return r.info("rdb_last_bgsave_status") == "err" })
				m.do("SET", "k", "v")
				r.eventually("it says so", func() bool { return strings.Contains(r.log(), says) })
				if ignore == "yes" {
					converge(m, r)
					assert.Equal(t, "v", r.do("GET", "k"))
					r.do("CONFIG", "SET", "save", "") // else it does not end before it has saved
				}
			})
		}
	}
}

// MEMORY and ACL answer in redis-server's words where these do not depend on the allocator.
func TestToldOfMemory(t *testing.T) {
	told := map[string][]string{}
	for _, k := range []kind{engineKind, redisKind} {
		p := k.start(t)
		p.do("SET", "k", "v")
		p.do("SELECT", "3")
		p.do("SET", "k", "v", "EX", "100")
		for i, word := range strings.Split(p.do("MEMORY", "STATS"), "\n") {
			if _, err := strconv.ParseFloat(word, 64); err != nil {
				told[k.name] = append(told[k.name], fmt.Sprint(i, word))
			}
		}
		told[k.name] = append(told[k.name], p.do("MEMORY", "DOCTOR"), p.do("MEMORY", "HELP"))
		for _, sub := range []string{"LOAD", "SAVE"} {
			_, err := p.c.Do("ACL", sub)
			told[k.name] = append(told[k.name], fmt.Sprint(err))
		}
	}
	assert.Equal(t, told["redis"], told["engine"])
}

// Idle clients are closed; who waits or listens is not.
func TestIdleClientsAreClosed(t *testing.T) {
	for _, k := range []kind{engineKind, redisKind} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			p := k.start(t)
			waits, err := net.Dial("tcp", p.addr)
			require.NoError(t, err)
			defer waits.Close()
			_, err = waits.Write([]byte("BLPOP list 0\r\n"))
			require.NoError(t, err)
			idle, err := net.Dial("tcp", p.addr)
			require.NoError(t, err)
			defer idle.Close()
			_, err = idle.Write([]byte("PING\r\n"))
			require.NoError(t, err)
			p.eventually("all are there", func() bool { return p.info("blocked_clients") == "1" && p.info("connected_clients") == "3" })
			p.do("CONFIG", "SET", "timeout", "1")
			p.eventually("one is closed", func() bool { return p.info("connected_clients") == "2" })
			require.Equal(t, "1", p.info("blocked_clients"))
			p.do("RPUSH", "list", "v")
		})
	}
}
