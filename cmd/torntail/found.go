package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/harness/explore"
	"github.com/torntail/torntail/harness/fidelity"
	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
)

// found is what a command found, in its own versioned JSON form, and as the report
// that every format is written from.
type found interface {
	// report is the model; from is where the command's own files are.
	report(from string) (*model.Report, error)
}

type (
	foundRun        struct{ *result.Report }
	foundStates     struct{ *explore.File }
	foundSplitBrain struct{ *splitbrain.File }
	foundFidelity   struct{ *fidelity.File }
)

// forms are the JSON forms: each is told by a list that only it has.
var forms = []struct {
	list  string // the field of the list
	parse func(data []byte) (found, error)
}{
	{"results", func(data []byte) (found, error) { r, err := result.Parse(data); return foundRun{r}, err }},
	{"cells", func(data []byte) (found, error) { f, err := splitbrain.Parse(data); return foundSplitBrain{f}, err }},
	{"explorations", func(data []byte) (found, error) { f, err := explore.Parse(data); return foundStates{f}, err }},
	{"reports", func(data []byte) (found, error) { f, err := fidelity.Parse(data); return foundFidelity{f}, err }},
}

// foundFiles are the names of the JSON form in a report directory.
var foundFiles = []string{resultFile, exploreFile, fidelityFile}

// loadFound reads the JSON form in a report directory, or at a path.
func loadFound(path string) (found, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		dir := path
		path = filepath.Join(dir, foundFiles[0])
		for _, name := range foundFiles {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				path = filepath.Join(dir, name)
				break
			}
		}
	}
	data, err := bounded.Read(path, "a result", bounded.Results)
	if err != nil {
		return nil, fmt.Errorf("load report: %w", err)
	}
	f, err := parseFound(data)
	if err != nil {
		return nil, fmt.Errorf("load report %s: %w", path, err)
	}
	return f, nil
}

// parseFound reads any of the forms; what is none of them is read as a run's, whose
// errors say what is missing.
func parseFound(data []byte) (found, error) {
	var lists map[string]json.RawMessage
	_ = json.Unmarshal(data, &lists) // if it is no JSON, then the form's own reader says where
	for _, f := range forms {
		if _, ok := lists[f.list]; ok {
			return f.parse(data)
		}
	}
	return forms[0].parse(data)
}

func (f foundRun) report(from string) (*model.Report, error) {
	for i := range f.Results {
		for j := range f.Results[i].Failures {
			x := &f.Results[i].Failures[j]
			x.Dir = moved(x.Dir, from)
		}
	}
	m := losses.Report(f.Report, finding.Catalogue(target.Findings()))
	pictures, err := saved.Pictures(from)
	m.Pictures = pictures
	return m, err
}

func (f foundStates) report(from string) (*model.Report, error) {
	for _, r := range f.Reports {
		for i := range r.Groups {
			r.Groups[i].Dir = moved(r.Groups[i].Dir, from)
		}
		for i := range r.Findings {
			r.Findings[i].Dir = moved(r.Findings[i].Dir, from)
		}
		if r.Double != nil {
			for i := range r.Double.Groups {
				r.Double.Groups[i].Dir = moved(r.Double.Groups[i].Dir, from)
			}
		}
	}
	return f.Model(finding.Catalogue(target.Findings())), nil
}

// report has the timelines of its first experiments as pictures; those of
// violations are their evidence.
func (f foundSplitBrain) report(from string) (*model.Report, error) {
	var all []*splitbrain.Report
	for _, c := range f.Cells {
		all = append(all, c.Reports...)
	}
	for _, r := range all {
		r.Dir = movedRun(r.Dir, from, len(all) == 1)
	}
	m := f.Model()
	for i, r := range all {
		if r.Verdict == result.Violated || !inside.Has(from, r.Dir) || len(m.Pictures) == mostPictured {
			continue
		}
		pictures, err := saved.Pictures(r.Dir)
		if err != nil {
			return nil, err
		}
		for _, p := range pictures {
			if p.Title+".svg" == splitbrain.TimelineFile {
				p.Title = "timeline: " + m.Sections[0].Entries[i].Name()
				m.Pictures = append(m.Pictures, p)
			}
		}
	}
	return m, nil
}

// movedRun is where an experiment of a split brain is: in the report directory
// itself when it is the only one, else one below it.
func movedRun(dir, from string, only bool) string {
	if dir != "" && only && !inside.Has(from, dir) {
		return from
	}
	return moved(dir, from)
}

func (f foundFidelity) report(string) (*model.Report, error) { return f.Model(), nil }
