// Package terminal prints results for people: the loss table, findings and
// failures with the commands that show them again, and one sentence on what it
// all means. It never judges; it only words what is in the results.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Width is what everything printed here fits into, in columns, where no terminal says how
// wide it is, unless a command to be pasted is longer: those are never broken. It is also
// the least that tables take.
const Width = 80

// mostWidth is where lines of prose would become hard to follow.
const mostWidth = 120

// WidthOf is what fits into f: as much as the terminal has, within reason, or Width.
func WidthOf(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > Width {
		return min(w, mostWidth)
	}
	return Width
}

// Options say how to print.
type Options struct {
	Color bool // see UseColor
	// Out is the directory that holds the reports, for the last line; "" leaves it out.
	Out string
	// Until says what --until waited for and whether it was seen; "" leaves it out.
	Until string
	// Findings are the known ones of the product, with their titles.
	Findings []result.Finding
	// Quiet leaves only what a script reads: a verdict for each pair and Out.
	Quiet bool
	Width int  // columns; 0 is Width
	Brief bool // the answer and the table only, of what goes on
}

// UseColor reports whether output to f should be coloured: only on a
// terminal, never when NO_COLOR is set (no-color.org) or TERM is dumb.
func UseColor(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// Write prints the result of a run or a suite: the answer first, then what it rests on.
func Write(w io.Writer, r *result.Report, o Options) error {
	p := &printer{color: o.Color, width: max(o.Width, Width)}
	m := losses.Report(r, o.Findings)
	if o.Quiet && r.Suite != nil {
		p.answer(m)
		p.line("")
	}
	if o.Quiet {
		p.verdicts(r.Results)
	} else {
		p.answer(m)
		p.suite(r)
		p.claims(r.Claims)
		p.costs(r.Policies)
		p.table(r.Results, !o.Brief)
		if !o.Brief {
			p.findings(m)
			p.untested(r.Policies)
		}
		p.line("")
	}
	if !o.Quiet && !o.Brief {
		p.line(heading(r))
	}
	if o.Until != "" {
		p.line(wording.Clean(o.Until, false))
	}
	if o.Out != "" {
		p.line("Reports: " + wording.Clean(o.Out, false))
	}
	if _, err := io.WriteString(w, p.b.String()); err != nil {
		return fmt.Errorf("print results: %w", err)
	}
	return nil
}

func heading(r *result.Report) string {
	s := fmt.Sprintf("torntail %s, seed %d", wording.Clean(r.Torntail, false), r.Seed)
	if r.ElapsedS > 0 {
		s += ", took " + wording.Duration(r.ElapsedS*1000)
	}
	return s
}

// printer collects lines.
type printer struct {
	b     strings.Builder
	color bool
	width int
	// told are the reasons that stand above the table: below a row they are not said again.
	told map[string]bool
}

func (p *printer) line(s string) {
	p.b.WriteString(strings.TrimRight(s, " "))
	p.b.WriteByte('\n')
}

// wrap prints text in lines that fit, each behind the indent.
func (p *printer) wrap(indent, text string) {
	for _, l := range p.fill(indent, strings.Fields(text)) {
		p.line(l)
	}
}

// FillTo is the same for lines of so many columns.
func FillTo(width int, indent, text string) []string {
	return (&printer{width: width}).fill(indent, strings.Fields(text))
}

// Fill is text in as few lines as it fits into, each behind the indent.
func Fill(indent, text string) []string {
	return (&printer{width: Width}).fill(indent, strings.Fields(text))
}

// fill puts words into as few lines as they fit into, each behind the indent.
func (p *printer) fill(indent string, words []string) []string {
	var lines []string
	line := indent
	for _, w := range words {
		w = wording.Clean(w, false)
		switch {
		case line == indent:
			line += w
		case columns(line)+1+columns(w) > p.width:
			lines = append(lines, line)
			line = indent + w
		default:
			line += " " + w
		}
	}
	if line != indent {
		lines = append(lines, line)
	}
	return lines
}

// columns counts characters; what is printed here holds no wide ones.
func columns(s string) int { return len([]rune(s)) }

// Colours, as the SGR parameters of ECMA-48.
const (
	dim    = "2"
	bold   = "1"
	red    = "1;31"
	green  = "32"
	yellow = "33"
)

// paint colours text; nothing that is measured may have been painted.
func (p *printer) paint(sgr, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + sgr + "m" + s + "\x1b[0m"
}

func (p *printer) paintVerdict(v result.Verdict, s string) string {
	switch v {
	case result.Holds:
		return p.paint(green, s)
	case result.Violated:
		return p.paint(red, s)
	case result.Unknown:
		return p.paint(yellow, s)
	}
	return p.paint(dim, s)
}

// verdicts prints one line for each pair, for scripts.
func (p *printer) verdicts(results []result.Result) {
	for i := range results {
		r := &results[i]
		what, verdict := r.Mode+" "+r.Crash, wording.Verdict(r)
		if r.Expected != nil {
			what = r.Cell
			if r.Expected.As == result.Violated {
				verdict += ", expected " + r.Expected.Text
			}
		}
		p.line(wording.Clean(what+" "+verdict, false))
	}
}
