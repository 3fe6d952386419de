package vfstest

import (
	"testing"

	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
)

// TestHost: the host's file system passes its own suite, so that the suite asks
// for nothing that real file systems do not do.
func TestHost(t *testing.T) {
	Run(t, func(t *testing.T) vfs.FS { return osfs.New(t.TempDir()) })
}
