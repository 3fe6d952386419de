package listen_test

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/process/redistest"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// peer is a server in a test of replication: an engine or a redis-server.
type peer struct {
	t    *testing.T
	addr string
	port string
	c    *redistest.Conn
	log  func() string
}

// kind makes servers of one kind.
type kind struct {
	name  string
	start func(t *testing.T, args ...string) *peer
}

var (
	engineKind = kind{"engine", startEngine}
	redisKind  = kind{"redis", startRedis}
)

func startEngine(t *testing.T, args ...string) *peer {
	r := start(t, t.TempDir(), append([]string{"--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"}, args...)...)
	p := &peer{t: t, addr: r.addr, port: r.port, log: r.log.String}
	p.dial()
	return p
}

func startRedis(t *testing.T, args ...string) *peer {
	path := needs.Program(t, "redis-server")
	port, dir := freePort(t), t.TempDir()
	if i := slices.Index(args, "--port"); i >= 0 {
		port = args[i+1]
	}
	addr := "127.0.0.1:" + port
	cmd := exec.Command(path, append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--enable-debug-command", "yes",
		"--repl-diskless-sync-delay", "0", "--logfile", filepath.Join(dir, "log")}, args...)...)
	companion.Start(t, cmd)
	p := &peer{t: t, addr: addr, port: port, log: func() string { return readFile(filepath.Join(dir, "log")) }}
	p.eventually("it listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	p.dial()
	return p
}

func (p *peer) dial() {
	c, err := redistest.Dial(p.addr)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { c.Close() })
	p.c = c
}

func (p *peer) do(args ...string) string {
	p.t.Helper()
	reply, err := p.c.Do(args...)
	require.NoError(p.t, err, strings.Join(args, " "))
	return reply
}

func (p *peer) info(field string) string {
	p.t.Helper()
	v, err := p.c.Info(field)
	require.NoError(p.t, err)
	return v
}

// eventually waits for a condition, with a bound far above what it takes.
func (p *peer) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(25 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	log := ""
	if p.log != nil {
		log = p.log()
	}
	require.FailNow(p.t, "waited in vain until "+what, log)
}

func (p *peer) follow(master *peer) {
	p.t.Helper()
	p.eventually("it has loaded what it had, and follows", func() bool {
		_, err := p.c.Do("REPLICAOF", "127.0.0.1", master.port)
		if err != nil {
			require.ErrorContains(p.t, err, "LOADING")
		}
		return err == nil
	})
}

// catchUp waits until a replica is where its master is.
func (r *peer) catchUp(master *peer) {
	r.t.Helper()
	r.eventually("it is where its master is", func() bool {
		return r.info("role") == "slave" && r.info("master_link_status") == "up" &&
			r.info("master_replid") == master.info("master_replid") &&
			r.info("slave_repl_offset") == master.info("master_repl_offset")
	})
}

// converge waits until replicas are where the master is, and compares the data.
func converge(master *peer, replicas ...*peer) {
	master.t.Helper()
	for _, r := range replicas {
		r.catchUp(master)
		require.Equal(r.t, master.do("DEBUG", "DIGEST"), r.do("DEBUG", "DIGEST"), r.log())
	}
	master.eventually("its replicas are online", func() bool {
		text := master.do("INFO", "replication")
		return !strings.Contains(text, "state=wait_bgsave") && !strings.Contains(text, "state=send_bulk")
	})
}

// pairs are both ways round, and the engine with itself.
var pairs = [][2]kind{{engineKind, redisKind}, {redisKind, engineKind}, {engineKind, engineKind}}

func eachPair(t *testing.T, f func(t *testing.T, master, replica kind)) {
	for _, k := range pairs {
		t.Run(k[0].name+"-to-"+k[1].name, func(t *testing.T) { f(t, k[0], k[1]) })
	}
}

// load writes data of every kind the engine has.
func load(p *peer, prefix string, n int) {
	for i := range n {
		p.c.Queue("SET", fmt.Sprintf("%s:%d", prefix, i), strings.Repeat("v", i%200))
		p.c.Queue("RPUSH", prefix+":list", strconv.Itoa(i), "x")
	}
	p.c.Queue("SELECT", "3")
	p.c.Queue("MULTI")
	p.c.Queue("SET", prefix, "in 3", "EX", "100000")
	p.c.Queue("INCR", prefix+":n")
	p.c.Queue("EXEC")
	p.c.Queue("SELECT", "0")
	require.NoError(p.t, p.c.Flush())
	for range 2*n + 6 {
		_, err := p.c.Receive()
		require.NoError(p.t, err)
	}
}

