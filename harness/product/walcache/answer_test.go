package walcache

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/workloads"
)

func TestAnswer(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int // length; -1: none
	}{
		{"STORED\r\nrest", 8}, {"STORED\r", 0}, {"END\r\n", 5}, {"", 0},
		{"VALUE k1 0 2\r\nab\r\nEND\r\nx", 23}, {"VALUE k1 0 2\r\nab\r\nEND\r", 0}, {"VALUE k1 0 0\r\n\r\nEND\r\n", 21},
		{"VALUE k1 0 2\r\nabc\r\nEND\r\n", -1}, {"VALUE k1 0 -2\r\n", -1}, {"VALUE k1 0 99999999\r\n", -1}, {"VALUE \r\n", -1},
	} {
		n, err := answer([]byte(c.in))
		if c.want < 0 {
			require.ErrorIs(t, err, workloads.ErrProtocol, c.in)
			continue
		}
		require.NoError(t, err, c.in)
		require.Equal(t, c.want, n, c.in)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte("VALUE k1 0 2\r\nab\r\nEND\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := answer(b)
		require.True(t, n >= 0 && n <= len(b))
		require.True(t, err == nil || n == 0)
	})
}
