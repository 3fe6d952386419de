// Package bounded reads files that somebody names, of whatever kind and length they turn out
// to be: nothing waits for a pipe, and nothing fills the memory.
package bounded

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"unicode/utf8"
)

// How long files may be, in bytes. What people write by hand is far below the first; of
// the second, a result of 100,000 experiments with its samples has some 5 MiB.
const (
	ByHand  = 1 << 20
	Results = 256 << 20
)

// Open opens a file of which the end will come: nothing that waits for somebody else, and
// nothing endless. what is what is read from it: "a plan".
func Open(path, what string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		var p *fs.PathError
		if errors.As(err, &p) {
			p.Op = "open" // what was asked for
		}
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s: %s is read from a regular file", path, Kind(info.Mode()), what)
	}
	return os.Open(path)
}

// Kind says what a mode is the mode of, if not of a file.
func Kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "not a file"
}

// Read is what a file holds, at most so many bytes.
func Read(path, what string, most int64) ([]byte, error) {
	f, err := Open(path, what)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	tooLong := fmt.Errorf("%s has more than %s: %s has no more", path, size(most), what)
	if info, err := f.Stat(); err != nil || info.Size() > most {
		return nil, cmp.Or(err, tooLong)
	}
	// It may grow while it is read, and what calls itself a file in /proc has no size.
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, tooLong
	}
	return data, nil
}

// Text is Read of text that people write: UTF-8, without NUL bytes.
func Text(path, what string) ([]byte, error) {
	data, err := Read(path, what, ByHand)
	if err != nil {
		return nil, err
	}
	if err := CheckText(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// CheckText says where text is none.
func CheckText(data []byte) error {
	for at := 0; at < len(data); {
		r, n := utf8.DecodeRune(data[at:])
		if r != 0 && (r != utf8.RuneError || n > 1) {
			at += n
			continue
		}
		what := "a NUL byte"
		if r != 0 {
			what = fmt.Sprintf(`\x%02x, which is not UTF-8`, data[at])
		}
		line := 1 + bytes.Count(data[:at], []byte("\n"))
		return fmt.Errorf("line %d, column %d: %s: want text", line, at-bytes.LastIndexByte(data[:at], '\n'), what)
	}
	return nil
}

func size(n int64) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
