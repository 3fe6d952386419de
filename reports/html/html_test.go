package html

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/reports/losses"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

func write(t testing.TB, r *result.Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, Write(&b, losses.Report(r, reporttest.Catalogue())))
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
		"usual": reporttest.Usual(), "failing": reporttest.Failing(), "policies": reporttest.Policies(), "extreme": reporttest.Extreme(),
		"hostile": reporttest.Hostile(), "nothing": reporttest.Report(),
	} {
		t.Run(name, func(t *testing.T) {
			page := write(t, r)
			all := parse(t, page)
			require.Len(t, find(all, "script"), 1)
			require.True(t, strings.Contains(page, "<script>"+script+"</script>"), "another script than the one whose hash is in the policy")
			for _, banned := range []string{"img", "iframe", "link", "object", "a"} {
				require.Empty(t, find(all, banned), banned)
			}
			ids := map[string]bool{}
			for _, e := range all {
				for a, v := range e.attributes {
					require.NotRegexp(t, "(?i)^on", a)
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
	for _, e := range append(find(all, "h2")[1:2], append(find(all, "summary"), find(all, "pre")...)...) {
		require.Contains(t, e.text, `<script>alert("x")</script>`, e.name)
	}
}

func TestVerdictComesFirst(t *testing.T) {
	for want, r := range map[string]*result.Report{
		"violated: 1 of 5 contracts was broken":             reporttest.Failing(),
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

// TestChartsShowTheFigures: a chart for each mode that lost something, told
// apart by crash kinds, and in words for who cannot see it.
func TestChartsShowTheFigures(t *testing.T) {
	all := parse(t, write(t, reporttest.Usual()))
	var titles []string
	for _, e := range find(all, "figcaption") {
		titles = append(titles, e.text)
	}
	require.Equal(t, []string{"Loss window under everysec", "Loss window under no", "Loss window under rdb", "Loss window under none"}, titles,
		"always lost nothing and has no chart")
	drawings := find(all, "svg")
	for _, words := range []string{"documented 1s", "source 2s", "500ms", "100%", "power: half of the crashes lost at most 520ms, the worst 1.02s", "power-in-fsync"} {
		require.Contains(t, drawings[0].text, words)
	}
	require.Contains(t, drawings[3].text, "kill (lower bound)", "censored")
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

// TestEvidenceIsShown: the timeline, the load over time, pictures and
// porcupine's view of a failure.
func TestEvidenceIsShown(t *testing.T) {
	page := writeWith(t, reporttest.Failing(), evidence)
	all := parse(t, page)
	var timelines, images, frames []element
	for _, e := range all {
		switch {
		case e.name == "svg" && strings.Contains(e.attributes["class"], "timeline"):
			timelines = append(timelines, e)
		case e.name == "img":
			images = append(images, e)
		case e.name == "iframe":
			frames = append(frames, e)
		}
	}
	require.Len(t, timelines, 5)
	for _, words := range []string{"client 1", "client 2", "power-cut", "Read after the restart: 2 keys.",
		"client 1: write <script>alert(1)</script> = c1-1; sent -", "acknowledged, and gone after the restart",
		"a later write of its key is there after the restart", "acknowledged, and there after the restart",
		"no reply: it may have taken effect or not", "sync of the log, in flight when the crash struck"} {
		require.Contains(t, timelines[0].text, words)
	}
	require.Len(t, images, 5)
	require.Regexp(t, "^data:image/svg.xml;base64,", images[0].attributes["src"])
	require.Len(t, frames, 5)
	require.Equal(t, "allow-scripts", frames[0].attributes["sandbox"])
	require.Equal(t, interactive, frames[0].attributes["data-page"])
	for _, e := range all {
		if e.attributes["http-equiv"] == "Content-Security-Policy" {
			require.Contains(t, e.attributes["content"], hashOf("document.title = 'in order'"))
			require.Contains(t, e.attributes["content"], hashOf(script))
			require.NotContains(t, e.attributes["content"], "script-src 'unsafe")
		}
	}
}

func TestEvidenceThatCannotBeReadIsSaid(t *testing.T) {
	page := writeWith(t, reporttest.Failing(), func(string) (*model.Evidence, error) { return nil, errors.New("no such <file>") })
	require.Contains(t, page, "no such &lt;file&gt;")
}

// TestFates: what became of operations, as the state read after the crash shows.
func TestFates(t *testing.T) {
	h := reporttest.History()
	crash, after := lastCrash(h)
	require.NotNil(t, after)
	var got []fate
	for _, d := range fates(h, crash, after) {
		got = append(got, d.fate)
	}
	require.Equal(t, []fate{isGone, isReplaced, isKept, isRead, isFailed, isPending, isKept, isGone}, got)
}

// TestFatesThatAreNoLoss: what was deleted or has expired is not shown as gone,
// and what no value tells about is not shown as kept.
func TestFatesThatAreNoLoss(t *testing.T) {
	after := &history.State{At: 100, Keys: []history.KV{{Key: "n", Value: "3"}}}
	h := &history.History{Ops: []history.Op{
		{Kind: history.Write, Key: "a", Value: "1", Invoke: 1, Return: 2, Outcome: history.OK},
		{Kind: history.Delete, Key: "a", Invoke: 3, Return: 4, Outcome: history.OK},
		{Kind: history.Write, Key: "x", Value: "2", Invoke: 5, Return: 6, Outcome: history.OK, More: &history.More{Deadline: 50}},
		{Kind: history.Write, Key: "y", Value: "3", Invoke: 7, Return: 8, Outcome: history.OK, More: &history.More{Deadline: 500}},
		{Kind: history.Incr, Key: "n", Value: "1", Invoke: 9, Return: 10, Outcome: history.OK},
	}}
	var got []fate
	for _, d := range fates(h, 20, after) {
		got = append(got, d.fate)
	}
	require.Equal(t, []fate{isReplaced, isOpen, isExpired, isGone, isOpen}, got)
}

func TestWhatACommandPrintedAndItsPicturesAreShown(t *testing.T) {
	var b strings.Builder
	require.NoError(t, Write(&b, &model.Report{
		Header: result.Header{Command: "torntail explore"}, Headline: "<script>", Pictures: []model.Picture{{Title: "map <b>", SVG: []byte("<svg/>")}},
		Sections: []model.Section{{Title: "engine", Labels: []string{"mode", "disk"}, Entries: []model.Entry{
			{Labels: []string{"always", "ext4"}, Verdict: result.Violated, Report: "key <script>\x1b[31m\nline 2\n"}}}},
	}))
	all := parse(t, b.String())
	require.Equal(t, "violated: <script>", find(all, "h1")[0].text)
	require.Equal(t, "violated", find(all, "h1")[0].attributes["class"])
	require.Equal(t, `key <script>\x1b[31m`+"\nline 2", find(all, "pre")[0].text)
	require.Equal(t, "open", find(all, "details")[0].attributes["open"], "the only one")
	require.Equal(t, "map <b>", find(all, "img")[0].attributes["alt"])
	require.Equal(t, "torntail explore", find(all, "dd")[0].text)
}

func TestClaimsAreShown(t *testing.T) {
	r := reporttest.Report()
	r.Claims = []result.Claim{
		{ID: "P1", Quote: "always loses <nothing>", Configuration: "always", Fault: "power", Expected: "holds", Outcome: "holds", Figure: "0 of 12", Verdict: result.Holds},
		{ID: "P2", Quote: "b", Expected: "?", NotMeasured: "no FUSE here", Verdict: result.Unknown},
	}
	all := parse(t, write(t, r))
	require.Equal(t, "unknown: what was measured came out as expected; 1 of 2 claims measured", find(all, "h1")[0].text)
	var cells []string
	for _, e := range find(all, "td") {
		cells = append(cells, e.text)
	}
	require.Equal(t, []string{"", "always loses <nothing> (always; power)", "holds", "holds", "0 of 12", "✓ holds", "", "b", "?", "not measured", "no FUSE here", "? unknown"}, cells)
}

func writeWith(t testing.TB, r *result.Report, find func(dir string) (*model.Evidence, error)) string {
	t.Helper()
	var b strings.Builder
	m := losses.Report(r, reporttest.Catalogue())
	m.Evidence = find
	require.NoError(t, Write(&b, m))
	return b.String()
}

const interactive = `<html><body>a view<script>document.title = 'in order'</script></body></html>`

func evidence(string) (*model.Evidence, error) {
	return &model.Evidence{History: reporttest.History(), Interactive: []byte(interactive),
		Pictures: []model.Picture{{Title: "a split brain", SVG: []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><rect width="10" height="10"/></svg>`)}}}, nil
}
