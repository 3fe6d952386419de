package history

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	files "github.com/torntail/torntail/internal/bounded"
)

const (
	// DefaultMemory is how much memory a history that was read may take, in bytes.
	DefaultMemory = 2 << 30
	// inputFactor is how many times as long as that memory a file may be, once
	// it is decompressed: names of fields and what is passed over are not kept.
	inputFactor = 4
	// A compressed file that has given bombFrom bytes must not have given more
	// than bombRatio times what was read. Histories compress twenty- to a
	// hundredfold; only something made to burst does better.
	bombFrom, bombRatio = 64 << 20, 300
	// maxWindow is the largest window of a zstd file, in bytes (zstd -22 --ultra).
	maxWindow = 128 << 20
)

// openRegular opens a file of which the end will come.
func openRegular(path string) (*os.File, error) { return files.Open(path, "a history") }

// source is the text of a history: decompressed, and not longer than it may be.
type source struct {
	in   io.Reader // what the text comes from
	raw  *counted  // beneath the compression; nil without
	left int64     // bytes that may still come
	most int64
	made int64 // bytes that came
}

// counted counts what is read.
type counted struct {
	in io.Reader
	n  int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.in.Read(p)
	s.made += int64(n)
	if s.left -= int64(n); s.left < 0 {
		return 0, &LimitError{fmt.Sprintf("more than %s of text", Size(s.most))}
	}
	if s.raw != nil && s.made > bombFrom && s.made/bombRatio > s.raw.n {
		return 0, fmt.Errorf("%s out of %s compressed bytes: that is no history", Size(s.made), Size(s.raw.n))
	}
	return n, err
}

// open undoes compression, which the first bytes tell, and bounds the text.
func open(r io.Reader, memory int64) (*bufio.Reader, error) {
	if memory <= 0 {
		memory = DefaultMemory
	}
	s := &source{left: inputFactor * memory, most: inputFactor * memory}
	in := bufio.NewReaderSize(r, 1<<16)
	head, _ := in.Peek(4) // a shorter file is an error of its first line
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		s.raw = &counted{in: in}
		z, err := gzip.NewReader(s.raw)
		if err != nil {
			return nil, fmt.Errorf("line 1: bad gzip header: %w", err)
		}
		s.in = z
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		s.raw = &counted{in: in}
		z, err := zstd.NewReader(s.raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, fmt.Errorf("line 1: bad zstd header: %w", err)
		}
		s.in = z
	default:
		s.in = in
	}
	return bufio.NewReaderSize(s, 1<<16), nil
}

// Size is a number of bytes for people.
func Size(n int64) string {
	const units = "KMGT"
	if n < 1<<10 {
		return fmt.Sprintf("%d bytes", n)
	}
	f, i := float64(n)/(1<<10), 0
	for f >= 1<<10 && i < len(units)-1 {
		f /= 1 << 10
		i++
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%d %ciB", int64(f), units[i])
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}

// LimitError is a history that takes more than Options allow.
type LimitError struct{ what string }

func (e *LimitError) Error() string { return e.what }

// budget is the memory that a history may still take.
type budget struct{ left, most int64 }

func newBudget(memory int64) budget {
	if memory <= 0 {
		memory = DefaultMemory
	}
	return budget{left: memory, most: memory}
}

// spend takes n bytes off.
func (b *budget) spend(n int) error {
	if b.left -= int64(n); b.left < 0 {
		return &LimitError{fmt.Sprintf("the history takes more than %s of memory", Size(b.most))}
	}
	return nil
}
