package hunt

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/torntail/torntail/harness/product/finding"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/terminal"
	"github.com/torntail/torntail/reports/wording"
)

// Name is what a finding is called: as the known one that it is, else by its anomaly.
func (f *Finding) Name() string {
	if f.Known != "" && f.Known != Listed {
		return f.Known
	}
	return f.Anomaly
}

// Title says in one line what a finding is.
func (f *Finding) Title() string {
	switch {
	case f.Known == Listed:
		return f.Anomaly + ", " + Listed
	case f.Known != "":
		return f.Known + ": " + finding.Title(target.Findings(), f.Known)
	case !f.Confirmed():
		return "new, seen once: " + f.Anomaly
	}
	return "new: " + f.Anomaly
}

// standing says how sure a finding is.
func (f *Finding) standing(r *Result) string {
	switch {
	case f.Tried == 0 && f.New() && r.Backend != "sim":
		return "not confirmed: it was not run again"
	case f.Tried > 0 && f.Confirmed():
		return fmt.Sprintf("confirmed: %d of %d replays show it", f.Shown, f.Tried)
	case f.Tried > 0:
		return fmt.Sprintf("seen once: %d of %d replays show it", f.Shown, f.Tried)
	}
	return ""
}

// seen says how often a finding was shown, and when first.
func (f *Finding) seen() string {
	return fmt.Sprintf("%s, first in experiment %d after %s", wording.Times(f.Runs, "run"), f.First, wording.Duration(f.AfterS*1000))
}

// Fresh is how many findings are new.
func (r *Result) Fresh() (n int) {
	for _, f := range r.Findings {
		if f.New() {
			n++
		}
	}
	return n
}

// Never are the kinds that were drawn and never struck, those first that were drawn most
// often.
func (r *Result) Never() (list []Struck) {
	for _, k := range r.Map {
		if k.Struck == 0 {
			list = append(list, k)
		}
	}
	slices.SortStableFunc(list, func(a, b Struck) int { return b.Drawn - a.Drawn })
	return list
}

// struckKinds is how many kinds of faults and commands struck at least once.
func (r *Result) struckKinds() int { return len(r.Map) - len(r.Never()) }

// counts are the lines below the findings: what was run and what of it was of use.
func (r *Result) counts() (list []string) {
	list = append(list, fmt.Sprintf("%s in %s, %s a minute: %s struck, %s with something at stake.",
		wording.Times(r.Experiments, "experiment"), wording.Duration(r.ElapsedS*1000), wording.Count(int64(r.perMinute())), wording.Count(int64(r.Struck)), wording.Count(int64(r.AtStake))),
		fmt.Sprintf("Wasted: %s (%s): the end did not strike as asked, another statement missed (%s), or there was nothing to lose.",
			wording.Count(int64(r.Wasted)), wording.Share(r.Wasted, r.Experiments), wording.Count(int64(r.Missed))),
		fmt.Sprintf("Shapes reached: %s, by %s that reached something new.", wording.Count(int64(r.Shapes)), wording.Times(r.Corpus, "experiment")))
	if len(r.LeftOut) > 0 {
		list = append(list, "Left out, for the server does not start with them: "+strings.Join(r.LeftOut, ", ")+".")
	}
	if r.Unknown > 0 {
		list = append(list, fmt.Sprintf("Unknown: %s.", wording.Count(int64(r.Unknown))))
	}
	return list
}

func (r *Result) perMinute() float64 {
	if r.ElapsedS <= 0 {
		return 0
	}
	return 60 * float64(r.Experiments) / r.ElapsedS
}

// heading says what was hunted, and how.
func (r *Result) heading() string {
	s := fmt.Sprintf("torntail %s hunted %s", r.Torntail, r.Target)
	if r.Version != "" {
		s += " (" + r.Version + ")"
	}
	s += fmt.Sprintf(" for %s, seed %d, guide %s", wording.Duration(r.ElapsedS*1000), r.Seed, r.Guide)
	if r.Interrupted {
		s += "; interrupted"
	}
	return s
}

// sum says how many findings there are.
func (r *Result) sum() string {
	switch n := r.Fresh(); {
	case len(r.Findings) == 0 && r.Struck == 0:
		return "Nothing struck, so nothing is proved."
	case len(r.Findings) == 0:
		return "Nothing was found."
	case n == 0:
		return wording.Times(len(r.Findings), "known finding") + ", none new."
	default:
		return fmt.Sprintf("%s, %d new.", wording.Times(len(r.Findings), "finding"), n)
	}
}

// replayed is the command that runs a saved failure of the hunt again.
func (r *Result) replayed(dir string) string {
	s := (&result.Failure{Dir: dir}).ReplayCommand(r.Target)
	if r.Backend != "sim" && result.Named(r.Target) {
		s += " --target " + r.Target
	}
	return s
}

