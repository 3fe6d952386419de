package proxy

import (
	"net"

	"golang.org/x/sys/unix"
)

// tcpEstablished is TCP_ESTABLISHED of the kernel's include/net/tcp_states.h.
const tcpEstablished = 1

// hungUp reports whether the peer has closed its end, whatever it sent before.
func hungUp(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	up := false
	if err := raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		up = err == nil && info.State == tcpEstablished
	}); err != nil {
		return true
	}
	return !up
}
