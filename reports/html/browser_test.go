package html

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/torntail/torntail/checker"
	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/checker/verdict"
	"github.com/torntail/torntail/internal/needs"
	"github.com/torntail/torntail/reports/model"
	"github.com/torntail/torntail/reports/reporttest"
	"github.com/torntail/torntail/reports/result"
)

// browser opens pages in a headless Chromium, and notes all it complains about.
type browser struct {
	t          testing.TB
	ctx        context.Context
	complaints []string
}

// patience is how long a browser may hang before a test gives up: a machine that
// builds and tests other things takes its time to start one.
const patience = 4 * time.Minute

func newBrowser(t testing.TB) *browser {
	path := needs.Program(t, "chromium")
	b := &browser{t: t}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(profileDir(t)), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-features", "IsolateSandboxedIframes,Translate"), // frames can be looked into
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.WindowSize(1280, 1000), chromedp.WSURLReadTimeout(patience))
	ctx, endProcess := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(endProcess)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	ctx, giveUp := context.WithTimeout(ctx, patience)
	t.Cleanup(giveUp)
	b.ctx = ctx
	chromedp.ListenTarget(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.complaints = append(b.complaints, e.ExceptionDetails.Error())
		case *runtime.EventConsoleAPICalled:
			b.complaints = append(b.complaints, fmt.Sprintf("console.%s", e.Type))
		case *log.EventEntryAdded:
			b.complaints = append(b.complaints, e.Entry.Text)
		}
	})
	return b
}

// profileDir is a directory for a browser. Its processes outlive the one that is waited for
// by a moment, and may write while it is being removed: then it is removed again.
func profileDir(t testing.TB) string {
	dir, err := os.MkdirTemp("", "torntail-browser-")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, patience, 10*time.Millisecond)
	})
	return dir
}

// open writes a page to a file and opens it, as a user does.
func (b *browser) open(page string) {
	file := filepath.Join(b.t.TempDir(), "report.html")
	require.NoError(b.t, os.WriteFile(file, []byte(page), 0o644))
	b.do(log.Enable(), chromedp.Navigate((&url.URL{Scheme: "file", Path: file}).String()), chromedp.WaitReady(`html[data-ready="yes"]`, chromedp.ByQuery))
}

func (b *browser) do(actions ...chromedp.Action) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Run(b.ctx, actions...), "%v", b.complaints)
}

// What a test does on a page it does by script, not by chromedp's own look-ups:
// these fail now and then while a frame is being loaded.

// eval runs a script of the test's own, which the page's policy does not bind.
func eval[T any](b *browser, script string) (value T) {
	b.t.Helper()
	b.do(chromedp.Evaluate(script, &value))
	return value
}

func (b *browser) quiet() {
	b.t.Helper()
	require.Empty(b.t, b.complaints, "the browser complains")
}

// light and dark are what the reader's system asks for.
func theme(name string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}})
}

// shoot takes a picture of the whole page into the directory that
// TORNTAIL_HTML_OUT names, to be looked at.
func (b *browser) shoot(name string) {
	dir := os.Getenv("TORNTAIL_HTML_OUT")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		var image []byte
		b.do(theme(scheme), chromedp.FullScreenshot(&image, 100))
		require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+"-"+scheme+".png"), image, 0o644))
	}
}

