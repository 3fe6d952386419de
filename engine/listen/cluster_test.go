package listen_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/needs"
)

// busPort is every node's: each has a host of its own.
const busPort = "17000"

func newNode(t *testing.T, name string, real bool, lines ...string) *member {
	m := newMember(t, name, real, false, append([]string{"save \"\"", "cluster-enabled yes", "cluster-port " + busPort, "cluster-node-timeout 5000", "protected-mode no",
		"repl-diskless-sync-delay 0", "repl-ping-replica-period 1"}, lines...)...)
	// Where a node is others learn from where its connections come from.
	f, err := os.OpenFile(m.file, os.O_WRONLY|os.O_APPEND, 0)
	require.NoError(t, err)
	_, err = f.WriteString("bind-source-addr " + m.host() + "\n")
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return m
}

// host is the address that the node is bound to.
func (m *member) host() string { return m.addr[:strings.LastIndexByte(m.addr, ':')] }

// state is a field of CLUSTER INFO.
func (m *member) state(field string) string {
	r, err := m.ask("CLUSTER", "INFO")
	if err != nil {
		return err.Error()
	}
	for line := range strings.Lines(r[0]) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), field+":"); ok {
			return v
		}
	}
	return ""
}

func (m *member) id() string { return m.must("CLUSTER", "MYID")[0] }

// talk is a connection that shows replies as they are.
type talk struct {
	t  *testing.T
	m  *member
	c  net.Conn
	in *bufio.Reader
}

func (m *member) talk() *talk {
	c, err := net.Dial("tcp", m.addr)
	require.NoError(m.t, err)
	m.t.Cleanup(func() { c.Close() })
	return &talk{m.t, m, c, bufio.NewReader(c)}
}

// say sends a line's words and returns the reply, its elements apart by blanks.
func (k *talk) say(line string) string {
	words := strings.Fields(line)
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	_, err := io.WriteString(k.c, b.String())
	require.NoError(k.t, err)
	return k.reply()
}

func (k *talk) reply() string {
	k.c.SetReadDeadline(time.Now().Add(time.Minute))
	line, err := k.in.ReadString('\n')
	require.NoError(k.t, err)
	line = strings.TrimSpace(line)
	switch line[0] {
	case '$', '=':
		n, _ := strconv.Atoi(line[1:])
		if n < 0 {
			return line
		}
		b := make([]byte, n+2)
		_, err := io.ReadFull(k.in, b)
		require.NoError(k.t, err)
		return line[:1] + string(b[:n])
	case '*', '%', '~', '>':
		n, _ := strconv.Atoi(line[1:])
		if line[0] == '%' {
			n *= 2
		}
		out := line
		for range n {
			out += " " + k.reply()
		}
		return out
	}
	return line
}

