// Package suite runs a YAML file of experiments, as a nightly job does: a matrix
// of cells under a budget of time or of counts, each with what is expected of it,
// on several machines if need be, resumed after an interruption.
//
// A cell is anything that can be run and compared with an expectation. Each kind
// of cell has a file that registers the section of a suite in which its cells
// stand: matrix.go the crash experiments. A new kind implements Runner and
// registers a Section; budgets, shards, resumption and reports are here already.
package suite

import (
	"context"
	"slices"
	"time"

	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/reports/result"
)

// Node is a place in a suite file, which knows its line and column.
type Node = yamlnode.Node

// Cell is one entry of a suite.
type Cell struct {
	// Name is unique in the suite and says where in it the cell stands:
	// "engine/always/power/registers/ext4". Results are kept under it.
	Name   string
	Runner Runner
	Expect Expectation
}

// Runner runs a cell. What it is asked to run follows from the Job alone, so
// that a cell gives the same result whichever others run before it, and wherever.
type Runner interface {
	// Blank says what the cell is about, with no figures, for when it is not run.
	Blank() Outcome
	Run(ctx context.Context, j *Job) (*Outcome, error)
}

// beside is implemented by runners whose cells may run beside each other: those that wait
// most of the time.
type beside interface {
	// Beside is how many experiments of such cells may run at once; 0: this one is run alone.
	Beside(o *Options) int
}

// Job is what a cell is run with. The seed is the suite's: a runner mixes in what tells
// its cell from others.
type Job struct {
	*Options
	// Until is when the cell's share of the suite's time ends; zero: it has a
	// count of its own.
	Until time.Time
	// Runs is how many times the cell is repeated when Until is zero, unless the
	// cell says itself; 0: what suits it.
	Runs int
	// Keep is how many failures are saved.
	Keep int
	// Failures is where they are saved, in a directory of their own each.
	Failures string
	// Slots are what the cells that run beside each other share; nil: this one runs alone.
	Slots chan struct{}
	// Tell is told how far the cell is; it may be called at any time.
	Tell func(done, total int)
}

// Outcome is what came of a cell: a result, or a claim put to the test.
type Outcome struct {
	Result *result.Result `json:"result,omitempty"`
	Claim  *result.Claim  `json:"claim,omitempty"`
}

// say sets the verdict of an outcome that was not measured, and why.
func (o *Outcome) say(v result.Verdict, why string) {
	if o.Result != nil {
		o.Result.Verdict, o.Result.Why = v, why
	}
	if o.Claim != nil {
		o.Claim.Verdict, o.Claim.NotMeasured = v, why
	}
}

// Section is a part of a suite file that holds cells.
type Section struct {
	Name string // the field of the file
	// Parse turns a block of it into cells, which File.cell makes.
	Parse func(f *File, block *Node) ([]Cell, error)
}

var sections []Section

// Register makes a section known. It is called from init functions only.
func Register(s Section) {
	if slices.ContainsFunc(sections, func(have Section) bool { return have.Name == s.Name }) {
		panic("suite: section " + s.Name + " is registered twice")
	}
	sections = append(sections, s)
}
