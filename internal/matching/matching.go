// Package matching lists the entries of a directory whose names match a pattern.
package matching

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// In are the paths, in order, of what is in dir and whose name matches the pattern of
// path.Match. Unlike in filepath.Glob the directory is a name and no pattern: it may have
// brackets and stars. One that is not there has nothing in it.
func In(dir, pattern string) (paths []string, err error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if ok, _ := path.Match(pattern, e.Name()); ok {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	return paths, err
}
