package explore

import (
	"encoding/json"
	"io"
	"os"
	"time"

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

// Exit is the exit status that the reports come to.
func (f *File) Exit() int {
	var results []result.Result
	for _, r := range f.Reports {
		results = append(results, result.Result{Verdict: r.Verdict})
	}
	return result.ExitCode(results)
}

// Write writes the file's text.
func (f *File) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", " ")
	return enc.Encode(f)
}

// Save writes the file to a path.
func (f *File) Save(path string) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	err = f.Write(out)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}