func TestInTheBrowser(t *testing.T) {
	b := newBrowser(t)

	t.Run("charts are drawn and nobody complains", func(t *testing.T) {
		for name, r := range map[string]*result.Report{"usual": reporttest.Usual(), "policies": reporttest.Policies()} {
			b.open(write(t, r))
			empty := eval[int](b, `[...document.querySelectorAll("figure > svg")].filter((s) => s.getBoundingClientRect().height < 100 || s.querySelectorAll("path, line, circle").length < 8).length`)
			require.Zero(t, empty, "%s: a chart is empty", name)
			require.Positive(t, eval[int](b, `document.querySelectorAll("figure > svg").length`))
			b.quiet()
			b.shoot(name)
		}
	})

	t.Run("light and dark can be read", func(t *testing.T) {
		b.open(writeWith(t, reporttest.Failing(), evidence))
		for _, scheme := range []string{"light", "dark"} {
			b.do(theme(scheme))
			ground := eval[[]float64](b, `getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g).map(Number)`)
			for _, what := range []string{"body", "h1", ".verdict.violated", ".soft", "figure svg text", ".timeline text"} {
				property := "color"
				if strings.HasSuffix(what, "text") {
					property = "fill"
				}
				ink := eval[[]float64](b, fmt.Sprintf(`getComputedStyle(document.querySelector(%q)).%s.match(/[\d.]+/g).map(Number)`, what, property))
				require.GreaterOrEqual(t, contrast(ground, ink), 4.5, "%s, %s: the contrast that WCAG 2 asks for", scheme, what)
			}
		}
		b.quiet()
	})

	t.Run("keyboard", func(t *testing.T) {
		b.open(writeWith(t, reporttest.Failing(), evidence))
		focused := `document.activeElement.closest("details")?.id ?? document.activeElement.tagName`
		b.do(chromedp.KeyEvent("j"))
		require.Equal(t, "failure1", eval[string](b, focused))
		b.do(chromedp.KeyEvent("j"))
		require.Equal(t, "failure2", eval[string](b, focused))
		b.do(chromedp.KeyEvent("k"), chromedp.KeyEvent(kb.Enter))
		require.True(t, eval[bool](b, `document.getElementById("failure1").open`), "Enter opens it")
		b.do(chromedp.Evaluate(`document.querySelector("#failure1 .timeline").focus()`, nil), chromedp.KeyEvent(kb.ArrowRight))
		require.Contains(t, eval[string](b, `document.getElementById("tip").textContent`), "client 1: write <script>alert(1)</script> = c1-1")
		b.do(chromedp.KeyEvent(kb.ArrowRight))
		require.Contains(t, eval[string](b, `document.getElementById("tip").textContent`), "client 2: write k1 = c2-1")
		b.do(chromedp.KeyEvent(kb.Escape))
		require.True(t, eval[bool](b, `document.getElementById("tip").hidden`))
		b.do(chromedp.KeyEvent("e"))
		require.Zero(t, eval[int](b, `document.querySelectorAll("details:not([open])").length`), "e opens all")
		b.shoot("failing")
		b.quiet()
	})

	t.Run("a key named as a script is text", func(t *testing.T) {
		b.open(writeWith(t, reporttest.Hostile(), evidence))
		b.do(chromedp.KeyEvent("e"))
		require.Equal(t, 1, eval[int](b, `document.scripts.length`), "the page's own")
		require.Contains(t, eval[string](b, `document.querySelector("details pre").textContent`), `<script>alert("x")</script>`)
		require.Contains(t, eval[string](b, `document.querySelector(".timeline title").textContent + [...document.querySelectorAll(".op title")].map((x) => x.textContent).join()`), `<script>alert(1)</script>`)
		b.quiet() // an alert would hold the page up, a blocked script would be logged
	})

	t.Run("porcupine's view runs in its frame", func(t *testing.T) {
		b.open(writeWith(t, reporttest.Failing(), func(string) (*model.Evidence, error) { return &model.Evidence{Interactive: staleRead(t)}, nil }))
		b.do(chromedp.KeyEvent("e"), chromedp.Evaluate(`document.querySelector("#failure1 iframe").scrollIntoView()`, nil))
		b.quiet() // a script that the policy forbids is logged
		bars := func() (n int) {
			// The tree may change while it is read: an error is none yet.
			_ = chromedp.Run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) error {
				node, err := dom.GetDocument().WithDepth(-1).WithPierce(true).Do(ctx)
				if err == nil {
					n = nodes(node, "history-rect")
				}
				return err
			}))
			return n
		}
		require.Eventually(t, func() bool { return bars() == 5*3 }, patience, 50*time.Millisecond, "a bar for each operation of five failures")
		b.shoot("porcupine")
	})

	t.Run("a picture is larger at a press, and as it was again", func(t *testing.T) {
		var page bytes.Buffer
		svg := `<svg xmlns="http://www.w3.org/2000/svg" width="400" height="100"><rect width="400" height="100"/></svg>`
		require.NoError(t, Write(&page, &model.Report{Header: result.Header{Command: "torntail splitbrain"}, Pictures: []model.Picture{{Title: "timeline", SVG: []byte(svg)}}}))
		b.open(page.String())
		width := func() float64 {
			return eval[float64](b, `document.querySelector("figure img").getBoundingClientRect().width`)
		}
		press := func(word string) {
			eval[bool](b, `(() => { [...document.querySelectorAll(".zoom button")].find((b) => b.textContent === "`+word+`").click(); return true; })()`)
		}
		own := width()
		press("larger")
		press("larger")
		require.InDelta(t, own*2.25, width(), 1)
		press("smaller")
		require.InDelta(t, own*1.5, width(), 1)
		eval[bool](b, `document.querySelector("figure .scroll").dispatchEvent(new KeyboardEvent("keydown", {key: "0"}))`)
		require.InDelta(t, own, width(), 1)
		b.quiet()
	})

	// On a phone and on a desk, light and dark: nothing makes the page wider than its screen, every
	// text can be read, and Tab comes to everything that can be pressed or scrolled.
	t.Run("on a phone and on a desk", func(t *testing.T) {
		suite := reporttest.Failing()
		suite.Suite = &result.Suite{Name: "nightly", Baseline: &result.Baseline{File: "b.json", Missing: true}}
		for i := range suite.Results {
			r := &suite.Results[i]
			r.Cell = "redis-server/" + r.Mode + "/" + r.Crash + "/registers/ext4/a-name-that-is-as-long-as-such-names-are"
			r.Expected = &result.Expected{Text: "holds", As: r.Verdict, Why: "violated: lost-write in 4 of 200 runs"}
		}
		for name, r := range map[string]*result.Report{"suite": suite, "policies": reporttest.Policies(), "usual": reporttest.Usual()} {
			page := writeWith(t, r, evidence)
			for _, width := range []int64{390, 1280} {
				b.do(emulation.SetDeviceMetricsOverride(width, 900, 1, false))
				b.open(page)
				require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(width), "%s at %d pixels scrolls sideways", name, width)
				b.do(chromedp.KeyEvent("e"))
				require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(width), "%s at %d pixels, all parts open, scrolls sideways", name, width)
				for _, scheme := range []string{"light", "dark"} {
					b.do(theme(scheme))
					require.Empty(t, eval[[]string](b, faint), "%s at %d pixels, %s", name, width, scheme)
				}
				require.Empty(t, eval[[]string](b, small), "%s at %d pixels: text that is too small to read", name, width)
				controls := eval[int](b, `window.controls = [...document.querySelectorAll("button, summary, a[href], [tabindex='0']")].filter((x) => x.checkVisibility()); window.reached = new Set(); window.controls.length`)
				for range 2*controls + 10 { // what scrolls is a stop of its own
					b.do(chromedp.KeyEvent(kb.Tab), chromedp.Evaluate(`window.reached.add(document.activeElement); 0`, nil))
				}
				require.Empty(t, eval[[]string](b, `window.controls.filter((x) => !window.reached.has(x)).map((x) => x.outerHTML.slice(0, 200))`), "%s at %d pixels: not reached by Tab", name, width)
				b.shoot(fmt.Sprintf("%s-%d", name, width))
				b.quiet()
			}
		}
		b.do(emulation.ClearDeviceMetricsOverride())
	})

	t.Run("an index of a thousand reports is searched as one types", func(t *testing.T) {
		var runs []Run
		for i := range 1000 {
			r := &model.Report{Header: result.Header{Command: fmt.Sprintf("torntail run --seed %d", i)}, Sections: []model.Section{{Entries: []model.Entry{
				{Labels: []string{"always"}, Target: "engine", Verdict: []result.Verdict{result.Holds, result.Violated}[i%2]}}}}}
			runs = append(runs, Run{Dir: fmt.Sprintf("run-%d <b>", i), Report: r})
		}
		for _, width := range []int64{390, 1280} {
			b.do(emulation.SetDeviceMetricsOverride(width, 900, 1, false))
			var page strings.Builder
			require.NoError(t, WriteIndex(&page, runs))
			b.open(page.String())
			require.LessOrEqual(t, eval[int](b, `document.documentElement.scrollWidth`), int(width), "scrolls sideways")
			require.Equal(t, "1000 of 1000", eval[string](b, `document.getElementById("count").textContent`))
			for _, scheme := range []string{"light", "dark"} {
				b.do(theme(scheme))
				require.Empty(t, eval[[]string](b, faint), "%d pixels, %s", width, scheme)
			}
			eval[bool](b, `(() => { const w = document.getElementById("words"); w.value = "seed 77"; w.dispatchEvent(new Event("input")); return true; })()`)
			require.Equal(t, "19 of 1000", eval[string](b, `document.getElementById("count").textContent`))
			eval[bool](b, `(() => { const v = document.getElementById("verdict"); v.value = "violated"; v.dispatchEvent(new Event("change")); return true; })()`)
			require.Equal(t, "14 of 1000", eval[string](b, `document.getElementById("count").textContent`))
			require.Equal(t, 14, eval[int](b, `[...document.querySelectorAll("tbody tr")].filter((x) => x.checkVisibility()).length`))
			b.quiet()
		}
		b.do(emulation.ClearDeviceMetricsOverride())
	})

	t.Run("ten thousand crashes", func(t *testing.T) {
		page := write(t, tenThousand())
		require.Less(t, len(page), 300_000)
		b.open(page)
		require.Less(t, eval[int](b, `document.getElementsByTagName("*").length`), 5000, "elements")
		t.Logf("10,000 crashes: interactive after %.0f ms, %d bytes", eval[float64](b, `performance.getEntriesByType("navigation")[0].domInteractive`), len(page))
		b.quiet()
	})
}

