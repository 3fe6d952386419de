// Package script runs small programs that are written down as text, such as
// "create f; write f AAAA; fsync f", on any vfs.FS, and writes down what a file
// system holds as text, such as "d/ d/f=AAAA". So the same program can be run
// on the disk model, and on a real file system, and the two compared by reading.
//
// # Steps
//
//	create F         make an empty file
//	write F DATA     append; swrite with O_SYNC, dwrite with O_DSYNC
//	pwrite F OFF DATA   write at an offset
//	trunc F SIZE     alloc F OFF LEN
//	fsync F          fdatasync F       range F (sync_file_range, waiting)
//	dirsync D        fsync of a directory; "." is the root
//	rename A B       link A B          unlink F
//	mkdir D          rmdir D
//	sync             everything (syncfs)
//
// DATA is letters; "A*4096+B" is 4096 times A and one B.
package script

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/torntail/torntail/faults/vfs"
)

// Syncer is a file system that can write back everything (syncfs).
type Syncer interface{ SyncAll() error }

// Steps splits a program.
func Steps(program string) []string {
	var steps []string
	for step := range strings.SplitSeq(program, ";") {
		if step = strings.TrimSpace(step); step != "" {
			steps = append(steps, step)
		}
	}
	return steps
}

// words are the steps, with the number of their arguments.
var words = map[string]int{"create": 1, "write": 2, "swrite": 2, "dwrite": 2, "pwrite": 3, "trunc": 2, "alloc": 3, "fsync": 1, "fdatasync": 1,
	"range": 1, "dirsync": 1, "rename": 2, "link": 2, "unlink": 1, "rmdir": 1, "mkdir": 1, "sync": 0}

// Check reports what is wrong with a step, without running it.
func Check(step string) error {
	f := strings.Fields(step)
	if len(f) == 0 {
		return fmt.Errorf("an empty step")
	}
	n, ok := words[f[0]]
	if !ok {
		return fmt.Errorf("step %q: there is no %q", step, f[0])
	}
	if len(f) != n+1 {
		return fmt.Errorf("step %q: %s takes %d words", step, f[0], n)
	}
	for _, number := range numbers(f) {
		if n, err := strconv.ParseInt(number, 10, 64); err != nil || n < 0 {
			return fmt.Errorf("step %q: want a number of 0 or more, not %q", step, number)
		}
	}
	if strings.HasSuffix(f[0], "write") {
		if _, err := Expand(f[n]); err != nil {
			return fmt.Errorf("step %q: %w", step, err)
		}
	}
	return nil
}

func numbers(f []string) []string {
	switch f[0] {
	case "pwrite", "trunc":
		return f[2:3]
	case "alloc":
		return f[2:4]
	}
	return nil
}

// Run carries out one step.
func Run(fsys vfs.FS, step string) error {
	if err := Check(step); err != nil {
		return err
	}
	f := strings.Fields(step)
	switch f[0] {
	case "create":
		return with(fsys, f[1], vfs.WriteOnly|vfs.Create|vfs.Exclusive, func(vfs.File) error { return nil })
	case "write":
		return write(fsys, f[1], f[2], 0)
	case "swrite":
		return write(fsys, f[1], f[2], vfs.SyncWrite)
	case "dwrite":
		return write(fsys, f[1], f[2], vfs.DataSync)
	case "pwrite":
		data, _ := Expand(f[3]) // Check has
		return with(fsys, f[1], vfs.WriteOnly, func(h vfs.File) error {
			_, err := h.WriteAt(data, number(f[2]))
			return err
		})
	case "trunc":
		return with(fsys, f[1], vfs.WriteOnly, func(h vfs.File) error { return h.Truncate(number(f[2])) })
	case "alloc":
		return with(fsys, f[1], vfs.WriteOnly, func(h vfs.File) error { return h.Allocate(number(f[2]), number(f[3])) })
	case "fsync":
		return with(fsys, f[1], vfs.ReadOnly, vfs.File.Sync)
	case "fdatasync":
		return with(fsys, f[1], vfs.ReadOnly, vfs.File.SyncData)
	case "range":
		return with(fsys, f[1], vfs.ReadOnly, func(h vfs.File) error { return h.SyncRange(0, 0) })
	case "dirsync":
		return vfs.SyncDir(fsys, f[1])
	case "rename":
		return fsys.Rename(f[1], f[2])
	case "link":
		return fsys.Link(f[1], f[2])
	case "unlink", "rmdir":
		return fsys.Remove(f[1])
	case "mkdir":
		return fsys.Mkdir(f[1])
	}
	s, ok := fsys.(Syncer)
	if !ok {
		return fmt.Errorf("step %q: this file system cannot sync everything", step)
	}
	return s.SyncAll()
}

