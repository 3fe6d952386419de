package result

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"

	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/jsonform"
)

// Write writes the report as indented JSON. It sets the schema.
func (r *Report) Write(w io.Writer) error {
	c := *r
	c.Schema = Schema
	if c.Results == nil {
		c.Results = []Result{} // a reader iterates over results: never null
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(&c)
	if err == nil {
		_, err = w.Write(oneLineLists(b.Bytes()))
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// numbers is an indented JSON list of nothing but numbers. A string holds no
// line break of its own in JSON, so that this matches outside of strings only.
var numbers = regexp.MustCompile(`\[\n\s+-?[0-9.eE+-]+(?:,\n\s+-?[0-9.eE+-]+)*\n\s*\]`)

var breaks = regexp.MustCompile(`\n\s*`)

// oneLineLists puts each list of numbers on one line: a file with the samples of
// some thousand crashes stays one that people can read.
func oneLineLists(data []byte) []byte {
	return numbers.ReplaceAllFunc(data, func(list []byte) []byte {
		return bytes.ReplaceAll(breaks.ReplaceAll(list, nil), []byte(","), []byte(", "))
	})
}

// Save writes the report to a file: whole or not at all, so that a reader (or
// a run cut short) never finds half of one.
func (r *Report) Save(path string) error {
	return atomicfile.Write(path, r.Write)
}

// Parse reads the JSON form of any version up to Schema.
func Parse(data []byte) (*Report, error) {
	r := new(Report)
	if err := jsonform.Parse(data, Schema, r); err != nil {
		return nil, err
	}
	for i := range r.Results {
		x := &r.Results[i]
		if x.Verdict == "" {
			return nil, fmt.Errorf("results[%d] (%s, %s): no verdict", i, x.Mode, x.Crash)
		}
		if s := x.Samples; s != nil && len(s.WindowMS) != len(s.Lost) {
			return nil, fmt.Errorf("results[%d] (%s, %s): samples: %d loss windows, but %d counts of lost writes", i, x.Mode, x.Crash, len(s.WindowMS), len(s.Lost))
		}
	}
	return r, nil
}

// Load reads a file that Save wrote.
func Load(path string) (*Report, error) {
	data, err := bounded.Read(path, "a result", bounded.Results)
	if err != nil {
		return nil, fmt.Errorf("load report: %w", err)
	}
	r, err := Parse(data)
	if err != nil {
		return nil, fmt.Errorf("load report %s: %w", path, err)
	}
	return r, nil
}
