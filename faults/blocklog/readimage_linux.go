package blocklog

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// ReadImage reads a file, of which holes stay holes.
func ReadImage(f *os.File) (*Image, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	m := NewImage(info.Size())
	for off := int64(0); off < info.Size(); {
		from, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break // only a hole is left
		}
		if err != nil {
			return nil, os.NewSyscallError("seek", err)
		}
		to, err := unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
		if err != nil {
			return nil, os.NewSyscallError("seek", err)
		}
		from -= from % PageSize
		b := make([]byte, to-from)
		if _, err := f.ReadAt(b, from); err != nil && err != io.EOF {
			return nil, err
		}
		m.write(b, from)
		off = to
	}
	return m, nil
}
