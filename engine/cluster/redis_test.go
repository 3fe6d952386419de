package cluster_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/cluster"
	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

var record = flag.Bool("record-messages", false, "write a message of each type that redis-server sends to testdata/messages.txt")

// busNode is a redis-server whose cluster bus is announced behind a proxy that listens.
type busNode struct {
	t    *testing.T
	host string
	cmd  *exec.Cmd
	args []string
}

const busPort, clientPort = 17000, 7000

func (n *busNode) start() {
	n.cmd = exec.Command(needs.Program(n.t, "redis-server"), n.args...)
	companion.Start(n.t, n.cmd)
	until(n.t, n.host+" answers", func() bool { return n.ask("PING") == "PONG" })
}

func (n *busNode) ask(args ...string) string {
	out, err := exec.Command(needs.Program(n.t, "redis-cli"), append([]string{"-h", n.host, "-p", strconv.Itoa(clientPort)}, args...)...).CombinedOutput()
	if err != nil {
		return "error: " + err.Error()
	}
	return strings.TrimSpace(string(out))
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 3 min", what)
}

// heard are the messages that went over proxies.
type heard struct {
	sync.Mutex
	t      *testing.T
	names  []string
	packet map[string][]byte
	total  int
}

// packets checks each message of a stream: it must be read, and written again as it was.
func (h *heard) packets(r io.Reader, w io.Writer) {
	var in []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		for {
			packet, rest, err := cluster.Frame(in)
			if err != nil {
				if err != cluster.ErrIncomplete {
					h.t.Errorf("not a message: %v", err)
					return
				}
				break
			}
			h.one(packet)
			in = rest
		}
	}
}

func (h *heard) one(packet []byte) {
	h.Lock()
	defer h.Unlock()
	h.total++
	m, err := cluster.Decode(packet)
	if err != nil {
		h.t.Errorf("%v: %x", err, packet)
		return
	}
	if got := m.Append(nil); string(got) != string(packet) {
		h.t.Errorf("a %s is written in another way than redis-server's:\n%x\n%x", m.Type, got, packet)
	}
	name := m.Type.String()
	if len(m.Gossip) > 0 {
		name += " with gossip"
	}
	if len(m.Extensions) > 0 {
		name += " with hostname"
	}
	if m.Master != "" {
		name += " of a replica"
	}
	if h.packet[name] == nil {
		h.names = append(h.names, name)
		h.packet[name] = append([]byte(nil), packet...)
	}
}

// Every message that four redis-servers exchange while they meet, publish, fail over by hand
// and by themselves, and learn of it late, is read and written again byte for byte.
func TestMessagesOfRedis(t *testing.T) {
	h := &heard{t: t, packet: map[string][]byte{}}
	var nodes []*busNode
	for i := range 4 {
		n := &busNode{t: t, host: fmt.Sprintf("127.%d.%d.%d", 10+os.Getpid()%200, os.Getpid()/200%250, 200+i)}
		l, err := net.Listen("tcp", n.host+":"+strconv.Itoa(busPort+1))
		require.NoError(t, err)
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					to, err := net.Dial("tcp", n.host+":"+strconv.Itoa(busPort))
					if err != nil {
						return
					}
					defer to.Close()
					go func() { h.packets(to, c); c.Close(); to.Close() }()
					h.packets(c, to)
				}()
			}
		}()
		dir := t.TempDir()
		n.args = []string{"--port", strconv.Itoa(clientPort), "--bind", n.host, "--dir", dir, "--save", "", "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(busPort),
			"--cluster-announce-bus-port", strconv.Itoa(busPort + 1), "--cluster-node-timeout", "1000", "--logfile", filepath.Join(dir, "log"), "--repl-diskless-sync-delay", "0", "--cluster-announce-ip", n.host} // a proxy's connections come from elsewhere
		if i < 2 {
			n.args = append(n.args, "--cluster-announce-hostname", fmt.Sprintf("host%d.example", i))
		}
		n.start()
		nodes = append(nodes, n)
	}
	for i, slots := range []string{"0 5000", "5001 10000", "10001 16383"} {
		require.Equal(t, "OK", nodes[i].ask(append([]string{"CLUSTER", "ADDSLOTSRANGE"}, strings.Fields(slots)...)...))
		nodes[i].ask("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
	}
	for _, n := range nodes[1:] {
		nodes[0].ask("CLUSTER", "MEET", n.host, strconv.Itoa(clientPort), strconv.Itoa(busPort+1))
	}
	for _, n := range nodes {
		until(t, "the cluster is ok", func() bool {
			info := n.ask("CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:4")
		})
	}
	first := nodes[0].ask("CLUSTER", "MYID")
	require.Equal(t, "OK", nodes[3].ask("CLUSTER", "REPLICATE", first))
	until(t, "the replica follows", func() bool { return strings.Contains(nodes[3].ask("INFO", "replication"), "master_link_status:up") })
	nodes[1].ask("PUBLISH", "news", "hello")
	until(t, "a shard channel", func() bool {
		return !strings.HasPrefix(nodes[0].ask("SPUBLISH", "b", "hello shard"), "error") && h.has("publishshard")
	})
	require.Equal(t, "OK", nodes[3].ask("CLUSTER", "FAILOVER"))
	until(t, "the replica is a master", func() bool { return strings.Contains(nodes[3].ask("ROLE"), "master") })
	until(t, "the former master follows", func() bool { return strings.Contains(nodes[0].ask("INFO", "replication"), "master_link_status:up") })
	require.NoError(t, nodes[3].cmd.Process.Kill())
	nodes[3].cmd.Wait()
	until(t, "the replica takes over", func() bool { return strings.HasPrefix(nodes[0].ask("ROLE"), "master") })
	nodes[3].start()
	until(t, "the late one learns of it", func() bool { return strings.HasPrefix(nodes[3].ask("ROLE"), "slave") })
	h.Lock()
	defer h.Unlock()
	t.Logf("%d messages of %d kinds", h.total, len(h.names))
	if *record {
		// Who hears first of the new owner is told nothing more: then it is to be tried again.
		require.NotNil(t, h.packet["update"])
		f, err := os.Create("testdata/messages.txt")
		require.NoError(t, err)
		out := bufio.NewWriter(f)
		for _, name := range h.names {
			fmt.Fprintf(out, "%s: %s\n", name, cluster.Packed(h.packet[name]))
		}
		require.NoError(t, out.Flush())
		require.NoError(t, f.Close())
	}
}

func (h *heard) has(prefix string) bool {
	h.Lock()
	defer h.Unlock()
	for _, n := range h.names {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}
