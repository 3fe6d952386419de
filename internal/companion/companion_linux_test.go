package companion_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/internal/companion"
)

// asTest in the environment makes this test one that starts a program, says so, and
// waits to be killed.
const asTest = "TORNTAIL_COMPANION"

func TestProgramEndsWithTheProcess(t *testing.T) {
	if os.Getenv(asTest) != "" {
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout = os.NewFile(3, "")
		companion.Start(t, cmd)
		cmd.Stdout.(*os.File).Close()
		for range 100 {
			runtime.Gosched() // the goroutine changes its thread
		}
		fmt.Println("started")
		select {}
	}
	program, ours, err := os.Pipe()
	require.NoError(t, err)
	self, err := os.Executable()
	require.NoError(t, err)
	test := exec.Command(self, "-test.run", t.Name())
	test.Env = append(os.Environ(), asTest+"=1")
	test.ExtraFiles = []*os.File{ours} // which the program inherits: the end of that is its end
	out, err := test.StdoutPipe()
	require.NoError(t, err)
	companion.Start(t, test)
	ours.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "started\n", line)
	require.NoError(t, test.Process.Signal(syscall.SIGKILL))
	left, err := io.ReadAll(program)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestProgramEndsWithTheTest(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	t.Run("of which it is", func(t *testing.T) { companion.Start(t, cmd) })
	assert.False(t, cmd.ProcessState.Success(), "it was killed")
	in.Close()
}
