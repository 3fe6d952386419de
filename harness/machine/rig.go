package machine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/env/osenv"
	"github.com/torntail/torntail/faults/guard"
	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/inside"
)

// Rig is what machines with real servers share: the server's binary, how it is
// started, entered and repaired, where their disks come from, and one clock.
type Rig struct {
	Store  product.Store
	Binary string
	// Name is what reports call the server; "": Binary.
	Name string
	// Origin is the package that it comes from and its hash; "": not out of an archive.
	Origin string
	// Version is the server's, where it is the store's own; "": nobody knows. Full is what it
	// is called, with what it says of its version; "": Called.
	Version, Full string
	Disks         Disks
	// Shared, when not nil, is the environment of all machines, which are driven
	// together; else each has its own.
	Shared *osenv.Env
	server *process.Server
	repair []string     // command that repairs what a crash left (product.RunRepair); nil: there is none
	told   *Description // nil: it is a store's own server
	next   *Rig         // of the version that starts on what this one has left; nil: none does
	aside  Disks        // where versions are started on copies; nil: there is one version
	start  time.Time

	mu     sync.Mutex
	dirs   []string       // where servers may write: on their disks, and where Allow says
	spaces []*guard.Space // where servers run; the last is the one for the next
}

// Disks are where the disks of real servers come from: the fault disk (FaultDisks),
// directories of the host (HostDirs), real file systems on logged disks (BlockDisks).
type Disks interface {
	// Dir is where they appear on the host.
	Dir() string
	// machine is one that has a disk of that kind.
	machine(p *Process) Machine
	// open makes the empty disk of a machine.
	open(p *Process) (Disk, error)
	Close() error
}

// Disk is what a real server keeps its files on.
type Disk interface {
	// Dir is the directory of the server's files, as it sees it.
	Dir() string
	// Files gives what is there. Nobody may be writing.
	Files(f func(fsys vfs.FS)) error
	// Ours is the disk as it is now, and its log; nil where it is not ours.
	Ours() *disk.Disk
	// Refuses is why the disk cannot be used any more; "" when it can.
	Refuses() string
	// Sound says that what the server meets in Dir is not the disk any more, because
	// somebody else has taken it away, as an ErrTaken; nil when it is.
	Sound() error
	// LetGo answers calls that are held up, which keep their callers from dying.
	LetGo()
	Close() error
}

// ErrTaken means that somebody has taken away what torntail had put there.
var ErrTaken = errors.New("was taken away from torntail")

// Opener makes a rig for some server on such disks.
type Opener func(open func(clock func() time.Duration) (Disks, error)) (*Rig, error)

// Serving is the opener of rigs for a store's binary.
func Serving(s product.Store, binary string) Opener {
	return func(open func(clock func() time.Duration) (Disks, error)) (*Rig, error) {
		return NewRig(s, binary, open)
	}
}

// NewRig is for servers of a store's binary on such disks. Close it when done.
func NewRig(s product.Store, binary string, open func(clock func() time.Duration) (Disks, error)) (*Rig, error) {
	r := &Rig{Store: s, Binary: binary, start: time.Now(), server: s.Server(binary), repair: s.Repair(binary)}
	var err error
	if r.Disks, err = open(r.Clock); err != nil {
		return nil, err
	}
	if err = r.Allow(r.Disks.Dir()); err != nil {
		return nil, errors.Join(err, r.Disks.Close())
	}
	return r, nil
}

// Enter makes clients of the servers give a password, which they want.
func (r *Rig) Enter(password string) {
	s := process.Server{}
	if r.server != nil {
		s = *r.server
	}
	s.Password = password
	r.server = &s
}

// Allow lets servers that are started from now on write below one more directory.
func (r *Rig) Allow(dir string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.dirs, func(have string) bool { return inside.Below(have, dir) }) {
		return nil
	}
	home, err := guard.Home()
	if err != nil {
		return err
	}
	space, err := home.Confine(append(slices.Clone(r.dirs), dir)...)
	if err == nil {
		r.dirs, r.spaces = append(r.dirs, dir), append(r.spaces, space)
	}
	return err
}

// space is where the next server runs. One that runs keeps its own.
func (r *Rig) space() *guard.Space {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.spaces) == 0 {
		return nil // nobody has opened its disks
	}
	return r.spaces[len(r.spaces)-1]
}

// Description is what somebody says of a server that is not a store's own.
type Description struct {
	Server *process.Server // how it is started and entered
	Within time.Duration   // until it must answer, and its repair tool have ended; 0: the defaults
	// Repair is a command in which {{dir}} stands for where its files are; nil: there is none.
	Repair []string
	Modes  []string // that it has; nil: all
	// Fixed: the directives of an experiment do not reach it.
	Fixed bool
	// NoLog and NoSnapshot are why modes that rest on a log, or on snapshots, cannot be
	// judged; "": they can.
	NoLog, NoSnapshot string
}

// Elsewhere are files outside of torntail's own directory that a server's processes, which may
// write there, have open for writing.
func (r *Rig) Elsewhere(pid int) []string {
	if s := r.space(); s != nil && !s.Confined() {
		return s.Elsewhere(pid)
	}
	return nil
}

// Describe says what is known of a server: before the first machine.
func (r *Rig) Describe(d *Description) { r.server, r.repair, r.told = d.Server, d.Repair, d }

