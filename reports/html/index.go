package html

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/torntail/torntail/reports/chart"
	"github.com/torntail/torntail/reports/model"
)

//go:embed index.tmpl
var indexText string

//go:embed index.js
var indexCode string

var indexScript = "//<![CDATA[\n" + indexCode + "//]]>\n"

var index = template.Must(template.New("index").Parse(indexText))

// Run is a report in a directory of them.
type Run struct {
	Dir    string // below the index
	Report *model.Report
}

type indexed struct {
	Link                         string
	When, Head, Command, Targets string
	Verdict, Class, Mark         string
}

// WriteIndex writes a page over the reports of a directory, the newest first: each with its
// answer and a link to its page. Rows are found by words and by verdict without a server.
func WriteIndex(w io.Writer, runs []Run) error {
	v := struct {
		Policy template.HTMLAttr
		Charts template.CSS
		Script template.JS
		Runs   []indexed
	}{
		template.HTMLAttr(fmt.Sprintf(`content="default-src 'none'; style-src 'unsafe-inline'; script-src %s"`, hashOf(indexScript))),
		template.CSS(chart.CSS), template.JS(indexScript), nil,
	}
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return b.Report.Started.Compare(a.Report.Started) })
	for _, r := range runs {
		var targets []string
		for _, e := range r.Report.Entries() {
			if t := clean(e.Target); t != "" && !slices.Contains(targets, t) {
				targets = append(targets, t)
			}
		}
		verdict := r.Report.Verdict()
		x := indexed{Link: (&url.URL{Path: r.Dir + "/report.html"}).String(), Head: clean(r.Report.Head()), Command: clean(r.Report.Command), Targets: strings.Join(targets, ", "),
			Verdict: string(verdict), Class: classes[verdict], Mark: marks[verdict], When: clean(r.Dir)}
		if t := r.Report.Started; !t.IsZero() {
			x.When = t.UTC().Format("2006-01-02 15:04 UTC")
		}
		v.Runs = append(v.Runs, x)
	}
	var b strings.Builder
	err := index.Execute(&b, v)
	if err == nil {
		_, err = io.WriteString(w, b.String())
	}
	if err != nil {
		return fmt.Errorf("write the index: %w", err)
	}
	return nil
}