// Write prints what a hunt has found. quiet: one line for each finding, and none for the rest.
func (r *Result) Write(w io.Writer, out string, quiet bool) error {
	var b strings.Builder
	line := func(text string) { b.WriteString(strings.TrimRight(text, " ") + "\n") }
	fill := func(indent, text string) {
		for _, l := range terminal.Fill(indent, text) {
			line(l)
		}
	}
	if !quiet {
		fill("", r.heading())
		line("")
	}
	line(r.sum())
	for _, f := range r.Findings {
		if quiet {
			line("  " + wording.Clean(f.Title(), false))
			continue
		}
		line("")
		fill("  ", f.Title())
		fill("    ", f.seen()+"; mode "+f.Mode+" on "+f.Disk)
		if s := f.standing(r); s != "" {
			line("    " + s)
		}
		fill("    ", "fingerprint: "+f.Fingerprint)
		if f.Dir == "" {
			continue
		}
		line("    " + wording.Clean(r.replayed(f.Dir), false))
		if f.Shrunk != nil {
			line("    " + f.Shrunk.String() + ":")
			line("    " + wording.Clean(r.replayed(f.Shrunk.Dir), false))
		}
	}
	if !quiet {
		line("")
		for _, l := range r.counts() {
			fill("", l)
		}
		for i, y := range r.Why {
			if i == mostWhy {
				line(fmt.Sprintf("  and %d other reasons (hunt.json has them)", len(r.Why)-i))
				break
			}
			fill("  ", fmt.Sprintf("%d: %s", y.Runs, y.Text))
		}
		fill("", r.mapped())
	}
	if out != "" {
		line("Reports: " + wording.Clean(out, false))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	return nil
}

// mapped says of which kinds of faults and commands nothing has been seen.
func (r *Result) mapped() string {
	never := r.Never()
	s := fmt.Sprintf("Kinds of faults and commands that struck: %d of %d (%s).", r.struckKinds(), len(r.Map), wording.Share(r.struckKinds(), len(r.Map)))
	if len(never) == 0 {
		return s
	}
	var words []string
	for _, k := range never[:min(mostNever, len(never))] {
		words = append(words, fmt.Sprintf("%s (drawn %d)", k.Kind, k.Drawn))
	}
	s += " Never struck: " + strings.Join(words, ", ")
	if more := len(never) - mostNever; more > 0 {
		s += fmt.Sprintf(", and %d others (hunt.md has them)", more)
	}
	return s + "."
}

// mostNever is how many kinds are printed that never struck.
const mostNever = 12

// mostWhy is how many reasons of unknown outcomes are printed.
const mostWhy = 5

// Markdown is the same as a document.
func (r *Result) Markdown() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", markdown("Hunt of "+r.Target), markdown(r.heading()))
	fmt.Fprintf(&b, "%s\n\n", r.sum())
	if len(r.Findings) > 0 {
		b.WriteString("| finding | runs | first | replays | mode | disk | dossier |\n|---|--:|---|---|---|---|---|\n")
	}
	for _, f := range r.Findings {
		again := ""
		if f.Tried > 0 {
			again = fmt.Sprintf("%d of %d", f.Shown, f.Tried)
		}
		fmt.Fprintf(&b, "| %s | %d | experiment %d, %s | %s | %s | %s | %s |\n", markdown(f.Title()), f.Runs, f.First, wording.Duration(f.AfterS*1000), again,
			markdown(f.Mode), markdown(f.Disk), markdown(f.Dir))
	}
	if len(r.Findings) > 0 {
		b.WriteString("\n")
	}
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "## %s\n\nFingerprint: `%s`\n\n", markdown(f.Title()), strings.ReplaceAll(wording.Clean(f.Fingerprint, false), "`", "'"))
		fmt.Fprintf(&b, "```\n%s\n\n%s```\n\n", fenced(f.Story), fenced(f.Plan))
	}
	for _, l := range r.counts() {
		fmt.Fprintf(&b, "- %s\n", markdown(l))
	}
	for _, y := range r.Why {
		fmt.Fprintf(&b, "  - %d: %s\n", y.Runs, markdown(y.Text))
	}
	b.WriteString("\n| drawn | struck | kind |\n|--:|--:|---|\n")
	for _, k := range r.Map {
		fmt.Fprintf(&b, "| %d | %d | %s |\n", k.Drawn, k.Struck, markdown(k.Kind))
	}
	return []byte(b.String())
}

// markdown is text that means nothing to Markdown.
func markdown(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;", "`", "'", "[", `\[`).Replace(wording.Clean(s, false))
}

// fenced is text inside a block of code.
func fenced(s string) string { return strings.ReplaceAll(wording.Clean(s, true), "```", "'''") }
