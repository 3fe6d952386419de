// Package vfstest holds what every implementation of the seam vfs must do: a
// list of cases run on each of them, and a comparison of two of them over long
// random sequences of calls.
package vfstest

import (
	"errors"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/torntail/torntail/faults/vfs"
)

// Case is one thing a file system must do, tried on an empty one.
type Case struct {
	Name string
	Run  func(t *testing.T, fs vfs.FS)
}

// Run tries every case on a file system of its own.
func Run(t *testing.T, make func(t *testing.T) vfs.FS) {
	for _, c := range Cases {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, make(t)) })
	}
}

// Cases is the list.
var Cases = []Case{
	{"open: missing file without Create", func(t *testing.T, fs vfs.FS) {
		_, err := fs.Open("f", vfs.ReadOnly)
		wantErr(t, err, syscall.ENOENT)
	}},
	{"open: Create makes an empty file", func(t *testing.T, fs vfs.FS) {
		open(t, fs, "f", vfs.WriteOnly|vfs.Create)
		wantFile(t, fs, "f", "")
	}},
	{"open: Create of a file that is there keeps it", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		open(t, fs, "f", vfs.WriteOnly|vfs.Create)
		wantFile(t, fs, "f", "abc")
	}},
	{"open: Exclusive fails on a file that is there", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		_, err := fs.Open("f", vfs.WriteOnly|vfs.Create|vfs.Exclusive)
		wantErr(t, err, syscall.EEXIST)
	}},
	{"open: Truncate empties", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		open(t, fs, "f", vfs.WriteOnly|vfs.Truncate)
		wantFile(t, fs, "f", "")
	}},
	{"open: no directory on the way", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		_, err := fs.Open("d/f", vfs.WriteOnly|vfs.Create)
		wantErr(t, err, syscall.ENOENT)
		_, err = fs.Open("f/g", vfs.WriteOnly|vfs.Create)
		wantErr(t, err, syscall.ENOTDIR)
	}},
	{"open: a directory is not a file", func(t *testing.T, fs vfs.FS) {
		must(t, fs.Mkdir("d"))
		_, err := fs.Open("d", vfs.WriteOnly)
		wantErr(t, err, syscall.EISDIR)
		_, err = fs.Open("d", vfs.ReadOnly)
		wantErr(t, err, syscall.EISDIR)
	}},
	{"open: a name of 255 bytes and not of 256", func(t *testing.T, fs vfs.FS) {
		put(t, fs, strings.Repeat("n", 255), "x")
		_, err := fs.Open(strings.Repeat("n", 256), vfs.WriteOnly|vfs.Create)
		wantErr(t, err, syscall.ENAMETOOLONG)
	}},
	{"open: ways to write a path", func(t *testing.T, fs vfs.FS) {
		must(t, fs.Mkdir("d"))
		put(t, fs, "d/f", "x")
		for _, name := range []string{"d/f", "./d/f", "d//f", "d/./f", "/d/f", "d/../d/f", "../d/f"} {
			wantFile(t, fs, name, "x")
		}
	}},
	{"flags: reading needs a readable file and writing a writable one", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		w := open(t, fs, "f", vfs.WriteOnly)
		_, err := w.Read(make([]byte, 1))
		wantErr(t, err, syscall.EBADF)
		r := open(t, fs, "f", vfs.ReadOnly)
		_, err = r.Write([]byte("x"))
		wantErr(t, err, syscall.EBADF)
		wantErr(t, r.Truncate(1), syscall.EINVAL)
		wantErr(t, r.Allocate(0, 1), syscall.EBADF)
	}},
	{"read: to the end, then EOF", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		f := open(t, fs, "f", vfs.ReadOnly)
		b := make([]byte, 8)
		n, err := f.Read(b)
		if n != 3 || err != nil || string(b[:3]) != "abc" {
			t.Fatalf("read %q, %v", b[:n], err)
		}
		if n, err := f.Read(b); n != 0 || err != io.EOF {
			t.Fatalf("read %d, %v at the end", n, err)
		}
	}},
	{"read at: short at the end", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		f := open(t, fs, "f", vfs.ReadOnly)
		b := make([]byte, 2)
		if n, err := f.ReadAt(b, 1); n != 2 || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		if n, err := f.ReadAt(b, 2); n != 1 || err != io.EOF || b[0] != 'c' {
			t.Fatalf("%d, %v", n, err)
		}
		if n, err := f.ReadAt(b, 9); n != 0 || err != io.EOF {
			t.Fatalf("%d, %v", n, err)
		}
		_, err := f.ReadAt(b, -1)
		wantErr(t, err, syscall.EINVAL)
	}},
	{"write: position moves, WriteAt does not move it", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Create)
		write(t, f, "abc")
		if n, err := f.WriteAt([]byte("X"), 0); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		write(t, f, "def")
		wantFile(t, fs, "f", "Xbcdef")
	}},
	{"write: nothing", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.WriteOnly|vfs.Create)
		write(t, f, "")
		wantFile(t, fs, "f", "")
	}},
	{"append: to the end as it is at that moment", func(t *testing.T, fs vfs.FS) {
		a := open(t, fs, "f", vfs.WriteOnly|vfs.Create|vfs.Append)
		b := open(t, fs, "f", vfs.WriteOnly|vfs.Append)
		write(t, a, "a")
		write(t, b, "bb")
		write(t, a, "ccc")
		wantFile(t, fs, "f", "abbccc")
	}},
	{"append: leaves the position at the end", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Append)
		b := make([]byte, 1)
		if _, err := f.Read(b); err != nil || b[0] != 'a' {
			t.Fatal(b, err)
		}
		write(t, f, "d")
		if n, err := f.Read(b); n != 0 || err != io.EOF {
			t.Fatalf("read %d, %v after an append", n, err)
		}
		_, err := f.WriteAt([]byte("x"), 0)
		wantErr(t, err, syscall.EINVAL)
	}},
	{"sparse: a hole reads zeroes", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Create)
		for _, at := range []int64{200_000, 5} {
			if _, err := f.WriteAt([]byte("x"), at); err != nil {
				t.Fatal(err)
			}
		}
		b := read(t, fs, "f")
		if len(b) != 200_001 || b[5] != 'x' || b[200_000] != 'x' {
			t.Fatal(len(b))
		}
		for i, c := range b {
			if c != 0 && i != 5 && i != 200_000 {
				t.Fatalf("byte %d is %d", i, c)
			}
		}
	}},
	{"big: a write over many pages and chunks", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Create)
		b := make([]byte, 300_000)
		for i := range b {
			b[i] = byte(i * 7 >> 3)
		}
		if _, err := f.WriteAt(b, 12_345); err != nil {
			t.Fatal(err)
		}
		got := read(t, fs, "f")
		if len(got) != 312_345 || string(got[12_345:]) != string(b) {
			t.Fatal("read back something else")
		}
	}},
	{"truncate: shorter, then longer reads zeroes", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Create)
		write(t, f, "abcdef")
		must(t, f.Truncate(2))
		wantFile(t, fs, "f", "ab")
		must(t, f.Truncate(5))
		wantFile(t, fs, "f", "ab\x00\x00\x00")
		wantErr(t, f.Truncate(-1), syscall.EINVAL)
		write(t, f, "g") // the position did not move
		wantFile(t, fs, "f", "ab\x00\x00\x00\x00g")
	}},
	{"allocate: extends, never shortens, keeps what is there", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Create)
		write(t, f, "abcdef")
		must(t, f.Allocate(0, 3))
		wantFile(t, fs, "f", "abcdef")
		must(t, f.Allocate(4, 4))
		wantFile(t, fs, "f", "abcdef\x00\x00")
		wantErr(t, f.Allocate(0, 0), syscall.EINVAL)
		wantErr(t, f.Allocate(-1, 2), syscall.EINVAL)
	}},
	{"sync: every kind, on a file and on a directory", func(t *testing.T, fs vfs.FS) {
		must(t, fs.Mkdir("d"))
		f := open(t, fs, "d/f", vfs.ReadWrite|vfs.Create)
		write(t, f, "abc")
		must(t, f.Sync())
		must(t, f.SyncData())
		must(t, f.SyncRange(0, 0))
		must(t, f.SyncRange(1, 1))
		must(t, vfs.SyncDir(fs, "d"))
		must(t, vfs.SyncDir(fs, "."))
		r := open(t, fs, "d/f", vfs.ReadOnly)
		must(t, r.Sync())
	}},
	{"sync: O_SYNC and O_DSYNC writes", func(t *testing.T, fs vfs.FS) {
		write(t, open(t, fs, "f", vfs.WriteOnly|vfs.Create|vfs.SyncWrite), "abc")
		write(t, open(t, fs, "f", vfs.WriteOnly|vfs.Append|vfs.DataSync), "def")
		wantFile(t, fs, "f", "abcdef")
	}},
	{"directory handle: only for directories", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "x")
		_, err := fs.OpenDir("f")
		wantErr(t, err, syscall.ENOTDIR)
		_, err = fs.OpenDir("d")
		wantErr(t, err, syscall.ENOENT)
	}},
	{"close: twice fails, and so does every use after it", func(t *testing.T, fs vfs.FS) {
		f, err := fs.Open("f", vfs.ReadWrite|vfs.Create)
		must(t, err)
		must(t, f.Close())
		wantErr(t, f.Close(), syscall.EBADF)
		_, err = f.Write([]byte("x"))
		wantErr(t, err, syscall.EBADF)
		_, err = f.Read(make([]byte, 1))
		wantErr(t, err, syscall.EBADF)
		wantErr(t, f.Sync(), syscall.EBADF)
		_, err = f.Stat()
		wantErr(t, err, syscall.EBADF)
	}},
	{"rename: to a free name", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "a", "x")
		must(t, fs.Rename("a", "b"))
		wantNames(t, fs, ".", "b")
		wantFile(t, fs, "b", "x")
		wantErr(t, fs.Rename("a", "c"), syscall.ENOENT)
	}},
	{"rename: over a file that is open", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "old", "old")
		put(t, fs, "new", "new")
		f := open(t, fs, "old", vfs.ReadWrite)
		must(t, fs.Rename("new", "old"))
		wantFile(t, fs, "old", "new")
		b := make([]byte, 3)
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != "old" {
			t.Fatalf("the open file reads %q, %v", b, err)
		}
		if info, err := f.Stat(); err != nil || info.Links != 0 {
			t.Fatalf("%+v, %v", info, err)
		}
		write(t, f, "gone")
		must(t, f.Sync())
		wantFile(t, fs, "old", "new")
	}},
	{"rename: a file that is open goes on under its new name", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "a", vfs.ReadWrite|vfs.Create)
		must(t, fs.Mkdir("d"))
		must(t, fs.Rename("a", "d/b"))
		write(t, f, "x")
		wantFile(t, fs, "d/b", "x")
	}},
	{"rename: two names of one file both stay", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "a", "x")
		must(t, fs.Link("a", "b"))
		must(t, fs.Rename("a", "b"))
		wantNames(t, fs, ".", "a", "b")
		must(t, fs.Rename("a", "a"))
		wantNames(t, fs, ".", "a", "b")
	}},
	{"rename: directories", func(t *testing.T, fs vfs.FS) {
		for _, d := range []string{"d", "d/in", "e", "full", "full/x"} {
			must(t, fs.Mkdir(d))
		}
		put(t, fs, "f", "x")
		wantErr(t, fs.Rename("d", "d/in/d"), syscall.EINVAL)
		wantErr(t, fs.Rename("d", "f"), syscall.ENOTDIR)
		wantErr(t, fs.Rename("f", "d"), syscall.EISDIR)
		wantErr(t, fs.Rename("d", "full"), syscall.ENOTEMPTY)
		must(t, fs.Rename("d", "e"))
		wantNames(t, fs, ".", "e", "f", "full")
		wantNames(t, fs, "e", "in")
		must(t, fs.Rename("e/in", "full/in"))
		wantNames(t, fs, "full", "in", "x")
	}},
	{"link: another name of the same file", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "a", "x")
		must(t, fs.Link("a", "b"))
		ia, ib := stat(t, fs, "a"), stat(t, fs, "b")
		if ia.Ino != ib.Ino || ia.Links != 2 {
			t.Fatalf("%+v, %+v", ia, ib)
		}
		write(t, open(t, fs, "a", vfs.WriteOnly|vfs.Append), "y")
		must(t, fs.Remove("a"))
		wantFile(t, fs, "b", "xy")
		if info := stat(t, fs, "b"); info.Links != 1 {
			t.Fatalf("%+v", info)
		}
		put(t, fs, "c", "z")
		wantErr(t, fs.Link("b", "c"), syscall.EEXIST)
		wantErr(t, fs.Link("a", "d"), syscall.ENOENT)
		must(t, fs.Mkdir("d"))
		wantErr(t, fs.Link("d", "e"), syscall.EPERM)
	}},
	{"remove: while open the file lives on", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "x")
		f := open(t, fs, "f", vfs.ReadWrite|vfs.Append)
		must(t, fs.Remove("f"))
		_, err := fs.Stat("f")
		wantErr(t, err, syscall.ENOENT)
		write(t, f, "y")
		b := make([]byte, 2)
		if _, err := f.ReadAt(b, 0); err != nil || string(b) != "xy" {
			t.Fatalf("%q, %v", b, err)
		}
		put(t, fs, "f", "new")
		wantFile(t, fs, "f", "new")
		must(t, f.Sync())
	}},
	{"remove: what is not there, and directories", func(t *testing.T, fs vfs.FS) {
		wantErr(t, fs.Remove("f"), syscall.ENOENT)
		must(t, fs.Mkdir("d"))
		put(t, fs, "d/f", "x")
		wantErr(t, fs.Remove("d"), syscall.ENOTEMPTY)
		must(t, fs.Remove("d/f"))
		must(t, fs.Remove("d"))
		wantNames(t, fs, ".")
	}},
	{"syncfs: files, names and removals keep what they are", func(t *testing.T, fs vfs.FS) {
		put(t, fs, "f", "abc")
		must(t, fs.Mkdir("d"))
		put(t, fs, "d/g", "x")
		must(t, fs.SyncFS())
		must(t, fs.Rename("f", "d/h"))
		must(t, fs.Remove("d/g"))
		must(t, fs.SyncFS())
		wantFile(t, fs, "d/h", "abc")
		wantNames(t, fs, "d", "h")
		must(t, fs.SyncFS()) // with nothing to do
	}},
	{"remove: a directory that is open", func(t *testing.T, fs vfs.FS) {
		must(t, fs.Mkdir("d"))
		h, err := fs.OpenDir("d")
		must(t, err)
		defer h.Close()
		must(t, fs.Remove("d"))
		must(t, h.Sync())
		_, err = fs.Open("d/f", vfs.WriteOnly|vfs.Create)
		wantErr(t, err, syscall.ENOENT)
	}},
	{"mkdir: twice, and without a parent", func(t *testing.T, fs vfs.FS) {
		must(t, fs.Mkdir("d"))
		wantErr(t, fs.Mkdir("d"), syscall.EEXIST)
		wantErr(t, fs.Mkdir("e/d"), syscall.ENOENT)
		put(t, fs, "f", "")
		wantErr(t, fs.Mkdir("f"), syscall.EEXIST)
		wantErr(t, fs.Mkdir("f/d"), syscall.ENOTDIR)
		if info := stat(t, fs, "d"); !info.Dir || info.Name != "d" || info.Size != 0 {
			t.Fatalf("%+v", info)
		}
		if info := stat(t, fs, "."); !info.Dir {
			t.Fatalf("%+v", info)
		}
	}},
	{"list: sorted, and of directories only", func(t *testing.T, fs vfs.FS) {
		for _, name := range []string{"b", "a", "c", "B", "ab"} {
			put(t, fs, name, "")
		}
		wantNames(t, fs, ".", "B", "a", "ab", "b", "c")
		_, err := fs.List("a")
		wantErr(t, err, syscall.ENOTDIR)
		_, err = fs.List("x")
		wantErr(t, err, syscall.ENOENT)
	}},
	{"list: many names, while they come and go", func(t *testing.T, fs vfs.FS) {
		var want []string
		for i := range 200 {
			name := "n" + string(rune('a'+i%26)) + string(rune('a'+i/26))
			put(t, fs, name, "")
			want = append(want, name)
		}
		for i := 0; i < len(want); i += 3 {
			must(t, fs.Remove(want[i]))
			want[i] = ""
		}
		want = slices.DeleteFunc(want, func(s string) bool { return s == "" })
		slices.Sort(want)
		wantNames(t, fs, ".", want...)
	}},
	{"stat: size of an open file as it grows", func(t *testing.T, fs vfs.FS) {
		f := open(t, fs, "f", vfs.WriteOnly|vfs.Create)
		write(t, f, "abc")
		info, err := f.Stat()
		if err != nil || info.Size != 3 || info.Name != "f" || info.Dir || info.Links != 1 {
			t.Fatalf("%+v, %v", info, err)
		}
		if f.Name() != "f" {
			t.Fatal(f.Name())
		}
	}},
	{"errors name the call and the path", func(t *testing.T, fs vfs.FS) {
		_, err := fs.Open("nothing/here", vfs.ReadOnly)
		if err == nil || !strings.Contains(err.Error(), "nothing/here") || !strings.Contains(err.Error(), "open") {
			t.Fatal(err)
		}
		err = fs.Rename("a", "b")
		if err == nil || !strings.Contains(err.Error(), "rename a b") {
			t.Fatal(err)
		}
	}},
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, err error, want syscall.Errno) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want)
	}
}

