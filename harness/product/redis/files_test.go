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
