package terminal

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

var update = flag.Bool("update", false, "write the golden files")

func print(t *testing.T, r *result.Report, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, r, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for name, r := range map[string]*result.Report{"usual": reporttest.Usual(), "failing": reporttest.Failing(), "extreme": reporttest.Extreme(), "policies": reporttest.Policies(), "nothing": reporttest.Report()} {
		t.Run(name, func(t *testing.T) {
			got := print(t, r, Options{Out: "torntail-out/20261121-223000", Findings: reporttest.Catalogue()})
			path := filepath.Join("testdata", name+".txt")
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
				t.Errorf("-golden +now:\n%s", diff)
			}
			for i, line := range strings.Split(got, "\n") {
				if columns(line) > Width && !strings.Contains(line, "torntail replay") {
					t.Errorf("line %d has %d columns: %s", i+1, columns(line), line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("line %d ends in blanks: %q", i+1, line)
				}
			}
		})
	}
}

// TestFiguresStandUnderTheirHeads fails when a column and its head drift apart.
func TestFiguresStandUnderTheirHeads(t *testing.T) {
	ends := []int{}
	at := crashWidth
	for _, w := range figureWidths {
		at += w
		ends = append(ends, at)
	}
	for i, word := range []string{"struck", "total", "lost", "p50", "p99", "max", "bound", "itself"} {
		if got := strings.Index(headBottom, word) + len(word); got != ends[i] {
			t.Errorf("%s ends in column %d, its figures in %d", word, got, ends[i])
		}
	}
	if got := strings.Index(headBottom, "verdict"); got != at+1 {
		t.Errorf("verdict begins in column %d, its words in %d", got, at+1)
	}
	if at+1+verdictWidth > Width {
		t.Errorf("the table has %d columns", at+1+verdictWidth)
	}
}

var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestColourChangesNothingElse(t *testing.T) {
	for _, r := range []*result.Report{reporttest.Usual(), reporttest.Failing(), reporttest.Extreme()} {
		plain, coloured := print(t, r, Options{}), print(t, r, Options{Color: true})
		if !sgr.MatchString(coloured) {
			t.Error("no colours")
		}
		if sgr.MatchString(plain) {
			t.Error("colours without being asked")
		}
		if diff := cmp.Diff(plain, sgr.ReplaceAllString(coloured, "")); diff != "" {
			t.Errorf("-plain +coloured:\n%s", diff)
		}
	}
}

func TestUseColor(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if UseColor(f) {
		t.Error("a file is no terminal")
	}
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no pseudo terminal here")
	}
	defer tty.Close()
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	if !UseColor(tty) {
		t.Error("a terminal is one, and an empty NO_COLOR says nothing")
	}
	t.Setenv("TERM", "dumb")
	if UseColor(tty) {
		t.Error("TERM=dumb")
	}
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "1")
	if UseColor(tty) {
		t.Error("NO_COLOR=1")
	}
}

func TestTextFromOutsideGivesTheTerminalNoCommands(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		got := print(t, reporttest.Hostile(), Options{Quiet: quiet, Out: "a\x1b[2J"})
		for _, r := range got {
			if r < ' ' && r != '\n' || r == 0x7f {
				t.Errorf("quiet %v: control character %q", quiet, r)
			}
		}
	}
}

func TestQuiet(t *testing.T) {
	got := print(t, reporttest.Failing(), Options{Quiet: true, Out: "out"})
	want := `always power violated
everysec power unknown
everysec kill unknown
rdb kill not served
none power-in-the-middle-of-an-fsync n/a
always kill holds
Reports: out
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAStoryHasALineForEachEvent: run together they cannot be told apart.
func TestAStoryHasALineForEachEvent(t *testing.T) {
	r := reporttest.Failing()
	r.Results[0].Failures[0].Story = "at 3ms client 1 wrote \"k\", acknowledged at 5ms\nat 7ms: power was cut\nread after recovery: nothing"
	var b strings.Builder
	if err := Write(&b, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if want := "acknowledged at 5ms\n    at 7ms: power was cut\n    read after recovery: nothing\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%s\nwant %q", b.String(), want)
	}
}
