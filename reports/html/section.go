package html

import (
	"html/template"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// section is a table with its charts.
type section struct {
	Title, Caption, Advice string
	Terms                  []pair // the words of the table, and what they mean
	Text                   []string
	Head                   [][]heading // one or two rows
	Groups                 []group
	Width                  int // columns, labels and verdict included
	Charts                 []drawing
	Wide                   []drawing
	Reports                []pair // what the command printed of entries, where that says more
	Open                   bool   // of one only
	Folded                 []pair // lists to look through
}

// heading is a cell of a table's head.
type heading struct {
	Text       string
	About      string // what the column's word means
	Cols, Rows int
	Group      bool
	Verdict    bool
}

// group is entries with one first label, where there are several labels.
type group struct {
	Name, Detail string
	Rows         []row
}

type row struct {
	Name                 string
	Cells                []cell
	Empty                int // columns of an entry without figures
	Judged               bool
	Verdict, Class, Note string
	Mark                 string
	Expected             string // whether it came as its suite expects; "": nothing was expected
	ExpectedClass        string
}

type cell struct {
	Text  string
	Label string // of its column, where the table is shown as cards
	Words bool
}

// classes are the style of each verdict.
var classes = map[result.Verdict]string{
	result.Holds: "holds", result.Violated: "violated", result.Unknown: "unknown", result.NotApplicable: "na",
}

func sectionOf(s *model.Section) section {
	v := section{Title: clean(s.Title), Caption: clean(s.Caption), Advice: clean(s.Advice), Head: head(s), Width: 1 + len(s.Columns)}
	if !s.Unjudged {
		v.Width++
	}
	for _, t := range s.About() {
		v.Terms = append(v.Terms, pair{clean(t.Name), clean(t.About)})
	}
	for _, t := range s.Text {
		v.Text = append(v.Text, clean(t))
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		name, detail := "", ""
		if len(s.Labels) > 1 && len(e.Labels) > 1 {
			name, detail = clean(e.Labels[0]), clean(e.Detail)
		}
		if n := len(v.Groups); n == 0 || v.Groups[n-1].Name != name || v.Groups[n-1].Detail != detail {
			v.Groups = append(v.Groups, group{Name: name, Detail: detail})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, rowOf(s, e, name != ""))
	}
	for i := range s.Entries {
		if e := &s.Entries[i]; e.Report != "" {
			v.Reports = append(v.Reports, pair{clean(e.Name()), wording.Clean(strings.TrimRight(e.Report, "\n"), true)})
		}
	}
	v.Open = len(v.Reports) == 1
	for i := range s.Entries {
		for _, f := range s.Entries[i].Folded {
			v.Folded = append(v.Folded, pair{clean(s.Entries[i].Name() + ": " + f.Title), wording.Clean(strings.TrimRight(f.Text, "\n"), true)})
		}
	}
	for i := range s.Charts {
		v.Charts = append(v.Charts, draw(&s.Charts[i]))
	}
	for _, d := range s.Drawings {
		v.Wide = append(v.Wide, drawing{Title: clean(d.Title), SVG: template.HTML(d.Inline())})
	}
	return v
}

// head is the table's head: a second row where columns have a heading in common.
func head(s *model.Section) [][]heading {
	rows := 1
	for i := range s.Columns {
		if s.Columns[i].Group != "" {
			rows = 2
		}
	}
	label := s.Labels[len(s.Labels)-1]
	if len(s.Labels) > 2 {
		label = strings.Join(s.Labels[1:], ", ")
	}
	first := []heading{{Text: clean(label), Cols: 1, Rows: rows}}
	var second []heading
	for i := range s.Columns {
		c := &s.Columns[i]
		switch {
		case c.Group == "":
			first = append(first, heading{Text: clean(c.Name), About: clean(c.About), Cols: 1, Rows: rows})
			continue
		case i > 0 && s.Columns[i-1].Group == c.Group:
			first[len(first)-1].Cols++
		default:
			first = append(first, heading{Text: clean(c.Group), About: clean(c.About), Cols: 1, Rows: 1, Group: true})
		}
		second = append(second, heading{Text: clean(c.Name), Cols: 1, Rows: 1})
	}
	if !s.Unjudged {
		first = append(first, heading{Text: "verdict", Cols: 1, Rows: rows, Verdict: true})
	}
	if rows == 1 {
		return [][]heading{first}
	}
	return [][]heading{first, second}
}

func rowOf(s *model.Section, e *model.Entry, grouped bool) row {
	labels := e.Labels
	if grouped {
		labels = labels[1:]
	}
	x := row{Name: clean(strings.Join(labels, ", ")), Judged: !s.Unjudged, Verdict: clean(e.VerdictWords()), Class: classes[e.Verdict], Mark: marks[e.Verdict]}
	for i, f := range e.Figures {
		label, words := "", false
		if i < len(s.Columns) {
			label, words = clean(s.Columns[i].Heading()), s.Columns[i].Unit == model.Words
		}
		x.Cells = append(x.Cells, cell{clean(f.Shown), label, words})
	}
	x.Empty = len(s.Columns) - len(e.Figures)
	if s.Complete {
		return x
	}
	if said := e.AsExpected(); said != "" {
		x.Expected, x.ExpectedClass = clean(said), classes[e.Expected.As]
	}
	var notes []string
	if len(e.Anomalies) > 0 {
		notes = append(notes, "seen: "+wording.Counts(e.Anomalies, e.Of))
	}
	notes = append(notes, e.Notes...)
	if e.Why != "" {
		notes = append(notes, e.Why)
	}
	x.Note = clean(strings.Join(notes, "; "))
	return x
}