// clusterLines are said to a node that is alone, in this order, on one connection; {me} is its
// name. A line "wait ok" waits for the cluster's state, "wait 0" for its size to be counted.
const clusterLines = `
wait 0
CLUSTER HELP
CLUSTER INFO
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER LINKS
CLUSTER KEYSLOT abc
CLUSTER KEYSLOT x{abc}y
CLUSTER KEYSLOT
CLUSTER
CLUSTER NONSENSE
CLUSTER NODES x
SET a 1
GET a
PING
CLUSTER ADDSLOTS 16384
CLUSTER ADDSLOTS -1
CLUSTER ADDSLOTS x
CLUSTER ADDSLOTS 1 1
CLUSTER ADDSLOTS 1 2 3
CLUSTER ADDSLOTS 3
CLUSTER ADDSLOTS
CLUSTER DELSLOTS 4
CLUSTER DELSLOTS 3
CLUSTER NODES
CLUSTER ADDSLOTSRANGE 5 4
CLUSTER ADDSLOTSRANGE 5
CLUSTER ADDSLOTSRANGE 5 6 7
CLUSTER ADDSLOTSRANGE 0 16383
CLUSTER ADDSLOTSRANGE 3 3 4 9 8 10
CLUSTER ADDSLOTSRANGE 3 16000 0 0
CLUSTER DELSLOTSRANGE 10 20 15 25
CLUSTER DELSLOTSRANGE 10 20 22 25
CLUSTER NODES
CLUSTER SLOTS
CLUSTER SHARDS
CLUSTER INFO
CLUSTER ADDSLOTSRANGE 10 20 22 25 16001 16383
wait ok
CLUSTER INFO
CLUSTER NODES
SET a 1
GET a
MSET a 1 b 2
MSET {x}a 1 {x}b 2
MGET {x}a {x}b {x}c
DEL {x}a {x}b
SELECT 0
SELECT 1
SELECT x
SELECT 99
SWAPDB 0 1
MOVE a 1
COPY a {a}b DB 1
COPY a {a}b
COPY a c
REPLICAOF 127.0.0.1 1
REPLICAOF no one
FAILOVER
SORT a BY x* GET y
SORT l GET y
SORT l BY x
CLUSTER COUNTKEYSINSLOT 15495
CLUSTER COUNTKEYSINSLOT 16384
CLUSTER COUNTKEYSINSLOT x
SET {a}1 1
SET {a}2 2
SET {a}3 3
SET {a}1 4
DEL {a}2
SET {a}2 5
RENAME {a}3 {a}4
CLUSTER GETKEYSINSLOT 15495 100
CLUSTER GETKEYSINSLOT 15495 2
CLUSTER GETKEYSINSLOT 15495 0
CLUSTER GETKEYSINSLOT 15495 -1
CLUSTER GETKEYSINSLOT x 1
RENAME a b
MULTI
SET a 1
SET b 1
EXEC
MULTI
SET a 1
MSET a 1 b 2
EXEC
MULTI
SET {a}5 1
INCR {a}5
EXEC
EVAL return(redis.call('get',KEYS[1])) 1 a
EVAL return(redis.call('get',KEYS[1])) 2 a b
EVAL return(redis.call('get','b')) 1 a
EVAL #!lua_return(1) 1 a
BLPOP a b 1
XREAD STREAMS a b 0 0
OBJECT ENCODING a
SSUBSCRIBE a b
SPUBLISH a hello
PUBLISH a hello
CLUSTER SETSLOT 15495 STABLE
CLUSTER SETSLOT 15495 MIGRATING {me}
CLUSTER SETSLOT 15495 MIGRATING nobody
CLUSTER SETSLOT 15495 IMPORTING {me}
CLUSTER SETSLOT 15495 IMPORTING nobody
CLUSTER SETSLOT 15495 NODE nobody
CLUSTER SETSLOT 15495 NODE
CLUSTER SETSLOT 15495 NONSENSE {me}
CLUSTER SETSLOT 16384 STABLE
CLUSTER NODES
GET a
GET {a}none
MGET {a}1 {a}none
MGET {a}1 {a}2
ASKING
GET {a}none
CLUSTER SETSLOT 15495 NODE {me}
CLUSTER NODES
CLUSTER SETSLOT 15495 STABLE
CLUSTER BUMPEPOCH
CLUSTER BUMPEPOCH
CLUSTER SET-CONFIG-EPOCH -1
CLUSTER SET-CONFIG-EPOCH x
CLUSTER SET-CONFIG-EPOCH 7
CLUSTER FAILOVER
CLUSTER FAILOVER NONSENSE
CLUSTER FAILOVER FORCE
CLUSTER FORGET {me}
CLUSTER FORGET nobody
CLUSTER REPLICATE {me}
CLUSTER REPLICATE nobody
CLUSTER REPLICAS {me}
CLUSTER SLAVES {me}
CLUSTER REPLICAS nobody
CLUSTER COUNT-FAILURE-REPORTS {me}
CLUSTER COUNT-FAILURE-REPORTS nobody
CLUSTER MEET nowhere 1
CLUSTER MEET 127.0.0.1 x
CLUSTER MEET 127.0.0.1 0
CLUSTER MEET 127.0.0.1 70000
CLUSTER MEET 127.0.0.1 1 x
CLUSTER SAVECONFIG
READONLY
GET a
READWRITE
ASKING
CLIENT NO-EVICT on
CLUSTER FLUSHSLOTS
CLUSTER RESET
CLUSTER RESET NONSENSE
FLUSHALL
CLUSTER FLUSHSLOTS
CLUSTER NODES
CLUSTER SLOTS
GET a
CLUSTER RESET SOFT
CLUSTER RESET HARD
CONFIG SET cluster-announce-hostname a.example cluster-announce-ip 10.0.0.1 cluster-announce-port 5 cluster-announce-bus-port 6
CLUSTER NODES
CLUSTER ADDSLOTS 1
CLUSTER SLOTS
CLUSTER SHARDS
CONFIG SET cluster-preferred-endpoint-type hostname
CLUSTER SLOTS
CLUSTER SHARDS
CONFIG SET cluster-preferred-endpoint-type unknown-endpoint
CLUSTER SLOTS
CLUSTER SHARDS
CONFIG SET cluster-announce-hostname a_b
CONFIG SET cluster-enabled no
CONFIG SET cluster-replica-no-failover yes
CLUSTER NODES
CONFIG GET cluster-*
INFO cluster
COMMAND INFO cluster asking readonly readwrite
COMMAND LIST FILTERBY PATTERN cluster*
`

