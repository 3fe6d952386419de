// Package markdown writes results as GitHub-flavoured Markdown, for the step
// summary of a continuous-integration job or a pull request's comment.
package markdown

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// failuresShown is how many failures of one entry are written out; a step
// summary may hold 1 MiB at most.
const failuresShown = 3

// Write writes the report.
func Write(w io.Writer, r *model.Report) error {
	var b strings.Builder
	head := r.Head()
	if r.Interrupted {
		head += " (interrupted)"
	}
	fmt.Fprintf(&b, "## torntail: %s\n", text(head))
	if r.Meaning != "" {
		fmt.Fprintf(&b, "\n%s\n", text(r.Meaning))
	}
	points(&b, r)
	checks(&b, r)
	for i := range r.Sections {
		section(&b, &r.Sections[i])
	}
	failures(&b, r)
	findings(&b, r)
	took := ""
	if r.ElapsedS > 0 {
		took = ", took " + wording.Duration(r.ElapsedS*1000)
	}
	fmt.Fprintf(&b, "\ntorntail %s, seed %d%s: %s\n", text(r.Torntail), r.Seed, took, code(r.Command))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

// points are what did not come as it should, before any table.
func points(b *strings.Builder, r *model.Report) {
	of := result.Verdict("")
	shown, left := 0, 0
	for _, p := range r.Points() {
		if p.Verdict != of {
			more(b, left)
			of, shown, left = p.Verdict, 0, 0
			heading := "Violated"
			switch {
			case of == result.Unknown:
				heading = "Unknown"
			case r.Suite != "":
				heading = "Not as expected"
			}
			fmt.Fprintf(b, "\n### %s\n\n", heading)
		}
		if shown++; shown > pointsShown {
			left++
			continue
		}
		fmt.Fprintf(b, "- **%s**", text(p.Name))
		if p.Why != "" {
			fmt.Fprintf(b, ": %s", text(p.Why))
		}
		b.WriteByte('\n')
		if p.Means != "" {
			fmt.Fprintf(b, "  <br>%s\n", text(p.Means))
		}
		if f := p.Failure; f != nil {
			command := f.Command
			if f.Smaller != nil {
				command = f.Smaller.ReplayCommand()
			}
			if command != "" {
				fmt.Fprintf(b, "  <br>see it again: %s\n", code(command))
			}
		}
	}
	more(b, left)
}

// pointsShown is how many of them are listed; the table below has them all.
const pointsShown = 20

func more(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "- and %d more in the table below\n", n)
	}
}

// checks are those that found nothing wrong, or were not made.
func checks(b *strings.Builder, r *model.Report) {
	for i := range r.Checks {
		if c := &r.Checks[i]; c.Verdict == result.Holds || c.Verdict == result.NotApplicable {
			fmt.Fprintf(b, "\n%s: %s\n", text(strings.ToUpper(c.Name[:1])+c.Name[1:]), text(c.Why))
		}
	}
}

