package listen_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pubsubScript is what clients a to d send, line by line, and who gets how many
// frames then. Both servers must send the same ones.
const pubsubScript = `
a SUBSCRIBE one two one      | a3
a PING                       | a1
a PING hello                 | a1
a GET k                      | a1
a PUBLISH one x              | a1
b PSUBSCRIBE o* t?o          | b2
c PUBLISH one hello          | a1 b1 c1
c PUBLISH two ""             | a1 b1 c1
c PUBLISH nobody x           | c1
c PUBSUB CHANNELS o*         | c1
c PUBSUB NUMSUB one nobody   | c1
c PUBSUB NUMPAT              | c1
d HELLO 3                    | d1
d SUBSCRIBE one              | d1
d SET k v                    | d1
d PUBLISH one self           | a1 b1 d2
d PING                       | d1
c MULTI                      | c1
c PUBLISH one m1             | c1
c PUBLISH one m2             | c1
c EXEC                       | a2 b2 c1 d2
a UNSUBSCRIBE one nobody     | a2
a UNSUBSCRIBE                | a1
a UNSUBSCRIBE                | a1
a GET k                      | a1
b PUNSUBSCRIBE               | b2
b PING                       | b1
c CLIENT LIST TYPE master    | c1
c CLIENT KILL TYPE nosuch    | c1
c CLIENT KILL ID 0           | c1
c CLIENT KILL ADDR           | c1
c CLIENT KILL 127.0.0.1:1    | c1
c CLIENT KILL TYPE pubsub    | c1 d0
c CLIENT KILL TYPE normal    | c1 a0 b0
c CLIENT KILL TYPE normal SKIPME no | c1 c0
`

// Subscribers must get what redis-server sends them, in its order.
func TestSamePubSubAsRedis(t *testing.T) {
	want := playPubSub(t, realRedis(t))
	got := playPubSub(t, start(t, t.TempDir()).addr)
	assert.Equal(t, want, got)
}

// playPubSub plays the script and returns what each line brought to whom. A
// count of 0 expects the end of the connection.
func playPubSub(t *testing.T, addr string) (log []string) {
	conns := map[string]net.Conn{}
	in := map[string]*bufio.Reader{}
	for _, name := range []string{"a", "b", "c", "d"} {
		c, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		t.Cleanup(func() { c.Close() })
		c.SetDeadline(time.Now().Add(3 * time.Minute))
		conns[name], in[name] = c, bufio.NewReader(c)
	}
	for line := range strings.Lines(strings.TrimSpace(pubsubScript)) {
		send, frames, _ := strings.Cut(strings.TrimSpace(line), "|")
		send = strings.TrimSpace(send)
		log = append(log, send)
		_, err := io.WriteString(conns[send[:1]], send[2:]+"\r\n")
		require.NoError(t, err)
		for _, f := range strings.Fields(frames) {
			n, _ := strconv.Atoi(f[1:])
			for range n {
				var b strings.Builder
				require.NoError(t, readFrame(&b, in[f[:1]]), "%s: %s", send, b.String())
				log = append(log, f[:1]+": "+strings.ReplaceAll(clientID.ReplaceAllString(b.String(), "id\r\n:N"), "\r\n", " "))
			}
			if n == 0 {
				_, err := in[f[:1]].ReadByte()
				assert.Error(t, err, "%s: %s is still connected", send, f[:1])
				assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "%s: %s is still connected", send, f[:1])
			}
		}
	}
	return log
}

// readFrame copies one reply or message.
func readFrame(w *strings.Builder, r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	w.WriteString(line)
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(line[1 : len(line)-2])
	switch line[0] {
	case '$', '=':
		if n < 0 {
			return nil
		}
		_, err = io.CopyN(w, r, int64(n)+2)
		return err
	case '%':
		n *= 2
	case '*', '>', '~':
	default:
		return nil
	}
	for range n {
		if err := readFrame(w, r); err != nil {
			return err
		}
	}
	return nil
}

// A subscriber that lets more pile up than its limit is disconnected.
func TestSubscriberOverItsLimit(t *testing.T) {
	r := start(t, t.TempDir(), "--client-output-buffer-limit", "pubsub 8mb 0 0")
	slow := r.dial()
	io.WriteString(slow, "SUBSCRIBE c\r\n")
	_, err := bufio.NewReader(slow).ReadString('\n')
	require.NoError(t, err)
	payload := strings.Repeat("x", 1<<20)
	for range 32 { // the limit and what the kernel takes
		if strings.HasPrefix(r.exchange("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1048576\r\n"+payload+"\r\nQUIT\r\n"), ":0") {
			assert.Contains(t, r.log.String(), "for overcoming of output buffer limits")
			return
		}
	}
	t.Fatal("32 MiB wait for a subscriber that may have 8 MiB")
}

// A subscriber that does not read blocks nobody, and is gone once it is killed.
func TestSlowSubscriberBlocksNobody(t *testing.T) {
	r := start(t, t.TempDir(), "--client-output-buffer-limit", "pubsub 0 0 0") // however long it takes, only CLIENT KILL ends it
	slow := r.dial()
	io.WriteString(slow, "SUBSCRIBE c\r\n")
	_, err := bufio.NewReader(slow).ReadString('\n')
	require.NoError(t, err)
	payload := strings.Repeat("x", 1<<20)
	for range 16 {
		assert.Equal(t, ":1\r\n+OK\r\n", r.exchange("*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$1048576\r\n"+payload+"\r\nQUIT\r\n"))
	}
	assert.Equal(t, ":1\r\n+OK\r\n", r.exchange("CLIENT KILL TYPE pubsub\r\nQUIT\r\n"))
	assert.Equal(t, ":0\r\n+OK\r\n", r.exchange("PUBLISH c x\r\nQUIT\r\n"))
}
