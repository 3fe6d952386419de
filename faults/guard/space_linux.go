package guard

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Space is where servers run: one OS thread that lives as long as torntail,
// and, where it may have one, a mount namespace of its own.
//
// The thread: PR_SET_PDEATHSIG means the death of the parent *thread*, and Go
// ends threads as it likes. A server started from any goroutine could be
// killed at any moment; one started from this thread dies with torntail.
//
// The namespace: a FUSE mount made in it is seen by the servers and by nobody
// else. It needs no unmounting, because it vanishes with the last process in
// the namespace, and no other process's namespace can keep it alive. Neither
// can torntail's own threads touch the mount by accident, which would deadlock
// a process that serves it.
type Space struct {
	calls   chan func()
	private bool
	// Of one that Confine has made:
	work     string       // where programs are at first; "": where torntail is
	below    []string     // where they may write
	confined bool         // and nowhere else
	release  func() error // removes work
}

// NewSpace starts a thread for servers. private asks for a mount namespace of
// its own, which needs CAP_SYS_ADMIN; without it the error is EPERM.
func NewSpace(private bool) (*Space, error) {
	s := &Space{calls: make(chan func()), private: private}
	err := s.start(func() error {
		if private {
			return leaveNamespace()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// leaveNamespace gives the calling thread its own mount namespace whose mounts
// reach no other.
func leaveNamespace() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	return os.NewSyscallError("mount", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
}

// Do runs f on the thread and waits for it.
func (s *Space) Do(f func()) {
	done := make(chan struct{})
	s.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Work is the directory where programs of the space are at first, and which is theirs for
// temporary files; "": where torntail is.
func (s *Space) Work() string { return s.work }

// Confined reports whether the kernel keeps programs of the space from writing elsewhere.
func (s *Space) Confined() bool { return s.confined }

// Close ends a space that Confine has made. Nothing may run in it any more.
func (s *Space) Close() error {
	close(s.calls)
	return s.release()
}

// Private reports whether the space has a mount namespace of its own.
func (s *Space) Private() bool { return s.private }

var home = sync.OnceValues(func() (*Space, error) {
	if os.Geteuid() == 0 {
		if s, err := NewSpace(true); err == nil {
			return s, nil
		}
		// Root without CAP_SYS_ADMIN (a container): do as an ordinary user.
	}
	return NewSpace(false)
})

// Home is the space that fusefs and process use when they are given none: a
// private one where the machine allows it.
func Home() (*Space, error) { return home() }

var open = sync.OnceValues(func() (*Space, error) { return NewSpace(false) })

// Open is the space in the common mount namespace, for mounts that programs
// torntail did not start shall see.
func Open() (*Space, error) { return open() }
