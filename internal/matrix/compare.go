package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// errDiffer says that two records differ.
var errDiffer = errors.New("the records differ")

// compare prints in which groups and files two records differ, and where first.
// skip are patterns of files and JSON paths that may.
func compare(from, to string, skip []string, w io.Writer) error {
	for _, p := range skip {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("pattern %q: %w", p, err)
		}
	}
	a, err := filesBelow(from)
	if err != nil {
		return err
	}
	b, err := filesBelow(to)
	if err != nil {
		return err
	}
	all := slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(a), b...))))
	same, differ, skipped := 0, 0, 0
	groups := map[string]bool{}
	for _, file := range all {
		if matches(skip, filepath.ToSlash(file)) {
			skipped++
			continue
		}
		x, errX := os.ReadFile(filepath.Join(from, file))
		y, errY := os.ReadFile(filepath.Join(to, file))
		var what string
		switch {
		case errors.Is(errX, os.ErrNotExist):
			what = "only in the new record"
		case errors.Is(errY, os.ErrNotExist):
			what = "only in the old record"
		case errX != nil || errY != nil:
			return errors.Join(errX, errY)
		default:
			what = difference(file, x, y, skip)
		}
		if what == "" {
			same++
			continue
		}
		differ++
		groups[groupOf(file)] = true
		fmt.Fprintf(w, "%s: %s\n", filepath.ToSlash(file), what)
	}
	if same+differ == 0 {
		return fmt.Errorf("there is nothing to compare in %s and %s", from, to)
	}
	fmt.Fprintf(w, "%d files the same, %d differ in %d groups, %d skipped\n", same, differ, len(groups), skipped)
	if differ > 0 {
		return errDiffer
	}
	return nil
}

// matches reports whether a name or path fits one of the patterns. A pattern
// that begins with ** fits the end of any, and one without a slash the last part.
func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if end, ok := strings.CutPrefix(p, "**"); ok && strings.HasSuffix(name, end) {
			return true
		}
		for _, n := range []string{name, path.Base(name)} {
			if ok, _ := path.Match(p, n); ok {
				return true
			}
		}
	}
	return false
}

// difference says where two versions of a file differ first; "" when nowhere.
func difference(file string, x, y []byte, skip []string) string {
	if bytes.Equal(x, y) {
		return ""
	}
	if path.Ext(file) == ".json" {
		var v, w any
		if json.Unmarshal(x, &v) == nil && json.Unmarshal(y, &w) == nil {
			var found []string
			jsonDifferences("", v, w, skip, &found)
			switch len(found) {
			case 0:
				return "" // all of it may differ
			case 1:
				return found[0]
			}
			return fmt.Sprintf("%s (and %d more)", found[0], len(found)-1)
		}
	}
	return textDifference(x, y)
}

// textDifference is the first line that differs.
func textDifference(x, y []byte) string {
	v, w := strings.Split(string(x), "\n"), strings.Split(string(y), "\n")
	for i := range max(len(v), len(w)) {
		switch {
		case i >= len(v):
			return fmt.Sprintf("line %d is new: %s", i+1, short(w[i]))
		case i >= len(w):
			return fmt.Sprintf("line %d is gone: %s", i+1, short(v[i]))
		case v[i] != w[i]:
			return fmt.Sprintf("line %d: %s\n    now: %s", i+1, short(v[i]), short(w[i]))
		}
	}
	return "" // not reached: the bytes differ
}

// jsonDifferences collects the paths at which two JSON values differ, in the
// order of the first. Elements of results are told apart by mode and crash kind.
func jsonDifferences(at string, x, y any, skip []string, found *[]string) {
	if matches(skip, at) {
		return
	}
	switch v := x.(type) {
	case map[string]any:
		w, ok := y.(map[string]any)
		if !ok {
			break
		}
		keys := slices.Compact(slices.Sorted(slices.Values(append(slices.Collect(mapKeys(v)), slices.Collect(mapKeys(w))...))))
		for _, k := range keys {
			inner := at + "." + k
			a, inV := v[k]
			b, inW := w[k]
			switch {
			case matches(skip, inner):
			case !inV:
				*found = append(*found, fmt.Sprintf("%s: is new, %s", inner, encoded(b)))
			case !inW:
				*found = append(*found, fmt.Sprintf("%s: is gone, it was %s", inner, encoded(a)))
			default:
				jsonDifferences(inner, a, b, skip, found)
			}
		}
		return
	case []any:
		w, ok := y.([]any)
		if !ok {
			break
		}
		for i := range min(len(v), len(w)) {
			jsonDifferences(fmt.Sprintf("%s[%s]", at, element(i, v[i])), v[i], w[i], skip, found)
		}
		if len(v) != len(w) {
			*found = append(*found, fmt.Sprintf("%s: %d elements, now %d", at, len(v), len(w)))
		}
		return
	}
	if encoded(x) != encoded(y) {
		*found = append(*found, fmt.Sprintf("%s: %s, now %s", at, encoded(x), encoded(y)))
	}
}

// element names an element of a list.
func element(i int, v any) string {
	name := fmt.Sprint(i)
	if m, ok := v.(map[string]any); ok {
		for _, k := range []string{"mode", "crash", "name", "claim"} {
			if s, ok := m[k].(string); ok {
				name += " " + s
			}
		}
	}
	return name
}

func encoded(v any) string {
	b, _ := json.Marshal(v) // what was read from JSON
	return short(string(b))
}

// short is a text, cut where it would fill the screen.
func short(s string) string {
	const most = 160
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
