package suite

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/torntail/torntail/reports/result"
)

// night is the directory of an earlier run.
type night struct {
	dir     string
	started time.Time
	written time.Time // its file
}

// resultFile is what merge leaves where a suite leaves its record.
const resultFile = "result.json"

// Prune deletes the directories beside dir that hold earlier runs of the suite called name, but
// for those begun last: so many are left, dir itself among them. Nothing that is not such a
// directory is touched, nor one that a symbolic link stands for. It returns what it deleted.
func Prune(dir, name string, keep int) (gone []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	parent := filepath.Dir(dir)
	entries, err := os.ReadDir(parent)
	if err != nil {
		return nil, err
	}
	var nights []night
	for _, e := range entries {
		there := filepath.Join(parent, e.Name())
		if !e.IsDir() || there == dir {
			continue
		}
		if n, ok := nightOf(there, name); ok {
			nights = append(nights, n)
		}
	}
	slices.SortFunc(nights, func(a, b night) int {
		return cmp.Or(b.started.Compare(a.started), b.written.Compare(a.written)) // a record knows the second only
	})
	for _, n := range nights[min(len(nights), max(0, keep-1)):] {
		if removed := os.RemoveAll(n.dir); removed != nil {
			err = errors.Join(err, fmt.Errorf("--keep-nights: %w", removed))
			continue
		}
		gone = append(gone, n.dir)
	}
	return gone, err
}

// nightOf is what a directory holds of a suite, if it does: the record of a run, or the result
// of shards put together.
func nightOf(dir, name string) (night, bool) {
	var h Head
	if err := read(filepath.Join(dir, headFile), &h); err == nil {
		return night{dir, h.Started, writtenAt(dir, headFile)}, h.Suite == name
	}
	r, err := result.Load(filepath.Join(dir, resultFile))
	if err != nil || r.Suite == nil {
		return night{}, false
	}
	return night{dir, r.Started, writtenAt(dir, resultFile)}, r.Suite.Name == name
}

func writtenAt(dir, file string) (at time.Time) {
	if info, err := os.Stat(filepath.Join(dir, file)); err == nil {
		at = info.ModTime()
	}
	return at
}