// aloneFacts are what two servers cannot have in common.
func (m *member) aloneFacts(text string) string {
	id := regexp.MustCompile(`\b[0-9a-f]{40}\b`)
	return strings.NewReplacer(m.port, "PORT", m.host(), "HOST").Replace(id.ReplaceAllString(text, "ID"))
}

// A node that is alone answers as redis-server does, reply by reply, in both protocols, and
// leaves the same nodes.conf.
func TestClusterNodeAnswersLikeRedis(t *testing.T) {
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			var nodes []*member
			var talks, asides []*talk
			for _, real := range []bool{false, true} {
				m := newNode(t, "n", real)
				m.start()
				nodes = append(nodes, m)
				k := m.talk()
				k.say("HELLO " + protocol)
				talks, asides = append(talks, k), append(asides, m.talk())
			}
			for line := range strings.Lines(clusterLines) {
				line = strings.TrimSpace(line)
				if line == "" {
					continue
				}
				if line == "wait ok" {
					for _, m := range nodes {
						m.wait("is ok", func() bool { return m.state("cluster_state") == "ok" })
					}
					continue
				}
				if line == "wait 0" {
					for _, m := range nodes {
						m.wait("counts", func() bool { return m.state("cluster_size") == "0" })
					}
					continue
				}
				var got []string
				for i, m := range nodes {
					said := strings.ReplaceAll(strings.ReplaceAll(line, "{me}", asides[i].say("CLUSTER MYID")[1:]), "lua_", "lua\n")
					reply := m.aloneFacts(talks[i].say(said))
					if strings.HasPrefix(line, "CO") { // COMMAND and CONFIG: in the order of a table that is drawn at each start
						words := strings.Fields(reply)
						slices.Sort(words)
						reply = strings.Join(words, " ")
					}
					got = append(got, reply)
				}
				assert.Equal(t, got[1], got[0], "%s", line)
			}
			var confs []string
			for _, m := range nodes {
				conf, err := os.ReadFile(filepath.Join(filepath.Dir(m.file), "nodes.conf"))
				require.NoError(t, err)
				confs = append(confs, m.aloneFacts(string(conf)))
			}
			assert.Equal(t, confs[1], confs[0])
		})
	}
}

// A second server on the same nodes.conf, and one on a broken one, do not start.
func TestNodesConfIsOneServers(t *testing.T) {
	m := newNode(t, "n", false)
	m.start()
	self, err := os.Executable()
	require.NoError(t, err)
	start := func(file string) string {
		cmd := exec.Command(self, file, "--port", "0", "--logfile", "")
		cmd.Env = append(os.Environ(), asServer+"=1")
		out, err := cmd.CombinedOutput()
		assert.Error(t, err)
		return string(out)
	}
	assert.Contains(t, start(m.file), "Sorry, the cluster configuration file nodes.conf is already used by a different Redis Cluster node.")
	m.signal(syscall.SIGKILL)
	m.cmd.Wait()
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(m.file), "nodes.conf"), []byte("nonsense\n"), 0o644))
	out := start(m.file)
	assert.Contains(t, out, "nodes.conf: line 1: 1 fields, a node has at least 8")
	assert.Contains(t, out, "Unrecoverable error: corrupted cluster config file.")
}