// faint are the texts whose contrast with what they stand on is below the 4.5 that WCAG 2
// asks for.
const faint = `(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g); return m ? m.map(Number) : [0, 0, 0, 0]; };
  const light = (c) => [0.2126, 0.7152, 0.0722].reduce((l, w, i) => { const v = c[i] / 255; return l + w * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); }, 0);
  const ground = (x) => { for (; x; x = x.parentElement) { const c = parse(getComputedStyle(x).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
  const list = [];
  for (const x of document.querySelectorAll("body *")) {
    if (!x.checkVisibility() || x.closest("script, title")) continue;
    const words = [...x.childNodes].filter((n) => n.nodeType === 3 && n.textContent.trim()).map((n) => n.textContent.trim()).join(" ");
    if (!words) continue;
    const style = getComputedStyle(x), a = light(parse(x.closest("svg") ? style.fill : style.color)), b = light(ground(x));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) list.push(contrast.toFixed(2) + " " + x.tagName + " " + x.className + ": " + words.slice(0, 60));
  }
  return list;
})()`

// small are the texts that are shown smaller than 10 pixels: those of drawings shrink with
// these.
const small = `[...document.querySelectorAll("figure svg text")].filter((x) => x.checkVisibility() && x.getBoundingClientRect().height < 10 && x.textContent.trim()).map((x) => x.getBoundingClientRect().height.toFixed(1) + ": " + x.textContent).slice(0, 5)`

