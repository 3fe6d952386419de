package redis

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHoldsCommands tells writes of an append-only file from others.
func TestHoldsCommands(t *testing.T) {
	for data, want := range map[string]bool{
		"*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n": true,
		"":                                false, "\r\n$": false, "\r\n$x": false, strings.Repeat("\x00", 4096): false, "$3\r\n": false,
	} {
		require.Equal(t, want, Store.HoldsCommands([]byte(data)), "%q", data)
	}
}

// TestIDsOfEntriesAreNoStrayBytes: the log of a stream has a "-" in each ID; what is behind it, or
// half of one, is seen.
func TestIDsOfEntriesAreNoStrayBytes(t *testing.T) {
	const add = "*5\r\n$4\r\nXADD\r\n$2\r\nk4\r\n$15\r\n1767225601746-0\r\n$1\r\nf\r\n$3\r\n3:1\r\n"
	require.Equal(t, -1, firstStray([]byte(add+add)))
	require.Equal(t, len(add), firstStray([]byte(add+"\x00\x00")))
	require.Equal(t, strings.Index(add, "-"), firstStray([]byte(strings.Replace(add, "-0", "-\x00", 1))))
	require.Equal(t, strings.Index(add, "-"), firstStray([]byte(strings.Replace(add, "-0", "-", 1))))
	require.Equal(t, strings.Index(add, "-"), firstStray([]byte(add[:strings.Index(add, "-0")+1])))
}
