//go:build !linux

package companion

import "os/exec"

// endWithParent does nothing: only Linux offers it.
func endWithParent(*exec.Cmd) {}
