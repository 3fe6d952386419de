// Package image has crash images, the files that a crash may leave, and those who start a
// server on one and say what it made of it: the engine's own loader in memory (Bare), the
// whole engine in a simulated world (Cold), a real server that takes one after the other
// (Server), and a real server on a mounted file system.
package image

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/bounded"
)

// CrashImage is what a crash left, as files that a real server can be started on.
type CrashImage struct {
	Files []File
	// Of what a Recovered says of an image, what shows before anything is started.
	stray         product.Stray
	noData, noDir bool
}

// File is a file of a crash image, or a directory.
type File struct {
	Path string
	Dir  bool
	Data []byte
}

// NewCrashImage copies the files of a disk.
func NewCrashImage(d *disk.Disk, m *product.Mode) (*CrashImage, error) {
	fsys := d.FS(nil)
	c := new(CrashImage)
	c.noData, c.noDir = product.Missing(fsys, m)
	if m.AOF {
		c.stray = m.Store.Stray(fsys)
	}
	err := vfs.Walk(fsys, ".", func(name string, info vfs.Info) (err error) {
		f := File{Path: name, Dir: info.Dir}
		if !info.Dir {
			f.Data, err = vfs.ReadFile(fsys, name)
		}
		c.Files = append(c.Files, f)
		return err
	})
	return c, err
}

// WriteTo makes an existing directory hold the image and nothing else. before
// is the image that it holds already; nil when nobody knows. Of files that are
// in both, what differs is written: images that follow each other differ little.
func (c *CrashImage) WriteTo(dir string, before *CrashImage) error {
	if before == nil {
		left, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range left {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
		before = &CrashImage{}
	}
	old := make(map[string]*File, len(before.Files))
	for i := range before.Files {
		old[before.Files[i].Path] = &before.Files[i]
	}
	for i := range c.Files {
		f := &c.Files[i]
		was := old[f.Path]
		delete(old, f.Path)
		if err := f.write(filepath.Join(dir, f.Path), was); err != nil {
			return err
		}
	}
	for name := range old { // any order: names below a directory may go with it
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// write makes a file of the host what f is; was is what it is now, nil if it is not there.
func (f *File) write(name string, was *File) error {
	if f.Dir {
		if was != nil && was.Dir {
			return nil
		}
		return os.Mkdir(name, 0o755)
	}
	if was == nil || was.Dir {
		return os.WriteFile(name, f.Data, 0o644)
	}
	if bytes.Equal(f.Data, was.Data) {
		return nil
	}
	same := 0
	for same < len(f.Data) && same < len(was.Data) && f.Data[same] == was.Data[same] {
		same++
	}
	host, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = host.WriteAt(f.Data[same:], int64(same))
	if len(f.Data) < len(was.Data) {
		err = errors.Join(err, host.Truncate(int64(len(f.Data))))
	}
	return errors.Join(err, host.Close())
}

// largestFile is how long a file of a crash image may be, in bytes: an experiment's logs
// and snapshots have some megabytes.
const largestFile = 1 << 30

// ReadCrashImage reads what WriteTo has written.
func ReadCrashImage(dir string, m *product.Mode) (*CrashImage, error) {
	c := &CrashImage{}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		f := File{Path: filepath.ToSlash(rel), Dir: e.IsDir()}
		if !f.Dir {
			f.Data, err = bounded.Read(name, "a file of a crash image", largestFile)
		}
		c.Files = append(c.Files, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	d, err := c.Disk(disk.Options{})
	if err != nil {
		return nil, err
	}
	return NewCrashImage(d, m)
}

// Disk is a disk with the image's files, all durable.
func (c *CrashImage) Disk(o disk.Options) (*disk.Disk, error) {
	d := disk.New(o)
	fsys := d.FS(nil)
	for i := range c.Files {
		f := &c.Files[i]
		if f.Dir {
			if err := fsys.Mkdir(f.Path); err != nil {
				return nil, err
			}
			continue
		}
		file, err := fsys.Open(f.Path, vfs.WriteOnly|vfs.Create)
		if err != nil {
			return nil, err
		}
		_, err = file.Write(f.Data)
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
	}
	image, _ := d.PowerCut(disk.Choice{Mode: disk.KeepAll}, 0)
	return image, nil
}
