package control

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRequestsAreAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	s, err := Listen(path, Commands{
		"echo": func(args []string) (string, error) { return strings.Join(args, "|"), nil },
		"fail": func([]string) (string, error) { return "so far", errors.New("broken") },
	})
	require.NoError(t, err)
	out, err := Call(path, "echo", "a b", "c\n\"d\"")
	require.NoError(t, err)
	require.Equal(t, "a b|c\n\"d\"", out)
	out, err = Call(path, "fail")
	require.EqualError(t, err, "broken")
	require.Equal(t, "so far", out)
	_, err = Call(path, "nonsense")
	require.EqualError(t, err, `unknown command "nonsense"`)

	_, err = Listen(path, nil)
	require.Error(t, err, "two servers must not share a socket")
	require.NoError(t, s.Close())
	_, err = Call(path, "echo")
	require.ErrorContains(t, err, "no mounted fault disk answers")
}

func TestCloseDoesNotWaitForAClientThatSaysNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	s, err := Listen(path, Commands{"echo": func([]string) (string, error) { return "", nil }})
	require.NoError(t, err)
	silent, err := net.Dial("unix", path)
	require.NoError(t, err)
	defer silent.Close()
	_, err = Call(path, "echo") // the silent one was accepted before
	require.NoError(t, err)
	require.NoError(t, s.Close())
	answered, err := io.ReadAll(silent)
	require.NoError(t, err)
	require.Contains(t, string(answered), "timeout")
}

func TestSocketOfADeadServerIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	require.NoError(t, err)
	dead.SetUnlinkOnClose(false)
	require.NoError(t, dead.Close())
	s, err := Listen(path, Commands{"echo": func(args []string) (string, error) { return "alive", nil }})
	require.NoError(t, err)
	out, err := Call(path, "echo")
	require.NoError(t, err)
	require.Equal(t, "alive", out)
	require.NoError(t, s.Close())
}

func FuzzReadRequest(f *testing.F) {
	f.Add(`{"v":1,"command":"power-cut","args":["keep","none"]}` + "\n")
	f.Add(`{"v":2,"command":"status"}` + "\n")
	f.Add("\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := readRequest(strings.NewReader(text))
		if err == nil && r.Version != version {
			t.Fatalf("%q is taken for version %d", text, version)
		}
		Commands{}.run(r)
	})
}
