package guard

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// watchdogOf is the process id of a process's watchdog.
func watchdogOf(t *testing.T, pid int) (watchdog int) {
	t.Helper()
	eventually(t, "it has a watchdog", func() bool {
		names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, name := range names {
			line, _ := os.ReadFile(name)
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			if st, ok := ReadStat(n); ok && st.Parent == pid && strings.HasPrefix(string(line), "torntail-watchdog") {
				watchdog = n
				return true
			}
		}
		return false
	})
	return watchdog
}

// TestWhatIsLeftIsFound when the watchdog is killed as well, and not before: not while
// torntail lives, and not while the watchdog does.
func TestWhatIsLeftIsFound(t *testing.T) {
	temp, dir := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	registered := filepath.Join(dir, "registered")
	require.NoError(t, os.MkdirAll(filepath.Join(registered, "below"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "released"), 0o755))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envVictim+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	group, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "group ")))
	require.NoError(t, err, line)
	watchdog := watchdogOf(t, cmd.Process.Pid)
	require.Empty(t, LookForLeft(), "it lives")
	require.NoError(t, syscall.Kill(watchdog, syscall.SIGSTOP))
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	require.Empty(t, LookForLeft(), "its watchdog lives")
	require.NoError(t, syscall.Kill(watchdog, syscall.SIGKILL))
	eventually(t, "the watchdog is gone", func() bool { st, ok := ReadStat(watchdog); return !ok || st.State == 'Z' })

	found := LookForLeft()
	// The last of its threads may hold the ledger for a moment longer.
	eventually(t, "what is left is found", func() bool { found = append(found, LookForLeft()...); return len(found) > 0 })
	require.Len(t, found, 1)
	require.Empty(t, LookForLeft(), "two clean up at once")
	require.Equal(t, cmd.Process.Pid, found[0].Pid)
	require.Equal(t, []string{"process group " + strconv.Itoa(group), "directory " + registered}, found[0].Things())
	require.NoError(t, found[0].Clean())
	require.False(t, GroupAlive(group))
	require.NoDirExists(t, registered)
	require.DirExists(t, filepath.Join(dir, "released"))
	require.Empty(t, LookForLeft())
	names, err := filepath.Glob(filepath.Join(temp, ".torntail*"))
	require.NoError(t, err)
	require.Empty(t, names)
}

// TestWhatIsSomebodyElsesIsLeft: a process group of a number that has been given again, a
// directory's socket on which somebody answers, a ledger of another user's making.
func TestWhatIsSomebodyElsesIsLeft(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	cmd := exec.Command("sleep", "1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	defer cmd.Wait()
	defer cmd.Process.Kill()
	st, ok := ReadStat(cmd.Process.Pid)
	require.True(t, ok)
	write := func(name, boot string, start uint64) {
		require.NoError(t, os.WriteFile(filepath.Join(temp, ".torntail-"+strconv.Itoa(os.Geteuid())+"-"+name+".ledger"),
			[]byte("torntail 1 1 "+boot+" "+pidSpace()+"\n+ 1 group "+strconv.Itoa(cmd.Process.Pid)+" \""+strconv.FormatUint(start, 10)+"\"\n"), 0o600))
	}
	write("later", bootID(), st.Start-1)
	write("boot", "other", st.Start)
	require.Empty(t, LookForLeft())
	names, _ := filepath.Glob(filepath.Join(temp, ".torntail*"))
	require.Empty(t, names, "what says nothing is removed")
	write("same", bootID(), st.Start)
	found := LookForLeft()
	require.Len(t, found, 1)
	found[0].Close()
	link := filepath.Join(temp, ".torntail-"+strconv.Itoa(os.Geteuid())+"-link.ledger")
	require.NoError(t, os.Rename(found[0].path, filepath.Join(temp, "elsewhere")))
	require.NoError(t, os.Symlink(filepath.Join(temp, "elsewhere"), link))
	require.Empty(t, LookForLeft(), "a link is followed")
	require.True(t, GroupAlive(cmd.Process.Pid))
}

// TestAnEmptyLedgerIsRemoved, which a torntail leaves that dies as it makes it; and one that
// somebody takes for such, while it is made, costs nothing.
func TestAnEmptyLedgerIsRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	empty := filepath.Join(temp, ".torntail-"+strconv.Itoa(os.Geteuid())+"-1.ledger")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	require.Empty(t, LookForLeft())
	require.NoFileExists(t, empty)

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				LookForLeft()
			}
		}
	}()
	for range 300 {
		l := newLedger()
		require.NotNil(t, l)
		require.FileExists(t, l.f.Name())
		require.NoError(t, os.Remove(l.f.Name()))
		require.NoError(t, l.f.Close())
	}
	close(stop)
	<-stopped
}

// TestALedgerStaysShort however much is registered and taken back.
func TestALedgerStaysShort(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	l := newLedger()
	require.NotNil(t, l)
	l.add(entry{id: 1, kind: kindDir, number: "0", path: "/stays"})
	for id := uint64(2); id < 20_000; id++ {
		l.add(entry{id: id, kind: kindGroup, number: "77", path: "5"})
		l.remove(id)
	}
	info, err := l.f.Stat()
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(deadLines*40))
	left := &Left{f: l.f}
	live, boot := left.read0()
	require.Equal(t, bootID(), boot)
	require.Equal(t, map[uint64]entry{1: {id: 1, kind: kindDir, number: "0", path: "/stays"}}, live)
	require.NoError(t, l.f.Close())
}
