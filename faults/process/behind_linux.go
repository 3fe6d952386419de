package process

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/witness"
)

// A script may start the server and wait for it instead of becoming it with exec. Then the
// server is a child of the process that was started, and signals that are meant for it are
// sent to the one that has its port.

// behind is the server where that is a child of the process that was started.
type behind struct {
	mu    sync.Mutex
	fd    int   // pidfd; -1: it is gone
	pid   int   // its process id
	above []int // from the process that was started down to its parent
	// outlived: the scripts went on when it had ended, and were killed.
	outlived atomic.Bool
}

// scriptsEnd is how long scripts may take to end when their server has.
const scriptsEnd = 200 * time.Millisecond

// serving notes that another process of the group is the server. False: it has ended.
func (p *Process) serving(pid int) bool {
	if pid == p.pid {
		return true
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	b := &behind{fd: fd, pid: pid}
	for up := pid; up != p.pid; {
		st, ok := guard.ReadStat(up)
		if !ok || st.Group != p.pid || st.Parent <= 1 || slices.Contains(b.above, st.Parent) {
			break // its parent has ended
		}
		up = st.Parent
		b.above = append(b.above, up)
	}
	slices.Reverse(b.above)
	witness.Saw(p.String(), "its server is process %d", pid)
	p.behind.Store(b)
	go p.awaitBehind(b)
	return true
}

// awaitBehind waits for the end of the server. A script that goes on might start another.
func (p *Process) awaitBehind(b *behind) {
	for {
		if _, err := unix.Poll([]unix.PollFd{{Fd: int32(b.fd), Events: unix.POLLIN}}, -1); err != unix.EINTR {
			break
		}
	}
	b.mu.Lock()
	unix.Close(b.fd)
	b.fd = -1
	b.mu.Unlock()
	timer := time.NewTimer(scriptsEnd)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		b.outlived.Store(true)
		p.signalTree(syscall.SIGKILL)
	}
}

// Serves is the process id of the server: that of the process that was started, or of a
// child of it.
func (p *Process) Serves() int {
	if b := p.behind.Load(); b != nil {
		return b.pid
	}
	return p.pid
}

// Wrapped reports whether the server is a child of the process that was started, whose
// exit then is not the server's.
func (p *Process) Wrapped() bool { return p.behind.Load() != nil }

// Outlived reports whether the process that was started went on when the server behind it
// had ended, and was killed.
func (p *Process) Outlived() bool {
	b := p.behind.Load()
	return b != nil && b.outlived.Load()
}

// send sends a signal to the server.
func (b *behind) send(sig syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fd >= 0 {
		unix.PidfdSendSignal(b.fd, sig, nil, 0) // that it has ended is no error
	}
}

// killScripts kills what has started the server: it must not start another.
func (b *behind) killScripts(group int) {
	living := guard.GroupMembers(group)
	for _, pid := range b.above {
		if slices.Contains(living, pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// mark is the variable that all processes have which are started here, and those that they
// start: one that has left its group is known by it.
const mark = "TORNTAIL_STARTED"

// started counts the processes that were started.
var started atomic.Uint64

func newMark() string { return fmt.Sprintf("%s=%d.%d", mark, os.Getpid(), started.Add(1)) }

// killEscaped kills the processes that this one has started and that have left its group, as
// daemons do, and reports whether there were any. They have its mark, or they run in a
// session of their own where torntail's servers run: redis-server writes over its environment
// (setproctitle.c).
func (p *Process) killEscaped() (any bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	session, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == p.pid {
			continue
		}
		st, ok := guard.ReadStat(pid)
		if !ok || st.Group == p.pid || st.State == 'Z' || st.Parent == os.Getpid() {
			continue
		}
		environ, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		marked := err == nil && slices.ContainsFunc(bytes.Split(environ, []byte{0}), func(v []byte) bool { return string(v) == p.mark })
		sid, err := unix.Getsid(pid)
		apart := err == nil && sid != session && p.world != "" && p.world == worldOf(pid)
		if marked || apart {
			any = true
			killOnly(pid, st.Start)
		}
	}
	return any
}

// killOnly kills the process that has that number and has begun then.
func killOnly(pid int, begun uint64) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return // it has ended
	}
	defer unix.Close(fd)
	if st, ok := guard.ReadStat(pid); ok && st.Start == begun {
		unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0)
		waitPid(pid, time.Second)
	}
}

// worldOf is the mount namespace of a process; "": not known.
func worldOf(pid int) string {
	world, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/ns/mnt") // it has ended
	return world
}

// listener is the process among some that listens at a port; 0: none of them.
func listener(port int, among []int) int { return listening(among)[port] }

// listening are the ports at which some processes listen, and which of them does.
func listening(among []int) map[int]int {
	sockets := map[string]int{}
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // no IPv6
		}
		for line := range strings.Lines(string(text)) { // proc(5): local address, its port in hex, is the second field; the state the fourth; the inode the tenth
			f := strings.Fields(line)
			const listen = "0A"
			if len(f) < 10 || f[3] != listen {
				continue
			}
			_, digits, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseUint(digits, 16, 16); err == nil {
				sockets["socket:["+f[9]+"]"] = int(n)
			}
		}
	}
	ports := map[int]int{}
	for _, pid := range among {
		dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // it has ended
		}
		for _, fd := range fds {
			if to, err := os.Readlink(dir + fd.Name()); err == nil {
				if port, ok := sockets[to]; ok {
					ports[port] = pid
				}
			}
		}
	}
	return ports
}
