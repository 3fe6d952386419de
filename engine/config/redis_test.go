package config_test

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// configGet asks a redis-server on a unix socket for all directives.
func configGet(t *testing.T, socket string) map[string]string {
	var c net.Conn
	for range 200 {
		var err error
		if c, err = net.Dial("unix", socket); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.NotNil(t, c, "redis-server does not listen")
	defer c.Close()
	_, err := io.WriteString(c, "CONFIG GET *\r\n")
	require.NoError(t, err)
	in := bufio.NewReader(c)
	number := func() int {
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		n, err := strconv.Atoi(strings.TrimSpace(line[1:]))
		require.NoError(t, err, line)
		return n
	}
	bulk := func() string {
		b := make([]byte, number()+2)
		_, err := io.ReadFull(in, b)
		require.NoError(t, err)
		return string(b[:len(b)-2])
	}
	out := make(map[string]string)
	for range number() / 2 {
		name := bulk()
		out[name] = bulk()
	}
	return out
}
