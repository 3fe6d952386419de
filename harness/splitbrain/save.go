package splitbrain

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/result"
)

// Files of a directory that an experiment is saved in.
const (
	ScenarioFile = "scenario.yaml"
	ReportFile   = "splitbrain.json"
	TimelineFile = "timeline.svg"
	TextFile     = "report.txt"
	EventsFile   = "sentinels.txt" // what the Sentinels announced
	HistoryFile  = "history.jsonl"
)

// Save writes an experiment into a directory, which it makes: the scenario, from
// which it can be run again, the report, the timeline, the record of every
// operation, and what the Sentinels announced; of a run that does not hold also the nodes' logs
// and files.
func Save(dir string, s *Scenario, o *Outcome, r *Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, f := range []struct {
		name  string
		write func(w io.Writer) error
	}{
		{ScenarioFile, s.WriteFile},
		{ReportFile, func(w io.Writer) error { return jsonform.Write(w, r, "  ") }},
		{TimelineFile, func(w io.Writer) error { return WriteTimeline(w, s, o, r) }},
		{TextFile, func(w io.Writer) error { r.WriteText(w); return nil }},
		{EventsFile, o.writeNotes},
	} {
		var b bytes.Buffer
		if err := f.write(&b); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, f.name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if r.Verdict != result.Holds && o.Evidence != nil {
		nodes, err := o.Evidence()
		if err != nil {
			return err
		}
		for i := range nodes {
			if err := nodes[i].save(dir); err != nil {
				return err
			}
		}
	}
	return history.Save(filepath.Join(dir, HistoryFile), o.History)
}

func (o *Outcome) writeNotes(w io.Writer) error {
	for _, n := range o.Notes {
		if _, err := fmt.Fprintf(w, "%9.3fs %s %s %s\n", (n.At - o.Began).Seconds(), n.Node, n.Event, n.Text); err != nil {
			return err
		}
	}
	return nil
}

// Is reports whether dir holds a saved experiment of this package.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ReportFile))
	return err == nil
}

// Load reads a saved experiment: its scenario, to run it again, and what it showed.
func Load(dir string) (*Scenario, *Report, error) {
	if err := inside.Tree(dir); errors.Is(err, inside.ErrNotFollowed) {
		return nil, nil, err
	}
	path := filepath.Join(dir, ScenarioFile)
	f, err := bounded.Open(path, "a scenario")
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	o, err := ReadFile(path, f)
	if err != nil {
		return nil, nil, err
	}
	s, err := New(o)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	path = filepath.Join(dir, ReportFile)
	text, err := bounded.Read(path, "a split brain", bounded.Results)
	if err != nil {
		return nil, nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	if r.Schema != Schema {
		return nil, nil, fmt.Errorf("%s: schema %d; this torntail reads %d", path, r.Schema, Schema)
	}
	s.Partition = r.Partition
	return s, r, nil
}

// Again says how a run compares with the saved one: the same outcome is a loss again
// where there was one, or the same verdict where it was not holds.
func (r *Report) Again(saved *Report) (same bool, word string) {
	switch {
	case r.Trace != "" && r.Trace == saved.Trace:
		return true, fmt.Sprintf("exactly the same: %s, %d acknowledged writes lost, trace %s", r.Verdict, r.Lost, r.Trace)
	case r.Verdict != saved.Verdict:
		return false, fmt.Sprintf("it was %s, and is %s", saved.Verdict, r.Verdict)
	case (r.Lost > 0) != (saved.Lost > 0):
		return false, fmt.Sprintf("%d acknowledged writes were lost, now %d", saved.Lost, r.Lost)
	}
	return true, fmt.Sprintf("again: %s, %d acknowledged writes lost (then %d)", r.Verdict, r.Lost, saved.Lost)
}
