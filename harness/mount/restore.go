package mount

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/reports/wording"
)

// Position is an instant of a recorded disk.
type Position struct {
	// Call: when the call of this number had returned; 0: at the end of the record.
	Call uint64
	// InFlight: when the call had taken effect, or its sync begun, and it had not returned.
	InFlight bool
	// Cut, from 1: when the power was cut for the so-manieth time; 0: see Call.
	Cut int
}

// Recorded is a recorded disk at an instant.
type Recorded struct {
	Disk  *disk.Disk
	Began time.Time     // when the disk's clock stood at 0
	At    time.Duration // on that clock
	Call  uint64        // the last call that did something; 0: none did
	Kept  *disk.Choice  // of Position.Cut: what it kept; otherwise nil
	// Torn is where the record ends too early, as that of a mount that was killed
	// may; nil if it is whole, or was not read to its end.
	Torn *disk.BadRecording
}

// ReadRecord plays a record (torntail mount --record) up to an instant.
func ReadRecord(in io.Reader, at Position) (*Recorded, error) {
	p, head, err := disk.PlayRecording(bufio.NewReaderSize(in, 1<<20), true)
	if err != nil {
		return nil, err
	}
	r := &Recorded{Began: head.Began}
	cuts := 0
	for {
		next, ok := p.Peek()
		if !ok {
			break
		}
		if next.Kind == disk.StepCut {
			if cuts++; cuts == at.Cut {
				kept := p.PeekChoice()
				r.Disk, r.At, r.Kept = p.Disk(), next.At, &kept
				return r, nil
			}
		}
		played, _ := p.Next()
		r.At = played.At
		if played.Call == nil || played.Call.ID == 0 {
			continue
		}
		r.Call = max(r.Call, played.Call.ID)
		if played.Call.ID != at.Call || at.Call == 0 {
			dropDurable(p.Disk())
			continue
		}
		begun := played.Kind == disk.StepEffect || played.Kind == disk.StepSync || played.Kind == disk.StepRefused
		if at.InFlight && begun || played.Kind == disk.StepReturn {
			r.Call, r.Disk = at.Call, p.Disk()
			return r, nil
		}
	}
	if err := p.Err(); err != nil && !(errors.As(err, &r.Torn) && r.Torn.Cut) {
		return nil, err
	}
	switch {
	case at.Cut > 0:
		return nil, fmt.Errorf("the record has %s, and no number %d", wording.Times(cuts, "power cut"), at.Cut)
	case at.Call > 0:
		return nil, fmt.Errorf("call %d has not returned in the record, or did nothing to the disk: its last call is %d", at.Call, r.Call)
	}
	r.Disk = p.Disk()
	return r, nil
}

// dropDurable bounds the memory of a disk's log: calls before the first of which
// something is in play are of no interest.
func dropDurable(d *disk.Disk) {
	const most = 1 << 12
	log := d.Log()
	if len(log) < most {
		return
	}
	if parts := d.Parts(nil); len(parts) > 0 {
		n := 0
		for n < len(log) && log[n].ID != parts[0].ID.Call {
			n++
		}
		d.DropLog(n)
		return
	}
	d.DropLog(len(log))
}

// InPlay is a line for each call that is not durable, as torntail log shows it.
func (r *Recorded) InPlay() []string {
	in := map[uint64]bool{}
	for _, p := range r.Disk.Parts(nil) {
		in[p.ID.Call] = true
	}
	var lines []string
	for _, record := range r.Disk.Log() {
		if in[record.ID] {
			line := logLine{record: record}
			lines = append(lines, strings.TrimSuffix(string(line.append(nil)), "\n"))
		}
	}
	return lines
}

// ErrNotEmpty means that there is something in a directory that an image is to fill.
var ErrNotEmpty = errors.New("the directory is not empty")

// WriteTree makes the files of a disk in a directory of the host, which must be
// missing or empty. Owners are those of the disk if this process may do that.
func WriteTree(d *disk.Disk, dir string, began time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if there, err := os.ReadDir(dir); err != nil {
		return err
	} else if len(there) > 0 {
		return fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	}
	t := &tree{d: d, began: began, names: map[disk.Ino]string{}, buf: make([]byte, extentSize)}
	return t.directory(dir, disk.Root)
}

// tree writes a disk to the host.
type tree struct {
	d     *disk.Disk
	began time.Time
	names map[disk.Ino]string // first names of files
	buf   []byte
}

func (t *tree) directory(path string, ino disk.Ino) error {
	list, errno := t.d.ReadDir(ino)
	if errno != 0 {
		return fmt.Errorf("%s: %w", path, errno)
	}
	for _, e := range list {
		if e.Name == "." || e.Name == ".." || strings.ContainsAny(e.Name, "/\x00") {
			return fmt.Errorf("%s: %q is no name of a file", path, e.Name)
		}
		if err := t.name(filepath.Join(path, e.Name), e.Ino); err != nil {
			return err
		}
	}
	return t.attributes(path, ino)
}

func (t *tree) name(path string, ino disk.Ino) error {
	if first := t.names[ino]; first != "" {
		return os.Link(first, path)
	}
	a, errno := t.d.Attr(ino)
	switch {
	case errno != 0:
		return fmt.Errorf("%s: %w", path, errno)
	case a.Dir:
		if err := os.Mkdir(path, 0o700); err != nil {
			return err
		}
		return t.directory(path, ino)
	}
	t.names[ino] = path
	if a.Symlink {
		target, errno := t.d.Readlink(ino)
		if errno != 0 {
			return fmt.Errorf("%s: %w", path, errno)
		}
		if err := os.Symlink(target, path); err != nil {
			return err
		}
	} else if err := t.file(path, ino, a.Size); err != nil {
		return err
	}
	return t.attributes(path, ino)
}

// file writes what of a file is not zeroes.
func (t *tree) file(path string, ino disk.Ino, size int64) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err = f.Truncate(size); err == nil {
		err = extents(t.d, ino, t.buf, func(off int64, data []byte) error {
			_, err := f.WriteAt(data, off)
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

func (t *tree) attributes(path string, ino disk.Ino) error {
	a, errno := t.d.Attr(ino)
	if errno != 0 {
		return fmt.Errorf("%s: %w", path, errno)
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, int(a.UID), int(a.GID)); err != nil {
			return err
		}
	}
	if !a.Symlink {
		if err := unix.Chmod(path, a.Mode&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: path, Err: err}
		}
		mtime := t.began.Add(a.MTime)
		return os.Chtimes(path, mtime, mtime)
	}
	return nil
}
