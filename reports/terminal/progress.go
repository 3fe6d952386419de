package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/torntail/torntail/reports/wording"
)

// State is what a progress line says.
type State struct {
	What       string        // what runs: "everysec, power"
	Done       int           // experiments finished
	Total      int           // 0: as many as fit into For
	Unit       string        // what is counted; "" is crashes
	For        time.Duration // 0: until Total is reached
	Violations int
	Unknown    int
	// Of what these are: of "run" and "cell" the words say so, for a run that is violated is no
	// contract that is broken, and none of its table's rows.
	Of   string
	More string // what else there is to say, between share and rate
}

// Progress shows how far a long command is: one line that is redrawn on a
// terminal, a plain line every few seconds anywhere else. Its methods may be
// called from any goroutine, as often as one likes; on nil they do nothing.
type Progress struct {
	mu    sync.Mutex
	w     io.Writer
	live  bool // redraw
	width int
	now   func() time.Time

	started, shown time.Time
	last           State
	drawn          bool // a line stands there that must be cleared
}

// How often the line is shown.
const (
	redrawEvery = 100 * time.Millisecond
	printEvery  = 5 * time.Second
)

// NewProgress shows progress on f (usually stderr, so that stdout holds results only).
func NewProgress(f *os.File) *Progress {
	width := Width
	live := term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
	if live {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	return newProgress(f, live, width, time.Now)
}

func newProgress(w io.Writer, live bool, width int, now func() time.Time) *Progress {
	p := &Progress{w: w, live: live, width: width, now: now}
	p.started = now()
	p.shown = p.started
	return p
}

// Update says how far it is. Most calls only remember it.
func (p *Progress) Update(s State) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = s
	every := printEvery
	if p.live {
		every = redrawEvery
	}
	if now := p.now(); now.Sub(p.shown) >= every {
		p.show(now)
	}
}

// Print puts a line of its own above the progress line, which stays below.
func (p *Progress) Print(line string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	fmt.Fprintln(p.w, line)
	if p.live && p.last != (State{}) {
		p.show(p.now())
	}
}

// Finish takes the progress line away, so that results follow clean.
func (p *Progress) Finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *Progress) clear() {
	if p.drawn {
		io.WriteString(p.w, "\r\x1b[K")
		p.drawn = false
	}
}

func (p *Progress) show(now time.Time) {
	p.shown = now
	line := progressLine(p.last, now.Sub(p.started))
	if !p.live {
		fmt.Fprintln(p.w, line)
		return
	}
	// One column stays free: some terminals wrap when the last one is written.
	if r := []rune(line); len(r) > p.width-1 {
		line = string(r[:max(0, p.width-1)])
	}
	io.WriteString(p.w, "\r\x1b[K"+line)
	p.drawn = true
}

// progressLine is the text: what, done of total, share, violations, rate, time left.
func progressLine(s State, elapsed time.Duration) string {
	var parts []string
	if s.What != "" {
		parts = append(parts, s.What+":")
	}
	done := fmt.Sprint(s.Done)
	share := 0.0
	switch {
	case s.Total > 0:
		done += fmt.Sprintf("/%d", s.Total)
		share = float64(s.Done) / float64(s.Total)
	case s.For > 0:
		share = min(1, elapsed.Seconds()/s.For.Seconds())
	}
	unit := s.Unit
	if unit == "" {
		unit = "crashes"
	}
	parts = append(parts, done+" "+unit)
	if s.Total > 0 || s.For > 0 {
		parts = append(parts, fmt.Sprintf("%d%%", int(100*share)))
	}
	if n := s.Violations; n > 0 {
		parts = append(parts, map[string]string{
			"":     wording.Times(n, "violation"),
			"run":  wording.Times(n, "run") + " violated",
			"cell": wording.Times(n, "cell") + " not as expected",
		}[s.Of])
	}
	if n := s.Unknown; n > 0 && s.Of != "" {
		parts = append(parts, wording.Times(n, s.Of)+" unknown")
	} else if n > 0 {
		parts = append(parts, fmt.Sprintf("%d unknown", n))
	}
	if s.More != "" {
		parts = append(parts, s.More)
	}
	if rate := float64(s.Done) / elapsed.Seconds(); s.Done > 0 && elapsed > 0 {
		parts = append(parts, rateText(rate))
	}
	if left, ok := timeLeft(s, elapsed); ok {
		parts = append(parts, left.String()+" left")
	}
	return strings.ReplaceAll(strings.Join(parts, "  "), ":  ", ": ")
}

func rateText(perSecond float64) string {
	switch {
	case perSecond >= 10:
		return fmt.Sprintf("%.0f/s", perSecond)
	case perSecond >= 1:
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return fmt.Sprintf("%.1f/min", perSecond*60)
}

// timeLeft is an estimate in whole seconds, rounded up.
func timeLeft(s State, elapsed time.Duration) (time.Duration, bool) {
	var left time.Duration
	switch {
	case s.Total > 0 && s.Done > 0:
		left = time.Duration(float64(elapsed) / float64(s.Done) * float64(max(0, s.Total-s.Done)))
	case s.Total == 0 && s.For > 0:
		left = max(0, s.For-elapsed)
	default:
		return 0, false
	}
	return (left + time.Second - 1).Truncate(time.Second), true
}
