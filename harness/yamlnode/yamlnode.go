// Package yamlnode reads YAML as a tree of nodes and not into structs, because
// only nodes know where they stand: every mistake is answered with its line, its
// column, what was expected there, and the word that was meant.
package yamlnode

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/internal/spelling"
	"github.com/torntail/torntail/internal/yamlform"
)

// Mistake is something in a file that cannot be obeyed.
type Mistake struct {
	File         string
	Line, Column int
	Text         string
}

func (m *Mistake) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Text)
}

// Node is a place in a file.
type Node struct {
	file string
	n    *yaml.Node
}

// Parse is the root of a YAML document. empty says what is expected in one that
// has nothing in it.
func Parse(file string, text []byte, empty string) (*Node, error) {
	root, err := yamlform.Node(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case root == nil:
		return nil, &Mistake{file, 1, 1, "empty: want " + empty}
	}
	return (&Node{file, root}).resolve(), nil
}

func (n *Node) resolve() *Node {
	for n.n.Kind == yaml.AliasNode {
		n = &Node{n.file, n.n.Alias}
	}
	return n
}

// Wrong is a mistake at the node.
func (n *Node) Wrong(format string, args ...any) error {
	return &Mistake{n.file, n.n.Line, n.n.Column, fmt.Sprintf(format, args...)}
}

// At makes an error one at the node, unless it has a place already.
func (n *Node) At(err error) error {
	var m *Mistake
	if err == nil || errors.As(err, &m) {
		return err
	}
	return n.Wrong("%s", err)
}

// What says what kind of thing stands there.
func (n *Node) What() string {
	switch n.n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.n.Tag == "!!null" {
		return "nothing"
	}
	if text := []rune(n.n.Value); len(text) > mostQuoted {
		return strconv.Quote(string(text[:mostQuoted])) + " and so on"
	}
	return strconv.Quote(n.n.Value)
}

// mostQuoted is how much of a file that is something else altogether is shown.
const mostQuoted = 60

// Field is an entry that a mapping may have: a row that says its name once.
type Field struct {
	Name string
	Read func(n *Node) error
	// Must is what is wrong with a mapping that has no such entry; "": nothing.
	Must string
}

// To is a field whose value read makes: one of this package's readers, or another.
func To[T any](name string, v *T, read func(n *Node) (T, error)) Field {
	return Field{Name: name, Read: func(n *Node) (err error) {
		*v, err = read(n)
		return err
	}}
}

// Version is the field that says of which kind a file is, and in which version.
func Version(kind string, version int) Field {
	want := strconv.Itoa(version)
	return Field{Name: kind, Must: fmt.Sprintf("no version: want %q", kind+": "+want), Read: func(n *Node) error {
		if text, err := n.Text(); err != nil || text != want {
			return n.Wrong("%s: %s is not a version that this torntail reads: want %s", kind, n.What(), want)
		}
		return nil
	}}
}

// Read reads the entries of a mapping in the order of fields, until one is wrong.
func (n *Node) Read(fields ...Field) error {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	have, err := n.Fields(names...)
	if err != nil {
		return err
	}
	for _, f := range fields {
		if have[f.Name] == nil && f.Must != "" {
			return n.Wrong("%s", f.Must)
		}
	}
	for _, f := range fields {
		if at := have[f.Name]; at != nil {
			if err := f.Read(at); err != nil {
				return err
			}
		}
	}
	return nil
}

// Fields are the entries of a mapping, each under one of the names.
func (n *Node) Fields(names ...string) (map[string]*Node, error) {
	if n.n.Kind != yaml.MappingNode {
		return nil, n.Wrong("%s, where a mapping with %s is expected", n.What(), strings.Join(names, ", "))
	}
	fields := map[string]*Node{}
	for i := 0; i+1 < len(n.n.Content); i += 2 {
		key := &Node{n.file, n.n.Content[i]}
		name := key.n.Value
		if key.n.Kind != yaml.ScalarNode {
			return nil, key.Wrong("%s, where a field's name is expected", key.What())
		}
		if err := spelling.Known("field", name, names); err != nil {
			return nil, key.At(err)
		}
		if fields[name] != nil {
			return nil, key.Wrong("field %q stands here a second time", name)
		}
		fields[name] = (&Node{n.file, n.n.Content[i+1]}).resolve()
	}
	return fields, nil
}

