package fusefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/witness"
)

// maxRequest is the largest read or write request, in bytes; what Linux allows
// without a sysctl.
const maxRequest = 1 << 20

// Mount is a served FUSE file system.
type Mount struct {
	dir     string
	options Options
	began   time.Time     // wall time at which the clock stood at startedAt
	started time.Duration // the clock when began was taken

	attachment *attachment
	server     *fuse.Server
	served     chan struct{} // closed when the kernel has let go of the mount
	releases   []func()      // from the watchdog's list, at Close
	ownDir     bool          // dir was made by us

	mu      sync.RWMutex
	byName  map[string]*Volume
	byEpoch map[uint64]*Volume // what a node id names: see node
	root    *Volume            // with ServeDisk: the disk at the root itself
	epochs  uint64
	closed  bool
}

// Serve mounts at dir, which must be an empty directory; "" makes a temporary
// one that Close removes. Volumes appear below it as they are attached.
func Serve(dir string, o Options) (*Mount, error) {
	m, err := newMount(dir, o)
	if err != nil {
		return nil, err
	}
	if err := m.mount(); err != nil {
		m.abandon()
		return nil, err
	}
	return m, nil
}

// ServeDisk mounts one disk at dir itself, for programs that torntail does not start.
func ServeDisk(dir string, d *disk.Disk, o Options, vo VolumeOptions) (*Mount, *Volume, error) {
	m, err := newMount(dir, o)
	if err != nil {
		return nil, nil, err
	}
	m.root = m.newVolume("", d, vo)
	m.byEpoch[m.root.epoch] = m.root
	if err := m.mount(); err != nil {
		m.abandon()
		return nil, nil, err
	}
	return m, m.root, nil
}

func newMount(dir string, o Options) (*Mount, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if o.Space == nil {
		home, err := guard.Home()
		if err != nil {
			return nil, fmt.Errorf("mount: %w", err)
		}
		o.Space = home
	}
	if o.Clock == nil {
		began := time.Now()
		o.Clock = func() time.Duration { return time.Since(began) }
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	m := &Mount{
		options: o,
		began:   time.Now(),
		started: o.Clock(),
		served:  make(chan struct{}),
		byName:  map[string]*Volume{},
		byEpoch: map[uint64]*Volume{},
	}
	if !o.Epoch.IsZero() {
		m.began, m.started = o.Epoch, 0
	}
	watchdog, err := guard.Default()
	if err != nil {
		return nil, fmt.Errorf("mount: %w", err)
	}
	if dir == "" {
		var release func()
		if dir, release, err = watchdog.NewDir("", "torntail-mount-"); err != nil {
			return nil, fmt.Errorf("mount: %w", err)
		}
		m.ownDir = true
		m.releases = append(m.releases, release)
	}
	if m.dir, err = mountPoint(dir); err != nil {
		m.abandon()
		return nil, err
	}
	return m, nil
}

// mountPoint makes the name of an empty directory absolute and free of symbolic
// links, as the mount table will have it.
func mountPoint(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", &PointError{dir, err}
	}
	if resolved, rerr := filepath.EvalSymlinks(abs); rerr != nil {
		err = rerr
	} else {
		abs = resolved
	}
	var entries []os.DirEntry
	switch {
	case err != nil:
	case guard.Mounted(abs):
		err = ErrMounted
	default:
		entries, err = os.ReadDir(abs)
	}
	var path *fs.PathError
	switch {
	case errors.Is(err, syscall.ENOTCONN):
		err = ErrDead
	case errors.As(err, &path):
		err = path.Err // it names a part of the path, or the system call
	case err == nil && len(entries) > 0:
		err = ErrNotEmpty
	}
	if err != nil {
		return "", &PointError{abs, err}
	}
	return abs, nil
}

// mount attaches to the kernel and starts serving.
func (m *Mount) mount() error {
	a, err := mountAt(m.dir, m.options)
	if err != nil {
		return err
	}
	m.attachment = a
	watchdog, err := guard.Default()
	if err != nil {
		return err
	}
	if m.options.Space.Private() {
		m.releases = append(m.releases, watchdog.Conn(a.conn))
	} else {
		m.releases = append(m.releases, watchdog.Mount(m.dir, a.conn))
	}
	// The name /dev/fd/N tells go-fuse to use a descriptor that is already
	// mounted. It also keeps it from stat-ing the mount from this process.
	m.server, err = fuse.NewServer(&handler{RawFileSystem: fuse.NewDefaultRawFileSystem(), m: m},
		fmt.Sprintf("/dev/fd/%d", a.fd), &fuse.MountOptions{
			MaxWrite:             maxRequest,
			MaxBackground:        64,
			DisableXAttrs:        true,
			DisableReadDirPlus:   true,
			DisabledCapabilities: fuse.CAP_PASSTHROUGH | fuse.CAP_WRITEBACK_CACHE | fuse.CAP_READDIRPLUS_AUTO,
			Logger:               log.New(m.options.Log, "fuse: ", log.LstdFlags),
			// go-fuse would answer EIO, which looks like a fault of the disk.
			PanicHandler: func(v any) fuse.Status { panic(v) },
		})
	if err != nil {
		return fmt.Errorf("serve %s: %w", m.dir, err)
	}
	go func() {
		defer close(m.served)
		m.server.Serve()
	}()
	return nil
}

