package mount

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// record is the file of a mounted disk's log with all data, from which every
// image can be made again (torntail image). A nil record does nothing. Its
// methods are called under the log's lock, take under the disk's as well.
type record struct {
	file *os.File
	to   *disk.Recorder
}

// newRecord makes one that writes the disk's tape to a file, unless that is "".
// A file that is there is replaced.
func newRecord(path string, tape *disk.Tape, began time.Time) (*record, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, recordFailed(err)
	}
	to, err := disk.NewRecorder(f, tape, began)
	if err != nil {
		return nil, recordFailed(errors.Join(err, f.Close()))
	}
	return &record{f, to}, nil
}

// recordFailed says of an error that it is the record's.
func recordFailed(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the record cannot be written: %w", err)
}

// take takes what is on the tape off it.
func (r *record) take() {
	if r != nil {
		r.to.Take()
	}
}

// write writes what was taken.
func (r *record) write() error {
	if r == nil {
		return nil
	}
	return recordFailed(r.to.Write())
}

// close ends the file.
func (r *record) close() error {
	if r == nil {
		return nil
	}
	return recordFailed(r.file.Close())
}
