package chart

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files")

const hostile = "<script>alert(\"x\")</script> & ]]> \x00\x1b[31m \xff\u2028"

func percent(v float64) string { return fmt.Sprintf("%.0f%%", v) }

// samples have every kind of thing that a chart can hold.
func samples() map[string]*Drawing {
	steps := &Chart{Title: "Loss window under everysec", About: "power: half of the crashes lost at most 520ms",
		X: Axis{Label: "loss window", Max: 2000, Words: func(v float64) string { return num(v/1000) + "s" }},
		Y: Axis{Label: "share of crashes", Max: 100, Ticks: []float64{0, 25, 50, 75, 100}, Words: percent},
		Series: []Series{{Name: "kill", Step: true, Points: []Point{{0, 0}, {5, 100}, {2000, 100}}},
			{Name: "power", Step: true, Points: []Point{{0, 0}, {300, 20}, {520, 50}, {900, 80}, {1020, 100}, {2000, 100}}}},
		Bounds: []Bound{{"documented 1s", 1000}, {"source 1.1s", 1100}, {"modelled 2s", 2000}},
	}
	loss := &Chart{Title: "Cost against loss", X: Axis{Label: "operations a second", Max: 120_000}, Y: Axis{Label: "longest loss", Log: true, Max: 150_000, Ticks: []float64{0, 1, 10, 100, 1000, 10_000, 60_000}}}
	for i, p := range []Point{{12_800, 0}, {58_600, 1024}, {83_700, 34_600}, {101_000, 2100}, {101_500, 2200}} {
		name := []string{"always", "everysec", "no", "rdb", "rdb again"}[i]
		loss.Series = append(loss.Series, Series{Name: name, Label: name, Dots: true, Apart: true, Points: []Point{p}, Ranges: []Range{{p.Y / 2, p.Y}}})
	}
	sweep := &Chart{Title: "lost, by lag", X: Axis{Label: "lag", Min: -0.5, Max: 3.5, Names: []string{"0 (off)", "1", "3", "a name that is longer than its place"}}, Y: Axis{Max: 1200},
		Series: []Series{{Name: "down-after 500ms", Dots: true, Points: []Point{{0, 461}, {1, 202}, {2, 415}, {3, 431}}, Ranges: []Range{{400, 500}, {100, 300}, {415, 415}, {1, 1200}}}}}
	over := OverTime("Operations over the run", "operations/s", num, func(v float64) string { return num(v) + "ms" },
		[]Series{{Name: "acknowledged", Points: []Point{{0, 10}, {50, 30}, {100, 0}, {200, 25}}}}, []Band{{"power-cut", 90, 150}, {"cut", 92, 95}, {"later", 500, 600}})
	odd := &Chart{Title: hostile, About: hostile, X: Axis{Label: hostile, Max: math.NaN()}, Y: Axis{Max: math.Inf(1), Words: func(float64) string { return hostile }},
		Series: []Series{{Name: hostile, Dots: true, Points: []Point{{math.NaN(), 1}, {1, math.Inf(-1)}, {0, 0}}, Ranges: []Range{{math.NaN(), 1}}}},
		Bands:  []Band{{hostile, 0, 1}}, Bounds: []Bound{{hostile, 1}}}
	return map[string]*Drawing{"steps": steps.Draw(), "loss": loss.Draw(), "sweep": sweep.Draw(), "overtime": over.Draw(), "odd": odd.Draw(), "empty": new(Chart).Draw()}
}

func TestGolden(t *testing.T) {
	for name, d := range samples() {
		got := d.Inline() + "\n"
		path := filepath.Join("testdata", name+".svg")
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), got, name)
	}
}

// TestDrawingsAreStrictXML: whatever the text and the figures are, a drawing is
// well-formed, nothing in it is a script, and no place in it is "NaN".
func TestDrawingsAreStrictXML(t *testing.T) {
	for name, d := range samples() {
		for _, text := range []string{d.Inline(), string(d.File())} {
			strict(t, text, name)
			require.NotContains(t, text, "NaN", name)
			require.NotContains(t, text, "Inf", name)
			require.NotContains(t, text, "<script", name)
		}
	}
}

type fataler interface {
	Errorf(format string, args ...any)
	FailNow()
}

func strict(t fataler, text, name string) {
	for d := xml.NewDecoder(strings.NewReader(text)); ; {
		_, err := d.Token()
		if err == io.EOF {
			return
		}
		require.NoError(t, err, name)
	}
}

// TestAnyFiguresCanBeDrawn: in bounded room, with every label inside of it.
func TestAnyFiguresCanBeDrawn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-10, 1e6))
		c := &Chart{Title: rapid.String().Draw(t, "title"), X: Axis{Max: value.Draw(t, "x")}, Y: Axis{Max: value.Draw(t, "y"), Log: rapid.Bool().Draw(t, "log")}}
		for range rapid.IntRange(0, 8).Draw(t, "series") {
			s := Series{Name: rapid.String().Draw(t, "name"), Dots: rapid.Bool().Draw(t, "dots"), Step: rapid.Bool().Draw(t, "step")}
			if rapid.Bool().Draw(t, "labelled") {
				s.Label = s.Name
			}
			for range rapid.IntRange(0, 5).Draw(t, "points") {
				s.Points = append(s.Points, Point{value.Draw(t, "px"), value.Draw(t, "py")})
			}
			c.Series = append(c.Series, s)
		}
		d := c.Draw()
		require.Less(t, len(d.Inline()), 1<<20)
		strict(t, d.Inline(), "inline")
	})
}

func TestNiceSteps(t *testing.T) {
	for _, end := range []float64{0.001, 0.3, 1, 7, 99, 1024, 34_600, 1e9} {
		steps := Steps(end)
		require.True(t, len(steps) >= 3 && len(steps) <= mostTicks+2, "%v: %v", end, steps)
		require.GreaterOrEqual(t, steps[len(steps)-1], end)
	}
	require.Equal(t, []float64{0, 1}, Steps(math.NaN()))
	require.Equal(t, []float64{0, 1}, Steps(0))
}

func TestWordsDoNotCoverEachOther(t *testing.T) {
	s := NewShelves(2)
	row, ok := s.Place(0, 50)
	require.True(t, ok)
	require.Equal(t, 0, row)
	row, ok = s.Place(40, 90)
	require.True(t, ok)
	require.Equal(t, 1, row)
	_, ok = s.Place(45, 60)
	require.False(t, ok)
	row, ok = s.Place(50, 60)
	require.True(t, ok)
	require.Equal(t, 0, row)
}

func TestFilesFollowLightAndDark(t *testing.T) {
	file := string(samples()["steps"].File())
	require.Contains(t, file, "prefers-color-scheme: dark")
	require.Contains(t, file, `width="380"`)
	require.NotContains(t, samples()["steps"].Inline(), "<style>", "the page has it")
}
