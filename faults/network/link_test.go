package network

import (
	"testing"
	"time"
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
