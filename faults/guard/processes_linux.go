package guard

import (
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

// GroupAlive reports whether a process of the group still runs. Zombies do not
// count unless a thread of theirs lives: they hold no memory, no file and no mount,
// and who should reap them may never do so.
func GroupAlive(pgid int) bool {
	return len(GroupMembers(pgid)) > 0
}

// GroupMembers lists the living processes of a group, zombies excluded.
func GroupMembers(pgid int) []int {
	if syscall.Kill(-pgid, 0) == syscall.ESRCH {
		return nil // the usual case, without a walk through /proc
	}
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil
	}
	var members []int
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if st, ok := ReadStat(pid); ok && st.Group == pgid && (st.alive() || threadLives(pid)) {
			members = append(members, pid)
		}
	}
	sort.Ints(members)
	return members
}

// Stat is what /proc says about a process.
type Stat struct {
	State  byte // 'R' 'S' 'D' 'T' 'Z' ... (proc(5))
	Parent int
	Group  int
	Start  uint64 // in clock ticks since the machine's start
}

func (s Stat) alive() bool { return s.State != 'Z' && s.State != 'X' }

// threadLives reports whether a thread of a process lives. The process itself looks like a
// zombie when its first thread has ended and others have not: because they go on, or because
// they wait in state D for a file system that nobody serves any more.
func threadLives(pid int) bool {
	tasks, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return false
	}
	for _, t := range tasks {
		if tid, err := strconv.Atoi(t.Name()); err == nil {
			if st, ok := readStat("/proc/" + strconv.Itoa(pid) + "/task/" + t.Name() + "/stat"); ok && tid != pid && st.alive() {
				return true
			}
		}
	}
	return false
}

// ReadStat reads /proc/PID/stat; false when there is no such process.
func ReadStat(pid int) (Stat, bool) {
	return readStat("/proc/" + strconv.Itoa(pid) + "/stat")
}

func readStat(path string) (Stat, bool) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Stat{}, false
	}
	// The name in parentheses may itself hold spaces and parentheses.
	_, rest, ok := cutLast(string(data), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 20 {
		return Stat{}, false
	}
	parent, err1 := strconv.Atoi(fields[1])
	group, err2 := strconv.Atoi(fields[2])
	start, err3 := strconv.ParseUint(fields[19], 10, 64)
	return Stat{State: fields[0][0], Parent: parent, Group: group, Start: start}, err1 == nil && err2 == nil && err3 == nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// ProcessOf is the process that a thread belongs to.
func ProcessOf(tid int) (pid int, ok bool) {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "Tgid:"); found {
			pid, err = strconv.Atoi(strings.TrimSpace(value))
			return pid, err == nil
		}
	}
	return 0, false
}

// Killed reports whether SIGKILL has been sent to a thread and it has only not
// died yet: because a file system call of it is pending. That is known at once,
// while the kernel's own FUSE_INTERRUPT may still be under way.
func Killed(tid int) bool {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return true // it is gone altogether
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err == nil && mask&(1<<(uint(syscall.SIGKILL)-1)) != 0 {
			return true
		}
	}
	return false
}
