// Package yamlform reads YAML that may come from anybody: one document, of text, of a
// bounded size once its aliases are followed.
package yamlform

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/internal/bounded"
)

// mostNodes is how many values a file may hold, with those that aliases stand for.
const mostNodes = 200_000

// Node is the document that a text holds; nil when there is nothing in it.
func Node(text []byte) (*yaml.Node, error) {
	if len(text) > bounded.ByHand {
		return nil, fmt.Errorf("%d bytes: want at most %d", len(text), bounded.ByHand)
	}
	if err := bounded.CheckText(text); err != nil {
		return nil, err
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(text))
	switch err := d.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("line %d: a second document begins: a file holds one", more.Line)
	case !errors.Is(err, io.EOF):
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return nil, nil
	}
	if _, err := count(doc.Content[0], map[*yaml.Node]int{}); err != nil {
		return nil, err
	}
	return doc.Content[0], nil
}

// count is the number of values that a node stands for. known has those of anchors, 0
// while they are being counted.
func count(n *yaml.Node, known map[*yaml.Node]int) (int, error) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if c, ok := known[n]; ok {
		if c == 0 {
			return 0, fmt.Errorf("line %d: anchor %q stands for a value that it is in itself", n.Line, n.Anchor)
		}
		return c, nil
	}
	if n.Anchor != "" {
		known[n] = 0
	}
	sum := 1
	for _, child := range n.Content {
		c, err := count(child, known)
		if err != nil {
			return 0, err
		}
		if sum += c; sum > mostNodes {
			return 0, fmt.Errorf("line %d: more than %d values, with those that aliases stand for", n.Line, mostNodes)
		}
	}
	if n.Anchor != "" {
		known[n] = sum
	}
	return sum, nil
}

// Decode reads a text into a struct, whose fields are all that may stand in it; io.EOF:
// there is nothing in it.
func Decode(text []byte, into any) error {
	n, err := Node(text)
	switch {
	case err != nil:
		return err
	case n == nil:
		return io.EOF
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	return plain(d.Decode(into))
}

// plain takes the Go type names out of yaml's messages: the reader of a
// file knows the file, not this program.
func plain(err error) error {
	var te *yaml.TypeError
	if !errors.As(err, &te) {
		return err
	}
	for i, m := range te.Errors {
		if j := strings.Index(m, " in type "); j >= 0 {
			m = m[:j] + " here"
		}
		if j := strings.LastIndex(m, " into "); j >= 0 {
			m = m[:j] + " here"
		}
		te.Errors[i] = m
	}
	return errors.New(strings.Join(te.Errors, "; "))
}
