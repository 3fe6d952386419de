package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// switchboard builds many mutants at once: sources that have each change beside
// what was there, and choose by the mutant's number, which the environment gives
// when the tests are run. Building takes longer than testing.
type switchboard struct {
	dir     string
	overlay string           // what tells the compiler to take these sources
	number  map[*mutant]int  // from 1; those that have none are built alone
	files   map[string]*file // by name
	byName  map[string]*file // by the name of the changed one, which the compiler gives
}

// file is a source with changes beside what was there.
type file struct {
	changed string // its name in dir
	places  []span // of the changes, in order
}

// span is where a mutant is in the text of a changed file.
type span struct {
	from, to int
	of       *mutant
}

// Names in the environment of tests: which mutant is on, and a file for the
// numbers of those that are reached.
const (
	envNumber  = "TORNTAIL_MUTANT"
	envReached = "TORNTAIL_MUTANTS_REACHED"
)

// board is what each changed package gets beside its own files.
const board = `package %s

import (
	"cmp"
	"os"
	"strconv"
	"sync/atomic"
)

var (
	mutantNumber, _ = strconv.Atoi(os.Getenv("` + envNumber + `"))
	mutantLog       = os.Getenv("` + envReached + `")
	mutantSeen      [%d]atomic.Bool
)

func mutantIs(n int) bool {
	if mutantLog != "" {
		mutantReached(n)
	}
	return n == mutantNumber
}

func mutantReached(n int) {
	if mutantSeen[n].Swap(true) {
		return
	}
	f, err := os.OpenFile(mutantLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	if _, err := f.WriteString(strconv.Itoa(n) + "\n"); err != nil {
		panic(err)
	}
	if err := f.Close(); err != nil {
		panic(err)
	}
}

type mutantNumeric interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

func mutantAdd[T mutantNumeric](n int, a, b T) T {
	if mutantIs(n) {
		return a - b
	}
	return a + b
}

func mutantSub[T mutantNumeric](n int, a, b T) T {
	if mutantIs(n) {
		return a + b
	}
	return a - b
}

func mutantInt[T mutantNumeric](n int, v T) T {
	if mutantIs(n) {
		return v + 1
	}
	return v
}

func mutantMin[T cmp.Ordered](n int, first T, more ...T) T {
	for _, v := range more {
		if mutantIs(n) {
			first = max(first, v)
		} else {
			first = min(first, v)
		}
	}
	return first
}

func mutantMax[T cmp.Ordered](n int, first T, more ...T) T {
	for _, v := range more {
		if mutantIs(n) {
			first = min(first, v)
		} else {
			first = max(first, v)
		}
	}
	return first
}
`

// newSwitchboard puts mutants into sources, as far as that can be: of two in one
// expression the second is left out, and so is what does not build in this way.
func newSwitchboard(ctx context.Context, dir string, mutants []mutant) (*switchboard, error) {
	b := &switchboard{dir: dir, overlay: filepath.Join(dir, "overlay.json"), number: map[*mutant]int{}}
	for i := range mutants {
		if m := &mutants[i]; m.either.text != "" {
			b.number[m] = i + 1
		}
	}
	for {
		if err := b.write(mutants); err != nil {
			return nil, err
		}
		if len(b.number) == 0 {
			return b, nil
		}
		var packages []string
		for name := range b.files {
			packages = append(packages, "./"+filepath.Dir(name))
		}
		slices.Sort(packages)
		args := append([]string{"build", "-gcflags=-e", "-overlay", b.overlay}, slices.Compact(packages)...)
		out, _, err := command(ctx, "", nil, "go", args...)
		var exit *exec.ExitError
		switch {
		case err == nil:
			return b, nil
		case ctx.Err() != nil || !errors.As(err, &exit):
			return nil, fmt.Errorf("build the mutants: %w", err)
		case !b.leaveOut(out):
			return nil, fmt.Errorf("build the mutants: %w\n%s", err, out)
		}
	}
}

// write writes the changed files and the overlay.
func (b *switchboard) write(mutants []mutant) error {
	b.files, b.byName = map[string]*file{}, map[string]*file{}
	of := map[string][]*mutant{}
	for i := range mutants {
		if m := &mutants[i]; b.number[m] > 0 {
			of[m.file] = append(of[m.file], m)
		}
	}
	replace := map[string]string{}
	for name, list := range of { // any order: each file by itself
		slices.SortFunc(list, func(a, c *mutant) int { return a.either.from - c.either.from })
		src, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("mutate: %w", err)
		}
		f := &file{changed: filepath.Join(b.dir, strings.ReplaceAll(name, "/", "+"))}
		var text bytes.Buffer
		done := 0
		for _, m := range list {
			if m.either.from < done {
				delete(b.number, m)
				continue
			}
			text.Write(src[done:m.either.from])
			from := text.Len()
			text.WriteString(strings.ReplaceAll(m.either.text, "#", strconv.Itoa(b.number[m])))
			f.places = append(f.places, span{from, text.Len(), m})
			done = m.either.to
		}
		text.Write(src[done:])
		if err := os.WriteFile(f.changed, text.Bytes(), 0o644); err != nil {
			return err
		}
		b.files[name], b.byName[filepath.Base(f.changed)] = f, f
		original, err := filepath.Abs(name)
		if err != nil {
			return err
		}
		replace[original] = f.changed
		pkg := regexp.MustCompile(`(?m)^package (\w+)`).FindSubmatch(src)
		if pkg == nil {
			return fmt.Errorf("mutate: %s: no package clause", name)
		}
		beside := f.changed + ".board"
		if err := os.WriteFile(beside, fmt.Appendf(nil, board, pkg[1], len(mutants)+1), 0o644); err != nil {
			return err
		}
		replace[filepath.Join(filepath.Dir(original), "mutants_of_this_package.go")] = beside
	}
	return writeOverlay(b.overlay, replace)
}

var complaint = regexp.MustCompile(`(?m)^(?:\./)?(\S+\.go):(\d+):(\d+): `)

// leaveOut takes out what the compiler complains of; false when that is nothing. A
// complaint may be about what is around a change: then all changes of its line go.
func (b *switchboard) leaveOut(out []byte) bool {
	some := false
	for _, c := range complaint.FindAllSubmatch(out, -1) {
		f := b.byName[filepath.Base(string(c[1]))]
		if f == nil {
			continue
		}
		text, err := os.ReadFile(f.changed)
		line, _ := strconv.Atoi(string(c[2]))
		column, _ := strconv.Atoi(string(c[3]))
		if err != nil || line < 1 {
			continue
		}
		begin := 0
		for range line - 1 {
			begin += 1 + bytes.IndexByte(text[begin:], '\n')
		}
		end := begin + len(bytes.SplitN(text[begin:], []byte("\n"), 2)[0])
		at := begin + column - 1
		if !b.drop(f, at, at+1) && !b.drop(f, begin, end) {
			continue
		}
		some = true
	}
	return some
}

// drop takes out the changes of a file that are somewhere from one place of its text
// to another; false when there are none.
func (b *switchboard) drop(f *file, from, to int) bool {
	some := false
	for _, s := range f.places {
		if s.from < to && from < s.to && b.number[s.of] > 0 {
			delete(b.number, s.of)
			some = true
		}
	}
	return some
}
