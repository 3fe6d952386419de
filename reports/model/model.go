// Package model is what every report says, whichever command found it: what was
// judged, each with its verdict, figures, anomalies and failures, in sections that
// are tables; the known findings that were seen; drawings; and where, when and with
// which seed it was. A command's own result becomes a Report in one place, beside
// its own type, and each writer (HTML, Markdown, JUnit, GitHub) serves Reports: a
// new command is in every format, and a new format serves every command.
//
// Text may be anything that a server, a key or a path can hold. Writers escape it.
package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Report is everything that one command found.
type Report struct {
	result.Header
	// Headline is a few words behind the verdict; "" counts what was judged.
	Headline string
	Meaning  string // one sentence on what it all says
	// AtFault: torntail's judges contradict each other, whatever else was found.
	AtFault bool
	// Suite is the name of the suite that expects something of entries; "" of none.
	Suite  string
	Checks []Check // of everything together
	// Choices are words for formats that can be written in more than one way.
	Choices  []string
	Sections []Section
	Findings []Finding // known ones, each once, in the order of the catalogue
	Pictures []Picture // of the command as a whole
	// Evidence finds what is on file about a failure, by its directory: nil when that is
	// nothing. It takes time, and not every format shows it.
	Evidence func(dir string) (*Evidence, error)
}

// Section is a table: entries that have the same figures.
type Section struct {
	Title  string
	Text   []string // what all entries share, a paragraph each
	Advice string   // what follows from it all, for the reader to act on
	// Caption says how to read the table.
	Caption string
	// Labels are what entries are named by: mode, crash.
	Labels  []string
	Columns []Column
	Entries []Entry
	// Unjudged: its figures have no verdicts, such as what settings cost.
	Unjudged bool
	// Complete: the columns say everything, and nothing is repeated below a row.
	Complete bool
	Charts   []chart.Chart
	Drawings []*chart.Drawing
}

// Column is a figure that all entries of a section can have.
type Column struct {
	Name  string
	About string // what it means, a clause; "": its name says it
	Group string // a heading over several that stand side by side
	Unit  Unit
}

// Heading is a column's name with its group.
func (c *Column) Heading() string {
	if c.Group == "" {
		return c.Name
	}
	return c.Group + ": " + c.Name
}

// Unit is what a figure counts or measures.
type Unit string

const (
	Words          Unit = "" // no figure: Value says nothing
	Runs           Unit = "runs"
	Writes         Unit = "writes"
	States         Unit = "states"
	Images         Unit = "images"
	Milliseconds   Unit = "ms"
	PerSecond      Unit = "1/s"
	PerOperation   Unit = "1/op"
	BytesWritten   Unit = "bytes"
	BytesPerOp     Unit = "bytes/op"
	ShareOfCrashes Unit = "share" // 0 to 1
	Number         Unit = "number"
)

// Entry is one thing that was judged.
type Entry struct {
	Labels  []string // one for each of the section's
	Detail  string   // of the first label: what a mode sets
	Target  string   // whom it is about; "" where a label says so
	Version string   // of the target; "" where it is not known
	// Suite and Title are its name where there is no table around it: the group that
	// it belongs to, of words that dots separate, and what it is in the group.
	Suite, Title string
	About        string // a sentence that was put to the test

	TookS   float64        // for how long it was tried; 0: not known
	Verdict result.Verdict // "" in a section that judges nothing
	Worded  string         // the verdict with a distinction; "" is the verdict itself
	Why     string
	// Expected is what a suite expects; nil is nothing.
	Expected *result.Expected

	Figures []Figure // one for each of the section's columns; none where nothing was run
	InWords []string // the figures in words, a line each
	Notes   []string // below its row
	Report  string   // what the command prints of it, where that says more than the figures
	// Folded are lists to look through, in the format that can fold them away.
	Folded []Folded

	Anomalies map[string]int // name: how often it was seen
	Of        string         // in what: "run", "state", "image"; "" is run
	Seen      []Seen         // known findings
	Failures  []Failure
}

// Folded is a long text with a line that stands for it.
type Folded struct{ Title, Text string }

// Figure is a value and how it is shown.
type Figure struct {
	Value  float64 // in the column's unit
	Shown  string  // "-" where there is none
	Bounds []result.Bound
}

// Seen is a known finding that an entry shows.
type Seen struct {
	Name    string
	Times   int
	Command string // that shows it; "" when no example was kept
}

