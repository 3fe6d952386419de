// Package guard makes sure that nothing outlives torntail: no server, no FUSE
// mount, no temporary directory, and no process stuck in state D because the
// file system under it died with a request unanswered.
//
// Deferred functions and signal handlers cannot promise that: they do not run
// on kill -9. So a second process, the watchdog, holds the read end of a pipe
// whose write end only torntail has. What has to be cleaned up is registered
// through the pipe; when torntail is gone, however it went, the pipe ends and
// the watchdog kills what is left, aborts and unmounts the file systems and
// removes the directories. It needs no signal and no timeout to notice.
//
// The watchdog is the same binary started again, so every program that uses
// this package calls [Main] before anything else:
//
//	func main() {
//		guard.Main()
//		...
//
// and so does TestMain of a package whose tests start servers or mounts.
//
// The package imports nothing of torntail: it stands below fusefs and process,
// which share it.
package guard

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// envWatchdog, set in its environment, turns this binary into the watchdog.
const envWatchdog = "TORNTAIL_WATCHDOG"

// ErrNoMain means that the program did not call Main first. Starting the
// watchdog would then run the whole program a second time.
var ErrNoMain = errors.New("guard.Main was not called at the start of main")

var mainCalled bool

// Main becomes the watchdog, and does not return, when this process was
// started as one. Otherwise it only notes that it was called.
func Main() {
	mainCalled = true
	if os.Getenv(envWatchdog) == "" {
		return
	}
	os.Exit(watch(os.Stdin))
}

// kind says what a registered thing is, and so how it is cleaned up.
type kind string

const (
	kindGroup kind = "group" // a process group: SIGKILL
	kindMount kind = "mount" // a FUSE mount in the common mount namespace: abort, unmount
	kindConn  kind = "conn"  // a FUSE connection whose mount vanishes by itself: abort
	kindDir   kind = "dir"   // a directory: remove with its content
)

// Guard registers things with the watchdog. It is safe for concurrent use.
type Guard struct {
	mu     sync.Mutex
	pipe   io.WriteCloser
	ledger *ledger
	next   uint64
}

var (
	defaultMu    sync.Mutex
	defaultGuard *Guard
)

// Default returns the guard of this process and starts its watchdog on the
// first call.
func Default() (*Guard, error) {
	defaultMu.Lock()
	defer defaultMu.Unlock()
	if defaultGuard != nil {
		return defaultGuard, nil
	}
	if !mainCalled {
		return nil, ErrNoMain
	}
	l := newLedger()
	pipe, err := startWatchdog(l)
	if err != nil {
		return nil, fmt.Errorf("start the clean-up watchdog: %w", err)
	}
	defaultGuard = &Guard{pipe: pipe, ledger: l}
	return defaultGuard, nil
}

// Group registers a process group. release is called when no process of it is
// left; until then its number cannot be given to somebody else.
func (g *Guard) Group(pgid int) (release func()) {
	st, _ := ReadStat(pgid) // when it began: the number may be somebody else's one day
	return g.register(kindGroup, strconv.Itoa(pgid), strconv.FormatUint(st.Start, 10))
}

// Mount registers a FUSE mount that other processes can see. conn is the
// number of its connection under /sys/fs/fuse/connections.
func (g *Guard) Mount(dir string, conn uint32) (release func()) {
	return g.register(kindMount, strconv.FormatUint(uint64(conn), 10), dir)
}

// Conn registers the FUSE connection of a mount in a private mount namespace: it goes with
// that, but who waits for an answer holds it up.
func (g *Guard) Conn(conn uint32) (release func()) {
	return g.register(kindConn, strconv.FormatUint(uint64(conn), 10), "")
}

// Dir registers a directory to be removed with all it holds.
func (g *Guard) Dir(path string) (release func()) {
	return g.register(kindDir, "0", path)
}

// NewDir makes a new directory below another, "" for that of temporary files, and registers it
// before it is there: whoever dies in between leaves none that nobody knows of.
func (g *Guard) NewDir(below, prefix string) (dir string, release func(), err error) {
	if below == "" {
		below = os.TempDir()
	}
	for {
		// Short, for paths of sockets are in it, and digits, as everywhere.
		n, err := rand.Int(rand.Reader, big.NewInt(1e10))
		if err != nil {
			return "", nil, err
		}
		dir = filepath.Join(below, prefix+n.String())
		release = g.Dir(dir)
		if err = os.Mkdir(dir, 0o700); err == nil {
			return dir, release, nil
		}
		release()
		if !errors.Is(err, os.ErrExist) {
			return "", nil, err
		}
	}
}

// register sends one line and returns what takes it back. A write error means
// that the watchdog is gone; there is nothing left to tell it, and the process
// itself is alive and cleans up by the ordinary path.
func (g *Guard) register(k kind, number, path string) func() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next++
	id := g.next
	e := entry{id: id, kind: k, number: number, path: path}
	fmt.Fprintln(g.pipe, e)
	g.ledger.add(e)
	var once sync.Once
	return func() {
		once.Do(func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			fmt.Fprintf(g.pipe, "- %d\n", id)
			g.ledger.remove(id)
		})
	}
}

// entry is one registered thing. On the pipe it is a line "+ ID KIND NUMBER
// PATH" with the path quoted, and "- ID" takes it back. Of a group the path is when its
// leader began.
type entry struct {
	id     uint64
	kind   kind
	number string
	path   string
}

func (e entry) String() string {
	return fmt.Sprintf("+ %d %s %s %s", e.id, e.kind, e.number, strconv.Quote(e.path))
}

// parseLine reads a line of the pipe; remove says that the entry of that id is
// taken back.
func parseLine(line string) (e entry, remove bool, err error) {
	fields := strings.SplitN(line, " ", 5)
	bad := func() (entry, bool, error) {
		return entry{}, false, fmt.Errorf("watchdog: malformed line %q", line)
	}
	if len(fields) < 2 {
		return bad()
	}
	if e.id, err = strconv.ParseUint(fields[1], 10, 64); err != nil {
		return bad()
	}
	switch {
	case fields[0] == "-" && len(fields) == 2:
		return e, true, nil
	case fields[0] != "+" || len(fields) != 5:
		return bad()
	}
	e.kind, e.number = kind(fields[2]), fields[3]
	if e.path, err = strconv.Unquote(fields[4]); err != nil {
		return bad()
	}
	switch e.kind {
	case kindGroup, kindMount, kindConn, kindDir:
	default:
		return bad()
	}
	if _, err := strconv.ParseUint(e.number, 10, 32); err != nil {
		return bad()
	}
	return e, false, nil
}
