package markdown

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

var update = flag.Bool("update", false, "write the golden files")

func write(t *testing.T, r *result.Report) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, losses.Report(r, result.KnownFindings())); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]*result.Report{
		"usual": reporttest.Usual(), "failing": reporttest.Failing(), "hostile": reporttest.Hostile(), "policies": reporttest.Policies(), "nothing": reporttest.Report(),
	} {
		got := write(t, r)
		path := filepath.Join("testdata", name+".md")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s: -golden +now:\n%s", name, diff)
		}
	}
}

// TestEveryRowHasAllColumns fails when text breaks out of its cell.
func TestEveryRowHasAllColumns(t *testing.T) {
	for _, r := range []*result.Report{reporttest.Usual(), reporttest.Failing(), reporttest.Hostile()} {
		for _, line := range strings.Split(write(t, r), "\n") {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			bars := strings.Count(line, "|") - strings.Count(line, `\|`)
			if bars != 12 {
				t.Errorf("%d bars: %s", bars, line)
			}
		}
	}
}

func TestTextShowsAsItIs(t *testing.T) {
	for in, want := range map[string]string{
		"plain words, 12.5s (a-b)": "plain words, 12.5s (a-b)",
		"<script>":                 "&lt;script&gt;",
		"a|b":                      `a\|b`,
		"**b** _i_ `c` [l](u)":     "\\*\\*b\\*\\* \\_i\\_ \\`c\\` \\[l\\](u)",
		"- item":                   `\- item`,
		"1. item":                  `1\. item`,
		"# head\nnext":             `\# head next`,
		"@user https://x":          `&#64;user https&#58;//x`,
		"&lt;":                     "&amp;lt;",
		"\x1b[1m":                  `\\x1b\[1m`,
	} {
		if got := text(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"a":     "` a `",
		"``x`":  "``` ``x` ```",
		"a\nb`": "`` a b` ``",
	} {
		if got := code(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