// abandon undoes a mount that did not come about.
func (m *Mount) abandon() {
	if m.attachment != nil {
		m.attachment.detach()
	}
	if m.ownDir {
		guard.RemoveDir(m.dir)
	}
	for _, release := range m.releases {
		release()
	}
}

// Done is closed when the kernel has let go of the mount: after Close, or when
// somebody else has unmounted it.
func (m *Mount) Done() <-chan struct{} { return m.served }

// Flush unmounts if no process uses the mount, and waits for that at most so
// long. The kernel writes what it has cached before it lets go, which it has
// no occasion for once the connection is aborted. Close does the rest.
func (m *Mount) Flush(limit time.Duration) {
	unmounted := make(chan struct{})
	go func() {
		defer close(unmounted)
		guard.TryUnmount(m.dir)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-unmounted:
	case <-timer.C: // a call of the flush is not answered; Close aborts it
	}
}

// Sound says that programs do not meet the disk below Dir any more, for somebody else has
// unmounted it or aborted its connection; nil when they do.
func (m *Mount) Sound() (err error) {
	select {
	case <-m.served:
		return syscall.ENOTCONN
	default:
	}
	m.options.Space.Do(func() {
		var conn uint32
		if conn, err = guard.ConnectionOf(m.dir); err == nil && conn != m.attachment.conn {
			err = fmt.Errorf("something else is mounted at %s", m.dir)
		}
		if err == nil {
			err = syscall.Statfs(m.dir, new(syscall.Statfs_t))
		}
	})
	return err
}

// Aborted reports whether somebody else has aborted the connection: nobody serves the mount
// any more, and it is still there, dead.
func (m *Mount) Aborted() (dead bool) {
	select {
	case <-m.served:
	default:
		return false
	}
	m.options.Space.Do(func() {
		conn, err := guard.ConnectionOf(m.dir)
		dead = err == nil && conn == m.attachment.conn && syscall.Statfs(m.dir, new(syscall.Statfs_t)) == syscall.ENOTCONN
	})
	return dead
}

// Dir is the mount point.
func (m *Mount) Dir() string { return m.dir }

// Attach makes a disk appear as the directory name. The name must not be in use.
func (m *Mount) Attach(name string, d *disk.Disk, o VolumeOptions) (*Volume, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > 255 {
		return nil, fmt.Errorf("attach: %q is no name for a directory", name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.root != nil {
		return nil, fmt.Errorf("attach %s: the mount takes no volumes", name)
	}
	if m.byName[name] != nil {
		return nil, fmt.Errorf("attach: a volume %s is there already", name)
	}
	v := m.newVolume(name, d, o)
	m.byName[name] = v
	m.byEpoch[v.epoch] = v
	witness.Saw(v.String(), "attached, %s", d.Personality().Name)
	return v, nil
}

// newVolume makes a volume with an epoch of its own. The caller holds mu, or
// nobody else knows the mount yet.
func (m *Mount) newVolume(name string, d *disk.Disk, o VolumeOptions) *Volume {
	m.epochs++
	v := &Volume{
		mount: m, name: name, options: o,
		disk: d, epoch: m.epochs,
		handles: map[uint64]*handle{},
		held:    map[uint32]int{},
		off:     make(chan struct{}),
		resume:  make(chan struct{}),
	}
	v.idle.L = &v.mu
	return v
}

// renew gives a volume a new epoch, so that no node id of the old one reaches
// the new image: they answer ESTALE, as after a reboot.
func (m *Mount) renew(v *Volume) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byEpoch, v.epoch)
	m.epochs++
	m.byEpoch[m.epochs] = v
	return m.epochs
}

// forget takes a volume out of the tables.
func (m *Mount) forget(v *Volume, epoch uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byEpoch, epoch)
	if m.byName[v.name] == v {
		delete(m.byName, v.name)
	}
}

// volume finds the volume of that name.
func (m *Mount) volume(name string) *Volume {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.byName[name]
}

// Close detaches every volume and takes the mount away. Processes that still
// use it get an error from every call.
func (m *Mount) Close() error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return nil
	}
	m.closed = true
	var volumes []*Volume
	for _, v := range m.byEpoch {
		volumes = append(volumes, v)
	}
	m.mu.Unlock()
	for _, v := range volumes {
		v.Detach()
	}
	gone := false
	select {
	case <-m.served: // unmounted by somebody else, and perhaps mounted again since
		gone = !m.Aborted()
	default:
	}
	if !gone {
		if err := m.attachment.detach(); err != nil {
			return err // the watchdog keeps it on its list
		}
		<-m.served
	}
	if m.ownDir {
		if err := guard.RemoveDir(m.dir); err != nil {
			return err
		}
	}
	for _, release := range m.releases {
		release()
	}
	return nil
}

// wall turns a time on the mount's clock into wall time, for the time stamps of files.
func (m *Mount) wall(at time.Duration) time.Time { return m.began.Add(at - m.started) }
