package disk

import (
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/faults/vfs/osfs"
	"github.com/torntail/torntail/faults/vfs/vfstest"
)

func TestConformance(t *testing.T) {
	vfstest.Run(t, func(t *testing.T) vfs.FS { return New(Options{}).FS(nil) })
}

// TestConformanceAfterReset: memory that is used again shows nothing of its past.
func TestConformanceAfterReset(t *testing.T) {
	d := New(Options{KeepLog: true})
	vfstest.Run(t, func(t *testing.T) vfs.FS {
		d.Reset(Options{})
		return d.FS(nil)
	})
}

// TestAgainstHost: long random sequences of calls get the same answers from the
// model and from a real file system.
func TestAgainstHost(t *testing.T) {
	// In memory where the host has that: syncing is not what is compared.
	host := ""
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		host = "/dev/shm"
	}
	reused := New(Options{})
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(host, "torntail-vfs-")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		pers := rapid.IntRange(0, len(Personalities)-1).Draw(t, "personality")
		reused.Reset(Options{Personality: Personalities[pers]})
		vfstest.Compare(t, osfs.New(dir), reused.FS(nil))
	})
}
