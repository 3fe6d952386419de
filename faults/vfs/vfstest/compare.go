package vfstest

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"pgregory.net/rapid"

	"github.com/torntail/torntail/faults/vfs"
)

// Compare carries out one long random sequence of calls on two empty file
// systems and fails when an answer differs, or what is there at the end. Use it
// inside rapid.Check, which then shrinks the sequence.
func Compare(t *rapid.T, a, b vfs.FS) {
	x := &walker{sides: [2]side{{fs: a}, {fs: b}}}
	defer x.close()
	steps := rapid.IntRange(1, 120).Draw(t, "steps")
	for range steps {
		x.step(t)
	}
	x.call(t, "tree", func(s *side) string { return tree(s.fs, ".") })
}

// side is one of the two file systems and its open files.
type side struct {
	fs    vfs.FS
	files []vfs.File
}

type walker struct{ sides [2]side }

func (x *walker) close() {
	for i := range x.sides {
		for _, f := range x.sides[i].files {
			f.Close()
		}
	}
}

// call does the same on both sides and compares what they say.
func (x *walker) call(t *rapid.T, what string, do func(*side) string) string {
	got := do(&x.sides[0])
	if other := do(&x.sides[1]); got != other {
		t.Fatalf("%s: %s on one side, %s on the other", what, got, other)
	}
	return got
}

var (
	paths = []string{"a", "b", "d", "d/a", "d/b", "e", "e/a", "d/e", "d/e/a", "."}
	flags = []vfs.Flag{
		vfs.ReadOnly, vfs.ReadWrite, vfs.WriteOnly,
		vfs.ReadWrite | vfs.Create, vfs.WriteOnly | vfs.Create | vfs.Append, vfs.ReadWrite | vfs.Create | vfs.Append,
		vfs.ReadWrite | vfs.Create | vfs.Exclusive, vfs.ReadWrite | vfs.Create | vfs.Truncate, vfs.WriteOnly | vfs.Truncate,
		vfs.ReadWrite | vfs.Create | vfs.SyncWrite, vfs.WriteOnly | vfs.Create | vfs.DataSync,
	}
	// sizes lie around the ends of pages and of the model's chunks.
	sizes = []int64{0, 1, 7, 511, 512, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 70000, 131072}
)

func (x *walker) step(t *rapid.T) {
	path := rapid.SampledFrom(paths).Draw(t, "path")
	op := rapid.SampledFrom([]string{"open", "open", "open", "mkdir", "remove", "rename", "link", "list", "stat", "dirsync",
		"close", "read", "write", "write", "write", "readat", "writeat", "truncate", "allocate", "fsync", "fdatasync", "range", "fstat"}).Draw(t, "op")
	switch op {
	case "open":
		flag := rapid.SampledFrom(flags).Draw(t, "flag")
		x.call(t, fmt.Sprintf("open %s %b", path, flag), func(s *side) string {
			f, err := s.fs.Open(path, flag)
			if err == nil {
				s.files = append(s.files, f)
			}
			return answer(0, err)
		})
		return
	case "mkdir":
		x.call(t, "mkdir "+path, func(s *side) string { return answer(0, s.fs.Mkdir(path)) })
		return
	case "remove":
		if path != "." { // the host's answer is about its own directory
			x.call(t, "remove "+path, func(s *side) string { return answer(0, s.fs.Remove(path)) })
		}
		return
	case "rename", "link":
		to := rapid.SampledFrom(paths).Draw(t, "to")
		if path == "." || to == "." {
			return
		}
		x.call(t, op+" "+path+" "+to, func(s *side) string {
			if op == "link" {
				return answer(0, s.fs.Link(path, to))
			}
			return answer(0, s.fs.Rename(path, to))
		})
		return
	case "list":
		x.call(t, "list "+path, func(s *side) string {
			names, err := s.fs.List(path)
			return strings.Join(names, ",") + answer(0, err)
		})
		return
	case "stat":
		x.call(t, "stat "+path, func(s *side) string {
			info, err := s.fs.Stat(path)
			return describe(info) + answer(0, err)
		})
		return
	case "dirsync":
		x.call(t, "dirsync "+path, func(s *side) string { return answer(0, vfs.SyncDir(s.fs, path)) })
		return
	}
	if len(x.sides[0].files) == 0 {
		return
	}
	k := rapid.IntRange(0, len(x.sides[0].files)-1).Draw(t, "file")
	off := rapid.SampledFrom(sizes).Draw(t, "off")
	n := rapid.SampledFrom(sizes).Draw(t, "n")
	if op != "write" && op != "truncate" && op != "allocate" {
		n = max(n, 1) // package os answers some empty reads and writes itself
	}
	fill := byte(rapid.IntRange('A', 'Z').Draw(t, "fill"))
	x.call(t, fmt.Sprintf("%s file %d (%s) off %d n %d", op, k, x.sides[0].files[k].Name(), off, n), func(s *side) string {
		f := s.files[k]
		switch op {
		case "close":
			s.files = append(s.files[:k], s.files[k+1:]...)
			return answer(0, f.Close())
		case "read", "readat":
			p := make([]byte, n)
			var got int
			var err error
			if op == "read" {
				got, err = io.ReadFull(f, p)
			} else {
				got, err = f.ReadAt(p, off)
			}
			return answer(got, err) + digest(p[:got])
		case "write":
			return answer(f.Write([]byte(strings.Repeat(string(rune(fill)), int(n)))))
		case "writeat":
			return answer(f.WriteAt([]byte(strings.Repeat(string(rune(fill)), int(n))), off))
		case "truncate":
			return answer(0, f.Truncate(n))
		case "allocate":
			return answer(0, f.Allocate(off, n))
		case "fsync":
			return answer(0, f.Sync())
		case "fdatasync":
			return answer(0, f.SyncData())
		case "range":
			return answer(0, f.SyncRange(off, n))
		}
		info, err := f.Stat()
		return describe(info) + answer(0, err)
	})
}

// answer is what a call said, in words that do not depend on the implementation.
func answer(n int, err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return fmt.Sprintf("(%d ok)", n)
	case errors.As(err, &errno):
		return fmt.Sprintf("(%d %s)", n, errno)
	}
	return fmt.Sprintf("(%d %v)", n, err)
}

// describe leaves out what may differ: numbers of files, times, links of directories.
func describe(info vfs.Info) string {
	if info.Dir {
		return "dir"
	}
	return fmt.Sprintf("size %d links %d", info.Size, info.Links)
}

func digest(p []byte) string {
	var sum uint64
	for i, b := range p {
		sum += uint64(b) * uint64(i+1)
	}
	return fmt.Sprintf(" sum %d", sum)
}

// tree is everything below a directory.
func tree(fs vfs.FS, dir string) string {
	names, err := fs.List(dir)
	out := dir + answer(0, err) + "["
	for _, name := range names {
		path := name
		if dir != "." {
			path = dir + "/" + name
		}
		info, err := fs.Stat(path)
		out += path + " " + describe(info) + answer(0, err)
		if info.Dir {
			out += tree(fs, path)
			continue
		}
		data, err := vfs.ReadFile(fs, path)
		out += answer(len(data), err) + digest(data) + "; "
	}
	return out + "]"
}
