package machine

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/harness/product"
)

// Several versions of a server may follow each other on the same files: the first writes and
// crashes, each of the others starts on what the one before it has left.

// lent are the disks of the rig that a version comes after.
type lent struct{ Disks }

func (lent) Close() error { return nil }

// Follow has a server that next makes a rig of start on what the last of this rig has left.
func (r *Rig) Follow(next func(open func(clock func() time.Duration) (Disks, error)) (*Rig, error)) error {
	last := r
	for last.next != nil {
		last = last.next
	}
	var err error
	if last.next, err = next(func(func() time.Duration) (Disks, error) { return lent{r.Disks}, nil }); err != nil {
		return err
	}
	last.next.start = r.start // one clock
	if r.aside == nil {
		if r.aside, err = HostDirs("")(r.Clock); err != nil {
			return err
		}
		return r.Allow(r.aside.Dir())
	}
	return nil
}

// Versions are the rigs of all versions, the first first.
func (r *Rig) Versions() (all []*Rig) {
	for ; r != nil; r = r.next {
		all = append(all, r)
	}
	return all
}

// Words are what reports call this one version.
func (r *Rig) Words() string { return cmp.Or(r.Full, r.Called()) }

// of is the rig of the version that serves now.
func (p *Process) of() *Rig { return cmp.Or(p.serves, p.rig) }

// Followed reports whether another version is to follow the one that serves.
func (p *Process) Followed() bool { return p.of().next != nil }

// Succeed has the next life be one of the next version; false: there is none.
func (p *Process) Succeed() bool {
	next := p.of().next
	if next != nil {
		p.serves = next
	}
	return next != nil
}

// Version is what the version that serves now is called, and Store the store that it is.
func (p *Process) Version() string      { return p.of().Words() }
func (p *Process) Store() product.Store { return p.of().Store }

// On is a mode as the version that serves now has it.
func (p *Process) on(m *product.Mode) *product.Mode {
	if p.of() == p.rig {
		return m
	}
	its := p.of().Store.On(*m)
	return &its
}

// Aside brings the version that serves now back on a copy of files, as Recover does: what it
// makes of them can be asked at addr until end is called. It is none of the machine's lives.
func (p *Process) Aside(ctx context.Context, files Copy, m *product.Mode) (r Return, addr string, end func(), err error) {
	dir, err := os.MkdirTemp(p.rig.aside.Dir(), "v")
	if err != nil {
		return r, "", nil, err
	}
	for name, data := range files { // any order: each is a file of its own
		path := filepath.Join(dir, name)
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, data, 0o644)
		}
		if err != nil {
			return r, "", nil, err
		}
	}
	a := &aside{p: p, dir: dir, mode: p.on(m)}
	r, err = Recover(ctx, a, a.mode, nil)
	if a.redis != nil {
		addr = a.redis.Addr
	}
	return r, addr, func() {
		p.outside(func() {
			End(a.redis)
			os.RemoveAll(dir) // it goes with the rig, if not now
		})
	}, err
}

// aside is where a copy of files is started on.
type aside struct {
	p     *Process
	dir   string
	mode  *product.Mode
	redis *process.Redis
}

func (a *aside) Start(ctx context.Context) (err error) {
	a.p.outside(func() {
		a.redis, err = a.p.of().LaunchOnHost(ctx, a.dir, a.mode.Directives, nil)
	})
	return err
}

func (a *aside) Repair(ctx context.Context) (fixed bool, said string, err error) {
	a.p.outside(func() { fixed, said, err = a.p.of().Repair(ctx, a.dir) })
	return fixed, said, err
}

func (a *aside) Files(f func(fsys vfs.FS)) error {
	f(osfs.New(a.dir))
	return nil
}

// Copy are files by their paths, below the server's directory.
type Copy = map[string][]byte

// Copied reads all files that the disk has.
func (p *Process) Copied() (Copy, error) {
	var files backup
	var failed error
	err := p.disk.Files(func(fsys vfs.FS) { files, failed = copied(fsys) })
	return Copy(files), errors.Join(err, failed)
}

// repair runs the tool of the version that serves now, and where that does not mend it those
// of the versions before, as an operator who has them would.
func (p *Process) repair(ctx context.Context) (fixed bool, said string, err error) {
	dir := p.disk.Dir()
	fixed, said, err = p.of().Repair(ctx, dir)
	for _, before := range p.rig.Versions() {
		if fixed || err != nil || before == p.of() {
			break
		}
		var more string
		if fixed, more, err = before.Repair(ctx, dir); more != "" {
			said += "\n" + more
		}
	}
	return fixed, said, err
}
