package blocklog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/witness"
)

// maxRequest is the largest read or write request, in bytes; what Linux allows
// without a sysctl.
const maxRequest = 1 << 20

// Host serves devices, and has agents that mount them. It may be used from any
// goroutine.
type Host struct {
	dir     string // holds the FUSE mount and mount points
	space   *guard.Space
	handler *handler
	server  *fuse.Server
	conn    uint32
	served  chan struct{}
	release []func()
	points  dirs

	mu        sync.Mutex
	idle      []*Agent
	all       []*Agent
	formatted map[string]*Image
}

// NewHost mounts the FUSE file system.
func NewHost() (*Host, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	space, err := guard.Home()
	if err != nil {
		return nil, err
	}
	watchdog, err := guard.Default()
	if err != nil {
		return nil, err
	}
	h := &Host{space: space, handler: newHandler(), served: make(chan struct{}), formatted: map[string]*Image{}}
	dir, release, err := watchdog.NewDir("", "torntail-block-")
	if err != nil {
		return nil, err
	}
	h.dir, h.release = dir, append(h.release, release)
	h.points.root = filepath.Join(h.dir, "mnt")
	if err := h.serve(); err != nil {
		guard.RemoveDir(h.dir)
		return nil, err
	}
	return h, nil
}

// serve mounts and begins to answer.
func (h *Host) serve() error {
	files := h.filesDir()
	for _, dir := range []string{files, h.points.root} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/fuse: %w", err)
	}
	h.space.Do(func() {
		options := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0,max_read=%d", fd, unix.S_IFDIR, maxRequest)
		if err = unix.Mount("torntail", files, "fuse.torntail", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOATIME, options); err == nil {
			h.conn, err = guard.ConnectionOf(files)
		}
	})
	if err != nil {
		unix.Close(fd)
		return fmt.Errorf("cannot mount at %s: %w", files, err)
	}
	// The name /dev/fd/N tells go-fuse to use a descriptor that is already mounted.
	h.server, err = fuse.NewServer(h.handler, fmt.Sprintf("/dev/fd/%d", fd), &fuse.MountOptions{
		MaxWrite:             maxRequest,
		MaxBackground:        64,
		DisableXAttrs:        true,
		DisableReadDirPlus:   true,
		DisabledCapabilities: fuse.CAP_PASSTHROUGH | fuse.CAP_WRITEBACK_CACHE | fuse.CAP_READDIRPLUS_AUTO,
		Logger:               log.New(io.Discard, "", 0),
		// go-fuse would answer EIO, which looks like a fault of the disk.
		PanicHandler: func(v any) fuse.Status { panic(v) },
	})
	if err != nil {
		h.space.Do(func() { guard.Unmount(files) })
		return fmt.Errorf("serve %s: %w", files, err)
	}
	if watchdog, err := guard.Default(); err == nil {
		h.release = append(h.release, watchdog.Conn(h.conn))
	}
	go func() {
		defer close(h.served)
		h.server.Serve()
	}()
	return nil
}

// Dir is a directory of the host's own, outside of all devices; it goes with Close.
func (h *Host) Dir() string { return h.dir }

func (h *Host) filesDir() string { return filepath.Join(h.dir, "dev") }

// Close ends the agents and takes the FUSE mount away. Everything mounted from it
// must be unmounted; if it is not, its devices fail from now on.
func (h *Host) Close() error {
	h.mu.Lock()
	agents := h.all
	h.all, h.idle = nil, nil
	h.mu.Unlock()
	var errs []error
	for _, a := range agents {
		errs = append(errs, a.Close())
	}
	h.space.Do(func() {
		guard.Abort(h.conn)
		errs = append(errs, guard.Unmount(h.filesDir()))
	})
	<-h.served
	errs = append(errs, guard.RemoveDir(h.dir))
	for _, release := range h.release {
		release()
	}
	return errors.Join(errs...)
}

// agent is an agent that nobody uses.
func (h *Host) agent() (*Agent, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.idle); n > 0 {
		a := h.idle[n-1]
		h.idle = h.idle[:n-1]
		return a, nil
	}
	a, err := startAgent(h.space)
	if err == nil {
		h.all = append(h.all, a)
	}
	return a, err
}

