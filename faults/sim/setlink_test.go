package sim

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/faults/network"
)

// TestSetLinkEndsACutAndLeavesTheDelay: what was held arrives when the cut ends,
// with the delay that is in place by then; what met a cut that drops never does.
func TestSetLinkEndsACutAndLeavesTheDelay(t *testing.T) {
	const delay = 50 * time.Millisecond
	for _, c := range []struct {
		name    string
		cut     []network.Cut // one after the other, a second each
		arrives bool
	}{
		{"hold", []network.Cut{network.Hold}, true},
		{"drop", []network.Cut{network.Drop}, false},
		{"hold, then drop", []network.Cut{network.Hold, network.Drop}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := New(Options{Seed: 1})
			defer w.Close()
			server, client := w.Node("n1", nil), w.Node("c1", nil)
			var got time.Duration
			var broken error
			server.Go("serve", func(e env.Env) {
				l, err := e.Listen(":1")
				require.NoError(t, err)
				conn, err := l.Accept()
				require.NoError(t, err)
				buf := make([]byte, 1)
				if _, broken = conn.Read(buf); broken == nil {
					got = e.Now()
				}
			})
			client.Go("send", func(e env.Env) {
				e.Sleep(100 * time.Millisecond)
				conn, err := e.Dial("n1:1")
				require.NoError(t, err)
				e.Sleep(time.Second)
				_, err = conn.Write([]byte{1})
				require.NoError(t, err)
				e.Sleep(time.Minute)
			})
			at := time.Second
			for _, how := range c.cut {
				w.At(at, func() { w.SetLink("c1", "n1", network.Link{Cut: how, Delay: delay}) })
				at += time.Second
			}
			w.At(at, func() { w.SetLink("c1", "n1", network.Link{Delay: delay}) })
			require.NoError(t, w.Run(at+10*time.Second))
			require.Equal(t, network.Link{Delay: delay}, w.Link("c1", "n1"))
			if !c.arrives {
				require.ErrorIs(t, broken, env.ErrReset)
				return
			}
			require.NoError(t, broken)
			require.GreaterOrEqual(t, got, at+delay)
			require.Less(t, got, at+delay+20*time.Millisecond)
		})
	}
}
