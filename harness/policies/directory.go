package policies

import (
	"os"
	"path/filepath"

	"github.com/torntail/torntail/faults/guard"
)

// directory makes a directory that does not outlive torntail, however that ends.
func directory(parent, pattern string) (dir string, remove func(), err error) {
	watchdog, err := guard.Default()
	if err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(parent, pattern); err != nil {
		return "", nil, err
	}
	full, err := filepath.Abs(dir)
	if err != nil {
		os.Remove(dir)
		return "", nil, err
	}
	forget := watchdog.Dir(full)
	return full, func() {
		if guard.RemoveDir(full) == nil {
			forget()
		}
	}, nil
}

// Engine is the embedded engine as a server binary: this program, which is a
// server when it is called redis-server.
func Engine() (binary string, remove func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	dir, remove, err := directory("", "torntail-engine-")
	if err != nil {
		return "", nil, err
	}
	binary = filepath.Join(dir, "redis-server")
	if err := os.Symlink(self, binary); err != nil {
		remove()
		return "", nil, err
	}
	return binary, remove, nil
}
