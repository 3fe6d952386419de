package junit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// History is a history that was judged, as a test case.
type History struct {
	Name      string // its file
	JudgedBy  string
	Failed    bool // violated
	Unknown   bool // nothing is known, or it could not be read
	Why       string
	Anomalies []string
	Text      string // evidence and remarks
}

// WriteHistories writes a test case for each history. It has no time stamp, so
// that the same histories give the same file.
func WriteHistories(w io.Writer, torntail string, list []History) error {
	s := suite{Name: "torntail check", Package: "torntail", Hostname: "localhost", Timestamp: "1970-01-01T00:00:00", Time: seconds(0),
		Properties: []property{{"torntail", oneLine(torntail)}}}
	for i := range list {
		h := &list[i]
		c := testcase{Name: oneLine(h.Name), Class: "torntail.check", Time: seconds(0)}
		switch {
		case h.Failed:
			c.Failure = &verdict{Message: oneLine(h.Why), Type: oneLine(strings.Join(h.Anomalies, " ")), Text: clean(h.Text)}
		case h.Unknown:
			c.Error = &verdict{Message: oneLine(h.Why), Type: "unknown", Text: clean(h.Text)}
		}
		s.add(c, false)
	}
	text, err := xml.MarshalIndent(suites{Suites: []suite{s}}, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	}
	if err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}
