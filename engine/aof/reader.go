package aof

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// How a file can end or be wrong, as loadSingleAppendOnlyFile tells it apart.
var (
	// ErrTruncated: the file ends inside a command. A tail like this is what a
	// crash leaves, and aof-load-truncated forgives it.
	ErrTruncated = errors.New("unexpected end of file")
	// ErrFormat: what stands there is not the start of a command or argument.
	ErrFormat = errors.New("bad file format")
	// ErrUnreadable: a '*' followed by NUL, which redis-server takes for a read
	// error without an error number.
	ErrUnreadable = errors.New("unrecoverable error: Success")
)

// ReadError says where in a file reading failed.
type ReadError struct {
	File   string
	Offset int64 // the line or argument that is wrong, or the end of the file
	Err    error // ErrTruncated, ErrFormat, ErrUnreadable or the file system's
}

func (e *ReadError) Error() string {
	return fmt.Sprintf("%s: offset %d: %v", e.File, e.Offset, e.Err)
}

func (e *ReadError) Unwrap() error { return e.Err }

const (
	firstWindow = 64 << 10
	// maxFgets is the most bytes redis-server takes for a line
	// (AOF_ANNOTATION_LINE_MAX_LEN, less the NUL).
	maxFgets = 1023
)

type span struct{ from, to int }

// Reader reads the commands of one file, as laxly as redis-server: the CRLF
// behind an argument is skipped unread, numbers end at their first other byte.
// It keeps its buffers between files.
type Reader struct {
	f    io.ReaderAt
	file string
	size int64

	buf  []byte
	base int64 // offset of buf[0]
	pos  int   // start of the next command in buf

	spans []span
	argv  [][]byte

	// Passing says that arguments are looked at and not kept: they are valid
	// until the next call, and all share one piece of memory.
	Passing bool
	mem     []byte
}

// Reset starts on a file of size bytes at offset start.
func (r *Reader) Reset(file string, f io.ReaderAt, start, size int64) {
	r.f, r.file, r.size = f, file, size
	r.base, r.pos, r.buf = start, 0, r.buf[:0]
}

// Offset is where the next command begins, and so the end of the last one.
func (r *Reader) Offset() int64 { return r.base + int64(r.pos) }

// Next returns the next command. The arguments have memory of their own (unless
// Passing), the slice of them is reused. At a clean end the error is io.EOF, otherwise a
// *ReadError.
func (r *Reader) Next() ([][]byte, error) {
	for {
		last := r.base+int64(len(r.buf)) >= r.size
		used, wrongAt, err := r.parse(r.buf[r.pos:], last)
		switch {
		case err == nil:
			r.take()
			r.pos += used
			return r.argv, nil
		case err == io.EOF:
			r.pos += used
			return nil, io.EOF
		case err != errMore:
			return nil, &ReadError{File: r.file, Offset: r.Offset() + int64(wrongAt), Err: err}
		}
		if err := r.more(); err != nil {
			return nil, &ReadError{File: r.file, Offset: r.base + int64(len(r.buf)), Err: err}
		}
	}
}

// errMore: the command goes on behind the buffer, and so does the file.
var errMore = errors.New("more")

// more reads on: the rest of the buffer moves to its front, and a buffer that
// holds nothing but one command doubles.
func (r *Reader) more() error {
	rest := len(r.buf) - r.pos
	r.base += int64(r.pos)
	want := max(firstWindow, 2*rest)
	want = int(min(int64(want), r.size-r.base))
	if cap(r.buf) < want {
		b := make([]byte, rest, want)
		copy(b, r.buf[r.pos:])
		r.buf = b
	} else {
		copy(r.buf, r.buf[r.pos:])
	}
	r.pos = 0
	r.buf = r.buf[:want]
	for n := rest; n < want; {
		m, err := r.f.ReadAt(r.buf[n:], r.base+int64(n))
		n += m
		if n < want && (err == io.EOF || err == nil && m == 0) {
			r.size = r.base + int64(n) // it has become shorter
			want = n
			r.buf = r.buf[:n]
		} else if n < want && err != nil {
			r.buf = r.buf[:n]
			return err
		}
	}
	return nil
}

// take copies the arguments found by parse into one piece of memory.
func (r *Reader) take() {
	total := 0
	for _, s := range r.spans {
		total += s.to - s.from
	}
	mem := r.mem[:0]
	if !r.Passing || cap(mem) < total {
		mem = make([]byte, 0, total)
	}
	r.argv = r.argv[:0]
	b := r.buf[r.pos:]
	for _, s := range r.spans {
		from := len(mem)
		mem = append(mem, b[s.from:s.to]...)
		r.argv = append(r.argv, mem[from:len(mem):len(mem)])
	}
	if r.Passing {
		r.mem = mem
	}
}

// parse finds the arguments of the command at the start of b. last says that b
// reaches to the end of the file. On an error at says where it is.
func (r *Reader) parse(b []byte, last bool) (used, at int, err error) {
	i := 0
	var n int64
	for {
		line, e := getLine(b[i:], last)
		if e != nil {
			return i, i, e // io.EOF: nothing but annotations before the end
		}
		if line[0] == '#' {
			i += len(line)
			continue
		}
		switch {
		case line[0] != '*':
			return i, i, ErrFormat
		case len(line) == 1:
			return i, i, ErrTruncated
		case line[1] == 0:
			if last && i+len(line) == len(b) && line[len(line)-1] != '\n' && len(line) < maxFgets {
				return i, i, ErrTruncated // the end of the file was seen as well
			}
			return i, i, ErrUnreadable
		}
		if n = leadingInt(line[1:]); n < 1 {
			return i, i, ErrFormat
		}
		i += len(line)
		break
	}
	r.spans = r.spans[:0]
	for ; n > 0; n-- {
		line, e := getLine(b[i:], last)
		if e == io.EOF {
			return i, i, ErrTruncated
		}
		if e != nil {
			return i, i, e
		}
		if line[0] != '$' {
			return i, i, ErrFormat
		}
		size := leadingInt(line[1:])
		if size < 0 {
			return i, i, ErrFormat // redis-server: an absurd length, out of memory
		}
		i += len(line)
		if size > int64(len(b)-i-2) {
			// Beyond the file, or beyond the buffer.
			if last || size > r.size-r.base-int64(r.pos+i)-2 {
				return i, int(r.size - r.Offset()), ErrTruncated
			}
			return i, i, errMore
		}
		r.spans = append(r.spans, span{i, i + int(size)})
		i += int(size) + 2
	}
	return i, 0, nil
}

// getLine is fgets: up to and with the newline, at most maxFgets bytes, or what
// is left of the file.
func getLine(b []byte, last bool) ([]byte, error) {
	lim := b[:min(len(b), maxFgets)]
	if i := bytes.IndexByte(lim, '\n'); i >= 0 {
		return lim[:i+1], nil
	}
	if len(lim) == maxFgets {
		return lim, nil
	}
	if !last {
		return nil, errMore
	}
	if len(b) == 0 {
		return nil, io.EOF
	}
	return b, nil
}
