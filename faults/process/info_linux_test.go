package process

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzReadInfo: whatever answers a starting server's INFO, it is read within bounds.
func FuzzReadInfo(f *testing.F) {
	f.Add("$28\r\n# Server\r\nredis_version:7.0.15\r\n")
	f.Add("$9223372036854775807\r\n")
	f.Add("-NOAUTH\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		for name := range readInfo(bufio.NewReader(strings.NewReader(answer))) {
			require.NotContains(t, name, ":")
		}
	})
}

// endless answers without an end.
type endless struct {
	net.Conn
	read int
}

func (e *endless) Write(p []byte) (int, error) { return len(p), nil }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	if e.read > 1<<30 {
		return 0, io.ErrUnexpectedEOF // before the machine's memory is full
	}
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestAnAnswerWithoutEndIsNotWaitedFor: of a line that never ends no more is kept than an
// answer may have.
func TestAnAnswerWithoutEndIsNotWaitedFor(t *testing.T) {
	conn := &endless{}
	a := ask(conn, false)
	require.False(t, a.answered)
	require.LessOrEqual(t, conn.read, 2*mostInfo)
}
