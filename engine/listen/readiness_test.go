package listen

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connected is both ends of a connection.
func connected(t *testing.T) (client net.Conn, served *net.TCPConn, raw syscall.RawConn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err := l.Accept()
	require.NoError(t, err)
	served = accepted.(*net.TCPConn)
	raw, err = served.SyscallConn()
	require.NoError(t, err)
	t.Cleanup(func() {
		client.Close()
		served.Close()
	})
	return client, served, raw
}

// What serves the clients is told of the same connections by the system's list as
// by a goroutine for each of them.
func TestReadiness(t *testing.T) {
	system, err := newReadiness()
	require.NoError(t, err)
	for name, r := range map[string]readiness{"the system's": system, "goroutines": newWatchers()} {
		t.Run(name, func(t *testing.T) {
			defer r.close()
			wait := func() []int32 {
				ids, err := r.wait(nil)
				require.NoError(t, err)
				return ids
			}
			a, aServed, aRaw := connected(t)
			b, bServed, bRaw := connected(t)
			require.NoError(t, r.add(7, aRaw))
			require.NoError(t, r.add(8, bRaw))
			r.wake()
			assert.Empty(t, wait())

			a.Write([]byte("ab"))
			assert.Equal(t, []int32{7}, wait())
			aServed.Read(make([]byte, 1))
			assert.Equal(t, []int32{7}, wait(), "a byte is left")
			aServed.Read(make([]byte, 1))

			b.Write([]byte("c"))
			assert.Equal(t, []int32{8}, wait())
			r.pause(8, bRaw)
			a.Write([]byte("d"))
			assert.Equal(t, []int32{7}, wait(), "the other is paused")
			aServed.Read(make([]byte, 1))
			r.resume(8, bRaw)
			assert.Equal(t, []int32{8}, wait())
			bServed.Read(make([]byte, 1))

			a.Close()
			assert.Equal(t, []int32{7}, wait(), "it has ended")
			r.forget(7)
			aServed.Close()
			b.Write([]byte("e"))
			assert.Equal(t, []int32{8}, wait())
			r.forget(8)
			bServed.Close()
			r.wake()
			assert.Empty(t, wait())
		})
	}
}
