package redisconf

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesAreReadBackAsTheyWereMeant(t *testing.T) {
	var f File
	f.Line("dir", `/tmp/a "b"\c`)
	f.Line("sentinel monitor", "m", "127.0.0.1", "6379", "2")
	f.Line("requirepass", "")
	f.Line("logfile", "a\nb#")
	f.Directive("save", "2 1")
	f.Directive("save", "")
	f.Linef("port %d", 6379)
	require.Equal(t, `dir "/tmp/a \"b\"\\c"
sentinel monitor m 127.0.0.1 6379 2
requirepass ""
logfile "a\x0ab#"
save 2 1
save ""
port 6379
`, f.String())
}
