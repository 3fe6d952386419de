package mount

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"

	"github.com/torntail/torntail/faults/fusefs/control"
	"github.com/torntail/torntail/internal/matching"
)

// This file is how a client finds the control socket of a mount. Each running
// mount has an entry in a directory of the user's: the socket itself, or a
// symbolic link to it where the user named another place.

// SocketDir is that directory, made if it is missing. One that others can write to is
// passed over: they could put their own socket there. So somebody who takes its name, in
// a directory for temporary files that all share, costs a longer name and nothing else.
func SocketDir() (string, error) {
	names := socketDirs()
	for _, dir := range names {
		if oursAlone(dir) == nil {
			return dir, nil
		}
	}
	var why error
	for _, dir := range names {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			why = cmp.Or(why, err)
		} else if err = oursAlone(dir); err != nil {
			why = cmp.Or(why, err)
		} else {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the directory of control sockets: %w", why)
}

// mostSquatted is how many names others may have taken.
const mostSquatted = 100

// socketDirs are the names that it may have, in the order in which they are tried.
func socketDirs() []string {
	if run := os.Getenv("XDG_RUNTIME_DIR"); run != "" {
		return []string{filepath.Join(run, "torntail")}
	}
	first := filepath.Join(os.TempDir(), "torntail-"+strconv.Itoa(os.Geteuid()))
	names := []string{first}
	for i := range mostSquatted {
		names = append(names, first+"-"+strconv.Itoa(i+1))
	}
	return names
}

// oursAlone says what keeps a directory from being this user's alone.
func oursAlone(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm()&0o022 != 0 || ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s is not this user's alone", dir)
	}
	return nil
}

// entryOf is the entry of a mount point. Its name is short: the path of a
// socket has at most 107 bytes.
func entryOf(registry, mountPoint string) string {
	sum := sha256.Sum256([]byte(mountPoint))
	return filepath.Join(registry, hex.EncodeToString(sum[:8])+".sock")
}

// longestSocket is how long the path of a socket may be (sun_path of unix(7),
// less the final NUL), in bytes.
const longestSocket = 107

// register makes the entry of a mount and returns where its socket is to be:
// the place the user named, or the entry itself.
func register(mountPoint, named string) (socket string, err error) {
	registry, err := SocketDir()
	if err != nil {
		return "", err
	}
	entry := entryOf(registry, mountPoint)
	if named == "" {
		return entry, tooLong(entry)
	}
	socket, err = filepath.Abs(named)
	if err != nil {
		return "", fmt.Errorf("control socket: %w", err)
	}
	if err := tooLong(socket); err != nil {
		return "", err
	}
	if within(socket, mountPoint) {
		return "", fmt.Errorf("control socket: %s lies on the fault disk itself", socket)
	}
	os.Remove(entry) // of a mount that died: nothing else can be mounted there
	if err := os.Symlink(socket, entry); err != nil {
		return "", fmt.Errorf("control socket: %w", err)
	}
	return socket, nil
}

func tooLong(socket string) error {
	if len(socket) > longestSocket {
		return fmt.Errorf("control socket: the path %s is longer than %d bytes: name another with --socket", socket, longestSocket)
	}
	return nil
}

// unregister removes a mount's entry.
func unregister(mountPoint, socket string) {
	if registry, err := SocketDir(); err == nil {
		if entry := entryOf(registry, mountPoint); entry != socket {
			os.Remove(entry)
		}
	}
}

// within reports whether a path is a directory or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// Answering are the sockets of such names on which somebody answers, and where each says
// that it is.
func Answering(names string) (sockets, places []string, err error) {
	registry, err := SocketDir()
	if err != nil {
		return nil, nil, err
	}
	entries, err := matching.In(registry, names)
	for _, entry := range entries {
		if place, err := control.Call(entry, "where"); err == nil {
			sockets, places = append(sockets, entry), append(places, place)
		}
	}
	return sockets, places, err
}

// ErrNoMount means that no mounted disk answers.
var ErrNoMount = errors.New("no mounted fault disk is running; torntail mount DIR starts one")

// FindSocket is the control socket of the disk mounted at dir; of the only one
// that is mounted when dir is "".
func FindSocket(dir string) (string, error) {
	if dir != "" {
		registry, err := SocketDir()
		if err != nil {
			return "", err
		}
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		if resolved, err := filepath.EvalSymlinks(abs); err == nil {
			abs = resolved
		}
		entry := entryOf(registry, abs)
		if _, err := control.Call(entry, "where"); err != nil {
			return "", fmt.Errorf("no fault disk of this user's is mounted at %s", abs)
		}
		return entry, nil
	}
	found, places, err := Answering("*.sock")
	if err != nil {
		return "", err
	}
	switch len(found) {
	case 0:
		return "", ErrNoMount
	case 1:
		return found[0], nil
	}
	sort.Strings(places)
	return "", fmt.Errorf("%d fault disks are mounted: say which with --mount %s", len(found), strings.Join(places, " or --mount "))
}
