package listen

import (
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// connected is both ends of a connection.
func connected(t *testing.T) (client net.Conn, served *net.TCPConn, fd int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	accepted, err := l.Accept()
	require.NoError(t, err)
	served = accepted.(*net.TCPConn)
	raw, err := served.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(of uintptr) { fd = int(of) }))
	t.Cleanup(func() {
		client.Close()
		served.Close()
	})
	return client, served, fd
}

// What serves the clients is told of the same connections by the system's list as
// by poll.
func TestReadiness(t *testing.T) {
	system, err := newReadiness()
	require.NoError(t, err)
	anywhere, err := newPolled()
	require.NoError(t, err)
	for name, r := range map[string]readiness{"the system's": system, "poll": anywhere} {
		t.Run(name, func(t *testing.T) {
			defer r.close()
			wait := func() []int32 {
				ids, err := r.wait(nil, time.Minute)
				require.NoError(t, err)
				return ids
			}
			a, aServed, aFd := connected(t)
			b, bServed, bFd := connected(t)
			require.NoError(t, r.add(7, aFd))
			require.NoError(t, r.add(8, bFd))
			r.wake()
			assert.Empty(t, wait())
			now := func() []int32 {
				ids, err := r.now(nil)
				require.NoError(t, err)
				return ids
			}
			assert.Empty(t, now())

			a.Write([]byte("ab"))
			assert.Equal(t, []int32{7}, wait())
			aServed.Read(make([]byte, 1))
			r.more(7)
			assert.Equal(t, []int32{7}, wait(), "a byte is left")
			r.more(7)
			assert.Equal(t, []int32{7}, now())
			aServed.Read(make([]byte, 1))

			b.Write([]byte("c"))
			assert.Equal(t, []int32{8}, wait())
			r.pause(8, bFd)
			a.Write([]byte("d"))
			assert.Equal(t, []int32{7}, wait(), "the other is paused")
			aServed.Read(make([]byte, 1))
			r.resume(8, bFd)
			assert.Equal(t, []int32{8}, wait())
			bServed.Read(make([]byte, 1))

			a.Write([]byte("d"))
			a.Close()
			told := 0
			for told < 2 {
				for _, id := range wait() {
					assert.Equal(t, int32(7), id)
					told++
				}
			}
			r.forget(7, aFd)
			aServed.Close()
			b.Write([]byte("e"))
			assert.Equal(t, []int32{8}, wait())
			r.forget(8, bFd)
			bServed.Close()
			r.wake()
			assert.Empty(t, wait())
		})
	}
}
