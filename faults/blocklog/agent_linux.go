package blocklog

import (
	"errors"
	"fmt"
	"io"
	"net/rpc"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/faults/vfs/script"
)

// envAgent, set in its environment, turns this binary into an agent.
const envAgent = "TORNTAIL_BLOCK_AGENT"

// Main becomes an agent, and does not return, when this process was started as
// one. It comes after guard.Main at the start of main.
func Main() {
	if os.Getenv(envAgent) == "" {
		return
	}
	server := rpc.NewServer()
	if err := server.RegisterName("Agent", new(agent)); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
		os.Exit(1)
	}
	server.ServeConn(os.NewFile(3, "agent"))
	os.Exit(0)
}

// Agent is a process that mounts devices and uses them. One goroutine may use it
// at a time.
type Agent struct {
	client  *rpc.Client
	cmd     *exec.Cmd
	release func()
}

// startAgent starts an agent in a space.
func startAgent(space *guard.Space) (*Agent, error) {
	if os.Getenv(envAgent) != "" {
		// This is an agent itself, of a program that does not let it be one: it would
		// start another, which would start another.
		return nil, errors.New("the program does not call blocklog.Main before anything else")
	}
	watchdog, err := guard.Default()
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	// Only a descriptor that the runtime polls can be closed while somebody reads it.
	if err := unix.SetNonblock(pair[0], true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "agent")
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{"torntail-agent"}
	cmd.Env = append(os.Environ(), envAgent+"=1")
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	space.Do(func() { err = cmd.Start() })
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("start an agent: %w", err)
	}
	return &Agent{client: rpc.NewClient(ours), cmd: cmd, release: watchdog.Group(cmd.Process.Pid)}, nil
}

// Close ends the agent. What it has mounted stays.
func (a *Agent) Close() error {
	err := a.client.Close() // its end of the socket ends
	if werr := a.cmd.Wait(); err == nil {
		err = werr
	}
	a.release()
	return err
}

// call asks the agent.
func (a *Agent) call(method string, in, out any) error {
	err := a.client.Call("Agent."+method, in, out)
	if errors.Is(err, rpc.ErrShutdown) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the agent has died: %w", err)
	}
	return err
}

// MountRequest says what is mounted where. (Requests have names that net/rpc sees.)
type MountRequest struct {
	File, Dir, Kind, Options string
	NoAtime                  bool
}

// agent is the process's own side.
type agent struct{}

// Mount attaches and mounts.
func (agent) Mount(in MountRequest, out *Times) error {
	began := time.Now()
	loop, err := attachLoop(in.File)
	if err != nil {
		return fmt.Errorf("attach %s: %w", filepath.Base(in.File), err)
	}
	defer loop.Close()
	attached := time.Now()
	flags := uintptr(unix.MS_NODEV | unix.MS_NOSUID)
	if in.NoAtime {
		flags |= unix.MS_NOATIME
	}
	if err := unix.Mount(loop.Name(), in.Dir, in.Kind, flags, in.Options); err != nil {
		return refusal(fmt.Errorf("mount %s: %w", in.Kind, err))
	}
	*out = Times{Attach: attached.Sub(began), Mount: time.Since(attached)}
	return nil
}

// refusedPrefix marks errors that are the file system's own word.
const refusedPrefix = "refused: "

func refusal(err error) error { return errors.New(refusedPrefix + err.Error()) }

// unmountTries and unmountPause bound the wait for somebody who still uses a mount.
const (
	unmountTries = 200
	unmountPause = 5 * time.Millisecond
)

// Unmount unmounts, and waits until the file system is gone.
func (agent) Unmount(dir string, out *Times) error {
	began := time.Now()
	err := unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
	for try := 0; err == unix.EBUSY && try < unmountTries; try++ {
		time.Sleep(unmountPause)
		err = unix.Unmount(dir, unix.UMOUNT_NOFOLLOW)
	}
	out.Unmount = time.Since(began)
	if err != nil {
		return fmt.Errorf("unmount %s: %w", dir, err)
	}
	return nil
}

// tree is where programs run on a mounted file system: a directory of their own,
// without what mkfs leaves in the root.
type tree struct{ *osfs.FS }

func (t tree) SyncAll() error {
	f, err := os.Open(t.Root())
	if err != nil {
		return err
	}
	defer f.Close()
	return os.NewSyscallError("syncfs", unix.Syncfs(int(f.Fd())))
}

// StepRequest is one step of a program.
type StepRequest struct{ Dir, Step string }

// Step carries out one step of a program.
func (agent) Step(in StepRequest, _ *struct{}) error {
	return script.Run(tree{osfs.New(in.Dir)}, in.Step)
}

// TreeRequest asks for what a directory holds.
type TreeRequest struct{ Dir, Old string }

// Tree lists a directory.
func (agent) Tree(in TreeRequest, out *string) error {
	var err error
	*out, err = script.Tree(osfs.New(in.Dir), in.Old)
	return err
}

// maxFiles bounds what Files carries, in bytes.
const maxFiles = 1 << 30

// Files reads all files below a directory, by path.
func (agent) Files(dir string, out *map[string][]byte) error {
	*out = map[string][]byte{}
	size := int64(0)
	return filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if size += int64(len(data)); size > maxFiles {
			return fmt.Errorf("files below %s have more than %d bytes", dir, maxFiles)
		}
		name, err := filepath.Rel(dir, path)
		(*out)[name] = data
		return err
	})
}

// ViewRequest is a mount to look at: Sub of it.
type ViewRequest struct {
	Mount MountRequest
	Sub   string
	Old   string
}

// View mounts, lists and unmounts.
func (a agent) View(in ViewRequest, out *View) error {
	err := a.Mount(in.Mount, &out.Times)
	if err != nil {
		if why, ok := strings.CutPrefix(err.Error(), refusedPrefix); ok {
			out.Refused = why
			return nil
		}
		return err
	}
	began := time.Now()
	if err := a.Tree(TreeRequest{filepath.Join(in.Mount.Dir, in.Sub), in.Old}, &out.Tree); err != nil {
		out.Refused = strings.ReplaceAll(err.Error(), in.Mount.Dir, "")
	}
	out.Times.Tree = time.Since(began)
	var end Times
	err = a.Unmount(in.Mount.Dir, &end)
	out.Times.Unmount = end.Unmount
	return err
}

// dirs hands out empty directories to mount at.
type dirs struct {
	mu   sync.Mutex
	root string
	free []string
	made int
}

func (d *dirs) take() (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := len(d.free); n > 0 {
		dir := d.free[n-1]
		d.free = d.free[:n-1]
		return dir, nil
	}
	d.made++
	dir := filepath.Join(d.root, strconv.Itoa(d.made))
	return dir, os.Mkdir(dir, 0o755)
}

func (d *dirs) give(dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, dir)
}
