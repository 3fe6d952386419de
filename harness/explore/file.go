package explore

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/result"
)

// File is the JSON form of all that a command explored.
type File struct {
	result.Header
	// States, Images and Rate are those of all reports together.
	States  int       `json:"states"`
	Images  int       `json:"images"`
	Rate    float64   `json:"rate"`
	Reports []*Report `json:"explorations"`
}

// Add takes a report in.
func (f *File) Add(r *Report) {
	f.Reports = append(f.Reports, r)
	f.States += r.States
	f.Images += r.Images
}

// Finish says how long it all took.
func (f *File) Finish(took time.Duration) {
	f.ElapsedS = took.Seconds()
	f.Rate = float64(f.States) / took.Seconds()
}

// Write writes the file's text.
func (f *File) Write(w io.Writer) error { return jsonform.Write(w, f, " ") }

// Parse reads the JSON form of any version up to Schema.
func Parse(data []byte) (*File, error) {
	f := new(File)
	if err := jsonform.Parse(data, Schema, f); err != nil {
		return nil, cmp.Or(older(data), err)
	}
	for i, r := range f.Reports {
		if r == nil || r.Verdict == "" {
			return nil, fmt.Errorf("explorations[%d]: no verdict", i)
		}
	}
	return f, nil
}

// older says that data is of a version which had a form of its own for images of blocks.
func older(data []byte) error {
	var f struct {
		Explorations []struct{ FS string }
	}
	if json.Unmarshal(data, &f) == nil && len(f.Explorations) > 0 && f.Explorations[0].FS != "" {
		return errors.New("explorations: images of blocks, in the form of an older version: use the torntail that wrote it")
	}
	return nil
}
