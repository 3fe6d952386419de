// Package markdown writes results as GitHub-flavoured Markdown, for the step
// summary of a continuous-integration job or a pull request's comment.
package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// failuresShown is how many failures of one pair are written out; a step
// summary may hold 1 MiB at most.
const failuresShown = 3

// Write writes the report.
func Write(w io.Writer, r *result.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## torntail: %s\n\n%s\n", headline(r), text(wording.Report(r)))
	costs(&b, r)
	table(&b, r.Results)
	claims(&b, r.Claims)
	failures(&b, r.Results)
	findings(&b, r.Results)
	fmt.Fprintf(&b, "\n<sub>torntail %s, seed %d, took %s: %s</sub>\n",
		text(r.Torntail), r.Seed, wording.Duration(r.ElapsedS*1000), code(r.Command))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

// headline counts the verdicts, worst first.
func headline(r *result.Report) string {
	if len(r.Results) == 0 && len(r.Claims) > 0 {
		v, _ := wording.Claims(r.Claims)
		return string(v)
	}
	results := r.Results
	var parts []string
	for _, v := range []result.Verdict{result.Violated, result.Unknown, result.Holds, result.NotApplicable} {
		n := 0
		for i := range results {
			if results[i].Verdict == v {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if len(parts) == 0 {
		return "nothing was run"
	}
	return strings.Join(parts, ", ")
}

// claims is a row for each claim.
func claims(b *strings.Builder, list []result.Claim) {
	for i := range list {
		c := &list[i]
		if i == 0 {
			b.WriteString("\n### Claims\n\n| id | target | claim | expected | outcome | figure |\n|---|---|---|---|---|---|\n")
		}
		outcome, figure := c.Outcome, c.Figure
		switch {
		case c.Verdict == result.Violated:
			outcome = "**" + outcome + "**"
		case c.NotMeasured != "":
			figure = "not measured: " + c.NotMeasured
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", text(c.ID), text(c.Target), text(c.Quote), text(c.Expected), text(outcome), text(figure))
	}
}

func table(b *strings.Builder, results []result.Result) {
	section := ""
	for i := range results {
		r := &results[i]
		if s := wording.Where(r); s != section {
			section = s
			fmt.Fprintf(b, "\n### %s\n\n", text(s))
			b.WriteString("| mode | crash | struck | acked | lost | p50 | p99 | max | documented | back by itself | verdict |\n")
			b.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
		}
		verdict := "**" + wording.Verdict(r) + "**"
		if r.Verdict == result.Holds || r.Verdict == result.NotApplicable {
			verdict = wording.Verdict(r)
		}
		if r.Why != "" {
			verdict += ": " + text(r.Why)
		}
		if len(r.Anomalies) > 0 {
			verdict += ": " + text(wording.Counts(r.Anomalies))
		}
		if r.Verdict == result.NotApplicable {
			fmt.Fprintf(b, "| %s | %s | | | | | | | | | %s |\n", text(r.Mode), text(r.Crash), verdict)
			continue
		}
		p50, p99, most := "-", "-", "-"
		if w := r.LossWindow; w != nil {
			p50, p99, most = wording.Window(w, w.P50), wording.Window(w, w.P99), wording.Window(w, w.Max)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %d | %d | %s | %s | %s | %s | %s | %s |\n", text(r.Mode), text(r.Crash),
			wording.Struck(r), r.Acknowledged, r.Lost, text(p50), text(p99), text(most), text(wording.Bound(r)),
			wording.ByItself(r), verdict)
	}
}

func failures(b *strings.Builder, results []result.Result) {
	headed := false
	for i := range results {
		r := &results[i]
		shown := 0
		for j := range r.Failures {
			f := &r.Failures[j]
			if f.Finding != "" {
				continue
			}
			if !headed {
				b.WriteString("\n### Failures\n")
				headed = true
			}
			if shown++; shown > failuresShown {
				fmt.Fprintf(b, "\nThe report directory has more of %s, %s.\n", text(r.Mode), text(r.Crash))
				break
			}
			fmt.Fprintf(b, "\n**%s, %s, seed %d** %s\n", text(r.Mode), text(r.Crash), f.Seed, text(f.Anomaly))
			if f.Story != "" {
				fmt.Fprintf(b, "\n%s\n", text(f.Story))
			}
			block(b, "text", f.Plan)
			block(b, "sh", f.ReplayCommand())
		}
	}
}

func findings(b *strings.Builder, results []result.Result) {
	for i, f := range wording.Findings(results) {
		if i == 0 {
			b.WriteString("\n### Known findings\n\nNo violations by themselves.\n")
		}
		fmt.Fprintf(b, "\n%s\n", text(f.String()))
		block(b, "sh", f.Command)
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
