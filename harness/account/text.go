package account

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/wording"
)

// WriteText prints an account, with at most so many of the lost writes and disagreements.
func (a *Account) WriteText(w io.Writer, most int) {
	fmt.Fprintf(w, "%s, held against what %s has now\n\n", a.Source, a.From)
	row := func(name string, n int, about string) {
		if n > 0 || about == "" {
			fmt.Fprintf(w, "%s\n", strings.TrimRight(fmt.Sprintf("  %-14s %7d  %s", name, n, about), " "))
		}
	}
	row("writes", a.Writes, "")
	row("acknowledged", a.Acknowledged, "")
	row("  there", a.Fates[There], "")
	row("  replaced", a.Fates[Replaced], "by another write that may have come later")
	row("  not told", a.Fates[NotTold], "commands that are not followed, or an expiry, may have taken them")
	row("  lost", a.Fates[Lost], "")
	for _, by := range slices.Sorted(maps.Keys(a.LostBy)) {
		fmt.Fprintf(w, "    %7d  %s\n", a.LostBy[by], by)
	}
	row("refused", a.Refused, "an error was the reply")
	row("  there", a.RefusedThere, "all the same")
	row("no reply", a.Unknown, "nothing is owed")
	row("  there", a.UnknownThere, "all the same")
	for i, s := range a.Sums {
		if i == most {
			break
		}
		fmt.Fprintf(w, "counter %s: acknowledged changes add up to %d, there is %d: %d missing\n", text(strings.Fields(s.Key+" "+s.Field)), s.Acked, s.There, s.Acked-s.There)
	}
	if len(a.NotFollowed) > 0 {
		fmt.Fprint(w, "not followed:")
		for _, name := range slices.Sorted(maps.Keys(a.NotFollowed)) {
			fmt.Fprintf(w, " %s (%d)", name, a.NotFollowed[name])
		}
		fmt.Fprintln(w)
	}
	if len(a.Lost) > 0 {
		fmt.Fprintf(w, "\nlost:\n")
	}
	for i, l := range a.Lost {
		if i == most {
			fmt.Fprintf(w, "  ... and %s more (--lost N, --json FILE)\n", wording.Count(int64(len(a.Lost)-most)))
			break
		}
		where := ""
		if l.Line > 0 {
			where = strings.TrimLeft(fmt.Sprintf("%s line %d: ", l.Journal, l.Line), " ")
		}
		fmt.Fprintf(w, "  %s%s", where, l.Command)
		if l.Node != "" {
			fmt.Fprintf(w, "   acknowledged by %s at %.3fs", l.Node, l.AtMS/1000)
		}
		fmt.Fprintln(w)
	}
	if len(a.Disagree) > 0 {
		fmt.Fprintf(w, "\njournal and record disagree about %s:\n", wording.Times(len(a.Disagree), "write"))
	}
	for i, d := range a.Disagree {
		if i == most {
			fmt.Fprintf(w, "  ... and %s more\n", wording.Count(int64(len(a.Disagree)-most)))
			break
		}
		where := ""
		if d.Line > 0 {
			where = fmt.Sprintf("line %d: ", d.Line)
		}
		fmt.Fprintf(w, "  %s%s: %s\n", where, d.Command, d.What)
	}
	for _, r := range a.Remarks {
		fmt.Fprintf(w, "note: %s\n", r)
	}
}
