// Package yamlnode reads YAML as a tree of nodes and not into structs, because
// only nodes know where they stand: every mistake is answered with its line, its
// column, what was expected there, and the word that was meant.
package yamlnode

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/internal/spelling"
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
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil, &Mistake{file, 1, 1, "empty: want " + empty}
	}
	return (&Node{file, doc.Content[0]}).resolve(), nil
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
	return strconv.Quote(n.n.Value)
}

// Fields are the entries of a mapping, by name.
type Fields map[string]*Node

// Each calls f for the fields that are there, in the order of names, until one is wrong.
func (fields Fields) Each(names []string, f func(name string, n *Node) error) error {
	for _, name := range names {
		if n := fields[name]; n != nil {
			if err := f(name, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Fields are the entries of a mapping, each under one of the names.
func (n *Node) Fields(names ...string) (Fields, error) {
	if n.n.Kind != yaml.MappingNode {
		return nil, n.Wrong("%s, where a mapping with %s is expected", n.What(), strings.Join(names, ", "))
	}
	fields := make(Fields)
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

// Word is a scalar that is one of names. what says what of: "mode".
func (n *Node) Word(what string, names []string) (string, error) {
	text, err := n.Text()
	if err != nil {
		return "", err
	}
	return text, n.At(spelling.Known(what, text, names))
}

// Words are a list of them, without any twice.
func (n *Node) Words(what string, names []string) (words []string, err error) {
	for _, e := range n.List() {
		word, err := e.Word(what, names)
		if err != nil {
			return nil, err
		}
		if slices.Contains(words, word) {
			return nil, e.Wrong("%s %q stands here a second time", what, word)
		}
		words = append(words, word)
	}
	if len(words) == 0 {
		return nil, n.Wrong("an empty list, where at least one %s is expected", what)
	}
	return words, nil
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

// Int is a whole number of at least low.
func (n *Node) Int(low int) (int, error) {
	text, err := n.Text()
	if err != nil {
		return 0, n.Wrong("%s, where a whole number is expected", n.What())
	}
	v, err := strconv.Atoi(text)
	if err != nil || v < low || v > 1_000_000_000 {
		return 0, n.Wrong("%q, where a whole number from %d on is expected", text, low)
	}
	return v, nil
}

// Float is a number of at least 0.
func (n *Node) Float() (float64, error) {
	text, err := n.Text()
	if err != nil {
		return 0, n.Wrong("%s, where a number is expected", n.What())
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v >= 0) || v > 1e12 {
		return 0, n.Wrong("%q, where a number from 0 on is expected", text)
	}
	return v, nil
}

// Bool is true or false.
func (n *Node) Bool() (bool, error) {
	switch n.n.Value {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, n.Wrong("%s, where true or false is expected", n.What())
}

// Duration is a time above 0, in Go's notation.
func (n *Node) Duration() (time.Duration, error) {
	text, err := n.Text()
	if err != nil {
		return 0, n.Wrong("%s, where a duration is expected, such as 250ms, 10s or 20m", n.What())
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, n.Wrong("%q, where a duration is expected, such as 250ms, 10s or 20m", text)
	}
	return d, nil
}
