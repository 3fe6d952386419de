package fidelity

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Schema is the version of File.
const Schema = 1

// File is what a comparison writes as JSON.
type File struct {
	result.Header
	Kernel  string    `json:"kernel"`
	Reports []*Report `json:"reports"`
}

// Write writes the file.
func (f *File) Write(w io.Writer) error { return jsonform.Write(w, f, "  ") }

// Mounted is how many images were mounted and listed in all, and Violations how
// many of them the models do not allow.
func (f *File) Mounted() (mounted, violations int) {
	for _, r := range f.Reports {
		mounted += r.Mounted
		violations += len(r.Violations)
	}
	return mounted, violations
}

// shown is how many violations are printed; all are in the JSON.
const shown = 20

// Write prints what a file system showed, with the unconfirmed images if asked.
func (r *Report) Write(w io.Writer, unconfirmed bool) {
	fmt.Fprintf(w, "%s against the personality %s: ", r.FS, r.Personality)
	if len(r.Violations) == 0 {
		fmt.Fprintf(w, "no image outside the model\n")
	} else {
		fmt.Fprintf(w, "%d images OUTSIDE THE MODEL\n", len(r.Violations))
	}
	fmt.Fprintf(w, "  %s of %s, %s, %d distinct images, each mounted and listed, in %.1f s: %.0f a second\n",
		wording.Times(r.Runs, "run"), wording.Times(len(r.Rows), "program"), wording.Times(r.Crashes, "crash"), r.Mounted, r.ElapsedS, float64(r.Mounted)/max(r.ElapsedS, 0.001))
	s := r.Steps
	fmt.Fprintf(w, "  an image took %.2f ms to make, %.1f to attach, %.1f to mount with its journal, %.1f to list, %.1f to unmount\n",
		s.Build, s.Attach, s.Mount, s.List, s.Unmount)
	if r.TornRefused > 0 {
		fmt.Fprintf(w, "  %d crashes with a torn write were not mounted: %s needs some pages of its own written whole\n    such as %s\n",
			r.TornRefused, strings.SplitN(r.FS, ",", 2)[0], r.TornExample)
	}
	for i, v := range r.Violations {
		if i == shown {
			fmt.Fprintf(w, "  and %d more, in the JSON file\n", len(r.Violations)-shown)
			break
		}
		v.write(w, r.FS)
	}
	allowed, open := r.unconfirmed()
	if r.Cut {
		fmt.Fprintf(w, "  what was never seen is known of programs tried whole only: %d images (unconfirmed)\n", open)
	} else {
		fmt.Fprintf(w, "  %d of %d allowed images were never seen (unconfirmed)\n", open, allowed)
	}
	if r.Cut {
		fmt.Fprintf(w, "  time was up before all was tried: what was not tried is unknown\n")
	}
	if unconfirmed {
		for _, row := range r.Rows {
			for _, image := range row.Unconfirmed {
				fmt.Fprintf(w, "    %s: %s\n", row.Program, image)
			}
		}
	}
}

// write prints a violation and how to see it again.
func (v *Violation) write(w io.Writer, fs string) {
	kind := ""
	switch {
	case v.Refused:
		kind = " (the file system does not come back)"
	case v.Torn:
		kind = " (only with a torn write)"
	}
	fmt.Fprintf(w, "  %s: %s%s\n    image:   %s\n    crash:   %s; %d crashes show it\n    allowed: %s\n    again:   %s\n",
		v.Program, v.when(), kind, v.Image, v.Crash, v.Times, strings.Join(v.Allowed, " | "), v.again(fs))
}

// when says how far the program was.
func (v *Violation) when() string {
	if v.Returned < len(v.Steps) {
		return fmt.Sprintf("after %d steps, in or before %q", v.Returned, v.Steps[v.Returned])
	}
	return "after the whole program"
}

// again is the command that shows it again.
func (v *Violation) again(fs string) string {
	return fmt.Sprintf("torntail fidelity --fs %s --base '%s' --program '%s'", strings.TrimSuffix(fs, " (flushes ignored)"), strings.Join(v.Base, "; "), strings.Join(v.Steps, "; "))
}
