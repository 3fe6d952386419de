//go:build !linux

package listen_test

import "os/exec"

// diesWithUs does nothing: only Linux offers it. What the test itself ends is
// ended everywhere.
func diesWithUs(*exec.Cmd) {}
