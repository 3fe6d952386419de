package vfstest

import "testing"

// TestHostSystem: the host's file system passes this suite too.
func TestHostSystem(t *testing.T) {
	RunSystem(t, func(t *testing.T) System { return System{Dir: t.TempDir(), Maps: true} })
}
