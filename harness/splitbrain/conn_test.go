package splitbrain

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"
)

func TestElements(t *testing.T) {
	for text, want := range map[string][]string{
		"*0\r\n": {},
		"*4\r\n$3\r\nk-1\r\n:12\r\n+OK\r\n$0\r\n\r\n":     {"k-1", "12", "OK", ""},
		"*3\r\n$-1\r\n*2\r\n$1\r\na\r\n:7\r\n$1\r\nb\r\n": {"", "$1\r\na\r\n:7\r\n", "b"},
		"$1\r\na\r\n": nil,
	} {
		n, reply := redcon.ReadNextRESP([]byte(text))
		require.Equal(t, len(text), n)
		require.Equal(t, want, elements(reply), "%q", text)
	}
}