// A full synchronisation carries what was there, from memory over the socket
// and through a file, and the stream behind it what is written meanwhile.
func TestFullSync(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		for _, diskless := range []string{"yes", "no"} {
			t.Run("diskless="+diskless, func(t *testing.T) {
				m := master.start(t, "--repl-diskless-sync", diskless)
				load(m, "before", 500)
				r := replica.start(t, "--appendonly", "yes")
				r.do("SET", "own", "lost")
				r.follow(m)
				load(m, "during", 500)
				converge(m, r)
				load(m, "after", 100)
				converge(m, r)
				assert.Equal(t, "1", m.info("sync_full"))
				assert.Contains(t, m.info("slave0"), "ip=127.0.0.1,port="+r.port+",state=online,offset=")
				assert.Equal(t, m.info("master_repl_offset"), strings.Split(m.do("ROLE"), "\n")[1])
				_, err := r.c.Do("SET", "k", "v")
				assert.EqualError(t, err, "server says READONLY You can't write against a read only replica.")
				assert.Equal(t, "1", m.do("WAIT", "1", "0"))
				// Before the log it begins anew is complete it refuses to end.
				r.eventually("its log is written", func() bool { return r.info("aof_rewrite_in_progress") == "0" })
			})
		}
	})
}

// A link that breaks is taken up where it was; beyond the backlog everything
// is sent again.
func TestPartialSync(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m, r := master.start(t, "--repl-backlog-size", "16384"), replica.start(t)
		r.follow(m)
		load(m, "a", 50)
		converge(m, r)
		for range 3 {
			m.do("CLIENT", "KILL", "TYPE", "replica")
			load(m, "b", 10)
			converge(m, r)
		}
		assert.Equal(t, "3", m.info("sync_partial_ok"))
		assert.Equal(t, "1", m.info("sync_full"))

		// While it follows nobody it keeps its place; the master goes on beyond
		// what the backlog holds.
		r.do("REPLICAOF", "127.0.0.1", "1")
		m.eventually("the replica is gone", func() bool { return m.info("connected_slaves") == "0" })
		load(m, "c", 2000)
		r.follow(m)
		converge(m, r)
		assert.Equal(t, "2", m.info("sync_partial_err"), "the first asked for a history of its own")
		assert.Equal(t, "2", m.info("sync_full"))
	})
}

// A promoted replica is followed by the other one, and by its old master, with
// a partial resynchronisation each, as long as nobody has written alone.
func TestPromotion(t *testing.T) {
	for _, kinds := range [][3]kind{{engineKind, redisKind, engineKind}, {redisKind, engineKind, redisKind}, {engineKind, engineKind, redisKind}, {redisKind, engineKind, engineKind}} {
		t.Run(kinds[0].name+"-"+kinds[1].name+"-"+kinds[2].name, func(t *testing.T) {
			old, next, other := kinds[0].start(t), kinds[1].start(t), kinds[2].start(t)
			next.follow(old)
			other.follow(old)
			load(old, "a", 50)
			converge(old, next, other)
			offset, _ := strconv.Atoi(next.info("master_repl_offset"))
			id := next.info("master_replid")
			next.do("REPLICAOF", "NO", "ONE")
			assert.Equal(t, id, next.info("master_replid2"))
			assert.Equal(t, strconv.Itoa(offset+1), next.info("second_repl_offset"))
			load(next, "b", 50)
			other.follow(next)
			old.follow(next)
			converge(next, other, old)
			assert.Equal(t, "2", next.info("sync_partial_ok"), next.log())
			assert.Equal(t, "0", next.info("sync_full"))

			// The same again, but the old master has written what nobody else has:
			// it must not go on partially.
			next.do("SET", "x", "1")
			converge(next, other, old)
			other.do("REPLICAOF", "NO", "ONE")
			next.do("SET", "alone", "lost")
			next.follow(other)
			converge(other, next)
			assert.Equal(t, "1", other.info("sync_full"), other.log())
			assert.Equal(t, "0", other.do("EXISTS", "alone"))
		})
	}
}

// The stream passes through a replica to its replicas byte for byte.
func TestChain(t *testing.T) {
	for _, kinds := range [][3]kind{{engineKind, redisKind, engineKind}, {redisKind, engineKind, redisKind}} {
		t.Run(kinds[0].name+"-"+kinds[1].name+"-"+kinds[2].name, func(t *testing.T) {
			a, b, c := kinds[0].start(t), kinds[1].start(t), kinds[2].start(t)
			b.follow(a)
			load(a, "a", 50)
			converge(a, b)
			c.follow(b)
			load(a, "b", 50)
			converge(a, b, c)
			b.do("CLIENT", "KILL", "TYPE", "replica")
			a.do("CLIENT", "KILL", "TYPE", "replica")
			load(a, "c", 50)
			converge(a, b, c)
			assert.Equal(t, "1", a.info("sync_full"))
			assert.Equal(t, "1", a.info("sync_partial_ok"))
			assert.Equal(t, "1", b.info("sync_full"))

			// The middle becomes a master: its replica goes on with it.
			b.do("REPLICAOF", "NO", "ONE")
			load(b, "d", 50)
			converge(b, c)
			assert.Equal(t, "1", b.info("sync_full"))
		})
	}
}

