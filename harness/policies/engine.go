package policies

import (
	"os"
	"path/filepath"

	"github.com/torntail/torntail/faults/guard"
)

// Engine is the embedded engine as a server binary: this program, which is a
// server when it is called redis-server. Its directory does not outlive torntail,
// however that ends.
func Engine() (binary string, remove func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	watchdog, err := guard.Default()
	if err != nil {
		return "", nil, err
	}
	dir, forget, err := watchdog.NewDir("", "torntail-engine-")
	if err != nil {
		return "", nil, err
	}
	remove = func() {
		if guard.RemoveDir(dir) == nil {
			forget()
		}
	}
	binary = filepath.Join(dir, "redis-server")
	if err := os.Symlink(self, binary); err != nil {
		remove()
		return "", nil, err
	}
	return binary, remove, nil
}
