// Package github writes results as workflow commands, which GitHub shows as
// annotations on a run and in the checks of a pull request.
package github

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// mostAnnotations is how many GitHub shows of each kind for one step.
const mostAnnotations = 10

// Write writes an error for each pair that was violated and a warning for each
// that is unknown, with the command that shows it again; nothing for others.
func Write(w io.Writer, r *result.Report) error {
	var b strings.Builder
	written := map[string]int{}
	add := func(kind, title, message string) {
		if written[kind]++; written[kind] < mostAnnotations {
			fmt.Fprintf(&b, "::%s title=%s::%s\n", kind, property(title), data(message))
		} else if written[kind] == mostAnnotations {
			fmt.Fprintf(&b, "::%s title=torntail::more of them are in the report\n", kind)
		}
	}
	for i := range r.Results {
		x := &r.Results[i]
		title := fmt.Sprintf("torntail: %s, %s (%s)", x.Mode, x.Crash, x.Target)
		switch x.Judged() {
		case result.Violated:
			add("error", title, violation(x))
		case result.Unknown:
			add("warning", title, "unknown, nothing is proved: "+why(x))
		}
	}
	for i := range r.Claims {
		c := &r.Claims[i]
		switch c.Verdict {
		case result.Violated:
			add("error", "torntail: claim "+c.ID, fmt.Sprintf("%s: expected %s, came out as %s: %s", c.Quote, c.Expected, c.Outcome, c.Figure))
		case result.Unknown:
			add("warning", "torntail: claim "+c.ID, c.Quote+": not measured: "+c.NotMeasured)
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write annotations: %w", err)
	}
	return nil
}

func why(r *result.Result) string {
	if r.Expected != nil && r.Expected.Why != "" {
		return r.Expected.Why
	}
	return r.Why
}

// violation is what is wrong, the story of the first failure and how to see it.
func violation(r *result.Result) string {
	s := wording.Verdict(r)
	if len(r.Anomalies) > 0 {
		s += ": " + wording.Counts(r.Anomalies)
	}
	if r.Expected != nil {
		s = fmt.Sprintf("expected %s: %s", r.Expected.Text, why(r))
	}
	for i := range r.Failures {
		f := &r.Failures[i]
		if f.Finding != "" {
			continue
		}
		if f.Story != "" {
			s += "\n" + f.Story
		}
		if c := f.ReplayCommand(); c != "" {
			s += "\nsee it again: " + c
		}
		break
	}
	return s
}

// data escapes the text of a workflow command: nothing in it may end the line
// and begin a command of its own.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\n", "%0A").Replace(wording.Clean(s, true))
}

// property escapes a property's value, which ends at a comma or colon.
func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(wording.Clean(strings.Join(strings.Fields(s), " "), false)))
}
