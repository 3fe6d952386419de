package fusefs

import (
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/guard"
)

// Users are the processes that have files of a volume open, or are in a call
// that a fault holds up: the victims of a power cut on a disk that programs use
// which torntail did not start. A process
// that only stands in a directory of it, the user's shell perhaps, is spared;
// what it does there next fails with ESTALE.
type Users struct {
	volume *Volume
	dir    string
	killed []int
}

// UsersOf finds them when the power is cut, not before. The mount must be in the
// common namespace (guard.Open): elsewhere its paths mean nothing to /proc.
func UsersOf(v *Volume) *Users { return &Users{volume: v, dir: v.Path()} }

// KillTree sends SIGKILL to every user. It looks again until nobody new is
// found: a process may fork or open a file meanwhile.
func (u *Users) KillTree() {
	seen := map[int]bool{os.Getpid(): true}
	for again := true; again; {
		again = false
		for _, pid := range u.now() {
			if !seen[pid] {
				seen[pid], again = true, true
				u.killed = append(u.killed, pid)
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	sort.Ints(u.killed)
}

// Signal sends a signal to every process that uses the volume now, and says to whom.
func (u *Users) Signal(sig syscall.Signal) []int {
	var told []int
	for _, pid := range u.now() {
		if pid != os.Getpid() && syscall.Kill(pid, sig) == nil {
			told = append(told, pid)
		}
	}
	sort.Ints(told)
	return told
}

// Await waits until nobody of these uses the volume any more, who have been
// killed, and returns another user, or 0 when there is none.
func (u *Users) Await(killed []int) (pid int) {
	for {
		dying := false
		for _, pid := range u.now() {
			switch {
			case pid == os.Getpid():
			case slices.Contains(killed, pid):
				dying = true
			default:
				return pid
			}
		}
		if !dying {
			return 0
		}
		time.Sleep(time.Millisecond)
	}
}

// WaitTree waits until they are gone.
func (u *Users) WaitTree() {
	for _, pid := range u.killed {
		for st, ok := guard.ReadStat(pid); ok && st.State != 'Z' && st.State != 'X'; st, ok = guard.ReadStat(pid) {
			time.Sleep(time.Millisecond) // not our children: there is nothing to wait on but /proc
		}
	}
}

// Killed lists who was killed, by process id.
func (u *Users) Killed() []int { return u.killed }

// now lists the users.
func (u *Users) now() []int {
	pids := usersOf(u.dir)
	for _, tid := range u.volume.heldUp() {
		if pid, ok := guard.ProcessOf(tid); ok && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// usersOf lists the processes that have a file below dir open or mapped. It
// only reads links in /proc, which never asks the file system that is mounted there.
func usersOf(dir string) []int {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	below := strings.TrimSuffix(dir, "/") + "/"
	var users []int
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil {
			continue
		}
		for _, list := range []string{"fd", "map_files"} {
			if holds(filepath.Join("/proc", p.Name(), list), below) {
				users = append(users, pid)
				break
			}
		}
	}
	return users
}

// holds reports whether a directory of links has one that leads below a directory.
func holds(list, below string) bool {
	d, err := os.Open(list)
	if err != nil {
		return false // gone, or somebody else's
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, name := range names {
		if target, err := os.Readlink(filepath.Join(list, name)); err == nil && strings.HasPrefix(target, below) {
			return true
		}
	}
	return false
}
