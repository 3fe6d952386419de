package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// clock are the JSON values that come from the machine's clock, or say which
// machine it was; by name, and where that means something else elsewhere by path.
var clock = []string{
	"started", "elapsed_s", "machine", // of every report
	"command",                    // holds no more than the group's arguments
	"torntail",                   // the version
	"rate(explore.json)",         // states a second
	"images_elapsed_s", "took_s", // of explorations
}

// normal is a saved file as it is kept: under which name, and what of it.
func normal(name string, data []byte) (string, []byte, error) {
	switch path.Ext(name) {
	case ".json":
		var v any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			return "", nil, err
		}
		var b bytes.Buffer
		write(&b, strip(v, filepath.Base(name)), "")
		b.WriteByte('\n')
		return name, b.Bytes(), nil
	case ".md", ".xml", ".txt", ".yaml":
		return name, text(data), nil
	case ".html", ".svg":
		data = text(data) // long, and drawn from what the others hold: whether it differs is enough
	}
	return name + ".sha256", fmt.Appendf(nil, "%d bytes, sha256 %x\n", len(data), sha256.Sum256(data)), nil
}

// strip takes the values away that come from the clock.
func strip(v any, file string) any {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range clock {
			if name, in, ok := strings.Cut(k, "("); ok && strings.TrimSuffix(in, ")") != file {
				continue
			} else {
				delete(v, name)
			}
		}
		for k := range v { // any order: each is stripped for itself
			v[k] = strip(v[k], file)
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i], file)
		}
	}
	return v
}

// write writes JSON with sorted names, one value a line; a list of numbers is one value.
func write(b *bytes.Buffer, v any, indent string) {
	inner := indent + " "
	switch v := v.(type) {
	case map[string]any:
		b.WriteString("{")
		for i, k := range slices.Sorted(mapKeys(v)) {
			comma(b, i, inner)
			fmt.Fprintf(b, "%q: ", k)
			write(b, v[k], inner)
		}
		closing(b, len(v), indent, "}")
	case []any:
		if scalars(v) {
			line, _ := json.Marshal(v) // numbers, strings and such
			b.Write(line)
			return
		}
		b.WriteString("[")
		for i := range v {
			comma(b, i, inner)
			write(b, v[i], inner)
		}
		closing(b, len(v), indent, "]")
	default:
		line, _ := json.Marshal(v) // a number, a string or such
		b.Write(line)
	}
}

func comma(b *bytes.Buffer, i int, indent string) {
	if i > 0 {
		b.WriteString(",")
	}
	b.WriteString("\n" + indent)
}

func closing(b *bytes.Buffer, n int, indent, bracket string) {
	if n > 0 {
		b.WriteString("\n" + indent)
	}
	b.WriteString(bracket)
}

func scalars(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool {
		switch v.(type) {
		case map[string]any, []any:
			return true
		}
		return false
	})
}

// timings are what printed text says of the clock and the machine.
var timings = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`took [0-9][0-9.]*[a-zµ]+( ?[0-9.]+[a-z]+)*`), "took TIME"},
	{regexp.MustCompile(`<dt>Took</dt><dd>[^<]*</dd>`), "<dt>Took</dt><dd>TIME</dd>"},
	{regexp.MustCompile(`; [0-9.]+k? a second`), "; RATE a second"}, // states of an exploration
	{regexp.MustCompile(`in [0-9.]+ s: \d+ states a second`), "in TIME: RATE states a second"},
	{regexp.MustCompile(` timestamp="[^"]*"`), ` timestamp="STARTED"`},
	{regexp.MustCompile(`(<testsuites?\b[^>]*) time="[^"]*"`), `$1 time="TIME"`},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?`), "STARTED"},
}

// digits are what differs in reasons that are otherwise the same.
var digits = regexp.MustCompile(`\d+(\.\d+)?`)

// text is printed text without them.
func text(data []byte) []byte {
	for _, t := range timings {
		data = t.what.ReplaceAll(data, []byte(t.with))
	}
	return data
}

func mapKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }
