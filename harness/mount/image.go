package mount

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"syscall"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// The image of a disk, as the backing directory keeps it: a line that names the
// format, then for each name of the disk, parents first, an entry
//
//	u32 length of the header | header (JSON) | u32 CRC-32C of the header
//	for each extent of the header: its bytes | u32 CRC-32C of them
//
// and an entry without a name at the end. Numbers are big-endian. Parts of a
// file in no extent are zeroes, so that a sparse file stays small.

const (
	imageMagic = "torntail disk image 1\n"
	maxHeader  = 64 << 20 // bytes; a file of a terabyte with a hole in every other MiB has less
	extentSize = 1 << 20  // bytes; the largest extent
	maxFile    = 1 << 44  // bytes; beyond is no file of ours
)

// imageEntry is one name.
type imageEntry struct {
	Path    string        `json:"path,omitempty"` // relative to the root, which is "."; "": the end
	Kind    string        `json:"kind,omitempty"` // dir, file, symlink; link: another name of Target
	Target  string        `json:"target,omitempty"`
	Mode    uint32        `json:"mode,omitempty"`
	UID     uint32        `json:"uid,omitempty"`
	GID     uint32        `json:"gid,omitempty"`
	MTime   int64         `json:"mtime,omitempty"` // nanoseconds since 1970
	Size    int64         `json:"size,omitempty"`
	Extents []imageExtent `json:"extents,omitempty"`
}

