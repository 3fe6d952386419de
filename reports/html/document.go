package html

import (
	"fmt"
	"io"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Document is what a command found that has no loss table, such as an
// exploration or a split brain: the text that it printed, and its pictures.
type Document struct {
	Verdict  result.Verdict
	Headline string
	Text     string
	Pictures []Picture
	Meta     [][2]string // name and value
}

// WriteDocument writes it as a page in the style of the others.
func WriteDocument(w io.Writer, d *Document) error {
	class := classes[d.Verdict]
	if d.Verdict == result.NotApplicable || class == "" {
		class = classes[result.Unknown]
	}
	v := view{
		Title: clean("torntail: " + d.Headline), Verdict: class, Headline: clean(d.Headline),
		Text: wording.Clean(d.Text, true), Script: pageScriptJS(), Policy: policy(nil),
	}
	for _, m := range d.Meta {
		v.Meta = append(v.Meta, pair{clean(m[0]), clean(m[1])})
	}
	for _, p := range d.Pictures {
		v.Pictures = append(v.Pictures, embed(p))
	}
	var b strings.Builder
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	return nil
}