// section writes a table.
func section(b *strings.Builder, s *model.Section) {
	fmt.Fprintf(b, "\n### %s\n\n", text(s.Title))
	if s.Advice != "" {
		fmt.Fprintf(b, "**%s**\n\n", text(s.Advice))
	}
	if s.Unjudged { // what the figures are of; else the loss table says it by itself
		fmt.Fprintf(b, "%s\n\n", text(strings.Join(s.Text, " ")))
	}
	head, rule := []string{}, []string{}
	for _, l := range s.Labels {
		head, rule = append(head, text(l)), append(rule, "---")
	}
	for i := range s.Columns {
		c := &s.Columns[i]
		name := c.Name
		if i == 0 || s.Columns[i-1].Group != c.Group {
			name = c.Heading()
		}
		align := "--:"
		if c.Unit == model.Words {
			align = "---"
		}
		head, rule = append(head, text(name)), append(rule, align)
	}
	if !s.Unjudged {
		head, rule = append(head, "verdict"), append(rule, "---")
	}
	expects := expects(s)
	if expects {
		head, rule = append(head, "as expected?"), append(rule, "---")
	}
	fmt.Fprintf(b, "| %s |\n|%s|\n", strings.Join(head, " | "), strings.Join(rule, "|"))
	for i := range s.Entries {
		e := &s.Entries[i]
		var cells []string
		for _, l := range e.Labels {
			cells = append(cells, text(l))
		}
		for j := range s.Columns {
			switch {
			case j >= len(e.Figures):
				cells = append(cells, "")
			case e.Figures[j].Shown == "-": // begins no list inside of a table
				cells = append(cells, "-")
			default:
				cells = append(cells, text(e.Figures[j].Shown))
			}
		}
		if !s.Unjudged {
			cells = append(cells, verdict(s, e))
		}
		if expects {
			cells = append(cells, expected(e))
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	for i, t := range s.About() {
		if i == 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "<sub>%s: %s</sub><br>\n", text(t.Name), text(t.About))
	}
}

// expects reports whether something was expected of an entry.
func expects(s *model.Section) bool {
	return slices.ContainsFunc(s.Entries, func(e model.Entry) bool { return e.Expected != nil })
}

// expected is whether an entry came as its suite expects, which is another thing than the
// verdict on its contract.
func expected(e *model.Entry) string {
	switch x := e.Expected; {
	case x == nil:
		return ""
	case x.As == result.Holds && x.Issue == "":
		return "yes"
	case x.As == result.Holds:
		return "yes: " + text(x.Text+", "+x.Issue)
	case x.As == result.Violated:
		return "**no**: " + text("expected "+x.Text+"; "+x.Why)
	case x.As == result.NotApplicable:
		return "n/a"
	}
	return "**unknown**"
}

// verdict is the verdict with its reasons.
func verdict(s *model.Section, e *model.Entry) string {
	words := text(e.VerdictWords())
	if v := e.Verdict; v == result.Violated || v == result.Unknown {
		words = "**" + words + "**"
	}
	if s.Complete {
		return words
	}
	if e.Why != "" {
		words += ": " + text(strings.TrimPrefix(e.Why, e.VerdictWords()+": "))
	}
	if len(e.Anomalies) > 0 {
		words += ": " + text(wording.Counts(e.Anomalies, e.Of))
	}
	for _, note := range e.Notes {
		words += "; " + text(note)
	}
	return words
}

func failures(b *strings.Builder, r *model.Report) {
	headed := false
	for _, e := range r.Entries() {
		for j := range e.Failures {
			f := &e.Failures[j]
			if !headed {
				b.WriteString("\n### Failures\n")
				headed = true
			}
			if j == failuresShown {
				fmt.Fprintf(b, "\nThe report directory has more of %s.\n", text(e.Name()))
				break
			}
			name := e.Name()
			if f.Where != "" {
				name += ", " + f.Where
			}
			fmt.Fprintf(b, "\n**%s** %s\n", text(name), text(f.What))
			if strings.Contains(strings.TrimSpace(f.Story), "\n") {
				block(b, "text", f.Story)
			} else if f.Story != "" {
				fmt.Fprintf(b, "\n%s\n", text(f.Story))
			}
			block(b, "text", f.Plan)
			block(b, "sh", f.Command)
			if f.Smaller != nil {
				fmt.Fprintf(b, "\nThe same in %s:\n", text(f.Smaller.String()))
				block(b, "sh", f.Smaller.ReplayCommand())
			}
		}
	}
}

func findings(b *strings.Builder, r *model.Report) {
	for i := range r.Findings {
		if i == 0 {
			fmt.Fprintf(b, "\n### Known findings\n\nEach is %s.\n", wording.FindingMeans)
		}
		fmt.Fprintf(b, "\n%s\n", text(r.Findings[i].String()))
		block(b, "sh", r.Findings[i].Command)
	}
}

// special are the characters that mean something to Markdown, in a table too.
const special = "\\`*_{}[]()#+-.!|<>~&$@:"

// text escapes s so that it shows as it is, on one line: no markup, no HTML, no
// mention of a user, no link.
func text(s string) string {
	s = wording.Clean(strings.Join(strings.Fields(s), " "), false)
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '&':
			b.WriteString("&amp;")
		case r == '@' || r == ':' && strings.HasPrefix(s[i:], "://"):
			fmt.Fprintf(&b, "&#%d;", r) // a backslash stops neither mentions nor links
		case strings.ContainsRune("-.:,()+", r) && !startsList(s, i):
			b.WriteRune(r)
		case strings.ContainsRune(special, r):
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// startsList reports whether the character at i could begin a list item: only
// blanks or digits stand before it, and a blank or nothing behind it.
func startsList(s string, i int) bool {
	return strings.Trim(s[:i], "0123456789") == "" && (i+1 == len(s) || s[i+1] == ' ')
}

// code is s as a code span, delimited by more backticks than it holds in a row.
func code(s string) string {
	s = wording.Clean(strings.Join(strings.Fields(s), " "), false)
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if s == "" {
		return ""
	}
	return fence + " " + s + " " + fence
}

// block writes s as a fenced code block; nothing when it is empty.
func block(b *strings.Builder, language, s string) {
	if s == "" {
		return
	}
	s = wording.Clean(strings.TrimRight(s, "\n"), true)
	fence := strings.Repeat("`", max(3, longestRun(s, '`')+1))
	fmt.Fprintf(b, "\n%s%s\n%s\n%s\n", fence, language, s, fence)
}

func longestRun(s string, c byte) int {
	longest, n := 0, 0
	for i := range len(s) {
		if s[i] != c {
			n = 0
			continue
		}
		n++
		longest = max(longest, n)
	}
	return longest
}
