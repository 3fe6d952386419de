package target

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/process"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/servers"
	"github.com/torntail/torntail/reports/result"
)

// Server is a target that is a real server: what its name stands for on this machine.
type Server struct {
	Name    string // as it was asked for
	Binary  string // its program; of one that a file describes, the file
	Store   product.Store
	Version string
	// Origin is the package that it comes from and its hash; "": not out of an archive.
	Origin    string
	Described *Target // what a file says of it; nil: it is started as redis-server is

	noLog, noSnapshot string        // what Try found
	asked             time.Duration // so long it took to say its version
}

// MissingError says that a target is not on this machine.
type MissingError struct {
	Err  error // of a program that was looked for; nil: Text says it
	Text string
}

func (e *MissingError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Text
}

// Find finds the server that a target is: a target file, a name of torntail servers, a
// program in PATH, or the path of one. It asks it for its version, which takes seconds at
// most. The error is a *MissingError, or the user's.
func Find(name string) (*Server, error) {
	s := &Server{Name: name, Binary: name, Store: StoreOf(name)}
	if path, ok := IsFile(name); ok {
		t, err := Load(path)
		if err != nil {
			return nil, err
		}
		if err := t.Available(); err != nil {
			return nil, &MissingError{Text: err.Error()}
		}
		began := time.Now()
		if s.Version, err = process.VersionOf(t.Version); err != nil {
			return nil, fmt.Errorf("target %s: version: %w", name, err)
		}
		s.asked = time.Since(began)
		s.Described, s.Store = t, t.Store
		return s, nil
	}
	if result.Archived(name) {
		got, err := servers.Find(name)
		if err != nil {
			return nil, &MissingError{Text: "target " + err.Error()}
		}
		s.Binary, s.Version, s.Origin = got.Program(), got.Version, got.Origin()
		kind, _, _ := strings.Cut(name, "-")
		s.Store = redis.Of(kind, s.Version)
		return s, nil
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() && !result.Named(name) {
		return nil, fmt.Errorf("target %s: a directory without a target.yaml", name)
	}
	if _, err := exec.LookPath(name); err != nil {
		return nil, &MissingError{Err: err}
	}
	var err error
	var kind string
	if s.Store.Server(name) != nil {
		s.Version, err = process.VersionOf([]string{name, "--version"})
	} else if s.Version, kind, err = process.Kind(name); err == nil {
		s.Store = redis.Of(kind, s.Version)
	} else {
		err = fmt.Errorf("called with --version it does not answer as redis-server does (a target.yaml can describe it: docs/targets.md): %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", name, err)
	}
	return s, nil
}

// Apart is why a server cannot start on what another has left, or clients of that not go on
// with it; "": it can.
func (s *Server) Apart(other *Server) string {
	entry := func(s *Server) process.Server {
		if s.Described == nil {
			return process.Server{}
		}
		return s.Described.Server
	}
	a, b := entry(s), entry(other)
	switch {
	case s.Store.Name() != other.Store.Name():
		return fmt.Sprintf("it is %s, which reads no files of %s", s.Store.Name(), other.Store.Name())
	case a.User != b.User, a.Password != b.Password, (a.TLS == nil) != (b.TLS == nil), !maps.Equal(a.Rename, b.Rename):
		return "clients enter it in another way than " + other.Name + ", and the same ones go on with it: want the same user, password, tls and rename"
	}
	return ""
}

// Alone is why the server cannot be one of several that Sentinels watch; "": it can.
func (s *Server) Alone() string {
	switch {
	case s.Store.Name() != redis.Store.Name():
		return "it is " + s.Store.Name() + ", which has no Sentinels"
	case redis.Without(s.Store, redis.SourceAddr):
		return "it has no " + redis.SourceAddr + " (Redis has it since 7.0), by which the proxies between servers know whose connection is whose"
	case s.Described != nil:
		return s.Described.alone()
	}
	return ""
}

// Rig is for servers of that kind on disks.
func (s *Server) Rig(open func(clock func() time.Duration) (machine.Disks, error)) (*machine.Rig, error) {
	rig, err := machine.NewRig(s.Store, s.Binary, open)
	if err != nil {
		return nil, err
	}
	rig.Name, rig.Version, rig.Full, rig.Origin = s.Name, s.Version, s.Name+" ("+s.Version+")", s.Origin
	if t := s.Described; t != nil {
		rig.Version = ""
		rig.Describe(&machine.Description{Server: &t.Server, Within: t.Within, Repair: t.Repair, Modes: t.Modes, Fixed: t.Fixed(),
			NoLog: s.noLog, NoSnapshot: s.noSnapshot})
	}
	return rig, nil
}
