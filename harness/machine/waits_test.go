package machine

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestWaits: a process that shares one processor with another is seen to wait for it.
func TestWaits(t *testing.T) {
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		t.Skip("no taskset (util-linux) to let two processes share one processor")
	}
	busy := func() *exec.Cmd {
		cmd := exec.Command(taskset, "-c", "0", "sh", "-c", "while :; do :; done")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		})
		return cmd
	}
	if _, err := os.ReadFile("/proc/self/schedstat"); err != nil {
		t.Skip("this kernel does not count who waits for a processor:", err)
	}
	a := busy()
	busy()
	began := time.Now()
	clock := func() time.Duration { return time.Since(began) }
	var w waits
	dead, done := make(chan struct{}), make(chan struct{})
	go func() {
		w.watch(a.Process.Pid, clock, dead)
		close(done)
	}()
	require.Eventually(t, func() bool { return len(w.seen()) > 2 }, time.Minute, 10*time.Millisecond)
	close(dead)
	<-done
	list := w.seen()
	for i, s := range list {
		require.Less(t, s.From, s.To)
		require.GreaterOrEqual(t, s.By, noWait)
		if i > 0 {
			require.GreaterOrEqual(t, s.From, list[i-1].To)
		}
	}
}
