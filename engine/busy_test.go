package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A script that shares its turn with a write before it is killed when the answer to
// SCRIPT KILL says so, each time, and nobody's reply stays behind.
func TestKilledScriptsEnd(t *testing.T) {
	for _, policy := range []string{"always", "everysec"} {
		w := startWorld(t, "", [2]string{"busy-reply-threshold", "1"}, [2]string{"appendonly", "yes"}, [2]string{"appendfsync", policy})
		two := w.connect()
		for range 100 {
			// New ones each time: what was given to Submit is a session's until Execute has
			// had the replies, and would be executed again with the next batch.
			one, three := w.connect(), w.connect()
			w.env.Enter()
			one.s.Add([][]byte{[]byte("SET"), []byte("k"), []byte("v")})
			one.s.Submit()
			three.s.Add([][]byte{[]byte("EVAL"), []byte("while true do end"), []byte("0")})
			three.s.Submit()
			w.env.Leave()
			require.Eventually(t, func() bool {
				reply := two.do("SCRIPT", "KILL")
				require.True(t, reply == "+OK\r\n" || strings.HasPrefix(reply, "-NOTBUSY"), reply)
				return reply == "+OK\r\n"
			}, time.Minute, time.Millisecond)
			for _, c := range []*session{one, three} {
				require.Eventually(t, func() bool {
					w.env.Enter()
					defer w.env.Leave()
					return !c.s.Busy()
				}, 20*time.Second, time.Millisecond, policy)
			}
		}
	}
}
