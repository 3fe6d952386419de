//go:build !linux

package guard

import "os"

// Space is where servers run. There is none here.
type Space struct{}

func NewSpace(private bool) (*Space, error) { return nil, errNotLinux }

func Home() (*Space, error) { return nil, errNotLinux }

func Open() (*Space, error) { return nil, errNotLinux }

func (s *Space) Do(f func()) { f() }

func (s *Space) Private() bool { return false }

func (s *Space) Confine(dirs ...string) (*Space, error) { return nil, errNotLinux }

func (s *Space) Work() string { return "" }

func (s *Space) Confined() bool { return false }

func (s *Space) Elsewhere(pgid int) []string { return nil }

func (s *Space) Close() error { return nil }

// CanConfine is why Confine cannot keep anybody from writing elsewhere.
func CanConfine() error { return errNotLinux }

// RemoveDir removes a directory and its content. Nothing of ours is mounted here.
func RemoveDir(path string) error { return os.RemoveAll(path) }
