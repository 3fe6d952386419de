//go:build !linux

package guard

// Space is where servers run. There is none here.
type Space struct{}

func NewSpace(private bool) (*Space, error) { return nil, errNotLinux }

func Home() (*Space, error) { return nil, errNotLinux }

func Open() (*Space, error) { return nil, errNotLinux }

func (s *Space) Do(f func()) { f() }

func (s *Space) Private() bool { return false }
