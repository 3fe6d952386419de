package guard

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/internal/matching"
)

// A watchdog dies as well when somebody ends everything at once: the kernel out of memory,
// the end of a container, an operator. So what is registered is also written into a file, the
// ledger, which torntail and its watchdog both hold locked (flock). Who finds one that can be
// locked knows that neither lives, in whatever namespace of processes they were, and that what
// it names is left.

// ledgerPattern makes the names of ledgers, in the directory for temporary files.
const ledgerPattern = ".torntail-%d-*.ledger"

// envLedger tells the watchdog where the ledger is; it has it open as descriptor 3.
const envLedger = "TORNTAIL_LEDGER"

// ledger is that of this process.
type ledger struct {
	f    *os.File
	head string
	live map[uint64]entry
	dead int // lines about entries that have been taken back
}

// newLedger makes and locks a ledger; nil where there can be none, which only costs that
// nobody finds what is left. Who looks for ledgers may take one that nobody has locked yet
// for that of a torntail which died as it made it, and remove it: then another is made.
func newLedger() *ledger {
	for range 100 {
		f, err := os.CreateTemp("", fmt.Sprintf(ledgerPattern, os.Geteuid()))
		if err != nil {
			return nil
		}
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX); err == nil && linked(f) {
			st, _ := ReadStat(os.Getpid())
			l := &ledger{f: f, live: map[uint64]entry{}}
			l.head = fmt.Sprintf("torntail %d %d %s %s\n", os.Getpid(), st.Start, bootID(), pidSpace())
			if _, err = f.WriteString(l.head); err == nil {
				return l
			}
		}
		f.Close()
		if err != nil {
			os.Remove(f.Name())
			return nil
		}
	}
	return nil
}

// linked reports whether a file has a name.
func linked(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Nlink > 0
}

// deadLines is how many lines about what has been taken back a ledger may hold.
const deadLines = 4096

func (l *ledger) add(e entry) {
	if l == nil {
		return
	}
	l.live[e.id] = e
	fmt.Fprintln(l.f, e)
}

func (l *ledger) remove(id uint64) {
	if l == nil {
		return
	}
	delete(l.live, id)
	if l.dead += 2; l.dead < deadLines {
		fmt.Fprintf(l.f, "- %d\n", id)
		return
	}
	// Written over from its beginning, so that it always names what lives.
	var b strings.Builder
	b.WriteString(l.head)
	for _, e := range l.live {
		fmt.Fprintln(&b, e)
	}
	l.dead = 0
	if _, err := l.f.WriteAt([]byte(b.String()), 0); err == nil {
		l.f.Truncate(int64(b.Len()))
		l.f.Seek(0, 2)
	}
}

// bootID tells this start of the machine from others.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "-"
	}
	return strings.TrimSpace(string(id))
}

// pidSpace names the namespace in which process ids mean what they mean here.
func pidSpace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return "-"
	}
	return name
}

// Left is what a torntail has left that was killed together with its watchdog.
type Left struct {
	Pid    int // that it had
	path   string
	f      *os.File // locked
	things []entry
	here   bool // process ids mean what they mean here
}

// LookForLeft finds what killed torntails of this user have left. What they name and is gone
// is not told. Each must be cleaned or closed.
func LookForLeft() []*Left {
	names, _ := matching.In(os.TempDir(), fmt.Sprintf(ledgerPattern, os.Geteuid()))
	var found []*Left
	for _, name := range names {
		if l := openLeft(name); l != nil {
			found = append(found, l)
		}
	}
	return found
}

// openLeft reads a ledger, if its torntail and watchdog are gone and have left something.
func openLeft(path string) *Left {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	info, err := f.Stat()
	ours := false
	if err == nil && info.Mode().IsRegular() {
		owner, ok := info.Sys().(*syscall.Stat_t)
		ours = ok && int(owner.Uid) == os.Geteuid() && owner.Nlink == 1
	}
	if !ours || unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		f.Close()
		return nil
	}
	l := &Left{path: path, f: f}
	live, boot := l.read()
	for _, e := range sorted(live) {
		if l.is(e, boot) {
			l.things = append(l.things, e)
		}
	}
	if len(l.things) > 0 {
		return l
	}
	// An empty one is of a torntail that died as it made it, or has not locked it yet.
	if info, err = f.Stat(); boot != "" || err == nil && info.Size() == 0 {
		os.Remove(path)
	}
	f.Close()
	return nil
}