// List are the elements of a list; anything else is a list of itself.
func (n *Node) List() []*Node {
	if n.n.Kind != yaml.SequenceNode {
		return []*Node{n}
	}
	list := make([]*Node, len(n.n.Content))
	for i := range n.n.Content {
		list[i] = (&Node{n.file, n.n.Content[i]}).resolve()
	}
	return list
}

// IsMapping reports whether fields stand there.
func (n *Node) IsMapping() bool { return n.n.Kind == yaml.MappingNode }

// Text is a scalar's text.
func (n *Node) Text() (string, error) {
	if n.n.Kind != yaml.ScalarNode || n.n.Tag == "!!null" {
		return "", n.Wrong("%s, where a word is expected", n.What())
	}
	return n.n.Value, nil
}

// Relative is a path that the file names, as a path from here.
func (n *Node) Relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(n.file), path)
}

// Path is the path of a file or directory, as one from here.
func (n *Node) Path() (string, error) {
	text, err := n.Text()
	return n.Relative(text), err
}

// Word reads a scalar that is one of names. what says what of: "mode".
func Word(what string, names []string) func(n *Node) (string, error) {
	return func(n *Node) (string, error) {
		text, err := n.Text()
		if err != nil {
			return "", err
		}
		return text, n.At(spelling.Known(what, text, names))
	}
}

// By reads the name of what find finds.
func By[T any](find func(name string) (T, error)) func(n *Node) (T, error) {
	return func(n *Node) (v T, err error) {
		name, err := n.Text()
		if err == nil {
			v, err = find(name)
		}
		return v, n.At(err)
	}
}

// Each reads a list of at least one of what read reads.
func Each[T any](what string, read func(n *Node) (T, error)) func(n *Node) ([]T, error) {
	return func(n *Node) (list []T, err error) {
		for _, e := range n.List() {
			v, err := read(e)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		if len(list) == 0 {
			return nil, n.Wrong("an empty list, where at least one %s is expected", what)
		}
		return list, nil
	}
}

// Once is Each for words none of which may stand there twice.
func Once[T any](what string, read func(n *Node) (T, error)) func(n *Node) ([]T, error) {
	return func(n *Node) ([]T, error) {
		seen := map[string]bool{}
		return Each(what, func(e *Node) (T, error) {
			v, err := read(e)
			if err == nil && seen[e.n.Value] {
				err = e.Wrong("%s %q stands here a second time", what, e.n.Value)
			}
			seen[e.n.Value] = true
			return v, err
		})(n)
	}
}

// Directives are lines of redis.conf: a name and the rest, "" for an empty string.
func (n *Node) Directives() (list [][2]string, err error) {
	for _, e := range n.List() {
		text, err := e.Text()
		if err != nil {
			return nil, err
		}
		name, value, ok := strings.Cut(strings.TrimSpace(text), " ")
		if !ok {
			return nil, e.Wrong(`%q: want a line of redis.conf, such as "appendfsync always"`, text)
		}
		value = strings.TrimSpace(value)
		if value == `""` {
			value = ""
		}
		list = append(list, [2]string{strings.ToLower(name), value})
	}
	return list, nil
}

// scalar is a scalar's value; what says what is expected there.
func scalar[T any](n *Node, what string, parse func(text string) (v T, ok bool)) (v T, err error) {
	if text, err := n.Text(); err == nil {
		if v, ok := parse(text); ok {
			return v, nil
		}
	}
	return v, n.Wrong("%s, where %s", n.What(), what)
}

// Int reads a whole number of at least low.
func Int(low int) func(n *Node) (int, error) {
	return func(n *Node) (int, error) {
		return scalar(n, fmt.Sprintf("a whole number from %d on is expected", low), func(text string) (int, bool) {
			v, err := strconv.Atoi(text)
			return v, err == nil && v >= low && v <= 1_000_000_000
		})
	}
}

// Float is a number of at least 0.
func (n *Node) Float() (float64, error) {
	return scalar(n, "a number from 0 on is expected", func(text string) (float64, bool) {
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil && v >= 0 && v <= 1e12
	})
}

// Bool is true or false.
func (n *Node) Bool() (bool, error) {
	return scalar(n, "true or false is expected", func(text string) (bool, bool) { return text == "true", text == "true" || text == "false" })
}

// Duration is a time above 0, in Go's notation.
func (n *Node) Duration() (time.Duration, error) {
	return scalar(n, "a duration is expected, such as 250ms, 10s or 20m", func(text string) (time.Duration, bool) {
		d, err := time.ParseDuration(text)
		return d, err == nil && d > 0
	})
}
