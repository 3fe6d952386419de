package listen

import (
	"path/filepath"
	"slices"
	"strings"
)

// Matching makes a reader of configuration files of one that knows no wildcards: a name
// with one is all files that match, one behind the other, perhaps none (redis 7.0.15
// config.c loadServerConfig).
func Matching(read func(name string) ([]byte, error)) func(name string) ([]byte, error) {
	return func(name string) ([]byte, error) {
		if !strings.ContainsAny(name, "*?[") {
			return read(name)
		}
		names, err := filepath.Glob(name)
		if err != nil {
			return nil, nil // a pattern that is none matches nothing
		}
		slices.Sort(names)
		var all []byte
		for _, n := range names {
			text, err := read(n)
			if err != nil {
				return nil, err
			}
			all = append(all, text...)
		}
		return all, nil
	}
}