// cluster makes nodes, of which the first three have the slots and the others are replicas of
// those, one after the other.
func makeCluster(t *testing.T, real ...bool) []*member {
	var nodes []*member
	for i, r := range real {
		m := newNode(t, "n"+strconv.Itoa(i+1), r)
		m.start()
		nodes = append(nodes, m)
	}
	for i, slots := range [][]string{{"0", "5460"}, {"5461", "10922"}, {"10923", "16383"}} {
		nodes[i].must("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1])
		nodes[i].must("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, m := range nodes[1:] {
		nodes[0].must("CLUSTER", "MEET", m.host(), m.port, busPort)
	}
	allOK(nodes)
	for i, m := range nodes[3:] {
		m.must("CLUSTER", "REPLICATE", nodes[i].id())
		m.wait("follows", func() bool { return m.info("master_link_status") == "up" })
	}
	return nodes
}

func allOK(nodes []*member) {
	for _, m := range nodes {
		m.wait("is ok", func() bool {
			return m.state("cluster_state") == "ok" && m.state("cluster_known_nodes") == strconv.Itoa(len(nodes)) && m.state("cluster_slots_ok") == "16384"
		})
	}
}

// check is redis-cli --cluster check.
func (m *member) check() {
	m.t.Helper()
	m.wait("is agreed with", func() bool {
		out, _ := exec.Command(needs.Program(m.t, "redis-cli"), "--cluster", "check", m.addr).CombinedOutput()
		text := string(out)
		return strings.Contains(text, "[OK] All nodes agree about slots configuration.") && strings.Contains(text, "[OK] All 16384 slots covered.")
	})
}

// view is what a node says of all: who owns which slots, whom who follows, and under which epoch.
func (m *member) view() string {
	var lines []string
	for line := range strings.Lines(m.must("CLUSTER", "NODES")[0]) {
		f := strings.Fields(line)
		flags := strings.TrimPrefix(f[2], "myself,")
		lines = append(lines, strings.Join(append([]string{f[0], f[1], flags, f[3], f[6]}, f[8:]...), " "))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func agree(nodes []*member) {
	nodes[0].wait("agrees with all", func() bool {
		for _, m := range nodes[1:] {
			if m.view() != nodes[0].view() {
				return false
			}
		}
		return true
	})
}

// Engines and redis-servers form one cluster: they agree, redis-cli finds every slot covered,
// a slot with keys is moved between them with redis-cli, a replica is promoted by hand, and by
// the votes of the others when its master dies, and what was acknowledged and replicated is there.
func TestMixedCluster(t *testing.T) {
	for name, real := range map[string][]bool{
		"two engines and a redis-server":  {false, false, true, false, true, false},
		"an engine and two redis-servers": {true, false, true, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := makeCluster(t, real...)
			agree(nodes)
			nodes[0].check()
			for i := range 30 {
				set(t, nodes, "key"+strconv.Itoa(i), strconv.Itoa(i))
			}
			out, err := exec.Command(needs.Program(t, "redis-cli"), "--cluster", "reshard", nodes[0].addr, "--cluster-from", nodes[0].id(), "--cluster-to", nodes[2].id(),
				"--cluster-slots", "500", "--cluster-yes").CombinedOutput()
			require.NoError(t, err, "%s", out)
			allOK(nodes)
			agree(nodes)
			nodes[2].check()
			nodes[4].must("CLUSTER", "FAILOVER")
			nodes[4].wait("is a master", func() bool { return nodes[4].info("role") == "master" })
			nodes[1].wait("follows", func() bool { return nodes[1].info("master_link_status") == "up" })
			agree(nodes)
			nodes[3].wait("has all", func() bool { return nodes[3].info("slave_repl_offset") == nodes[0].info("master_repl_offset") })
			nodes[0].signal(syscall.SIGKILL)
			nodes[0].cmd.Wait()
			nodes[3].wait("takes over", func() bool { return nodes[3].info("role") == "master" })
			nodes[0].start()
			nodes[0].wait("follows", func() bool { return nodes[0].info("master_link_status") == "up" })
			allOK(nodes)
			agree(nodes)
			nodes[3].check()
			for i := range 30 {
				assert.Equal(t, strconv.Itoa(i), get(t, nodes, "key"+strconv.Itoa(i)))
			}
		})
	}
}

func set(t *testing.T, nodes []*member, key, value string) { follow(t, nodes, "SET", key, value) }

func get(t *testing.T, nodes []*member, key string) string { return follow(t, nodes, "GET", key)[0] }

// follow asks whoever has the key.
func follow(t *testing.T, nodes []*member, args ...string) []string {
	at := nodes[0]
	for range 5 {
		r, err := at.ask(args...)
		if err == nil {
			return r
		}
		f := strings.Fields(err.Error())
		require.Equal(t, "MOVED", f[0], "%v", err)
		at = nodes[slices.IndexFunc(nodes, func(m *member) bool { return m.addr == f[2] })]
	}
	t.Fatalf("%v goes round in circles", args)
	return nil
}
