//go:build !linux

package blocklog

import "errors"

// ErrUnsupported means that this operating system has no loop devices and file
// systems as we use them.
var ErrUnsupported = errors.New("real file systems on a logged device need Linux")

// Main does nothing: there are no agents.
func Main() {}

// Available says that devices cannot be served here.
func Available() error { return ErrUnsupported }

// AvailableFS says that no file system can be mounted here.
func AvailableFS(string) error { return ErrUnsupported }

// Host, Volume, View and Times stand for what Linux has.
type (
	Host   struct{}
	Volume struct{ Times Times }
)

func NewHost() (*Host, error)                               { return nil, ErrUnsupported }
func (*Host) Dir() string                                   { return "" }
func (*Host) Close() error                                  { return nil }
func (*Host) Mount(*Device, FS) (*Volume, error)            { return nil, ErrUnsupported }
func (*Host) View(*Image, FS, string, string) (View, error) { return View{}, ErrUnsupported }
func (*Host) Format(FS, int64) (*Image, error)              { return nil, ErrUnsupported }
func (*Volume) Dir() string                                 { return "" }
func (*Volume) Device() *Device                             { return nil }
func (*Volume) Step(string, string) error                   { return ErrUnsupported }
func (*Volume) Tree(string, string) (string, error)         { return "", ErrUnsupported }
func (*Volume) Files(string) (map[string][]byte, error)     { return nil, ErrUnsupported }
func (*Volume) Unmount() error                              { return ErrUnsupported }
