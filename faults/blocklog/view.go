package blocklog

import (
	"fmt"
	"time"
)

// Times is how long the steps of looking at a crash image took.
type Times struct {
	Attach, Mount, Tree, Unmount time.Duration
}

// Add adds those of another image.
func (t *Times) Add(o Times) {
	t.Attach, t.Mount, t.Tree, t.Unmount = t.Attach+o.Attach, t.Mount+o.Mount, t.Tree+o.Tree, t.Unmount+o.Unmount
}

// View is what a crash image showed.
type View struct {
	// Refused is why the file system could not be mounted or read; "" when it could.
	Refused string
	Tree    string
	Times   Times
}

// RefusedError is a file system that does not mount what is on the device.
type RefusedError struct {
	FS  FS
	Why string
}

func (e *RefusedError) Error() string { return fmt.Sprintf("%s does not mount: %s", e.FS, e.Why) }
