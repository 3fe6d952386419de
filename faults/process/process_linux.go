package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/witness"
	"golang.org/x/sys/unix"
)

// Process is one started server. Its methods may be called from any goroutine.
type Process struct {
	cmd     *exec.Cmd
	pid     int
	release func() // takes the process group off the watchdog's list
	output  *lineReader
	mark    string                 // in the environment of all that it starts
	world   string                 // the mount namespace of torntail's servers; "": they have none
	behind  atomic.Pointer[behind] // nil: it is the server itself

	done chan struct{} // closed when the server itself has ended
	exit Exit

	// gone: the server and all it started have ended. From then on the number of
	// the process group may be somebody else's and is not used any more.
	gone atomic.Bool
}

// Start starts a program in a process group of its own. It is killed when
// torntail dies, also by kill -9; what it starts itself is killed by the watchdog.
func Start(s Spec) (*Process, error) {
	if s.Clock == nil {
		began := time.Now()
		s.Clock = func() time.Duration { return time.Since(began) }
	}
	space := s.Space
	if space == nil {
		home, err := guard.Home()
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", s.Path, err)
		}
		space = home
	}
	watchdog, err := guard.Default()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	defer w.Close()

	cmd := s.command()
	if work := space.Work(); work != "" && s.Dir == "" {
		// It starts there, and torntail's own directory is none of its business.
		if strings.Contains(cmd.Path, "/") {
			if cmd.Path, err = filepath.Abs(cmd.Path); err != nil {
				return nil, fmt.Errorf("start %s: %w", s.Path, err)
			}
		}
		s.Env = append([]string{"PWD=" + work, "TMPDIR=" + work}, s.Env...)
	}
	m := newMark()
	cmd.Env = append(append(os.Environ(), s.Env...), m)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	space.Do(func() { err = cmd.Start() })
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", s.Path, err)
	}
	p := &Process{cmd: cmd, pid: cmd.Process.Pid, mark: m, done: make(chan struct{})}
	if space.Private() {
		p.world = worldOf(p.pid)
	}
	p.release = watchdog.Group(p.pid)
	witness.Saw(p.String(), "start %s %q", s.Path, s.Args)
	p.output = readLines(r, s.Clock, s.Output)
	go p.reap(s.Clock)
	return p, nil
}

// command is what is executed. The working directory is not entered between fork
// and exec, where Go would do it: there the child still holds up the whole
// parent (vfork, with a P of the scheduler), and a directory on a FUSE mount is
// one that the parent itself has to answer for. A shell does it.
func (s Spec) command() *exec.Cmd {
	if s.Dir == "" {
		return exec.Command(s.Path, s.Args...)
	}
	path := s.Path
	if found, err := exec.LookPath(path); err == nil {
		path = found // and if not, the shell says so
	}
	return exec.Command("/bin/sh", append([]string{"-c", `cd -- "$1" && shift && exec "$@"`, "sh", s.Dir, path}, s.Args...)...)
}

// reap waits for the end of the server itself, not of its children.
func (p *Process) reap(clock func() time.Duration) {
	p.cmd.Wait()
	p.exit = exitOf(p.cmd.ProcessState)
	p.exit.At = clock()
	witness.Saw(p.String(), "%v", p.exit)
	close(p.done)
	p.Children() // notes whether there are any
}

func exitOf(state *os.ProcessState) Exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	switch {
	case !ok:
		return Exit{Code: state.ExitCode()}
	case status.Signaled():
		return Exit{Code: -1, Signal: status.Signal()}
	default:
		return Exit{Code: status.ExitStatus()}
	}
}

// String names the process as an observer does.
func (p *Process) String() string { return fmt.Sprintf("process %d", p.pid) }

// Pid is the process id of the server, and the id of its process group.
func (p *Process) Pid() int { return p.pid }

// Done is closed when the server itself has ended; its children may still run.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exited reports whether the server itself has ended.
func (p *Process) Exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Wait waits for the server itself to end and says how it did.
func (p *Process) Wait() Exit {
	<-p.done
	return p.exit
}

// Kill sends SIGKILL: to the server alone, so that a snapshot or rewrite child
// of it goes on, or to the whole tree. It does not wait: a process with a file
// system call pending dies only when that is answered.
func (p *Process) Kill(tree bool) {
	if tree {
		p.signalTree(syscall.SIGKILL)
		return
	}
	if b := p.behind.Load(); b != nil {
		b.killScripts(p.pid)
		b.send(syscall.SIGKILL)
		return
	}
	p.signal(syscall.SIGKILL)
}

// Term sends SIGTERM, which asks Redis for an orderly shutdown.
func (p *Process) Term() {
	if b := p.behind.Load(); b != nil {
		witness.Saw(p.String(), "%v to process %d", syscall.SIGTERM, b.pid)
		b.send(syscall.SIGTERM)
		return
	}
	p.signal(syscall.SIGTERM)
}

// Pause stops the whole tree with SIGSTOP.
func (p *Process) Pause() { p.signalTree(syscall.SIGSTOP) }

// Resume lets the tree go on.
func (p *Process) Resume() { p.signalTree(syscall.SIGCONT) }

// signal goes through os.Process, which holds a pidfd or knows that the process
// has been reaped: the number may by then belong to somebody else.
func (p *Process) signal(sig syscall.Signal) {
	if !p.Exited() {
		witness.Saw(p.String(), "%v", sig)
	}
	p.cmd.Process.Signal(sig)
}

