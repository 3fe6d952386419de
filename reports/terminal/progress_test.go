package terminal

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is moved by the test.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func TestProgressLine(t *testing.T) {
	for _, c := range []struct {
		state   State
		elapsed time.Duration
		want    string
	}{
		{State{}, 0, "0 crashes"},
		{State{What: "everysec, power", Done: 1234, Total: 3600, Violations: 1}, 1200 * time.Millisecond,
			"everysec, power: 1234/3600 crashes  34%  1 violation  1028/s  3s left"},
		{State{What: "always, kill", Done: 5, For: 30 * time.Second, Violations: 2, Unknown: 3}, 10 * time.Second,
			"always, kill: 5 crashes  33%  2 violations  3 unknown  30.0/min  20s left"},
		{State{What: "always, kill", Done: 5, Violations: 2, Unknown: 1, Of: "run"}, 10 * time.Second, "always, kill: 5 crashes  2 runs violated  1 run unknown  30.0/min"},
		{State{What: "1/3 x", Done: 5, Violations: 1, Unknown: 2, Of: "cell"}, 10 * time.Second, "1/3 x: 5 crashes  1 cell not as expected  2 cells unknown  30.0/min"},
		{State{Done: 25, Total: 25}, 10 * time.Second, "25/25 crashes  100%  2.5/s  0s left"},
		{State{Done: 0, Total: 10}, time.Second, "0/10 crashes  0%"},
		{State{Done: 7, For: time.Second}, 90 * time.Second, "7 crashes  100%  4.7/min  0s left"},
	} {
		require.Equal(t, c.want, progressLine(c.state, c.elapsed))
	}
}

func TestProgressOnATerminalIsOneLine(t *testing.T) {
	var b strings.Builder
	c := &clock{time.Unix(1000, 0)}
	p := newProgress(&b, true, 30, c.now)
	for i := range 1000 { // 10 s in steps of 10 ms: a tenth of them is drawn
		c.t = c.t.Add(10 * time.Millisecond)
		p.Update(State{What: "everysec, power", Done: i + 1, Total: 1000})
	}
	p.Print("a violation was found")
	p.Finish()
	out := b.String()
	require.Equal(t, 101, strings.Count(out, "everysec, power: "), "drawn every 100 ms, and again below the printed line")
	require.Equal(t, 1, strings.Count(out, "\n"))
	require.Contains(t, out, "\r\x1b[Ka violation was found\n")
	require.True(t, strings.HasSuffix(out, "\r\x1b[K"), "the line is taken away at the end")
	for _, line := range strings.Split(strings.ReplaceAll(out, "\x1b[K", ""), "\r") {
		require.Less(t, len(line), 30)
	}
}

func TestProgressElsewhereIsALineEveryFiveSeconds(t *testing.T) {
	var b strings.Builder
	c := &clock{time.Unix(1000, 0)}
	p := newProgress(&b, false, Width, c.now)
	for i := range 1200 { // 12 s
		c.t = c.t.Add(10 * time.Millisecond)
		p.Update(State{What: "always, kill", Done: i + 1, Total: 2400})
	}
	p.Finish()
	require.Equal(t, "always, kill: 500/2400 crashes  20%  100/s  19s left\nalways, kill: 1000/2400 crashes  41%  100/s  14s left\n", b.String())
}

func TestAShortCommandShowsNoProgress(t *testing.T) {
	var b strings.Builder
	c := &clock{time.Unix(1000, 0)}
	p := newProgress(&b, false, Width, c.now)
	p.Update(State{Done: 1, Total: 1})
	p.Finish()
	require.Empty(t, b.String())
}

func TestNoProgressIsAskedFor(t *testing.T) {
	var p *Progress
	p.Update(State{Done: 1})
	p.Print("nothing")
	p.Finish()
}