// Keys past their time are hidden by a replica and deleted by the master's word.
func TestExpiryIsTheMasters(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m, r := master.start(t), replica.start(t)
		r.follow(m)
		m.do("DEBUG", "SET-ACTIVE-EXPIRE", "0")
		m.do("SET", "k", "v", "PX", "30")
		m.do("SET", "n", "41", "PX", "30")
		converge(m, r)
		r.eventually("both keys are past their time", func() bool { return r.do("GET", "k") == "" && r.do("GET", "n") == "" })
		assert.Equal(t, "2", r.do("DBSIZE"), "hidden, not deleted")
		assert.Equal(t, "1", m.do("INCR", "n"), "expired on the master")
		m.do("GET", "k")
		converge(m, r)
		assert.Equal(t, "1", r.do("DBSIZE"))
		assert.Equal(t, "1", r.do("GET", "n"))
	})
}

// The commands of a coordinated failover, towards each kind.
func TestFailover(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m, r := master.start(t), replica.start(t)
		_, err := m.c.Do("FAILOVER")
		assert.EqualError(t, err, "server says ERR FAILOVER requires connected replicas.")
		r.follow(m)
		load(m, "a", 50)
		converge(m, r)
		m.do("FAILOVER", "TO", "127.0.0.1", r.port)
		m.eventually("the roles have changed", func() bool { return m.info("role") == "slave" && r.info("role") == "master" })
		load(r, "b", 50)
		converge(r, m)
		assert.Equal(t, "0", r.info("sync_full"))
		assert.Equal(t, "no-failover", m.info("master_failover_state"))
		assert.Equal(t, "replicaof\n127.0.0.1 "+r.port, m.do("CONFIG", "GET", "replicaof"))
		assert.Equal(t, "replicaof\n", r.do("CONFIG", "GET", "replicaof"))
	})
}

// A server that restarts from a snapshot takes up its place in the history.
func TestRestartGoesOnPartially(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m := master.start(t)
		dir := t.TempDir()
		r := replica.start(t, "--dir", dir, "--replicaof", "127.0.0.1 "+m.port)
		load(m, "a", 50)
		converge(m, r)
		r.do("SAVE")
		r.c.Do("SHUTDOWN", "NOSAVE") // answered by the end of the connection
		load(m, "b", 50)
		r = replica.start(t, "--dir", dir, "--replicaof", "127.0.0.1 "+m.port)
		converge(m, r)
		assert.Equal(t, "1", m.info("sync_full"), r.log())
		assert.Equal(t, "1", m.info("sync_partial_ok"))
	})
}

// A master that may not write without replicas says so, and a replica that may
// not answer without its master.
func TestRefusals(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m := master.start(t, "--min-replicas-to-write", "1")
		_, err := m.c.Do("SET", "k", "v")
		assert.EqualError(t, err, "server says NOREPLICAS Not enough good replicas to write.")
		r := replica.start(t, "--replica-serve-stale-data", "no")
		r.follow(m)
		m.eventually("it takes writes", func() bool { _, err := m.c.Do("SET", "k", "v"); return err == nil })
		converge(m, r)
		assert.Equal(t, "v", r.do("GET", "k"))
		r.do("REPLICAOF", "127.0.0.1", "1")
		_, err = r.c.Do("GET", "k")
		assert.EqualError(t, err, "server says MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.")
		_, err = r.c.Do("WAIT", "1", "0")
		assert.Error(t, err)
	})
}

// A master with a password, and what a replica announces of itself.
func TestAuthAndAnnounce(t *testing.T) {
	eachPair(t, func(t *testing.T, master, replica kind) {
		m := master.start(t)
		r := replica.start(t, "--masterauth", "secret", "--replica-announce-ip", "10.0.0.1", "--replica-announce-port", "7")
		m.do("CONFIG", "SET", "requirepass", "secret")
		r.follow(m)
		converge(m, r)
		assert.Contains(t, m.info("slave0"), "ip=10.0.0.1,port=7,state=online")
		assert.Contains(t, m.do("ROLE"), "10.0.0.1\n7\n")
	})
}