// read reads the ledger: what is registered, and in which run of the machine.
func (l *Left) read() (live map[uint64]entry, boot string) {
	live = map[uint64]entry{}
	lines := bufio.NewScanner(l.f)
	if lines.Scan() {
		head := strings.Fields(lines.Text())
		if len(head) != 5 || head[0] != "torntail" {
			return live, ""
		}
		l.Pid, _ = strconv.Atoi(head[1])
		boot, l.here = head[3], head[4] == pidSpace()
	}
	for lines.Scan() {
		note(live, lines.Text())
	}
	return live, boot
}

// is reports whether a thing is still there, and still what was registered.
func (l *Left) is(e entry, boot string) bool {
	sameRun := boot == bootID()
	switch e.kind {
	case kindGroup:
		pgid, _ := strconv.Atoi(e.number)
		st, ok := ReadStat(pgid)
		return sameRun && l.here && ok && st.Group == pgid && strconv.FormatUint(st.Start, 10) == e.path && GroupAlive(pgid)
	case kindMount:
		return sameRun && deadMount(e.path)
	case kindConn:
		return false // looked at with the loop devices that hold it
	}
	info, err := os.Lstat(e.path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	return info.IsDir() || info.Mode()&fs.ModeSocket != 0 && deadSocket(e.path)
}

// deadMount reports whether a FUSE mount of torntail's is at a directory that nobody serves
// any more. Somebody else may have mounted there since, and serves.
func deadMount(dir string) bool {
	if !torntailMounted(dir) {
		return false
	}
	dead := make(chan bool, 1)
	go func() {
		var st unix.Statfs_t
		err := unix.Statfs(dir, &st)
		dead <- err == unix.ENOTCONN || err == unix.ECONNABORTED
	}()
	select {
	case d := <-dead:
		return d
	case <-time.After(time.Second):
		return false // somebody holds it, and does not answer
	}
}

func torntailMounted(dir string) bool {
	table, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) > 4 && unescapeMount(fields[4]) == dir && strings.Contains(line, " - fuse.torntail ") {
			return true
		}
	}
	return false
}

func deadSocket(path string) bool {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// loopsBelow are the loop devices that are attached to files below a directory.
func loopsBelow(dir string) (loops []string) {
	names, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, name := range names {
		if file, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(file), dir+"/") {
			loops = append(loops, "/dev/"+strings.Split(name, "/")[3])
		}
	}
	return loops
}

// Things names what is left, one a line.
func (l *Left) Things() (lines []string) {
	for _, e := range l.things {
		switch e.kind {
		case kindGroup:
			lines = append(lines, "process group "+e.number)
		case kindMount:
			lines = append(lines, "mount "+e.path)
		case kindDir:
			lines = append(lines, "directory "+e.path)
			if info, err := os.Lstat(e.path); err == nil && !info.IsDir() {
				lines[len(lines)-1] = "socket " + e.path
			}
			for _, loop := range loopsBelow(e.path) {
				lines = append(lines, "loop device "+loop)
			}
		}
	}
	return lines
}

// Clean removes it.
func (l *Left) Clean() error {
	defer l.Close()
	live, _ := l.read0()
	var errs []error
	for _, e := range l.things {
		if e.kind != kindDir || len(loopsBelow(e.path)) == 0 {
			continue
		}
		// While a loop device holds a file of it, a connection's number is nobody else's.
		for _, c := range live {
			if n, err := strconv.ParseUint(c.number, 10, 32); err == nil && c.kind == kindConn {
				Abort(uint32(n))
			}
		}
		for began := time.Now(); len(loopsBelow(e.path)) > 0 && time.Since(began) < settle; time.Sleep(20 * time.Millisecond) {
		}
		if loops := loopsBelow(e.path); len(loops) > 0 {
			errs = append(errs, fmt.Errorf("%s is still attached: somebody has it open", strings.Join(loops, ", ")))
		}
	}
	errs = append(errs, cleanUp(l.things))
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return os.Remove(l.path)
}

// read0 is read from the beginning.
func (l *Left) read0() (live map[uint64]entry, boot string) {
	if _, err := l.f.Seek(0, 0); err != nil {
		return nil, ""
	}
	return l.read()
}

// Close leaves it as it is.
func (l *Left) Close() { l.f.Close() }