// tenThousand is a run with 10,000 crashes in each of nine pairs.
func tenThousand() *result.Report {
	r := reporttest.Usual()
	for i := range r.Results {
		x := &r.Results[i]
		if x.LossWindow == nil {
			continue
		}
		x.Samples = &result.Samples{}
		for n := range 10_000 {
			v := x.LossWindow.Max * float64(n%997) / 997
			x.Samples.WindowMS, x.Samples.Lost = append(x.Samples.WindowMS, v), append(x.Samples.Lost, int(v))
			x.Samples.Rate = append(x.Samples.Rate, 100)
		}
	}
	return r
}

// contrast is that of WCAG 2 between two sRGB colours.
func contrast(a, b []float64) float64 {
	luminance := func(c []float64) float64 {
		l := 0.0
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			v := c[i] / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			l += weight * v
		}
		return l
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// staleRead is porcupine's view of a read that returned what had been replaced.
func staleRead(t testing.TB) []byte {
	at := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	h := &history.History{Ops: []history.Op{
		{ID: 0, Client: 1, Kind: history.Write, Key: "<script>alert(2)</script>", Value: "a", Invoke: at(1), Return: at(2), Outcome: history.OK},
		{ID: 1, Client: 1, Kind: history.Write, Key: "<script>alert(2)</script>", Value: "b", Invoke: at(3), Return: at(4), Outcome: history.OK},
		{ID: 2, Client: 2, Kind: history.Read, Key: "<script>alert(2)</script>", Value: "a", Invoke: at(5), Return: at(6), Outcome: history.OK},
	}}
	judge := checker.Judge{}
	j := judge.Judge(h, contract.Clients())
	require.Equal(t, verdict.Violated, j.Verdict)
	small, ok := judge.Minimize(h, contract.Clients(), j.Anomalies[0].Name)
	require.True(t, ok)
	var page bytes.Buffer
	require.NoError(t, judge.Picture(&page, small.History, small.Anomaly))
	return page.Bytes()
}

// nodes counts the elements of a class below a node, frames included.
func nodes(n *cdp.Node, class string) (count int) {
	if slices.Contains(strings.Fields(n.AttributeValue("class")), class) {
		count++
	}
	for _, c := range n.Children {
		count += nodes(c, class)
	}
	if n.ContentDocument != nil {
		count += nodes(n.ContentDocument, class)
	}
	return count
}