func write(fsys vfs.FS, name, text string, flag vfs.Flag) error {
	data, _ := Expand(text) // Check has
	return with(fsys, name, vfs.WriteOnly|vfs.Append|flag, func(h vfs.File) error {
		_, err := h.Write(data)
		return err
	})
}

func with(fsys vfs.FS, name string, flag vfs.Flag, f func(vfs.File) error) error {
	h, err := fsys.Open(name, flag)
	if err != nil {
		return err
	}
	defer h.Close()
	return f(h)
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // Check has
	return n
}

// maxExpand bounds what a few characters can become, in bytes.
const maxExpand = 1 << 30

// Expand turns "A*3+B" into "AAAB".
func Expand(s string) ([]byte, error) {
	var data []byte
	for part := range strings.SplitSeq(s, "+") {
		text, count, ok := strings.Cut(part, "*")
		n := int64(1)
		if ok {
			var err error
			if n, err = strconv.ParseInt(count, 10, 64); err != nil || n < 0 {
				return nil, fmt.Errorf("want a number behind * in %q", part)
			}
		}
		if n*int64(len(text)) > maxExpand-int64(len(data)) {
			return nil, fmt.Errorf("%q is more than %d bytes", s, maxExpand)
		}
		data = append(data, strings.Repeat(text, int(n))...)
	}
	return data, nil
}

// Tree writes down a file system: names and contents, in order, "-" for nothing
// at all. In contents "." is a zero byte and "~" one of old, which repeats from
// the beginning of the file and is what blocks held before; runs of 16 and more
// are "A*n". Skip are names in the root that do not count.
func Tree(fsys vfs.FS, old string, skip ...string) (string, error) {
	var out []string
	var walk func(dir string) error
	walk = func(dir string) error {
		names, err := fsys.List(dir)
		if err != nil {
			return err
		}
		for _, name := range names {
			path := name
			if dir != "." {
				path = dir + "/" + name
			} else if contains(skip, name) {
				continue
			}
			info, err := fsys.Stat(path)
			if err != nil {
				return err
			}
			if info.Dir {
				out = append(out, path+"/")
				if err := walk(path); err != nil {
					return err
				}
				continue
			}
			data, err := vfs.ReadFile(fsys, path)
			if err != nil {
				return err
			}
			out = append(out, path+"="+Content(data, old))
		}
		return nil
	}
	if err := walk("."); err != nil {
		return "", err
	}
	if len(out) == 0 {
		return "-", nil
	}
	return strings.Join(out, " "), nil
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// Content writes down bytes as Tree does.
func Content(data []byte, old string) string {
	show := make([]byte, len(data))
	for i, b := range data {
		switch {
		case b == 0:
			b = '.'
		case old != "" && b == old[i%len(old)]:
			b = '~'
		case b <= ' ' || b > '~':
			b = '?'
		}
		show[i] = b
	}
	var parts []string
	plain := ""
	for i := 0; i < len(show); {
		j := i
		for j < len(show) && show[j] == show[i] {
			j++
		}
		if j-i < 16 {
			plain += string(show[i:j])
		} else {
			if plain != "" {
				parts = append(parts, plain)
			}
			plain = ""
			parts = append(parts, fmt.Sprintf("%c*%d", show[i], j-i))
		}
		i = j
	}
	if plain != "" {
		parts = append(parts, plain)
	}
	return strings.Join(parts, "+")
}