// Failure is an example of what is wrong, kept so that it can be seen again.
type Failure struct {
	What  string // the anomaly, or what else is wrong
	Where string // which of many: "seed 17"
	Story string // what happened, in words
	Plan  string // what struck, as it can be given again
	Dir   string // with evidence, and what replay takes; "" is none
	// Command shows it again; "" is none.
	Command string
	// Smaller is the same in less to read; nil is none.
	Smaller *result.Shrunk
}

// Evidence is what is on file about a failure beside its story.
type Evidence struct {
	History  *history.History // nil: none
	Pictures []Picture        // drawn by the experiment: a split brain, a map of crash states
	// Interactive is a page of its own, such as porcupine's view of a history that
	// cannot be put in order; nil: none. Its scripts are to run in a sandbox.
	Interactive []byte
}

// Finding is a known property of a product that was seen.
type Finding struct {
	result.Finding
	Times   int
	Of      string   // in what: "run", "state", "image"
	Where   []string // the first labels of the entries that showed it
	Command string   // that shows it; "" when no example was kept
}

// Picture is an SVG image.
type Picture struct {
	Title string
	SVG   []byte
}

func (f *Finding) String() string {
	text := f.Name
	if f.Title != "" {
		text += ": " + f.Title
	}
	return fmt.Sprintf("%s: %s (%s)", text, wording.Times(f.Times, f.Of), strings.Join(f.Where, ", "))
}

// Judged is what an entry counts as: the verdict on what was expected of it, or
// its own where nothing was.
func (e *Entry) Judged() result.Verdict {
	if e.Expected == nil {
		return e.Verdict
	}
	return e.Expected.As
}

// VerdictWords is the verdict as it is shown.
func (e *Entry) VerdictWords() string {
	if e.Worded != "" {
		return e.Worded
	}
	return string(e.Verdict)
}

// Name is an entry's labels in a row.
func (e *Entry) Name() string { return strings.Join(e.Labels, ", ") }

// Entries are those of all sections that judge.
func (r *Report) Entries() []*Entry {
	var list []*Entry
	for i := range r.Sections {
		if s := &r.Sections[i]; !s.Unjudged {
			for j := range s.Entries {
				list = append(list, &s.Entries[j])
			}
		}
	}
	return list
}

// Exit is the exit status of the command. lenient: an unknown only warns, as long
// as something was proved.
func (r *Report) Exit(lenient bool) int {
	var verdicts []result.Verdict
	for _, e := range r.Entries() {
		verdicts = append(verdicts, e.Judged())
	}
	for i := range r.Checks {
		verdicts = append(verdicts, r.Checks[i].Verdict)
	}
	if r.Interrupted {
		verdicts = append(verdicts, result.Unknown)
	}
	code := result.Exit(verdicts, lenient)
	if r.AtFault {
		code = result.Worst(code, result.ExitInternal)
	}
	return code
}

// Verdict is the strongest of all: violated beats unknown beats holds.
func (r *Report) Verdict() result.Verdict {
	switch r.Exit(false) {
	case result.ExitHolds:
		return result.Holds
	case result.ExitViolated:
		return result.Violated
	}
	return result.Unknown
}

// Gather fills in the report's findings from what its entries show: those of the
// catalogue in its order with their texts, then others by name. A finding that the
// catalogue does not have, such as one of an older version, has its name.
func (r *Report) Gather(catalogue []result.Finding) {
	seen := map[string]*Finding{}
	var others []string
	for _, e := range r.Entries() {
		for _, s := range e.Seen {
			if s.Times <= 0 {
				continue
			}
			f := seen[s.Name]
			if f == nil {
				f = &Finding{Finding: result.Finding{Name: s.Name}, Of: e.Of}
				seen[s.Name] = f
				others = append(others, s.Name)
			}
			f.Times += s.Times
			if len(e.Labels) > 0 && !slices.Contains(f.Where, e.Labels[0]) {
				f.Where = append(f.Where, e.Labels[0])
			}
			if f.Command == "" {
				f.Command = s.Command
			}
		}
	}
	r.Findings = nil
	for _, known := range catalogue {
		if f := seen[known.Name]; f != nil {
			f.Finding = known
			r.Findings = append(r.Findings, *f)
			delete(seen, known.Name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		if f := seen[name]; f != nil {
			r.Findings = append(r.Findings, *f)
		}
	}
}
