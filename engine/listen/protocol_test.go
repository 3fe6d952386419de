package listen_test

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
	"github.com/torntail/torntail/internal/needs"
)

// rawInputs are byte streams, well formed and not, that both servers must
// answer with the same bytes. Left out is what the engine bounds and 7.0 does
// not any more, more than 1,048,576 arguments, and a zero byte in an inline
// command, behind which redis-server does not see the end of the line.
var rawInputs = []string{
	"PING\r\n", "PING\n", "ping a\r\n", "\r\n\r\nPING\r\n", "  \r\nPING\r\n", "GET\r\n", "set k \"a\\x41\\n\"\r\nget k\r\n",
	"set k 'it\\'s'\r\nget k\r\n", "set k \"a\"b\r\n", "set k \"a\r\n", "set k 'a\r\n", "PING \"\"\r\n",
	"*1\r\n$4\r\nPING\r\n", "*1\r\n$4\r\nPING\r\nPING\r\n*1\r\n$4\r\nPING\r\n", "*0\r\nPING\r\n", "*-1\r\nPING\r\n", "*-5\r\nPING\r\n",
	"*\r\n", "*x\r\n", "*1x\r\n", "* 1\r\n", "*01\r\n", "*+1\r\n", "*9223372036854775808\r\n",
	"*1\r\nPING\r\n", "*1\r\n\r\n", "*1\r\n:4\r\nPING\r\n", "*1\r\n*1\r\n$4\r\nPING\r\n",
	"*1\r\n$\r\n", "*1\r\n$x\r\n", "*1\r\n$-1\r\n", "*1\r\n$04\r\nPING\r\n", "*1\r\n$9223372036854775807\r\n", "*1\r\n$536870913\r\n", "*1\r\n$99999999999999999999\r\n",
	"*1\rX$4\rYPINGZZPING\r\n", "*1\r\n$4\r\nPINGxyPING\r\n", "*1\r\n$3\r\nPING\r\nPING\r\n", "*1\r\n$5\r\nPING\r\nPING\r\n",
	"*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n", "*1\r\n$0\r\n\r\n", "*2\r\n$0\r\n\r\n$1\r\na\r\n",
	"PING\r\n*1\r\n$x\r\nPING\r\n", "QUIT\r\nPING\r\n", "QUIT now\r\n", "*1\r\n$4\r\nQUIT\r\n*1\r\n$x\r\n",
	strings.Repeat("PING\r\n", 1000), strings.Repeat("*1\r\n$4\r\nPING\r\n", 1000),
	"$4\r\nPING\r\n", "+OK\r\n", "-ERR\r\n", ":1\r\n", "GET / HTTP/1.0\r\n\r\n",
	"*" + strings.Repeat("1", 70<<10), "*1\r\n$" + strings.Repeat("1", 70<<10), strings.Repeat("x", 70<<10),
	"*1\r\n$4\r\nPI", "PIN", "",
	"*2\r\n$4\r\nECHO\r\n$100000\r\n" + strings.Repeat("x", 100000) + "\r\n",
	"MULTI\r\nSET a b\r\nGET a\r\nEXEC\r\n", "HELLO 3\r\nGET nosuch\r\nCONFIG GET hz\r\nMULTI\r\nGET nosuch\r\nEXEC\r\nLPOP nosuch 1\r\n", "CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\n",
	"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n",
	"CLIENT REPLY OFF\r\nPING\r\nSUBSCRIBE a b\r\nPSUBSCRIBE p*\r\nSSUBSCRIBE s\r\nPING\r\nUNSUBSCRIBE a\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nSUNSUBSCRIBE\r\nCLIENT REPLY ON\r\nQUIT\r\n",
	"HELLO 3\r\nCLIENT REPLY OFF\r\nSUBSCRIBE a\r\nPING\r\nPUBLISH a b\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nQUIT\r\n", "CLIENT REPLY SKIP\r\nSUBSCRIBE a\r\nUNSUBSCRIBE a\r\nQUIT\r\n", "CLIENT REPLY SKIP\r\nUNSUBSCRIBE\r\nPING\r\nQUIT\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "PING\r\nHost: a\r\nPING\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "*1\r\n$4\r\npost\r\n*1\r\n$4\r\nPING\r\n", "*2\r\n$5\r\nhOsT:\r\n$0\r\n\r\n", "MULTI\r\nPOST\r\nEXEC\r\n", "Hosts: a\r\n",
}

// clientID is in HELLO's reply and differs.
var clientID = regexp.MustCompile(`id\r\n:\d+`)

// answer sends bytes and returns everything that comes back.
func answer(t *testing.T, addr, send string) string {
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer c.Close()
	go func() {
		// The server may close before it has read all; what it said counts.
		io.WriteString(c, send)
		if !strings.HasSuffix(send, "QUIT\r\n") { // then the server closes
			c.(*net.TCPConn).CloseWrite()
		}
	}()
	reply, _ := io.ReadAll(c)
	return clientID.ReplaceAllString(string(reply), "id\r\n:N")
}

// realRedis starts redis-server 7.0 and returns its address.
func realRedis(t *testing.T, args ...string) string {
	path := needs.Program(t, "redis-server")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	cmd := exec.Command(path, append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", t.TempDir(), "--save", ""}, args...)...)
	companion.Start(t, cmd)
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return addr
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("redis-server does not listen")
	return ""
}

// strangerInputs are sent to servers with a password.
var strangerInputs = []string{
	manyArgs(10), manyArgs(11), "*11\r\n", "*2147483647\r\n", "*2147483648\r\n", "*0\r\nPING\r\n", "AUTH p\r\n" + manyArgs(11), "AUTH x\r\n" + manyArgs(11), "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n" + manyArgs(11),
	"*2\r\n$4\r\nECHO\r\n$16384\r\n" + strings.Repeat("x", 16384) + "\r\n", "*2\r\n$4\r\nECHO\r\n$16385\r\n", "*2\r\n$16385\r\n", "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n*2\r\n$4\r\nECHO\r\n$16385\r\n" + strings.Repeat("x", 16385) + "\r\n",
	"HELLO 3 AUTH default p\r\n" + manyArgs(11), "AUTH p\r\nRESET\r\n" + manyArgs(11), "PING\r\n" + manyArgs(11), "ECHO " + strings.Repeat("x", 20000) + "\r\n", "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nQUIT\r\n" + manyArgs(11), "POST\r\n",
}

// manyArgs is DEL with so many arguments in all.
func manyArgs(n int) string {
	return fmt.Sprintf("*%d\r\n$3\r\nDEL\r\n", n) + strings.Repeat("$1\r\nk\r\n", n-1)
}

// Who has not said who it is may send small commands only.
func TestSameProtocolBeforeAuth(t *testing.T) {
	addr := realRedis(t, "--requirepass", "p")
	r := start(t, t.TempDir(), "--requirepass", "p")
	for _, in := range strangerInputs {
		assert.Equal(t, answer(t, addr, in), answer(t, r.addr, in), fmt.Sprintf("%.80q", in))
	}
}

func TestSameProtocolAsRedis(t *testing.T) {
	addr := realRedis(t)
	r := start(t, t.TempDir())
	for _, in := range rawInputs {
		assert.Equal(t, answer(t, addr, in), answer(t, r.addr, in), fmt.Sprintf("%.80q", in))
	}
}
