// Package formats are the forms in which reports are written: a file for each, which
// makes it known. A short one is written there, a longer one in a package of its own
// below reports. Every command writes all of them, and torntail report writes them
// again; what a format owes to a report is in cmd/torntail/found_test.go.
package formats

import (
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/model"
)

// Format is a form in which reports are written.
type Format struct {
	// File is what it is called in a report directory: "report.md". Names that begin
	// with "report." say by it that they hold nothing that the JSON form does not.
	File  string
	Write func(w io.Writer, r *model.Report) error
	// JudgedOnly: it has no place for what has no verdict (model.Section.Unjudged).
	JudgedOnly bool
}

var all []Format

// register makes a format known. It is called from init functions only.
func register(f Format) { all = append(all, f) }

// All are the formats, by the names of their files.
func All() []Format {
	list := slices.Clone(all)
	slices.SortFunc(list, func(a, b Format) int { return strings.Compare(a.File, b.File) })
	return list
}
