// Package inside tells whether names in a directory of results stay in it. Such a directory
// may be anybody's work, unpacked from an archive: a path in one of its files, a symbolic
// link or a pipe in it is not followed to somewhere else.
package inside

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrNotFollowed means that a name leads out of its directory, or is neither a file nor a
// directory.
var ErrNotFollowed = errors.New("not followed")

// Check says what is wrong with a path as one that is in the directory root, links on the
// way included. What is not there yet is in it if it would be made there. root itself is
// the user's own, and may be a link.
func Check(root, path string) error {
	rel, err := relative(root, path)
	if err != nil {
		return err
	}
	dir, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	return check(dir, path, rel)
}

// Below reports whether a path is that of a directory or of what is in it, as the names say.
func Below(dir, path string) bool {
	_, err := relative(dir, path)
	return err == nil
}

// Has reports whether there is something of that path in the directory root.
func Has(root, path string) bool {
	if Check(root, path) != nil {
		return false
	}
	_, err := os.Stat(path)
	return err == nil
}

// Tree says what is wrong with anything in the directory root.
func Tree(root string) error {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	defer dir.Close()
	return fs.WalkDir(dir.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Type().IsRegular() {
			return err
		}
		return check(dir, filepath.Join(root, name), name)
	})
}

func relative(root, path string) (string, error) {
	from, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(from, to)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s: %w: it leads out of %s", path, ErrNotFollowed, root)
	}
	return rel, nil
}

// check looks at a name as os.Root does, which follows no link out of it.
func check(dir *os.Root, path, rel string) error {
	info, err := dir.Stat(rel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%s: %w: it leads out of %s (%w)", path, ErrNotFollowed, dir.Name(), err)
	case !info.IsDir() && !info.Mode().IsRegular():
		return fmt.Errorf("%s: %w: it is neither a file nor a directory (%s)", path, ErrNotFollowed, info.Mode().Type())
	}
	return nil
}
