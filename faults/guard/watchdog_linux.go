package guard

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"strconv"
	"syscall"
	"time"
)

// settle bounds how long the watchdog waits for killed processes to be gone
// before it removes directories under them.
const settle = 10 * time.Second

// startWatchdog starts this binary again as the watchdog and returns the write
// end of its pipe.
func startWatchdog(l *ledger) (io.WriteCloser, error) {
	if os.Getenv(envWatchdog) != "" {
		// This is a watchdog itself, of a program that does not let it be one: it would
		// start another, which would start another.
		return nil, errors.New("the program does not call guard.Main before anything else")
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe")
	// argv[0] tells an operator who looks at ps what this is.
	cmd.Args = []string{"torntail-watchdog"}
	cmd.Env = append(os.Environ(), envWatchdog+"=1")
	cmd.Dir = "/"
	cmd.Stdin = r
	if l != nil {
		cmd.Env = append(cmd.Env, envLedger+"="+l.f.Name())
		cmd.ExtraFiles = []*os.File{l.f}
	}
	// Its own session: a Ctrl-C on the terminal must reach torntail alone, or
	// the watchdog would be gone before it is needed. No output: whoever reads
	// our own would otherwise wait for the watchdog too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return nil, err
	}
	go cmd.Wait()
	return w, nil
}

// watch is the watchdog: it keeps the list until the pipe ends, or nothing can come of it
// any more, then cleans up what is still on it. It returns the exit status.
func watch(in io.Reader) int {
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE)
	live := map[uint64]entry{}
	keep(live, lines(in), os.Getppid())
	if err := cleanUp(sorted(live)); err != nil {
		return 1 // and the ledger tells the next torntail
	}
	if path := os.Getenv(envLedger); path != "" {
		os.Remove(path)
	}
	return 0
}

// lines are the lines of the pipe, as they come.
func lines(in io.Reader) <-chan string {
	c := make(chan string)
	go func() {
		defer close(c)
		for s := bufio.NewScanner(in); s.Scan(); {
			c <- s.Text()
		}
	}()
	return c
}

// ownerSeen is how often the watchdog looks whether its owner lives.
const ownerSeen = time.Second

// keep keeps the list until the owner is dead. Mostly the pipe's end tells. It has none
// while a thread of the owner lives, and one that asks its own file system for something,
// as it is killed, waits in state D for an answer that nobody gives, until the watchdog
// aborts that file system.
func keep(live map[uint64]entry, lines <-chan string, owner int) {
	look := time.NewTicker(ownerSeen)
	defer look.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return
			}
			note(live, line)
		case <-look.C:
			if st, ok := ReadStat(owner); owner > 1 && (!ok || !st.alive() || Killed(owner)) {
				return
			}
		}
	}
}

// note changes the list as a line says.
func note(live map[uint64]entry, line string) {
	e, remove, err := parseLine(line)
	switch {
	case err != nil: // cut off in the middle by the writer's death
	case remove:
		delete(live, e.id)
	default:
		live[e.id] = e
	}
}

// sorted are the entries as they were registered.
func sorted(live map[uint64]entry) []entry {
	left := make([]entry, 0, len(live))
	for _, e := range live {
		left = append(left, e)
	}
	sort.Slice(left, func(i, j int) bool { return left[i].id < left[j].id })
	return left
}

// cleanUp ends and removes the entries in the order that cannot hang: processes
// get their SIGKILL first, then the file systems are aborted, which answers the
// calls the killed processes sit in, sockets go, the file systems are unmounted,
// and only then are directories removed.
func cleanUp(entries []entry) error {
	deadline := time.Now().Add(settle)
	var firstErr error
	note := func(err error) {
		if firstErr == nil {
			firstErr = err
		}
	}
	each := func(k kind, f func(e entry)) {
		for _, e := range entries {
			if e.kind == k {
				f(e)
			}
		}
	}
	each(kindGroup, func(e entry) {
		pgid, _ := strconv.Atoi(e.number) // parseLine checked it
		if pgid > 1 {
			syscall.Kill(-pgid, syscall.SIGKILL)
		}
	})
	for _, k := range []kind{kindMount, kindConn} {
		each(k, func(e entry) {
			conn, _ := strconv.ParseUint(e.number, 10, 32) // parseLine checked it
			Abort(uint32(conn))
		})
	}
	// Sockets go while the mount point is still taken: whoever mounts there next
	// makes them anew, in the same places, from which nothing is removed any more.
	// What cannot be looked at is a directory whose file system is dead.
	gone := make([]bool, len(entries))
	for i, e := range entries {
		if e.kind != kindDir {
			continue
		}
		info, err := os.Lstat(e.path)
		if gone[i] = errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir(); gone[i] && err == nil {
			note(os.Remove(e.path))
		}
	}
	each(kindMount, func(e entry) { note(Unmount(e.path)) })
	each(kindGroup, func(e entry) {
		pgid, _ := strconv.Atoi(e.number) // parseLine checked it
		for GroupAlive(pgid) && time.Now().Before(deadline) {
			time.Sleep(5 * time.Millisecond)
		}
	})
	for i, e := range entries {
		if e.kind == kindDir && !gone[i] {
			note(RemoveDir(e.path))
		}
	}
	return firstErr
}
