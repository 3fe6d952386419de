package sentinel

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/engine/config"
)

// watching is a machine that has met a replica and a Sentinel and is in the
// middle of a failover, so that whatever comes finds something to change.
func watching(t testing.TB) *Machine {
	n := uint64(0)
	m, err := New(Options{Now: 1_000_000, Rand: func() uint64 { n++; return n }, Port: 26379}, configLines(`
		monitor mymaster 127.0.0.1 6379 1
		down-after-milliseconds mymaster 1000
		known-replica mymaster 127.0.0.1 6380
		known-sentinel mymaster 127.0.0.1 26380 abcdefabcdefabcdefabcdefabcdefabcdefabcd
		announce-ip 127.0.0.1`))
	require.NoError(t, err)
	m.Start(1_000_000)
	for now := int64(1_000_100); now < 1_002_000; now += 100 {
		m.Tick(now)
	}
	require.True(t, m.masters[0].is(failingOver))
	return m
}

func configLines(text string) (out []ConfigLine) {
	for i, line := range strings.Split(text, "\n") {
		if args, err := config.SplitArgs(line); err == nil && len(args) > 0 {
			out = append(out, ConfigLine{i + 1, args})
		}
	}
	return out
}

// FuzzInput: no reply, message, hello or command makes a Sentinel panic, and
// what it saves then can be read again, to the same effect.
func FuzzInput(f *testing.F) {
	f.Add(1, "+PONG\r\n", "127.0.0.1,26381,0123456789012345678901234567890123456789,5,mymaster,127.0.0.1,6380,5", "is-master-down-by-addr 127.0.0.1 6379 3 abc")
	f.Add(1, "$60\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:6381\r\nrun_id:x\r\n", ",,,,,,,", "set mymaster quorum 5 auth-pass \"a b\"")
	f.Add(2, "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$1\r\ny\r\n", "", "monitor x 127.0.0.1 1 1")
	f.Add(3, "$32\r\nslave0:ip=127.0.0.1,port=70000,x\r\n", "a,b,c,d,mymaster,e,f,9", "config set sentinel-pass \"a\\\"b\"")
	f.Add(4, "-BUSY\r\n:1\r\n*-1\r\n$-1\r\n", "x", "failover mymaster")
	f.Add(5, "*3\r\n:1\r\n$3\r\nabc\r\n:-7\r\n", "x", "simulate-failure crash-after-election")
	f.Fuzz(func(t *testing.T, conn int, replies, hello, command string) {
		m := watching(t)
		now := int64(1_002_000)
		for in := []byte(replies); len(in) > 0; {
			r, rest, err := Parse(in)
			if err != nil {
				break
			}
			m.Received(now, conn, r)
			in = rest
		}
		m.Hello(now, hello)
		if args, err := config.SplitArgs(command); err == nil && len(args) > 0 {
			if want, ok := Arity[strings.ToLower(args[0])]; ok && (want == len(args)+1 || want < 0 && len(args)+1 >= -want) {
				m.Command(now, args)
			}
		}
		m.Disconnected(now, conn, "x")
		for range 30 {
			now += 100
			m.Tick(now)
		}
		m.save()
		var saved []Line
		for _, a := range m.Take() {
			_ = a.String()
			if a.Kind == Save {
				saved = a.Lines
			}
		}
		again, err := New(m.o, savedLines(saved))
		require.NoError(t, err, fmt.Sprint(saved))
		again.p = m.p
		require.Equal(t, saved, again.lines())
	})
}

func savedLines(lines []Line) (out []ConfigLine) {
	for i, l := range lines {
		args, err := config.SplitArgs(l.Text)
		if err != nil {
			panic(err)
		}
		out = append(out, ConfigLine{i + 1, args[1:]})
	}
	return out
}

// FuzzConfig: a configuration is refused with its line, or saved so that it is
// read again to the same effect.
func FuzzConfig(f *testing.F) {
	f.Add("monitor mymaster 127.0.0.1 6379 2\nauth-pass mymaster \"a b\"\nknown-sentinel mymaster 127.0.0.1 1 abc\nmyid 0123456789012345678901234567890123456789")
	f.Add("known-replica x 1 1\nmonitor \"\" 127.0.0.1 6379 2\nannounce-ip \"x y\"\nrename-command mymaster CONFIG \"\"")
	f.Fuzz(func(t *testing.T, text string) {
		lines := configLines(text)
		m, err := New(Options{Now: 1, Rand: func() uint64 { return 1 }}, lines)
		if err != nil {
			var e *LineError
			require.True(t, errors.As(err, &e))
			require.NotEmpty(t, e.Why)
			return
		}
		m.Start(1)
		saved := m.lines()
		again, err := New(m.o, savedLines(saved))
		require.NoError(t, err, fmt.Sprint(saved))
		require.Equal(t, saved, again.lines())
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n:5\r\n+x\r\n"))
	f.Add([]byte("$9223372036854775807\r\n"))
	f.Add([]byte("*65536\r\n*65536\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		_, rest, err := Parse(in)
		if err == nil {
			require.Less(t, len(rest), len(in))
		}
	})
}
