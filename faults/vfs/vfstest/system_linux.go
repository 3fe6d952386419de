package vfstest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// SystemCase is one thing that programs ask of a file system by system calls
// that the seam vfs does not have, because no server in the simulation makes
// them. It is tried in an empty directory of a real file system or a mount.
type SystemCase struct {
	Name string
	Run  func(t *testing.T, s System)
}

// System is where a case is tried.
type System struct {
	Dir string
	// Maps: the file system allows shared mappings. A FUSE mount with direct I/O
	// refuses them with ENODEV.
	Maps bool
}

func (s System) path(name string) string { return filepath.Join(s.Dir, name) }

// RunSystem tries every case in a directory of its own.
func RunSystem(t *testing.T, make func(t *testing.T) System) {
	for _, c := range SystemCases {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, make(t)) })
	}
}

// SystemCases is the list.
var SystemCases = []SystemCase{
	{"readdir: what is there all the time appears once, whatever comes and goes", func(t *testing.T, s System) {
		var stays []string
		for i := range 150 {
			name := fmt.Sprintf("n%03d", i)
			s.create(t, name, "")
			if i%3 != 1 {
				stays = append(stays, name)
			}
		}
		dir := s.open(t, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		var seen []string
		buf := make([]byte, 512) // some ten names at a time
		for round := 0; ; round++ {
			n, err := unix.ReadDirent(dir, buf)
			must(t, err)
			if n == 0 {
				break
			}
			_, _, seen = unix.ParseDirent(buf[:n], -1, seen)
			if i := 3*round + 1; i < 150 {
				must(t, unix.Unlink(s.path(fmt.Sprintf("n%03d", i))))
				s.create(t, fmt.Sprintf("a%03d", i), "")
				s.create(t, fmt.Sprintf("z%03d", i), "")
			}
		}
		slices.Sort(seen)
		if len(slices.Compact(slices.Clone(seen))) != len(seen) {
			t.Fatalf("a name appears twice: %q", seen)
		}
		for _, name := range stays {
			if _, ok := slices.BinarySearch(seen, name); !ok {
				t.Errorf("%s does not appear", name)
			}
		}
		_, err := unix.Seek(dir, 0, 0) // rewinddir: the listing is a new one
		must(t, err)
		seen = seen[:0]
		for {
			n, err := unix.ReadDirent(dir, buf)
			must(t, err)
			if n == 0 {
				break
			}
			_, _, seen = unix.ParseDirent(buf[:n], -1, seen)
		}
		if !slices.Contains(seen, "z001") || slices.Contains(seen, "n001") {
			t.Fatalf("after a rewind: %q", seen)
		}
	}},
	{"mmap: private", func(t *testing.T, s System) {
		s.create(t, "f", "mapped")
		m, err := unix.Mmap(s.open(t, "f", unix.O_RDWR, 0), 0, 6, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
		must(t, err)
		if string(m) != "mapped" {
			t.Fatalf("%q", m)
		}
		m[0] = 'X'
		must(t, unix.Munmap(m))
		s.holds(t, "f", "mapped")
	}},
	{"mmap: shared and writable, where it is allowed", func(t *testing.T, s System) {
		s.create(t, "f", strings.Repeat("a", 8192))
		fd := s.open(t, "f", unix.O_RDWR, 0)
		m, err := unix.Mmap(fd, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if !s.Maps {
			wantErr(t, err, unix.ENODEV)
			return
		}
		must(t, err)
		m[5000] = 'b'
		must(t, unix.Msync(m, unix.MS_SYNC))
		b := make([]byte, 1)
		_, err = unix.Pread(fd, b, 5000)
		must(t, err)
		if b[0] != 'b' {
			t.Fatalf("a read does not see the mapping: %q", b)
		}
		_, err = unix.Pwrite(fd, []byte("c"), 1)
		must(t, err)
		if m[1] != 'c' {
			t.Fatal("the mapping does not see a write")
		}
		must(t, unix.Munmap(m))
		want := []byte(strings.Repeat("a", 8192))
		want[5000], want[1] = 'b', 'c'
		s.holds(t, "f", string(want))
	}},
	{"flock: exclusive keeps others out, until it is closed", func(t *testing.T, s System) {
		s.create(t, "f", "")
		a, b := s.open(t, "f", unix.O_RDWR, 0), s.open(t, "f", unix.O_RDWR, 0)
		must(t, unix.Flock(a, unix.LOCK_EX|unix.LOCK_NB))
		wantErr(t, unix.Flock(b, unix.LOCK_SH|unix.LOCK_NB), unix.EWOULDBLOCK)
		must(t, unix.Flock(a, unix.LOCK_SH))
		must(t, unix.Flock(b, unix.LOCK_SH|unix.LOCK_NB))
		wantErr(t, unix.Flock(b, unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
		must(t, unix.Flock(a, unix.LOCK_UN))
		must(t, unix.Flock(b, unix.LOCK_EX|unix.LOCK_NB))
	}},
	{"fcntl: locks of ranges", func(t *testing.T, s System) {
		s.create(t, "f", "")
		a, b := s.open(t, "f", unix.O_RDWR, 0), s.open(t, "f", unix.O_RDWR, 0)
		lock := func(fd int, kind int16, from, n int64) error {
			// Of the open file, as two processes would have them.
			return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Start: from, Len: n})
		}
		must(t, lock(a, unix.F_WRLCK, 0, 10))
		must(t, lock(b, unix.F_WRLCK, 10, 10))
		wantErr(t, lock(b, unix.F_RDLCK, 5, 10), unix.EAGAIN)
		must(t, lock(a, unix.F_UNLCK, 5, 5))
		must(t, lock(b, unix.F_RDLCK, 5, 5))
		wantErr(t, lock(b, unix.F_WRLCK, 0, 0), unix.EAGAIN)
	}},
	{"statfs", func(t *testing.T, s System) {
		var f unix.Statfs_t
		must(t, unix.Statfs(s.Dir, &f))
		if f.Bsize <= 0 || f.Blocks == 0 || f.Bfree > f.Blocks || f.Bavail > f.Bfree || f.Namelen != 255 {
			t.Fatalf("%+v", f)
		}
	}},
	{"sync: syncfs, sync_file_range, and of a file nobody has written", func(t *testing.T, s System) {
		s.create(t, "f", "abc")
		fd := s.open(t, "f", unix.O_RDWR, 0)
		must(t, unix.SyncFileRange(fd, 0, 0, unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER))
		must(t, unix.Syncfs(fd))
		must(t, unix.Fsync(fd))
		must(t, unix.Fdatasync(fd))
		must(t, unix.Fsync(s.open(t, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)))
		must(t, unix.Fdatasync(s.open(t, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)))
	}},
	{"open: O_SYNC and O_DSYNC", func(t *testing.T, s System) {
		for _, flag := range []int{unix.O_SYNC, unix.O_DSYNC} {
			fd := s.open(t, "f", unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC|flag, 0o644)
			got, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
			must(t, err)
			if got&unix.O_SYNC != flag {
				t.Fatalf("flags %#o, want %#o", got, flag)
			}
			_, err = unix.Write(fd, []byte("abc"))
			must(t, err)
			s.holds(t, "f", "abc")
		}
	}},
	{"open: a symbolic link is followed, unless it must not be", func(t *testing.T, s System) {
		s.create(t, "f", "abc")
		must(t, unix.Symlink("f", s.path("s")))
		must(t, unix.Symlink("loop", s.path("loop")))
		s.holds(t, "s", "abc")
		_, err := unix.Open(s.path("s"), unix.O_RDONLY|unix.O_NOFOLLOW, 0)
		wantErr(t, err, unix.ELOOP)
		_, err = unix.Open(s.path("loop"), unix.O_RDONLY, 0)
		wantErr(t, err, unix.ELOOP)
		to, err := os.Readlink(s.path("s"))
		must(t, err)
		if to != "f" {
			t.Fatal(to)
		}
		must(t, unix.Rename(s.path("s"), s.path("s2")))
		must(t, unix.Unlink(s.path("s2")))
		s.holds(t, "f", "abc")
	}},
	{"append: whatever offset is given", func(t *testing.T, s System) {
		s.create(t, "f", "abc")
		fd := s.open(t, "f", unix.O_RDWR|unix.O_APPEND, 0)
		_, err := unix.Pwrite(fd, []byte("d"), 0) // Linux appends (pwrite(2), BUGS)
		must(t, err)
		s.holds(t, "f", "abcd")
	}},
	{"write: vectors are one write", func(t *testing.T, s System) {
		fd := s.open(t, "f", unix.O_RDWR|unix.O_CREAT, 0o644)
		n, err := unix.Writev(fd, [][]byte{[]byte("ab"), nil, []byte("cde")})
		must(t, err)
		a, b := make([]byte, 2), make([]byte, 9)
		m, err := unix.Preadv(fd, [][]byte{a, b}, 0)
		must(t, err)
		if n != 5 || m != 5 || string(a)+string(b[:3]) != "abcde" {
			t.Fatalf("%d, %d, %q, %q", n, m, a, b)
		}
	}},
	{"write: beyond a mebibyte, in one call", func(t *testing.T, s System) {
		fd := s.open(t, "f", unix.O_RDWR|unix.O_CREAT, 0o644)
		data := bytes.Repeat([]byte("0123456789abcde"), 200_000)
		n, err := unix.Pwrite(fd, data, 1)
		must(t, err)
		if n != len(data) {
			t.Fatalf("wrote %d of %d", n, len(data))
		}
		s.holds(t, "f", "\x00"+string(data))
	}},
	{"fallocate: extends, or keeps the size", func(t *testing.T, s System) {
		s.create(t, "f", "abc")
		fd := s.open(t, "f", unix.O_RDWR, 0)
		must(t, unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, 0, 100))
		s.holds(t, "f", "abc")
		must(t, unix.Fallocate(fd, 0, 2, 3))
		s.holds(t, "f", "abc\x00\x00")
		wantErr(t, unix.Fallocate(fd, 0, 0, 0), unix.EINVAL)
	}},
	{"truncate: by name, and of a file opened for reading", func(t *testing.T, s System) {
		s.create(t, "f", "abcdef")
		must(t, unix.Truncate(s.path("f"), 2))
		s.holds(t, "f", "ab")
		wantErr(t, unix.Ftruncate(s.open(t, "f", unix.O_RDONLY, 0), 1), unix.EINVAL)
	}},
	{"seek: to the end of what is there", func(t *testing.T, s System) {
		s.create(t, "f", "abcdef")
		fd := s.open(t, "f", unix.O_RDONLY, 0)
		for _, whence := range []int{unix.SEEK_END, unix.SEEK_HOLE} {
			at, err := unix.Seek(fd, 0, whence)
			must(t, err)
			if at != 6 {
				t.Fatalf("whence %d: %d", whence, at)
			}
		}
		_, err := unix.Seek(fd, 6, unix.SEEK_DATA)
		wantErr(t, err, unix.ENXIO)
	}},
	{"rename: without replacing", func(t *testing.T, s System) {
		s.create(t, "a", "a")
		s.create(t, "b", "b")
		wantErr(t, unix.Renameat2(unix.AT_FDCWD, s.path("a"), unix.AT_FDCWD, s.path("b"), unix.RENAME_NOREPLACE), unix.EEXIST)
		must(t, unix.Renameat2(unix.AT_FDCWD, s.path("a"), unix.AT_FDCWD, s.path("c"), unix.RENAME_NOREPLACE))
		s.holds(t, "c", "a")
		s.holds(t, "b", "b")
	}},
	{"stat: mode and times as they were set", func(t *testing.T, s System) {
		s.create(t, "f", "abc")
		must(t, unix.Chmod(s.path("f"), 0o4711))
		at := time.Unix(1_000_000_000, 123_000)
		must(t, os.Chtimes(s.path("f"), at, at))
		var st unix.Stat_t
		must(t, unix.Stat(s.path("f"), &st))
		if st.Mode != unix.S_IFREG|0o4711 || st.Mtim.Nano() != at.UnixNano() || st.Size != 3 || st.Nlink != 1 {
			t.Fatalf("%+v", st)
		}
		before := time.Now().Add(-time.Second)
		fd := s.open(t, "f", unix.O_WRONLY, 0)
		_, err := unix.Write(fd, []byte("x"))
		must(t, err)
		must(t, unix.Fstat(fd, &st))
		if time.Unix(st.Mtim.Unix()).Before(before) {
			t.Fatalf("a write did not change the time: %v", time.Unix(st.Mtim.Unix()))
		}
	}},
	{"unlink: of a file that is open, and its last link", func(t *testing.T, s System) {
		s.create(t, "f", "abc")
		fd := s.open(t, "f", unix.O_RDWR, 0)
		must(t, unix.Unlink(s.path("f")))
		var st unix.Stat_t
		must(t, unix.Fstat(fd, &st))
		if st.Nlink != 0 {
			t.Fatalf("%d links", st.Nlink)
		}
		_, err := unix.Pwrite(fd, []byte("d"), 3)
		must(t, err)
		b := make([]byte, 9)
		n, err := unix.Pread(fd, b, 0)
		must(t, err)
		if string(b[:n]) != "abcd" {
			t.Fatalf("%q", b[:n])
		}
	}},
}

func (s System) open(t *testing.T, name string, flags int, mode uint32) int {
	t.Helper()
	fd, err := unix.Open(s.path(name), flags|unix.O_CLOEXEC, mode)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func (s System) create(t *testing.T, name, data string) {
	t.Helper()
	must(t, os.WriteFile(s.path(name), []byte(data), 0o644))
}

func (s System) holds(t *testing.T, name, want string) {
	t.Helper()
	b, err := os.ReadFile(s.path(name))
	must(t, err)
	if string(b) != want {
		t.Fatalf("%s holds %.100q (%d bytes), want %.100q (%d bytes)", name, b, len(b), want, len(want))
	}
}
