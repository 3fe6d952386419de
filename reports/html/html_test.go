package html

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

func write(t testing.TB, r *result.Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, Write(&b, r))
	return b.String()
}

// element is a piece of the page as a strict parser sees it.
type element struct {
	name       string
	attributes map[string]string
	text       string // of it and everything in it
}

// parse reads the page strictly, as XML: each element closed, each attribute quoted.
func parse(t *testing.T, page string) []element {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Entity = xml.HTMLEntity
	var all []element
	var open []int
	for {
		token, err := d.Token()
		if err == io.EOF {
			require.Empty(t, open)
			return all
		}
		require.NoError(t, err)
		switch x := token.(type) {
		case xml.StartElement:
			e := element{name: x.Name.Local, attributes: map[string]string{}}
			for _, a := range x.Attr {
				e.attributes[a.Name.Local] = a.Value
			}
			open = append(open, len(all))
			all = append(all, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			for _, i := range open {
				all[i].text += string(x)
			}
		}
	}
}

func find(all []element, name string) (found []element) {
	for _, e := range all {
		if e.name == name {
			found = append(found, e)
		}
	}
	return found
}

func TestPageIsWellFormedAndSelfContained(t *testing.T) {
	for name, r := range map[string]*result.Report{
		"usual": reporttest.Usual(), "failing": reporttest.Failing(), "extreme": reporttest.Extreme(),
		"hostile": reporttest.Hostile(), "nothing": reporttest.Report(),
	} {
		t.Run(name, func(t *testing.T) {
			page := write(t, r)
			all := parse(t, page)
			for _, banned := range []string{"script", "img", "iframe", "link", "object", "a"} {
				require.Empty(t, find(all, banned), banned)
			}
			ids := map[string]bool{}
			for _, e := range all {
				for a, v := range e.attributes {
					require.NotRegexp(t, "(?i)^on|^style$", a)
					if a != "xmlns" {
						require.NotRegexp(t, "https?:|javascript:", v)
					}
					if a == "id" {
						require.False(t, ids[v], "id %s twice", v)
						ids[v] = true
					}
				}
			}
			for _, e := range all {
				for _, id := range strings.Fields(e.attributes["aria-labelledby"]) {
					require.True(t, ids[id], "aria-labelledby names %s, which is not there", id)
				}
			}
			require.NotContains(t, page, "url(")
			require.NotContains(t, page, "ZgotmplZ", "the template refused a value")
		})
	}
}

func TestTextFromOutsideShowsAsText(t *testing.T) {
	all := parse(t, write(t, reporttest.Hostile()))
	for _, e := range append(find(all, "h2")[:1], append(find(all, "summary"), find(all, "pre")...)...) {
		require.Contains(t, e.text, `<script>alert("x")</script>`, e.name)
	}
}

func TestVerdictComesFirst(t *testing.T) {
	for want, r := range map[string]*result.Report{
		"violated: 1 of 3 contracts were broken":            reporttest.Failing(),
		"holds: all 9 contracts were kept":                  reporttest.Usual(),
		"unknown: nothing was run":                          reporttest.Report(),
		"unknown: nothing is proved about 1 of 2 contracts": unknown(),
	} {
		all := parse(t, write(t, r))
		require.Equal(t, want, find(all, "h1")[0].text)
		require.Equal(t, strings.SplitN(want, ":", 2)[0], find(all, "h1")[0].attributes["class"])
		require.Equal(t, "torntail: "+want, find(all, "title")[0].text)
	}
}

func unknown() *result.Report {
	u, h, n := reporttest.Cell("no", nil, "power"), reporttest.Cell("no", nil, "kill"), reporttest.Cell("no", nil, "term")
	u.Verdict, n.Verdict = result.Unknown, result.NotApplicable
	return reporttest.Report(u, h, n)
}

func TestEveryPairHasItsRow(t *testing.T) {
	for _, r := range []*result.Report{reporttest.Usual(), reporttest.Failing()} {
		all := parse(t, write(t, r))
		rows := 0
		for _, e := range find(all, "th") {
			if e.attributes["scope"] == "row" {
				rows++
			}
		}
		require.Equal(t, len(r.Results), rows)
	}
}

func TestFailuresTellTheStoryAndHowToSeeItAgain(t *testing.T) {
	all := parse(t, write(t, reporttest.Failing()))
	require.Len(t, find(all, "details"), 6) // five failures, one finding
	first := find(all, "details")[0]
	require.Contains(t, first.text, "client 2 was told that k7=c2-14 is there")
	require.Contains(t, first.text, "torntail replay torntail-out/x/failures/always-power-1")
}

// TestChartsShowTheFigures reads the drawing back: the lines end at the
// maximum, and bounds stand where their value is.
func TestChartsShowTheFigures(t *testing.T) {
	all := parse(t, write(t, reporttest.Usual()))
	var titles []string
	for _, e := range find(all, "figcaption") {
		titles = append(titles, e.text)
	}
	require.Equal(t, []string{"Loss window under everysec", "Loss window under no", "Loss window under rdb", "Loss window under none"}, titles,
		"always lost nothing and has no chart")

	cs := charts(clean("engine 7.0.15 in simulation, disk ext4, workload paced"), reporttest.Usual().Results)
	c := cs[0]
	perMS := func() float64 { // scale of the axis, from two of its ticks
		var x0, x1 float64
		fmt.Sscan(c.XTicks[0].At, &x0)
		fmt.Sscan(c.XTicks[1].At, &x1)
		require.Equal(t, "0", c.XTicks[0].Text)
		require.Equal(t, "500ms", c.XTicks[1].Text)
		return (x1 - x0) / 500
	}()
	require.Equal(t, "documented 1s", c.Bounds[0].Text)
	require.Equal(t, "source 2s", c.Bounds[1].Text)
	for i, ms := range []float64{1000, 2000} {
		var x float64
		fmt.Sscan(c.Bounds[i].X, &x)
		require.InDelta(t, float64(c.Left)+ms*perMS, x, 0.2)
	}
	last := regexp.MustCompile(`H([\d.]+)V([\d.]+)$`).FindStringSubmatch(c.Lines[1].Path)
	require.Equal(t, "power", c.Lines[1].Name)
	var x, y float64
	fmt.Sscan(last[1], &x)
	fmt.Sscan(last[2], &y)
	require.InDelta(t, float64(c.Left)+1024*perMS, x, 0.2)
	require.InDelta(t, float64(c.Top), y, 0.2)
	require.Equal(t, "kill (lower bound)", cs[3].Lines[0].Name, "censored")
}

func TestAFarBoundDoesNotSqueezeTheLines(t *testing.T) {
	r := reporttest.Usual().Results[4] // everysec, power
	r.Bounds = []result.Bound{{Name: result.Documented, Value: 3_600_000}}
	c, ok := draw("everysec", []*result.Result{&r})
	require.True(t, ok)
	require.Empty(t, c.Bounds)
	require.Equal(t, []string{"The documented bound, 60min, is far outside."}, c.Notes)
}

func TestNiceSteps(t *testing.T) {
	for _, end := range []float64{0.001, 0.3, 1, 7, 99, 1024, 34_600, 1e9} {
		n := end / niceStep(end)
		require.True(t, n >= 3 && n <= 8, "%v: %v ticks", end, n)
	}
}

// TestManyFailuresStayReadable: the page of a run that kept 10,000 failures is
// written in one go and stays small enough to open.
func TestManyFailuresStayReadable(t *testing.T) {
	r := reporttest.Cell("always", nil, "power")
	r.Verdict = result.Violated
	for i := range 10_000 {
		r.Failures = append(r.Failures, result.Failure{Seed: uint64(i), Anomaly: "lost-write", Dir: "out/failures/1", Plan: "plan 1\nat 1s: kill n1\n"})
	}
	page := write(t, reporttest.Report(r))
	require.Less(t, len(page), 4<<20)
}

// TestWriteForLooking writes pages to the directory that TORNTAIL_HTML_OUT
// names, to be looked at in a browser.
func TestWriteForLooking(t *testing.T) {
	dir := os.Getenv("TORNTAIL_HTML_OUT")
	if dir == "" {
		t.Skip("TORNTAIL_HTML_OUT is not set")
	}
	for name, r := range map[string]*result.Report{"usual": reporttest.Usual(), "failing": reporttest.Failing(), "hostile": reporttest.Hostile()} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".html"), []byte(write(t, r)), 0o644))
	}
}