// LacksMode is why a mode cannot be tested; "" when it can.
func (r *Rig) LacksMode(m *product.Mode) string {
	if d := r.told; d != nil {
		switch {
		case d.Modes != nil && !slices.Contains(d.Modes, m.Name):
			return fmt.Sprintf("%s has no mode %s", r.Called(), m.Name)
		case m.AOF && d.NoLog != "":
			return d.NoLog
		case m.RDB && d.NoSnapshot != "":
			return d.NoSnapshot
		case d.Fixed:
			if more := beyond(m); more != "" {
				return fmt.Sprintf("%s does not reach it: its command has no {{directives}} and no {{conf}}", more)
			}
		}
	}
	return r.Store.Lacks(m)
}

// beyond is a directive of a mode that the preset of its name does not have as it is; "":
// there is none.
func beyond(m *product.Mode) string {
	preset, err := product.ModeByName(m.Store, m.Name)
	if err != nil {
		return "mode " + m.Name
	}
	preset = m.Store.On(preset)
	for _, d := range m.Directives {
		if !preset.States(d.Name) || preset.Get(d.Name) != m.Get(d.Name) {
			return d.String()
		}
	}
	return ""
}

// within is how long a server may take until it answers, and its repair tool until it has
// ended; 0: the defaults.
func (r *Rig) within() time.Duration {
	if r.told == nil {
		return 0
	}
	return r.told.Within
}

// Called is what reports call the server.
func (r *Rig) Called() string { return cmp.Or(r.Name, r.Binary) }

// Close takes the disks away.
func (r *Rig) Close() error {
	err := r.Disks.Close()
	if r.aside != nil {
		err = errors.Join(err, r.aside.Close())
	}
	if r.next != nil {
		err = errors.Join(err, r.next.Close())
	}
	for _, s := range r.spaces {
		err = errors.Join(err, s.Close())
	}
	return err
}

// Clock is the time since the rig was made.
func (r *Rig) Clock() time.Duration { return time.Since(r.start) }

// WaitUntil waits for an instant of the rig's clock.
func (r *Rig) WaitUntil(ctx context.Context, at time.Duration) error {
	timer := time.NewTimer(at - r.Clock())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Env is an environment of clients, who know how to enter the server. name is their
// node's.
func (r *Rig) Env(name string, seed uint64) *osenv.Env {
	e := osenv.NewAt(name, seed, r.start)
	if r.server != nil {
		e.Secure(r.server.Secure)
	}
	return e
}

// Launch starts the server in a directory of its disk, or one that Allow has named, and waits until it answers. A *Refusal is
// its own word that it will not.
func (r *Rig) Launch(ctx context.Context, dir string, directives []product.Directive, output func(process.Line)) (*process.Redis, error) {
	return r.launch(ctx, process.RedisSpec{Dir: dir, Directives: asArguments(directives), Output: output})
}

// launch starts a server. All of harness does so here.
func (r *Rig) launch(ctx context.Context, s process.RedisSpec) (*process.Redis, error) {
	s.Binary, s.Server, s.Within, s.Clock, s.Space = r.Binary, r.server, cmp.Or(s.Within, r.within()), r.Clock, r.space()
	redis, err := process.StartRedis(ctx, s)
	var start *process.StartError
	if errors.As(err, &start) && product.Refused(start) {
		err = &Refusal{Words: product.LastWords(r.Store, start), Cause: start}
		return nil, notLacking(err, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM)
	}
	return redis, err
}

// notLacking is an error of a start. The word of a server that its machine lacks one of
// some things is none about its files: then it is no Refusal, and the environment's. Only
// its last word counts, for a server may complain before that and go on.
func notLacking(err error, things ...syscall.Errno) error {
	var r *Refusal
	if !errors.As(err, &r) {
		return err
	}
	for _, lacks := range things {
		if strings.Contains(strings.ToLower(r.Words), lacks.Error()) {
			return fmt.Errorf("%w: %w", lacks, r.Cause)
		}
	}
	return err
}

// LaunchOnHost is Launch in a directory that is not on a disk of torntail's: there a full
// disk is the machine's.
func (r *Rig) LaunchOnHost(ctx context.Context, dir string, directives []product.Directive, output func(process.Line)) (*process.Redis, error) {
	redis, err := r.Launch(ctx, dir, directives, output)
	return redis, notLacking(err, fullDisk...)
}

// fullDisk is what a disk says that takes nothing more.
var fullDisk = []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS}

// SaysFull reports whether a server says that its disk takes nothing more.
func SaysFull(words string) bool {
	return slices.ContainsFunc(fullDisk, func(e syscall.Errno) bool { return strings.Contains(strings.ToLower(words), e.Error()) })
}

// asArguments are directives as a command line has them.
func asArguments(directives []product.Directive) []process.Directive {
	var list []process.Directive
	for _, d := range directives {
		list = append(list, process.Directive{Name: d.Name, Args: d.Arguments()})
	}
	return list
}

// End kills a server and waits until nothing is left of it.
func End(r *process.Redis) {
	if r == nil {
		return
	}
	r.KillTree()
	r.WaitTree()
	r.OutputDone()
}

// Repair runs the server's repair tool on a directory, and returns the last of what it
// said; fixed is false as well when there is no tool.
func (r *Rig) Repair(ctx context.Context, dir string) (fixed bool, said string, err error) {
	if r.repair == nil {
		return false, "", nil
	}
	return product.RunRepair(ctx, r.repair, dir, r.space(), r.Clock, r.within())
}