func open(t *testing.T, fs vfs.FS, name string, flag vfs.Flag) vfs.File {
	t.Helper()
	f, err := fs.Open(name, flag)
	must(t, err)
	t.Cleanup(func() { f.Close() }) // a case may have closed it
	return f
}

func write(t *testing.T, f vfs.File, data string) {
	t.Helper()
	if n, err := f.Write([]byte(data)); n != len(data) || err != nil {
		t.Fatalf("wrote %d of %d: %v", n, len(data), err)
	}
}

func put(t *testing.T, fs vfs.FS, name, data string) {
	t.Helper()
	must(t, vfs.WriteFile(fs, name, []byte(data)))
}

func read(t *testing.T, fs vfs.FS, name string) []byte {
	t.Helper()
	b, err := vfs.ReadFile(fs, name)
	must(t, err)
	return b
}

func wantFile(t *testing.T, fs vfs.FS, name, want string) {
	t.Helper()
	if got := string(read(t, fs, name)); got != want {
		t.Fatalf("%s holds %q, want %q", name, got, want)
	}
}

func stat(t *testing.T, fs vfs.FS, name string) vfs.Info {
	t.Helper()
	info, err := fs.Stat(name)
	must(t, err)
	return info
}

func wantNames(t *testing.T, fs vfs.FS, dir string, want ...string) {
	t.Helper()
	got, err := fs.List(dir)
	must(t, err)
	if len(got)+len(want) > 0 && !slices.Equal(got, want) {
		t.Fatalf("%s lists %q, want %q", dir, got, want)
	}
}
