package image

import (
	"context"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/vfs"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/machine"
)

// StartOn starts the server on an image that stands in a directory already, such as a
// mounted file system, with its repair tool if it refuses, and reads it. files are those
// of the image, for a look at them that does not go through the directory; start and read are how long that took.
func (s *Server) StartOn(ctx context.Context, dir string, image *CrashImage, files *disk.Disk) (r experiment.Recovered, start, read time.Duration, err error) {
	r.NoData = image.none
	d := &directory{s: s, dir: dir, look: func(f func(fsys vfs.FS)) error {
		f(files.FS(nil))
		return nil
	}}
	defer func() { machine.End(d.redis) }()
	began := time.Now()
	reading, err := s.bringBack(ctx, d, &r)
	r.At = s.rig.Clock()
	r.NULBytes = image.stray
	return r, reading.Sub(began), time.Since(reading), err
}
