package network

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCutWordsPrintAndParse(t *testing.T) {
	for _, c := range []Cut{Hold, Drop, Reset} {
		got, err := ParseCut(c.String())
		if err != nil || got != c {
			t.Errorf("ParseCut(%q) = %v, %v", c.String(), got, err)
		}
	}
	for _, word := range []string{"", "open", "HOLD", "cut"} {
		if _, err := ParseCut(word); err == nil {
			t.Errorf("ParseCut(%q) did not fail", word)
		}
	}
	if got := Cut(9).String(); got != "cut(9)" {
		t.Errorf("unknown cut prints %q", got)
	}
}

func TestLinksHaveADirection(t *testing.T) {
	var l Links
	l.Grow(3)
	l.Link(0, 1).Cut = Hold
	l.Link(0, 1).Delay = time.Second
	if l.Link(0, 1).Passes() || !l.Link(1, 0).Passes() || !l.Link(0, 2).Passes() {
		t.Error("a cut of 0 to 1 must stop that direction and no other")
	}
	l.Grow(5)
	if l.Link(0, 1).Cut != Hold || !l.Link(4, 0).Passes() || l.Nodes() != 5 {
		t.Error("growing must keep the links that are there and add perfect ones")
	}
	l.Heal(0, 1)
	if *l.Link(0, 1) != (Link{}) {
		t.Errorf("healed link is %+v", *l.Link(0, 1))
	}
	l.Link(1, 2).Cut = Drop
	l.Reset()
	l.Grow(3)
	if *l.Link(1, 2) != (Link{}) {
		t.Error("a reset must not let the next experiment inherit a cut")
	}
}

func TestSlowLinkQueues(t *testing.T) {
	tests := []struct {
		name string
		link Link
		sent []struct {
			at    time.Duration
			bytes int
			want  time.Duration
		}
	}{
		{"no limit", Link{Delay: 3 * time.Millisecond}, []struct {
			at    time.Duration
			bytes int
			want  time.Duration
		}{{0, 1 << 20, 3 * time.Millisecond}, {0, 1, 3 * time.Millisecond}}},
		{"1000 bytes a second", Link{BytesPerSecond: 1000}, []struct {
			at    time.Duration
			bytes int
			want  time.Duration
		}{
			{0, 500, 500 * time.Millisecond},
			{0, 500, time.Second}, // waits for the first
			{800 * time.Millisecond, 100, 300 * time.Millisecond},
			{10 * time.Second, 1, time.Millisecond}, // idle again
		}},
		{"limit and delay", Link{BytesPerSecond: 1000, Delay: time.Second}, []struct {
			at    time.Duration
			bytes int
			want  time.Duration
		}{{0, 2500, 3500 * time.Millisecond}}},
		{"faster than the clock's grain", Link{BytesPerSecond: 1 << 40}, []struct {
			at    time.Duration
			bytes int
			want  time.Duration
		}{{0, 1 << 20, 953}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i, s := range tt.sent {
				if got := tt.link.Send(s.at, s.bytes); got != s.want {
					t.Errorf("message %d: %v on the link, want %v", i, got, s.want)
				}
			}
		})
	}
}

func FuzzParseCut(f *testing.F) {
	f.Add("hold")
	f.Add("holds")
	f.Fuzz(func(t *testing.T, word string) {
		if c, err := ParseCut(word); err == nil && c.String() != word {
			t.Errorf("%q parses to %v", word, c)
		}
	})
}

// TestAShareOfTheBytesIsLate: of what is given to a link in pieces of any size, about as much as
// is said, and the same of the same traffic.
func TestAShareOfTheBytesIsLate(t *testing.T) {
	for _, percent := range []float64{1, 5, 50, 100} {
		for _, piece := range []int{1, 60, 1460, 32 << 10} {
			l, again := Link{LateBy: time.Second, LatePercent: percent}, Link{LateBy: time.Second, LatePercent: percent}
			late, pieces := 0, 20_000
			for range pieces {
				d := l.Send(0, piece)
				require.Equal(t, d, again.Send(0, piece))
				if d == time.Second {
					late++
				}
			}
			require.InDelta(t, percent, 100*float64(late)/float64(pieces), percent*0.25+0.01, "in pieces of %d", piece)
			require.Zero(t, l.Send(0, 0), "what has no bytes is not late")
			require.True(t, l.SameFaults(Link{LateBy: time.Second, LatePercent: percent}))
		}
	}
}

// TestTheFirstConnectionsAreCountedOnce: each is asked for more than once, and what else happens
// to the link does not begin the count anew.
func TestTheFirstConnectionsAreCountedOnce(t *testing.T) {
	l := Link{LoseNew: true, First: 2}
	var a, b, c int
	for range 3 {
		require.True(t, l.Loses(&a))
		require.True(t, l.Loses(&b))
		require.False(t, l.Loses(&c))
		l.Become(Link{LoseNew: true, First: 2, Delay: time.Second})
	}
	l.Become(Link{Delay: time.Second})
	require.False(t, l.Loses(&a))
	l.Become(Link{LoseNew: true, First: 1})
	var d, e int
	require.True(t, l.Loses(&d), "another fault, counted from its beginning")
	require.False(t, l.Loses(&e))
	l.Become(Link{LoseNew: true})
	require.True(t, l.Loses(&e))
}
