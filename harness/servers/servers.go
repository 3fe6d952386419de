// Package servers knows the servers beside the installed one that people run: which
// versions of Redis and Valkey Debian's archive has, how they are unpacked beside the
// system with the libraries of their own release, and which of them are here.
//
// What is unpacked is in a directory of the user's cache, one for each name, such as
// valkey-9.1: the programs of the server under their own names, which start it with its
// own loader and libraries, and what it was made from (Server). Nothing is installed.
package servers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/result"
)

// Known is a server that torntail's tests have been run on, and where it is.
type Known struct {
	Name   string
	Suites []string // of Debian that have it, the one to take it from first
}

// Table has them in the order in which they are listed.
var Table = []Known{
	{"redis-6.0", []string{"bullseye"}},
	{"redis-7.0", []string{"bookworm"}},
	{"redis-8.0", []string{"trixie", "sid"}},
	{"valkey-8.0", []string{"bookworm-backports"}},
	{"valkey-8.1", []string{"trixie"}},
	{"valkey-9.1", []string{"sid"}},
}

// Suites are those in which other versions are looked for, from the oldest on.
var Suites = []string{"bullseye", "bookworm", "bookworm-backports", "trixie", "sid"}

// Untried are servers that nobody has run torntail on: they are in no suite above.
const Untried = "redis before 6.0, keydb"

// split is the product and the version of a name.
func split(name string) (product, version string, err error) {
	if !result.Archived(name) {
		return "", "", fmt.Errorf("%q: want a product and a version, such as redis-6.0 or valkey-9.1; torntail servers lists them", name)
	}
	product, version, _ = strings.Cut(name, "-")
	return product, version, nil
}

// Check says what is wrong with the form of a name.
func Check(name string) error {
	_, _, err := split(name)
	return err
}

// Server is one that has been unpacked.
type Server struct {
	Name    string `json:"name"`
	Version string `json:"version"` // the server's own word
	Package string `json:"package"` // name, version and suite of the package that holds the program
	SHA256  string `json:"sha256"`  // of that package
	Dir     string `json:"-"`
}

// Program is the path of the server's program.
func (s *Server) Program() string {
	product, _, _ := split(s.Name) // it was found by that name
	return filepath.Join(s.Dir, product+"-server")
}

// Origin is the package and its hash, as results have it.
func (s *Server) Origin() string { return s.Package + " sha256:" + s.SHA256 }

// recordFile is what Server is kept in.
const recordFile = "server.json"

// Dir is where servers are unpacked: below the user's directory for caches.
func Dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no directory for servers: %w", err)
	}
	return filepath.Join(cache, "torntail", "servers"), nil
}

// ErrNotHere means that a server has a name and has not been got.
var ErrNotHere = errors.New("is not here")

// Find finds a server that was unpacked; an error that is ErrNotHere says how to get it.
func Find(name string) (*Server, error) {
	if _, _, err := split(name); err != nil {
		return nil, err
	}
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	s := &Server{Dir: filepath.Join(dir, name)}
	text, err := os.ReadFile(filepath.Join(s.Dir, recordFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s %w: torntail servers get %s", name, ErrNotHere, name)
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, s); err != nil || s.Name != name {
		return nil, fmt.Errorf("%s: not what torntail servers get has written; remove the directory and get it again", s.Dir)
	}
	return s, nil
}

// Here are the servers that have been unpacked, by their names.
func Here() (list []*Server, err error) {
	dir, err := Dir()
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if !result.Archived(e.Name()) {
			continue
		}
		s, err := Find(e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// suitesOf are the suites that have a version of that name for all that is known: none for
// one that is not in the table.
func suitesOf(product, version string) []string {
	for _, k := range Table {
		if p, v, _ := split(k.Name); p == product && within(version, v) {
			return k.Suites
		}
	}
	return nil
}

// within reports whether a version is that which is asked for, or one of its line: 8.0.2 is
// one of 8.0, and 8.10 is none of 8.1.
func within(version, asked string) bool {
	return version == asked || strings.HasPrefix(version, asked+".")
}

// others are the suites that are not in a list.
func others(list []string) []string {
	return slices.DeleteFunc(slices.Clone(Suites), func(s string) bool { return slices.Contains(list, s) })
}
