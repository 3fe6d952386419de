package front_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/redcon"

	"github.com/torntail/torntail/engine/front"
)

// small limits make the edges cheap to reach.
var small = front.Limits{Bulk: 100, Args: 10, Inline: 64, Buffer: 2000}

// feed gives input to a gate in pieces of the given size and returns the
// commands, parsed by redcon, and the gate's error.
func feed(t testing.TB, l front.Limits, input string, piece int) (cmds []string, err error) {
	var g front.Gate
	g.Reset(l, 16)
	for {
		run, err := g.Next()
		if err != nil {
			return cmds, err
		}
		if run != nil {
			for len(run) > 0 {
				complete, argv, kind, rest, err := redcon.ReadNextCommand(run, nil)
				require.NoError(t, err)
				require.True(t, complete, "an incomplete command was let through: %q", run)
				require.Equal(t, redcon.Redis, kind)
				require.NotEmpty(t, argv)
				cmds = append(cmds, fmt.Sprintf("%q", argv))
				run = rest
			}
			continue
		}
		if input == "" {
			return cmds, nil
		}
		n := copy(g.Space(), input[:min(piece, len(input))])
		g.Added(n)
		input = input[n:]
	}
}

func TestGate(t *testing.T) {
	long := strings.Repeat("x", 200)
	for _, c := range []struct {
		name  string
		input string
		want  []string
		err   string
	}{
		{"one command", "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", []string{`["GET" "k"]`}, ""},
		{"two commands", "*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n", []string{`["PING"]`, `["PING"]`}, ""},
		{"incomplete", "*2\r\n$3\r\nGET\r\n$1\r\n", nil, ""},
		{"empty argument", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n", []string{`["GET" ""]`}, ""},
		{"line ends inside an argument", "*1\r\n$4\r\n\r\n\r\n\r\n", []string{`["\r\n\r\n"]`}, ""},
		{"no arguments", "*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n*0\r\n*1\r\n$4\r\nPING\r\n", []string{`["PING"]`, `["PING"]`}, ""},
		{"length that overflows", "*1\r\n$9223372036854775807\r\n", nil, "invalid bulk length"},
		{"length beyond 64 bits", "*1\r\n$99999999999999999999\r\n", nil, "invalid bulk length"},
		{"a million arguments", "*2000000000\r\n", nil, "invalid multibulk length"},
		{"negative length", "*1\r\n$-1\r\n", nil, "invalid bulk length"},
		{"no length", "*\r\n", nil, "invalid multibulk length"},
		{"leading zero", "*01\r\n$4\r\nPING\r\n", nil, "invalid multibulk length"},
		{"plus sign", "*+1\r\n$4\r\nPING\r\n", nil, "invalid multibulk length"},
		{"no dollar", "*1\r\nPING\r\n", nil, "expected '$', got 'P'"},
		{"line end instead of dollar", "*1\r\n\r\n", nil, "expected '$', got ' '"},
		{"valid before malformed", "*1\r\n$4\r\nPING\r\n*1\r\n:4\r\nPING\r\n", []string{`["PING"]`}, "expected '$', got ':'"},
		{"malformed length after valid", "*1\r\n$4\r\nPING\r\n*x\r\n", []string{`["PING"]`}, "invalid multibulk length"},
		{"argument of the greatest length", "*1\r\n$100\r\n" + long[:100] + "\r\n", []string{fmt.Sprintf("[%q]", long[:100])}, ""},
		{"argument too long", "*1\r\n$101\r\n", nil, "invalid bulk length"},
		{"most arguments", "*10\r\n" + strings.Repeat("$1\r\na\r\n", 10), []string{`["a" "a" "a" "a" "a" "a" "a" "a" "a" "a"]`}, ""},
		{"too many arguments", "*11\r\n", nil, "invalid multibulk length"},
		{"endless count", "*" + strings.Repeat("1", 100), nil, "too big mbulk count string"},
		{"endless length", "*1\r\n$" + strings.Repeat("1", 100), nil, "too big bulk count string"},
		{"other bytes for a line end, as Redis takes them", "*1\rX$4\rYPINGZZ*1\r\n$4\r\nPING\r\n", []string{`["PING"]`, `["PING"]`}, ""},
		{"inline", "PING\r\nset k \"a b\\x41\"\n", []string{`["PING"]`, `["set" "k" "a bA"]`}, ""},
		{"inline between others", "*1\r\n$4\r\nPING\r\nPING a\r\n*1\r\n$4\r\nPING\r\n", []string{`["PING"]`, `["PING" "a"]`, `["PING"]`}, ""},
		{"empty lines", "\r\n\n   \r\nPING\r\n", []string{`["PING"]`}, ""},
		{"unbalanced quotes", "PING\r\nset k \"a\r\n", []string{`["PING"]`}, "unbalanced quotes in request"},
		{"endless line", strings.Repeat("x", 65), nil, "too big inline request"},
		{"redcon's own dialect is a line like any other", "$4 PING\r\n", []string{`["$4" "PING"]`}, ""},
		{"HTTP is a line too", "POST / HTTP/1.1\r\n", []string{`["POST" "/" "HTTP/1.1"]`}, ""},
	} {
		for _, piece := range []int{1, 2, 7, 1000} {
			t.Run(fmt.Sprintf("%s/pieces=%d", c.name, piece), func(t *testing.T) {
				cmds, err := feed(t, small, c.input, piece)
				assert.Equal(t, c.want, cmds)
				if c.err == "" {
					assert.NoError(t, err)
				} else {
					assert.EqualError(t, err, "ERR Protocol error: "+c.err)
				}
			})
		}
	}
}

// A command within all single limits that grows beyond the buffer's ends the
// connection without a word, as client-query-buffer-limit does.
func TestGateBoundsTheWholeCommand(t *testing.T) {
	l := small
	l.Buffer = 300
	_, err := feed(t, l, "*10\r\n"+strings.Repeat("$100\r\n"+strings.Repeat("x", 100)+"\r\n", 10), 50)
	assert.Equal(t, front.ErrTooMuch, err)
	assert.Empty(t, err.Error())
}

// What a client announces is not allocated before it arrives.
func TestGateDoesNotTrustLengths(t *testing.T) {
	var g front.Gate
	g.Reset(front.RedisLimits, 512)
	g.Added(copy(g.Space(), "*1000000\r\n$536870912\r\nx"))
	_, err := g.Next()
	require.NoError(t, err)
	assert.Less(t, len(g.Space()), 3<<20)
}

// A single slow command costs time in proportion to its length, however small
// the pieces: redcon alone parses it again from its start for each.
func TestGateExaminesEachByteOnce(t *testing.T) {
	const args = 200_000
	var g front.Gate
	g.Reset(front.RedisLimits, 512)
	g.Added(copy(g.Space(), fmt.Sprintf("*%d\r\n", args)))
	var run []byte
	for range args {
		g.Added(copy(g.Space(), "$1\r\na\r\n"))
		var err error
		run, err = g.Next()
		require.NoError(t, err)
	}
	assert.Equal(t, args, bytes.Count(run, []byte("$1\r\na\r\n")))
}

// FuzzGate: whatever arrives, in whatever pieces, what comes out are whole
// commands within the limits that redcon's parser agrees with, the same ones
// for every way to cut the input.
func FuzzGate(f *testing.F) {
	for _, s := range []string{
		"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "PING\r\n", "*0\r\n", "*1\r\n$9223372036854775807\r\n", "*2000000000\r\n",
		"*1\r\n$4\r\nPING\r\n*1\r\n:4\r\n", "set k \"a b\"\r\n", "*-1\r\n\r\n*1\r\n$0\r\n\r\n", "*1\rX$1\rYaZZ", "'\\''\n",
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, input []byte, piece uint8) {
		whole, wholeErr := feed(t, small, string(input), 1<<20)
		cut, cutErr := feed(t, small, string(input), int(piece%32)+1)
		require.Equal(t, whole, cut)
		require.Equal(t, wholeErr, cutErr)
	})
}
