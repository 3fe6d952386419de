package guest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/workloads"
)

// fake is a server that answers INFO with a text, and remembers what it was sent.
type fake struct {
	addr string
	mu   sync.Mutex
	sent []string
}

func serve(t *testing.T, info string) *fake {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	f := &fake{addr: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go f.answer(conn, info)
		}
	}()
	return f
}

func (f *fake) answer(conn net.Conn, info string) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	line := func() string {
		s, _ := in.ReadString('\n')
		return strings.TrimSpace(s)
	}
	for {
		n, err := strconv.Atoi(strings.TrimPrefix(line(), "*"))
		if err != nil {
			return
		}
		var words []string
		for range n {
			size, _ := strconv.Atoi(strings.TrimPrefix(line(), "$"))
			b := make([]byte, size+2)
			if _, err := io.ReadFull(in, b); err != nil {
				return
			}
			words = append(words, string(b[:size]))
		}
		f.mu.Lock()
		f.sent = append(f.sent, words[0])
		f.mu.Unlock()
		switch words[0] {
		case "INFO":
			if strings.HasPrefix(info, "-") {
				fmt.Fprintf(conn, "%s\r\n", info)
			} else {
				fmt.Fprintf(conn, "$%d\r\n%s\r\n", len(info), info)
			}
		case "CONFIG":
			io.WriteString(conn, "*0\r\n")
		default:
			io.WriteString(conn, "+OK\r\n")
		}
	}
}

// empty is what INFO says of a server that may be written to.
const empty = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n# Replication\r\nrole:master\r\nconnected_slaves:0\r\n# Keyspace\r\n"

// TestWhoIsNotWrittenTo: of a server that is not empty, has replicas or a master, or does not
// say, nothing is known to be worthless: it is asked, and sent nothing that changes it.
func TestWhoIsNotWrittenTo(t *testing.T) {
	for name, row := range map[string]struct{ info, why string }{
		"a key":                     {empty + "db0:keys=1,expires=0\r\n", "it is not empty: db0:keys=1"},
		"a key in another database": {empty + "db9:keys=3,expires=0\r\n", "it is not empty: db9:keys=3"},
		"no keyspace":               {strings.Replace(empty, "# Keyspace\r\n", "", 1), "it does not say whether it is empty"},
		"a replica of another":      {strings.Replace(empty, "role:master", "role:slave", 1), "it is a slave: what it has is its master's"},
		"a Sentinel":                {strings.Replace(empty, "role:master", "role:sentinel", 1), "it is a sentinel"},
		"a replica of it":           {strings.Replace(empty, "connected_slaves:0", "connected_slaves:2", 1), "it has 2 replicas"},
		"one replica of it":         {strings.Replace(empty, "connected_slaves:0", "connected_slaves:1", 1), "it has a replica"},
		"no word of replicas":       {strings.Replace(empty, "connected_slaves:0\r\n", "", 1), "it does not say whether it has replicas"},
		"no word of its role":       {strings.Replace(empty, "role:master\r\n", "", 1), "it does not say whether it has a master"},
		"a cluster":                 {strings.Replace(empty, "standalone", "cluster", 1), "it runs as cluster"},
		"a password":                {"-NOAUTH Authentication required.", "it wants a password"},
		"no INFO":                   {"-ERR unknown command", "whether it is empty is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			f := serve(t, row.info)
			_, err := Visit(t.Context(), Options{Addr: f.addr, Workload: workloads.Default(), Span: time.Second})
			var unfit *UnfitError
			require.ErrorAs(t, err, &unfit)
			require.Contains(t, unfit.Why, row.why)
			for _, command := range f.sent {
				require.Contains(t, []string{"INFO", "CONFIG"}, command)
			}
		})
	}
}

// TestWhoIsWrittenTo is the other side: what the rows above change is what keeps torntail away.
func TestWhoIsWrittenTo(t *testing.T) {
	f := serve(t, empty)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // it does not matter what comes of it
	_, err := Visit(ctx, Options{Addr: f.addr, Workload: workloads.Default(), Span: 10 * time.Millisecond})
	require.NoError(t, err)
	require.Contains(t, f.sent, "DEL")
}

// TestOnlyThisMachine: other addresses are not asked anything.
func TestOnlyThisMachine(t *testing.T) {
	for target, want := range map[string]string{"localhost:1": "127.0.0.1:1", "127.3.2.1:6379": "127.3.2.1:6379", "[::1]:7": "[::1]:7",
		"10.0.0.1:1": "", "example.com:1": "", "0.0.0.0:1": "", ":1": ""} {
		require.True(t, Is(target), target)
		got, err := Resolve(target)
		if want == "" {
			require.ErrorContains(t, err, "want an address of this machine alone")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, not := range []string{"redis-server", "./a:1/b", "redis-8.0", "a:b", "x:1.yaml", "host:99999"} {
		require.False(t, Is(not), not)
	}
}

// TestWhatElseExplainsALoss: a server that others use, that evicts or was started again proves
// nothing by what is missing.
func TestWhatElseExplainsALoss(t *testing.T) {
	said := func(changes ...string) *seen {
		s := &seen{info: map[string]string{"run_id": "a", "evicted_keys": "0", "total_connections_received": "1", "connected_clients": "1"}, directives: map[string]string{"maxmemory-policy": "noeviction"}}
		for i := 0; i < len(changes); i += 2 {
			s.info[changes[i]] = changes[i+1]
		}
		return s
	}
	for _, row := range []struct {
		before, after *seen
		want          string
	}{
		{said(), said(), ""},
		{said(), said("run_id", "b"), "started it again"},
		{said(), said("evicted_keys", "1"), "evicted"},
		{said(), said("total_connections_received", "2"), "other clients may have written"},
		{said(), said("total_connections_received", "?"), "other clients may have written"},
		{said("connected_clients", "2"), said(), "other clients were connected"},
	} {
		got := new(visit).notAlone(row.before, row.after)
		require.Contains(t, got, row.want)
		require.Equal(t, row.want == "", got == "")
	}
}
