// Package github writes results as workflow commands, which GitHub shows as
// annotations on a run and in the checks of a pull request.
package github

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// mostAnnotations is how many GitHub shows of each kind for one step.
const mostAnnotations = 10

// Write writes an error for each entry that was violated and a warning for each
// that is unknown, with the command that shows it again; nothing for others.
func Write(w io.Writer, r *model.Report) error {
	var b strings.Builder
	written := map[string]int{}
	add := func(kind, title, message string) {
		if written[kind]++; written[kind] < mostAnnotations {
			fmt.Fprintf(&b, "::%s title=%s::%s\n", kind, property(title), data(message))
		} else if written[kind] == mostAnnotations {
			fmt.Fprintf(&b, "::%s title=torntail::more of them are in the report\n", kind)
		}
	}
	for i := range r.Sections {
		s := &r.Sections[i]
		if s.Unjudged {
			continue
		}
		for j := range s.Entries {
			e := &s.Entries[j]
			switch e.Judged() {
			case result.Violated:
				add("error", title(s, e), violation(e))
			case result.Unknown:
				add("warning", title(s, e), unknown(e))
			}
		}
	}
	for i := range r.Checks {
		c := &r.Checks[i]
		text := strings.Join(append([]string{c.Why}, c.Details...), "\n")
		switch c.Verdict {
		case result.Violated:
			add("error", "torntail: "+c.Name, text)
		case result.Unknown, result.NotApplicable:
			add("warning", "torntail: "+c.Name, text)
		}
	}
	if r.Interrupted {
		add("warning", "torntail", "interrupted: what was not tried is unknown")
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write annotations: %w", err)
	}
	return nil
}

// title names an entry: "everysec, power (engine)", "claim P1 (redis-server)".
func title(s *model.Section, e *model.Entry) string {
	name := e.Name()
	if len(s.Labels) == 1 {
		name = s.Labels[0] + " " + name
	}
	if e.Target != "" {
		name += " (" + e.Target + ")"
	}
	return "torntail: " + name
}

func why(e *model.Entry) string {
	if e.Expected != nil && e.Expected.Why != "" {
		return e.Expected.Why
	}
	return e.Why
}

func unknown(e *model.Entry) string {
	if e.About != "" {
		return e.About + ": " + why(e)
	}
	return "unknown, nothing is proved: " + why(e)
}

// violation is what is wrong, the story of the first failure and how to see it.
func violation(e *model.Entry) string {
	s := e.VerdictWords()
	switch {
	case e.About != "":
		s = e.About + ": " + e.Why
	case e.Expected != nil:
		s = fmt.Sprintf("expected %s: %s", e.Expected.Text, why(e))
	case len(e.Anomalies) > 0:
		s += ": " + wording.Counts(e.Anomalies, e.Of)
	case e.Why != "":
		s += ": " + e.Why
	}
	if len(e.Failures) == 0 {
		return s
	}
	f := &e.Failures[0]
	if f.Story != "" {
		s += "\n" + f.Story
	}
	if f.Command != "" {
		s += "\nsee it again: " + f.Command
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
