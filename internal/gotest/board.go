package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// quiet is how long a log may say nothing.
const quiet = 30 * time.Second

// board knows what runs and prints what go test would.
type board struct {
	out      io.Writer
	total    int // packages; 0 when not known
	terminal bool
	width    int // of the terminal

	began   time.Time
	spoke   time.Time
	done    int
	drawn   bool // the status line is on the terminal
	running map[string]*running
}

// running is a package under test.
type running struct {
	began  time.Time
	output []output
	tests  map[string]time.Time // that have begun and not ended
	passed map[string]bool      // tests of whose output nothing is printed
}

type output struct{ test, text string }

func (b *board) start(now time.Time) {
	b.began, b.spoke, b.running = now, now, map[string]*running{}
}

// event takes in one line of go test -json.
func (b *board) event(line []byte, now time.Time) {
	e, ok := parse(line)
	if !ok { // go test itself, about something that is no package
		b.print(string(line), now)
		return
	}
	if e.Action == "build-output" {
		b.print(e.Output, now)
		return
	}
	if e.Package == "" {
		return // of a build: what it says has been printed
	}
	r := b.running[e.Package]
	if r == nil {
		r = &running{began: now, tests: map[string]time.Time{}, passed: map[string]bool{}}
		b.running[e.Package] = r
	}
	switch e.Action {
	case "output":
		r.output = append(r.output, output{e.Test, e.Output})
	case "run":
		r.tests[e.Test] = now
	case "pass", "skip", "fail":
		if e.Test != "" {
			delete(r.tests, e.Test)
			r.passed[e.Test] = e.Action != "fail"
			return
		}
		b.done++
		delete(b.running, e.Package)
		b.print(r.text(e.Action == "fail"), now)
	}
}

// text is what go test prints of a package without -v: one line, and before it,
// when it has failed, what was said by the tests that did not pass.
func (r *running) text(failed bool) string {
	var s strings.Builder
	for _, o := range r.output {
		last := strings.HasPrefix(o.text, "ok  \t") || strings.HasPrefix(o.text, "?   \t") || strings.HasPrefix(o.text, "FAIL\t") || strings.HasPrefix(o.text, "\t")
		switch {
		case o.test == "" && last:
		case !failed, o.test == "" && (o.text == "PASS\n" || o.text == "FAIL\n"), r.passed[o.test], strings.HasPrefix(o.text, "=== "):
			continue
		}
		s.WriteString(o.text)
	}
	return s.String()
}

func (b *board) print(text string, now time.Time) {
	if text == "" {
		return
	}
	b.wipe()
	io.WriteString(b.out, text)
	b.spoke = now
	b.draw(now)
}

// tick is called each second.
func (b *board) tick(now time.Time) {
	if b.terminal {
		b.draw(now)
	} else if now.Sub(b.spoke) >= quiet {
		fmt.Fprintf(b.out, "... %s\n", b.status(now))
		b.spoke = now
	}
}

// end prints what go test prints last.
func (b *board) end(passed bool) {
	b.wipe()
	if !passed {
		io.WriteString(b.out, "FAIL\n")
	}
}

// draw puts the status line on the terminal, over the one that is there.
func (b *board) draw(now time.Time) {
	if !b.terminal {
		return
	}
	line := []rune(b.status(now))
	if len(line) >= b.width {
		line = append(line[:max(b.width-4, 0)], []rune("...")...)
	}
	fmt.Fprintf(b.out, "\r\x1b[K%s", string(line))
	b.drawn = true
}

func (b *board) wipe() {
	if b.drawn {
		io.WriteString(b.out, "\r\x1b[K")
		b.drawn = false
	}
}

// status is one line about what runs: packages with what they have taken,
// longest first, each with its longest-running test.
func (b *board) status(now time.Time) string {
	of := ""
	if b.total > 0 {
		of = fmt.Sprintf(" of %d", b.total)
	}
	s := fmt.Sprintf("%s, %d%s packages done; ", seconds(now.Sub(b.began)), b.done, of)
	if len(b.running) == 0 {
		return s + "building"
	}
	names := slices.SortedFunc(maps.Keys(b.running), func(x, y string) int {
		return cmp.Or(b.running[x].began.Compare(b.running[y].began), strings.Compare(x, y))
	})
	var all []string
	for _, name := range names {
		r := b.running[name]
		text := strings.TrimPrefix(name, "github.com/torntail/torntail/") + " (" + seconds(now.Sub(r.began))
		if t := r.longest(); t != "" {
			text += ", " + t + " " + seconds(now.Sub(r.tests[t]))
		}
		all = append(all, text+")")
	}
	return s + "still running: " + strings.Join(all, ", ")
}

// longest is the innermost test that has been running for longest.
func (r *running) longest() string {
	best := ""
	for name, began := range r.tests { // any order: the earliest is chosen, the inner of two, the first by name
		if best == "" || strings.HasPrefix(name, best+"/") ||
			!strings.HasPrefix(best, name+"/") && cmp.Or(began.Compare(r.tests[best]), strings.Compare(name, best)) < 0 {
			best = name
		}
	}
	return best
}

func seconds(d time.Duration) string { return fmt.Sprintf("%d s", d/time.Second) }
