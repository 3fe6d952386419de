package explore

import (
	"fmt"
	"io"
	"time"

	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/result"
)

// File is the JSON form of all that a command explored.
type File struct {
	Schema   int            `json:"schema"`
	Torntail string         `json:"torntail"`
	Command  string         `json:"command"`
	Seed     uint64         `json:"seed"`
	Started  time.Time      `json:"started"`
	ElapsedS float64        `json:"elapsed_s"`
	Machine  result.Machine `json:"machine"`
	// States, Images and Rate are those of all reports together.
	States  int       `json:"states"`
	Images  int       `json:"images"`
	Rate    float64   `json:"rate"`
	Reports []*Report `json:"explorations"`
	// Interrupted: what was not explored is unknown.
	Interrupted bool `json:"interrupted,omitempty"`
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

// Save writes the file to a path.
func (f *File) Save(path string) error { return atomicfile.Write(path, f.Write) }

// Parse reads the JSON form of any version up to Schema.
func Parse(data []byte) (*File, error) {
	f := new(File)
	if err := jsonform.Parse(data, Schema, f); err != nil {
		return nil, err
	}
	for i, r := range f.Reports {
		if r == nil || r.Verdict == "" {
			return nil, fmt.Errorf("explorations[%d]: no verdict", i)
		}
	}
	return f, nil
}