func (p *Process) signalTree(sig syscall.Signal) {
	if !p.gone.Load() {
		if witness.Heard() && (!p.Exited() || len(guard.GroupMembers(p.pid)) > 0) {
			witness.Saw(p.String(), "%v, and all it started", sig)
		}
		syscall.Kill(-p.pid, sig)
	}
}

// KillTree is Kill(true), and with WaitTree what a power cut needs of a process.
func (p *Process) KillTree() { p.Kill(true) }

// WaitTree waits until the server and everything it started are gone.
func (p *Process) WaitTree() {
	p.Wait()
	p.WaitChildren(0)
}

// Children lists the server's living child processes. A child whose parent has
// ended is still found, by its process group.
func (p *Process) Children() []int {
	if p.gone.Load() {
		return nil
	}
	ended := p.Exited()
	var children []int
	for _, pid := range guard.GroupMembers(p.pid) {
		if pid != p.pid {
			children = append(children, pid)
		}
	}
	if ended && len(children) == 0 && p.gone.CompareAndSwap(false, true) {
		p.release()
	}
	return children
}

// forked are the living children of the server itself.
func (p *Process) forked() []int {
	b := p.behind.Load()
	if b == nil {
		return p.Children()
	}
	return slices.DeleteFunc(p.Children(), func(pid int) bool { return pid == b.pid || slices.Contains(b.above, pid) })
}

// KillChildren sends SIGKILL to the living children of a server that runs, and returns
// how many there were.
func (p *Process) KillChildren() (killed int) {
	for _, pid := range p.forked() {
		if p.Exited() {
			break
		}
		witness.Saw(p.String(), "kill of its child %d", pid)
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			killed++
		}
	}
	return killed
}

// ErrChildren means that a child outlived the time it was given.
var ErrChildren = errors.New("child processes still run")

// WaitChildren waits until no child of the server is left. A snapshot or
// rewrite child outlives its killed parent by a second or two and may still
// rename its file, so a restart before that would race with it. limit 0 is no
// limit.
func (p *Process) WaitChildren(limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for {
		children := p.Children()
		if len(children) == 0 {
			return nil
		}
		for _, pid := range children {
			left := time.Duration(-1)
			if limit > 0 {
				if left = time.Until(deadline); left <= 0 {
					return fmt.Errorf("%w: %v of process group %d", ErrChildren, children, p.pid)
				}
			}
			waitPid(pid, left)
		}
	}
}

// waitPid waits until a process that need not be our child has ended, at most d (negative: no limit).
func waitPid(pid int, d time.Duration) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		if err != unix.ESRCH {
			time.Sleep(time.Millisecond) // no pidfds (Linux before 5.3): the caller looks again
		}
		return
	}
	defer unix.Close(fd)
	ms := -1
	if d >= 0 {
		ms = int(d/time.Millisecond) + 1
	}
	unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, ms)
}

// Tail returns the last lines of output, for the message that says why a server
// did not start.
func (p *Process) Tail() string {
	return p.output.tail()
}

// OutputDone waits until everything that holds the output open has ended and
// all lines have been delivered.
func (p *Process) OutputDone() { <-p.output.done }

// AwaitOutput is OutputDone, for so long at most.
func (p *Process) AwaitOutput(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.output.done:
	case <-timer.C:
	}
}

// Run starts a program, waits for it and returns its output and how it ended:
// for tools such as redis-check-aof, which must run where the mount is visible.
func Run(s Spec) (string, Exit, error) {
	var mu sync.Mutex
	var all strings.Builder
	forward := s.Output
	s.Output = func(l Line) {
		mu.Lock()
		all.WriteString(l.Text)
		all.WriteByte('\n')
		mu.Unlock()
		if forward != nil {
			forward(l)
		}
	}
	p, err := Start(s)
	if err != nil {
		return "", Exit{}, err
	}
	exit := p.Wait()
	p.OutputDone()
	mu.Lock()
	defer mu.Unlock()
	return all.String(), exit, nil
}

// lineReader splits a server's output into lines and keeps the last few.
type lineReader struct {
	done chan struct{}

	mu   sync.Mutex
	last []string
}

// tailLines is how many lines Tail keeps.
const tailLines = 20

// maxLine bounds a line that never ends; Redis's longest is an assertion dump line.
const maxLine = 64 << 10

func readLines(r io.ReadCloser, clock func() time.Duration, deliver func(Line)) *lineReader {
	l := &lineReader{done: make(chan struct{})}
	go func() {
		defer close(l.done)
		defer r.Close()
		var pending []byte
		buf := make([]byte, 4096)
		emit := func(text []byte) {
			line := Line{At: clock(), Text: string(text)}
			l.mu.Lock()
			if len(l.last) == tailLines {
				l.last = append(l.last[:0], l.last[1:]...)
			}
			l.last = append(l.last, line.Text)
			l.mu.Unlock()
			if deliver != nil {
				deliver(line)
			}
		}
		for {
			n, err := r.Read(buf)
			pending = append(pending, buf[:n]...)
			for {
				i := indexNewline(pending)
				if i < 0 {
					break
				}
				emit(pending[:i])
				pending = pending[i+1:]
			}
			if len(pending) > maxLine || err != nil && len(pending) > 0 {
				emit(pending)
				pending = nil
			}
			if err != nil {
				return
			}
		}
	}()
	return l
}

func indexNewline(b []byte) int {
	for i, c := range b {
		if c == '\n' {
			return i
		}
	}
	return -1
}

func (l *lineReader) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.last, "\n")
}
