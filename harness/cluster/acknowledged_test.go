package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const twoAcks = "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$2\r\n17\r\n*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n250\r\n"

// TestAcknowledgementsAreSeenAsTheyPass, however the stream is cut into parts.
func TestAcknowledgementsAreSeenAsTheyPass(t *testing.T) {
	for cut := range len(twoAcks) {
		c := &Cluster{acks: acknowledged{servers: []string{"n1", "n2", "n3"}, upTo: map[[2]string]int64{}}}
		tap, _ := c.acks.tap("n2", "n1")
		tap([]byte("PING\r\n" + twoAcks[:cut]))
		tap([]byte(twoAcks[cut:]))
		require.Equal(t, int64(250), c.acks.upTo[[2]string{"n2", "n1"}], "cut at %d", cut)
		for offset, want := range map[int64]int{250: 2, 251: 1} { // n3 has not said anything yet
			n, known := c.Acknowledged("n1", offset)
			require.True(t, known)
			require.Equal(t, want, n)
		}
		tap, _ = c.acks.tap("n3", "n1")
		tap([]byte(twoAcks[:len(twoAcks)/2]))
		n, _ := c.Acknowledged("n1", 18)
		require.Equal(t, 1, n)
	}
	sent, answered := new(acknowledged).tap("c1", "n1")
	require.True(t, sent == nil && answered == nil, "clients acknowledge nothing")
}

// FuzzLastAck: any bytes, in two parts or in one, and little is kept of them.
func FuzzLastAck(f *testing.F) {
	f.Add([]byte(twoAcks), uint16(20))
	f.Add([]byte("REPLCONF\r\n$3\r\nACK\r\n$99999999999999999999999999999999999999\r\n"), uint16(3))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		whole, rest := lastAck(text)
		require.LessOrEqual(t, len(rest), longestAck)
		k := min(int(cut), len(text))
		first, rest := lastAck(text[:k])
		second, rest := lastAck(append(rest, text[k:]...))
		require.LessOrEqual(t, len(rest), longestAck)
		if second < 0 {
			second = first
		}
		require.Equal(t, whole, second)
	})
}
