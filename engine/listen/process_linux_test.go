package listen_test

import (
	"os/exec"
	"syscall"
)

// diesWithUs has a process killed when the test ends in whatever way.
func diesWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
