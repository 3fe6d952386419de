package formats

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/wording"
)

func init() { register(Format{File: "report.csv", Write: writeCSV}) }

// writeCSV writes a line for each figure, for spreadsheets and programs that draw: what it is of,
// its value in its unit, and as it is shown; then the verdict and the anomalies of the entry, a
// line for each. A value that there is not is empty.
func writeCSV(w io.Writer, r *model.Report) error {
	c := csv.NewWriter(w)
	line := func(s *model.Section, e *model.Entry, figure, unit, value, shown string) {
		words := []string{s.Title, e.Name(), e.Target, figure, unit, value, shown}
		for i, word := range words {
			word = wording.Clean(strings.Join(strings.Fields(word), " "), false)
			if strings.ContainsAny(word[:min(1, len(word))], "=+-@") && i != 5 && word != "-" {
				word = "'" + word // a spreadsheet would take it for a formula
			}
			words[i] = word
		}
		_ = c.Write(words) // told by Error below
	}
	_ = c.Write([]string{"section", "entry", "target", "figure", "unit", "value", "shown"})
	for i := range r.Sections {
		s := &r.Sections[i]
		for j := range s.Entries {
			e := &s.Entries[j]
			for k, f := range e.Figures {
				value := ""
				if !math.IsNaN(f.Value) && s.Columns[k].Unit != model.Words {
					value = strconv.FormatFloat(f.Value, 'f', -1, 64)
				}
				line(s, e, s.Columns[k].Heading(), string(s.Columns[k].Unit), value, f.Shown)
			}
			for _, name := range wording.SortedNames(e.Anomalies) {
				line(s, e, name, "seen", strconv.Itoa(e.Anomalies[name]), wording.Times(e.Anomalies[name], e.Of))
			}
			if !s.Unjudged {
				line(s, e, "verdict", "", "", string(e.Verdict))
			}
			if x := e.Expected; x != nil {
				line(s, e, "as expected", "", "", fmt.Sprintf("%s: %s", x.As, x.Text))
			}
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}
