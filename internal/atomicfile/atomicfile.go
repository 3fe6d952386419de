// Package atomicfile saves files whole or not at all: whoever reads one, also
// after a crash, finds what was there before or everything that was saved.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// unfinished is what the name of a file that is being written has more than its
// own; what stands for the star is drawn, so that two who save one file at the
// same time do not write into each other's.
const unfinished = ".new-*"

// Write saves what write gives as the file at path. When it returns nil the file
// and its name are durable. What is no regular file (a pipe, /dev/null) is
// written to as it stands; a symbolic link is followed.
func Write(path string, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, write)
	}
	target := path
	if to, err := filepath.EvalSymlinks(path); err == nil {
		target = to
	}
	if err := replace(target, write); err != nil {
		return fmt.Errorf("save %s: %w", path, err)
	}
	return nil
}

// WriteBytes saves data as the file at path.
func WriteBytes(path string, data []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Sweep removes what saves of this file that were cut short have left.
func Sweep(path string) error {
	left, err := filepath.Glob(quoteMeta(path) + unfinished)
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// quoteMeta is a path as a pattern that matches nothing else.
func quoteMeta(path string) string {
	var b []byte
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}

func writeInto(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

func replace(path string, write func(io.Writer) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+unfinished)
	if err != nil {
		return reason(err, "")
	}
	defer os.Remove(f.Name()) // fails after the rename, as it should
	w := bufio.NewWriterSize(f, 1<<16)
	err = write(w)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	return reason(err, f.Name())
}

// reason is what is wrong without the drawn name, which says nothing to anybody;
// name is that, "" while there is none.
func reason(err error, name string) error {
	var path *os.PathError
	if errors.As(err, &path) && (name == "" || path.Path == name) {
		return path.Err
	}
	return err
}

// syncDir makes the names in a directory durable, where its file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