// with calls f with an agent.
func (h *Host) with(f func(*Agent) error) error {
	a, err := h.agent()
	if err != nil {
		return err
	}
	err = f(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.idle = append(h.idle, a)
	return err
}

// Volume is a mounted device.
type Volume struct {
	host   *Host
	device *Device
	name   string // of its file
	dir    string
	Times  Times
}

// Mount attaches a device and mounts what is on it.
func (h *Host) Mount(d *Device, fs FS) (*Volume, error) {
	v := &Volume{host: h, device: d}
	var err error
	if v.dir, err = h.points.take(); err != nil {
		return nil, err
	}
	v.name = h.handler.add(d)
	err = h.with(func(a *Agent) error { return a.call("Mount", v.request(fs), &v.Times) })
	if err != nil {
		witness.Saw(v.String(), "not mounted as %v", fs)
		v.forget()
		if why, ok := strings.CutPrefix(err.Error(), refusedPrefix); ok {
			return nil, &RefusedError{fs, why}
		}
		return nil, err
	}
	witness.Saw(v.String(), "mounted as %v", fs)
	return v, nil
}

// String names the volume as an observer does: by where it is mounted.
func (v *Volume) String() string { return "file system " + v.dir }

func (v *Volume) request(fs FS) MountRequest {
	options := fs.Options
	if fs.Kind == "xfs" {
		// All devices are copies of one; xfs mounts no two with one identity otherwise.
		options = append(options[:len(options):len(options)], "nouuid")
	}
	return MountRequest{File: filepath.Join(v.host.filesDir(), v.name), Dir: v.dir, Kind: fs.Kind, Options: strings.Join(options, ",")}
}

func (v *Volume) forget() {
	v.host.handler.remove(v.name)
	v.host.points.give(v.dir)
}

// Dir is where the device is mounted, in the space of agents and servers.
func (v *Volume) Dir() string { return v.dir }

// Device is what is mounted.
func (v *Volume) Device() *Device { return v.device }

// Step carries out a step of a program (faults/vfs/script) in a directory of the volume.
func (v *Volume) Step(sub, step string) error {
	return v.host.with(func(a *Agent) error {
		return a.call("Step", StepRequest{filepath.Join(v.dir, sub), step}, &struct{}{})
	})
}

// Tree lists a directory of the volume as faults/vfs/script does.
func (v *Volume) Tree(sub, old string) (out string, err error) {
	err = v.host.with(func(a *Agent) error { return a.call("Tree", TreeRequest{filepath.Join(v.dir, sub), old}, &out) })
	return out, err
}

// Files reads all files below a directory of the volume, by path.
func (v *Volume) Files(sub string) (out map[string][]byte, err error) {
	err = v.host.with(func(a *Agent) error { return a.call("Files", filepath.Join(v.dir, sub), &out) })
	return out, err
}

// Unmount unmounts, which nobody may keep busy for more than a second. Unless the
// power is cut, the file system writes what it has left.
func (v *Volume) Unmount() error {
	var t Times
	if err := v.host.with(func(a *Agent) error { return a.call("Unmount", v.dir, &t) }); err != nil {
		return err // the directory stays taken
	}
	v.Times.Unmount = t.Unmount
	witness.Saw(v.String(), "unmounted")
	v.forget()
	return nil
}

// View mounts an image, lists a directory of it and unmounts it.
func (h *Host) View(m *Image, fs FS, sub, old string) (out View, err error) {
	dir, err := h.points.take()
	if err != nil {
		return View{}, err
	}
	v := &Volume{host: h, device: NewDevice(m, DeviceOptions{}), dir: dir}
	v.device.PowerCut() // nothing needs to be logged
	v.name = h.handler.add(v.device)
	request := v.request(fs)
	request.NoAtime = true
	if err := h.with(func(a *Agent) error { return a.call("View", ViewRequest{request, sub, old}, &out) }); err != nil {
		h.handler.remove(v.name)
		return View{}, err // the directory stays taken: something may be mounted there
	}
	v.forget()
	return out, nil
}

// Format is an image with an empty file system of so many bytes. It is made once
// for each kind and size.
func (h *Host) Format(fs FS, size int64) (*Image, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := fmt.Sprintf("%s %d", fs.Kind, size)
	if m := h.formatted[key]; m != nil {
		return m, nil
	}
	file := filepath.Join(h.dir, "format")
	f, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer os.Remove(file)
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return nil, err
	}
	argv, env := fs.maker(file)
	path, err := findTool(argv[0])
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(context.Background(), path, argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", argv[0], err, bytes.TrimSpace(out))
	}
	m, err := ReadImage(f)
	if err == nil {
		h.formatted[key] = m
	}
	return m, err
}

// findTool finds a program that a user's PATH may not lead to.
func findTool(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/local/sbin", "/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no %s: run scripts/setup (packages e2fsprogs, xfsprogs and btrfs-progs)", name)
}

// Available says whether devices can be served and mounted here; the error tells
// what is missing and how to get it.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("not root: file systems can be mounted by root only")
	}
	f, err := os.OpenFile("/dev/fuse", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("no FUSE (modprobe fuse; in a container: --device /dev/fuse): %w", err)
	}
	f.Close()
	if err := loopAvailable(); err != nil {
		return err
	}
	if err := guard.RoomForDisks(); err != nil {
		return err
	}
	space, err := guard.Home()
	if err != nil {
		return err
	}
	if !space.Private() {
		return errors.New("no mount namespace of its own (CAP_SYS_ADMIN; in a container: --privileged)")
	}
	return nil
}

// AvailableFS says whether file systems of a kind can be made and mounted here.
func AvailableFS(kind string) error {
	argv, _ := FS{Kind: kind}.maker("")
	if _, err := findTool(argv[0]); err != nil {
		return err
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(known)) {
		if words := strings.Fields(line); len(words) > 0 && words[len(words)-1] == kind {
			return nil
		}
	}
	// It may be a module that mount(2) loads.
	if out, err := exec.Command("modprobe", kind).CombinedOutput(); err != nil {
		return fmt.Errorf("this kernel has no %s: %s", kind, bytes.TrimSpace(out))
	}
	return nil
}
