package listen_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Two commands on two connections are executed in the order in which they were
// sent, although nobody waited for the first reply: as with redis-server, and
// however busy the machine is.
func TestOrderOfArrival(t *testing.T) {
	for _, mode := range [][]string{{}, {"--appendonly", "yes", "--appendfsync", "always"}} {
		t.Run(strings.Join(mode, " "), func(t *testing.T) {
			r := start(t, t.TempDir(), mode...)
			type client struct {
				c net.Conn
				r *bufio.Reader
			}
			var clients []client
			for range 5 {
				c := r.dial()
				clients = append(clients, client{c, bufio.NewReader(c)})
			}
			for round := range 300 {
				for i, c := range clients {
					if i < len(clients)-1 {
						io.WriteString(c.c, "INCR n\r\nECHO x\r\n")
						continue
					}
					io.WriteString(c.c, "GET n\r\n")
				}
				for i, c := range clients {
					first, err := c.r.ReadString('\n')
					require.NoError(t, err)
					second, _ := c.r.ReadString('\n')
					sum := round*(len(clients)-1) + i
					if i == len(clients)-1 {
						require.Equal(t, fmt.Sprintf("%d\r\n", sum), second)
						continue
					}
					require.Equal(t, fmt.Sprintf(":%d\r\n", sum+1), first)
					c.r.ReadString('\n')
				}
			}
		})
	}
}