type imageExtent struct {
	Off int64 `json:"off"`
	Len int64 `json:"len"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// imageWriter writes one image.
type imageWriter struct {
	out   io.Writer
	d     *disk.Disk
	began time.Time           // when the disk's clock stood at 0
	names map[disk.Ino]string // first names of files with several
	buf   []byte
}

// writeImage writes what calls see of a disk, durable or not. began is when the
// disk's clock stood at 0.
func writeImage(out io.Writer, d *disk.Disk, began time.Time) error {
	if _, err := io.WriteString(out, imageMagic); err != nil {
		return err
	}
	w := &imageWriter{out: out, d: d, began: began, names: map[disk.Ino]string{}, buf: make([]byte, extentSize)}
	if err := w.name(".", disk.Root); err != nil {
		return err
	}
	return w.header(&imageEntry{})
}

// name writes the entry of one name and of all below it.
func (w *imageWriter) name(path string, ino disk.Ino) error {
	a, errno := w.d.Attr(ino)
	if errno != 0 {
		return fmt.Errorf("%s: %w", path, errno)
	}
	e := &imageEntry{Path: path, Kind: "file", Mode: a.Mode, UID: a.UID, GID: a.GID, MTime: w.began.Add(a.MTime).UnixNano(), Size: a.Size}
	switch first := w.names[ino]; {
	case first != "":
		return w.header(&imageEntry{Path: path, Kind: "link", Target: first})
	case a.Symlink:
		e.Kind, e.Size = "symlink", 0
		if e.Target, errno = w.d.Readlink(ino); errno != 0 {
			return fmt.Errorf("%s: %w", path, errno)
		}
	case a.Dir:
		e.Kind, e.Size = "dir", 0
	}
	if a.Links > 1 && !a.Dir {
		w.names[ino] = path
	}
	if e.Kind == "file" {
		return w.file(e, ino)
	}
	if err := w.header(e); err != nil {
		return err
	}
	if !a.Dir {
		return nil
	}
	entries, errno := w.d.ReadDir(ino)
	if errno != 0 {
		return fmt.Errorf("%s: %w", path, errno)
	}
	for _, entry := range entries {
		below := entry.Name
		if path != "." {
			below = path + "/" + entry.Name
		}
		if err := w.name(below, entry.Ino); err != nil {
			return err
		}
	}
	return nil
}

// extents gives f each extent of a file that is not all zeroes, in order. A file may be a
// hole of a terabyte: nothing is read of that.
func extents(d *disk.Disk, ino disk.Ino, buf []byte, f func(off int64, data []byte) error) error {
	unit := int64(len(buf))
	for off := int64(0); ; off += unit {
		at, more, errno := d.NextData(ino, off)
		if errno == 0 && !more {
			return nil
		}
		n := 0
		if off = at / unit * unit; errno == 0 {
			n, errno = d.Read(ino, off, buf)
		}
		if errno != 0 {
			return errno
		}
		if !zeroes(buf[:n]) {
			if err := f(off, buf[:n]); err != nil {
				return err
			}
		}
	}
}

// file writes an entry with the extents of its file that are not zeroes.
func (w *imageWriter) file(e *imageEntry, ino disk.Ino) error {
	err := extents(w.d, ino, w.buf, func(off int64, data []byte) error {
		e.Extents = append(e.Extents, imageExtent{off, int64(len(data))})
		return nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.Path, err)
	}
	if err := w.header(e); err != nil {
		return err
	}
	for _, x := range e.Extents {
		n, errno := w.d.Read(ino, x.Off, w.buf[:x.Len])
		if errno != 0 || int64(n) != x.Len {
			return fmt.Errorf("%s at %d: %w", e.Path, x.Off, errno)
		}
		if err := w.sum(w.buf[:n]); err != nil {
			return err
		}
	}
	return nil
}

func zeroes(b []byte) bool {
	for len(b) >= 8 {
		if binary.NativeEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func (w *imageWriter) header(e *imageEntry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := binary.Write(w.out, binary.BigEndian, uint32(len(b))); err != nil {
		return err
	}
	return w.sum(b)
}

// sum writes bytes and their checksum.
func (w *imageWriter) sum(b []byte) error {
	if _, err := w.out.Write(b); err != nil {
		return err
	}
	return binary.Write(w.out, binary.BigEndian, crc32.Checksum(b, castagnoli))
}

// ErrDamaged is an image that is not as it was written.
var ErrDamaged = errors.New("damaged")

// readImage fills an empty disk from an image. Everything is durable afterwards.
func readImage(in *bufio.Reader, d *disk.Disk, began time.Time) error {
	magic := make([]byte, len(imageMagic))
	if _, err := io.ReadFull(in, magic); err != nil || string(magic) != imageMagic {
		return fmt.Errorf("not a disk image that this torntail knows (%q at its beginning)", magic)
	}
	r := &imageReader{in: in, d: d, began: began, times: map[disk.Ino]time.Duration{}}
	for n := 0; ; n++ {
		e, err := r.header()
		if err == nil && e.Path == "" {
			break
		}
		if err == nil {
			err = r.entry(e)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", n, err)
		}
	}
	if err := r.sync(); err != nil {
		return err
	}
	// Only now: each name made in a directory changed its time.
	for ino, mtime := range r.times { // any order: each sets a file of its own
		d.SetTime(ino, mtime)
	}
	return nil
}

// imageReader reads one image.
type imageReader struct {
	in    io.Reader
	d     *disk.Disk
	began time.Time
	times map[disk.Ino]time.Duration
	buf   bytes.Buffer
}

// sync makes durable what has been read so far, and forgets that it was in play.
func (r *imageReader) sync() error {
	c := r.call(disk.OpSyncFS)
	errno := r.d.EndSync(r.d.BeginSync(&c), 0, nil)
	r.d.End(&c)
	r.d.DropLog(len(r.d.Log()))
	if errno != 0 {
		return errno
	}
	return nil
}

// summed reads so many bytes and checks their checksum. What it returns is valid until the
// next call.
func (r *imageReader) summed(n int64) ([]byte, error) {
	// Grown as it is read: the length may be wrong.
	r.buf.Reset()
	if _, err := io.CopyN(&r.buf, r.in, n+4); err != nil {
		return nil, fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	b := r.buf.Bytes()
	if binary.BigEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], castagnoli) {
		return nil, fmt.Errorf("%w: a checksum is wrong", ErrDamaged)
	}
	return b[:n], nil
}

func (r *imageReader) header() (*imageEntry, error) {
	var n [4]byte
	if _, err := io.ReadFull(r.in, n[:]); err != nil {
		return nil, fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	size := binary.BigEndian.Uint32(n[:])
	if size > maxHeader {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrDamaged, size)
	}
	b, err := r.summed(int64(size))
	if err != nil {
		return nil, err
	}
	e := new(imageEntry)
	if err := json.Unmarshal(b, e); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return e, nil
}

// call makes a call of the disk model, at the beginning of time.
func (r *imageReader) call(kind disk.OpKind) disk.Call {
	c := disk.Call{Kind: kind}
	r.d.Begin(&c)
	return c
}

// entry makes one name.
func (r *imageReader) entry(e *imageEntry) error {
	dir, name, errno := r.parent(e.Path)
	var ino disk.Ino
	c := r.call(disk.OpCreate)
	switch {
	case errno != 0:
	case e.Path == "." && e.Kind == "dir":
		ino = disk.Root
	case e.Kind == "dir":
		c.Kind = disk.OpMkdir
		ino, errno = r.d.Mkdir(&c, dir, name)
	case e.Kind == "symlink":
		c.Kind = disk.OpSymlink
		ino, errno = r.d.Symlink(&c, dir, name, e.Target)
	case e.Kind == "link":
		c.Kind = disk.OpLink
		if ino, errno = r.d.Find(e.Target); errno == 0 {
			c.Ino = ino
			errno = r.d.Link(&c, ino, dir, name)
		}
	case e.Kind == "file":
		ino, errno = r.d.Create(&c, dir, name)
	default:
		errno = syscall.EINVAL
	}
	r.d.End(&c)
	if errno == 0 && e.Kind == "file" {
		if err := r.contents(e, ino); err != nil {
			return err
		}
	}
	if errno != 0 {
		return fmt.Errorf("%w: %s: %v", ErrDamaged, e.Path, errno)
	}
	if e.Kind == "link" { // which has nothing of its own
		return nil
	}
	r.d.SetMode(ino, e.Mode)
	r.d.SetOwner(ino, e.UID, e.GID)
	r.times[ino] = time.Unix(0, e.MTime).Sub(r.began)
	return nil
}

// parent finds the directory of a path.
func (r *imageReader) parent(path string) (dir disk.Ino, name string, errno syscall.Errno) {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			dir, errno = r.d.Find(path[:i])
			return dir, path[i+1:], errno
		}
	}
	return disk.Root, path, 0
}

// contents reads the extents of a file.
func (r *imageReader) contents(e *imageEntry, ino disk.Ino) error {
	if e.Size < 0 || e.Size > maxFile {
		return fmt.Errorf("%w: %s has %d bytes", ErrDamaged, e.Path, e.Size)
	}
	c := r.call(disk.OpTruncate)
	c.Ino, c.Len = ino, e.Size
	errno := r.d.Truncate(&c)
	r.d.End(&c)
	if errno != 0 {
		return fmt.Errorf("%s: %w", e.Path, errno)
	}
	for _, x := range e.Extents {
		if x.Len < 1 || x.Len > extentSize || x.Off < 0 || x.Off > e.Size-x.Len {
			return fmt.Errorf("%w: %s: an extent of %d bytes at %d", ErrDamaged, e.Path, x.Len, x.Off)
		}
		b, err := r.summed(x.Len)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		c := r.call(disk.OpWrite)
		c.Ino, c.Off = ino, x.Off
		n, errno := r.d.Write(&c, b)
		r.d.End(&c)
		if errno != 0 || n < len(b) {
			return fmt.Errorf("%s: %w", e.Path, errno)
		}
	}
	return r.sync()
}
