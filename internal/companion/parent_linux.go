package companion

import (
	"os/exec"
	"syscall"
)

// endWithParent has a program killed when the thread that starts it ends.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
