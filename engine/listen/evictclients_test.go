package listen_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Clients that take more than maxmemory-clients are disconnected, before what they have sent
// is executed, and those that are not to be are left alone.
func TestClientsAreEvictedLikeRedis(t *testing.T) {
	big := func(n int) string { return strings.Repeat("v", n) }
	const mb = 1 << 20
	for _, c := range []struct {
		name      string
		directive []string
		noEvict   bool
		send      func(c net.Conn)
		stays     bool
	}{
		{"a long command", []string{"maxmemory-clients", "3mb"}, false, func(c net.Conn) { io.WriteString(c, resp("SET", "k", big(4*mb))) }, false},
		{"a shorter one", []string{"maxmemory-clients", "3mb"}, false, func(c net.Conn) { io.WriteString(c, resp("SET", "k", big(mb))) }, true},
		{"part of a command", []string{"maxmemory-clients", "3mb"}, false, func(c net.Conn) { io.WriteString(c, "*1\r\n$9000000\r\n"+big(4*mb)) }, false},
		{"part of a shorter one", []string{"maxmemory-clients", "12mb"}, false, func(c net.Conn) { io.WriteString(c, "*1\r\n$9000000\r\n"+big(mb)) }, true},
		{"a transaction", []string{"maxmemory-clients", "3mb"}, false, func(c net.Conn) {
			io.WriteString(c, resp("MULTI")+strings.Repeat(resp("SET", "k", big(mb)), 4)+resp("EXEC"))
		}, false},
		{"what is not read", []string{"maxmemory-clients", "12mb"}, false, func(c net.Conn) {
			io.WriteString(c, resp("SETRANGE", "k", fmt.Sprint(5*mb), "v")+strings.Repeat(resp("GET", "k"), 30))
		}, false},
		{"one that must stay", []string{"maxmemory-clients", "3mb"}, true, func(c net.Conn) { io.WriteString(c, resp("SET", "k", big(4*mb))) }, true},
		{"no limit", []string{"maxmemory-clients", "0"}, false, func(c net.Conn) { io.WriteString(c, resp("SET", "k", big(4*mb))) }, true},
		{"a share of maxmemory", []string{"maxmemory-clients", "3%", "maxmemory", "100mb"}, false, func(c net.Conn) { io.WriteString(c, resp("SET", "k", big(4*mb))) }, false},
		{"a share of nothing", []string{"maxmemory-clients", "3%"}, false, func(c net.Conn) { io.WriteString(c, resp("SET", "k", big(4*mb))) }, true},
		{"less than a limit can be", []string{"maxmemory-clients", "1"}, false, func(c net.Conn) { io.WriteString(c, resp("SET", "k", "v")) }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			said := said{}
			for name, start := range servers {
				p := start(t, t.TempDir()).listens()
				p.do("CLIENT", "NO-EVICT", "ON")
				other, err := net.Dial("tcp", p.addr)
				require.NoError(t, err)
				defer other.Close()
				other.SetDeadline(time.Now().Add(time.Minute))
				if c.noEvict {
					io.WriteString(other, resp("CLIENT", "NO-EVICT", "ON"))
				}
				io.WriteString(other, resp("CLIENT", "SETNAME", "other"))
				p.eventually("it is there", func() bool { return strings.Contains(p.do("CLIENT", "LIST"), "name=other") })
				p.do(append([]string{"CONFIG", "SET"}, c.directive...)...)
				c.send(other)
				there := func() bool { return strings.Contains(p.do("CLIENT", "LIST"), "name=other") }
				if c.stays {
					p.eventually("all was read", func() bool {
						_, line, _ := strings.Cut(p.do("CLIENT", "LIST"), "name=other")
						if strings.HasPrefix(c.name, "part") {
							return strings.Contains(line, "cmd=client|setname") && !strings.Contains(line, "qbuf=0 ")
						}
						return p.do("EXISTS", "k") == "1"
					})
				} else {
					p.eventually("it is gone", func() bool { return !there() })
				}
				said[name] = append(said[name], fmt.Sprint("it is there: ", there(), ", key: ", p.do("STRLEN", "k"), ", evicted: ", p.info("evicted_clients"), ", told: ", len(p.logged("Evicting client", "Over client"))))
				_ = p.cmd.Process.Kill()
				<-p.done
			}
			assert.Equal(t, said["redis"], said["engine"])
			assert.Contains(t, said["redis"][0], fmt.Sprint("it is there: ", c.stays))
		})
	}
}

// resp is a command as a client sends it.
func resp(argv ...string) string {
	text := fmt.Sprintf("*%d\r\n", len(argv))
	for _, a := range argv {
		text += fmt.Sprintf("$%d\r\n%s\r\n", len(a), a)
	}
	return text
}
