// Package companion starts the programs that a test needs beside it.
package companion

import (
	"os/exec"
	"runtime"
	"testing"
)

// Start starts a program that ends when the test does, or the test's process, in
// whatever way. The test may end it and wait for it before.
func Start(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	endWithParent(cmd)
	started, over := make(chan error), make(chan struct{})
	go func() {
		// The system looks at the thread that started the program, which is this
		// goroutine's alone and ends with it.
		runtime.LockOSThread()
		started <- cmd.Start()
		<-over
	}()
	if err := <-started; err != nil {
		close(over)
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		close(over)
	})
}
