package suite

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/reports/result"
)

// A suite that runs keeps a record in its directory: suite.json says what it is
// and names all cells, and each cell that is done has a file of its own under
// cells/. Both appear whole or not at all, so that a run killed at any moment
// goes on from its last finished cell.

// RecordSchema is the version of the record.
const RecordSchema = 1

const (
	headFile    = "suite.json"
	cellDir     = "cells"
	failuresDir = "failures"
)

// Shard is a part of a suite: the K-th of N, from 1. The zero Shard is the whole.
type Shard struct {
	K int `json:"k"`
	N int `json:"n"`
}

// ParseShard reads K/N.
func ParseShard(text string) (Shard, error) {
	k, n, ok := strings.Cut(text, "/")
	s := Shard{}
	var err1, err2 error
	s.K, err1 = strconv.Atoi(k)
	s.N, err2 = strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || s.N == 0 || s.check() != nil {
		return Shard{}, fmt.Errorf("%q: want K/N, such as 3/8: the third of eight parts", text)
	}
	return s, nil
}

// check says what is wrong with a shard that is read.
func (s Shard) check() error {
	if (s != Shard{}) && (s.N < 1 || s.K < 1 || s.K > s.N || s.N > 1000) {
		return errors.New("want K/N, such as 3/8: the third of eight parts")
	}
	return nil
}

func (s Shard) String() string {
	if s.N == 0 {
		return "the whole"
	}
	return fmt.Sprintf("shard %d/%d", s.K, s.N)
}

// has reports whether the i-th cell of the suite belongs to the shard.
func (s Shard) has(i int) bool { return s.N == 0 || i%s.N == s.K-1 }

// Head says which run of which suite a record is of.
type Head struct {
	Schema   int            `json:"schema"`
	Suite    string         `json:"suite"`
	Hash     string         `json:"hash"` // of the suite file
	Seed     uint64         `json:"seed"`
	Shard    Shard          `json:"shard"`
	Runs     int            `json:"runs,omitempty"`
	For      time.Duration  `json:"for_ns,omitempty"`
	Keep     int            `json:"keep_failures"`
	Torntail string         `json:"torntail"`
	Command  string         `json:"command"`
	Started  time.Time      `json:"started"`
	Machine  result.Machine `json:"machine"`
	Cells    []HeadCell     `json:"cells"` // of the whole suite, in its order
}

// HeadCell is a cell before it was run.
type HeadCell struct {
	Name   string          `json:"name"`
	Expect result.Expected `json:"expected"`
	Blank  Outcome         `json:"blank"`
}

// finished is a cell that was run.
type finished struct {
	Cell     string  `json:"cell"`
	ElapsedS float64 `json:"elapsed_s"`
	Outcome  Outcome `json:"outcome"`
}

// Record is the record of a suite, or of shards put together.
type Record struct {
	Head Head
	// ElapsedS is the time that the finished cells took, over all attempts.
	ElapsedS float64
	// Resumed is how many cells were done before this run.
	Resumed int

	dir  string
	done map[string]finished
	// partly is what is known of cells that were not run to their end.
	partly map[string]Outcome
}

// ErrOther means that a directory has the record of another run.
var ErrOther = errors.New("it has the results of another suite run")

// open takes up the record in a directory, or begins one.
func open(dir string, head Head) (*Record, error) {
	r := &Record{Head: head, dir: dir, done: map[string]finished{}, partly: map[string]Outcome{}}
	have, err := load(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		for _, sub := range []string{cellDir, failuresDir} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
				return nil, err
			}
		}
		return r, write(filepath.Join(dir, headFile), head)
	case err != nil:
		return nil, err
	}
	if why := differs(&have.Head, &head); why != "" {
		return nil, fmt.Errorf("%s: %w: %s (give another --out)", dir, ErrOther, why)
	}
	have.Resumed = len(have.done)
	return have, nil
}

// SeedOf is the seed of the run whose record is in a directory; false without one.
func SeedOf(dir string) (uint64, bool) {
	var h Head
	err := read(filepath.Join(dir, headFile), &h)
	return h.Seed, err == nil
}

// differs says in what two runs are not the same; "" when they are.
func differs(a, b *Head) string {
	switch {
	case a.Suite != b.Suite || a.Hash != b.Hash:
		return fmt.Sprintf("suite %s (file %s), not %s (file %s)", a.Suite, a.Hash, b.Suite, b.Hash)
	case a.Seed != b.Seed:
		return fmt.Sprintf("seed %d, not %d", a.Seed, b.Seed)
	case a.Shard != b.Shard:
		return fmt.Sprintf("%s, not %s", a.Shard, b.Shard)
	case a.Runs != b.Runs || a.For != b.For:
		return "another budget"
	case a.Torntail != b.Torntail:
		return fmt.Sprintf("torntail %s, not %s", a.Torntail, b.Torntail)
	case a.Keep != b.Keep:
		return "another number of failures to keep"
	}
	return ""
}

// load reads a record, which may be anybody's work: nothing in it leads out of it.
func load(dir string) (*Record, error) {
	if err := inside.Tree(dir); err != nil {
		return nil, err
	}
	r := &Record{dir: dir, done: map[string]finished{}, partly: map[string]Outcome{}}
	if err := read(filepath.Join(dir, headFile), &r.Head); err != nil {
		return nil, err
	}
	if r.Head.Schema != RecordSchema {
		return nil, fmt.Errorf("%s: schema %d: this torntail reads schema %d", filepath.Join(dir, headFile), r.Head.Schema, RecordSchema)
	}
	if err := r.Head.Shard.check(); err != nil {
		return nil, fmt.Errorf("%s: shard %d/%d: %w", filepath.Join(dir, headFile), r.Head.Shard.K, r.Head.Shard.N, err)
	}
	for i, c := range r.Head.Cells {
		path := filepath.Join(dir, cellDir, cellFile(i))
		var f finished
		switch err := read(path, &f); {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		case f.Cell != c.Name:
			return nil, fmt.Errorf("%s: it is of cell %q, where %q is expected", path, f.Cell, c.Name)
		}
		var outside error
		relocate(&f.Outcome, func(d string) string {
			there := filepath.Join(dir, d)
			if filepath.IsAbs(d) || inside.Check(dir, there) != nil {
				outside = fmt.Errorf("%s: %q: %w: it leads out of %s", path, d, inside.ErrNotFollowed, dir)
			}
			return there
		})
		if outside != nil {
			return nil, outside
		}
		r.done[f.Cell] = f
		r.ElapsedS += f.ElapsedS
	}
	return r, nil
}

// relocate changes the directories that an outcome names. On file they are
// relative to the record, which may be moved.
func relocate(o *Outcome, f func(dir string) string) {
	if o.Result == nil {
		return
	}
	for i := range o.Result.Failures {
		x := &o.Result.Failures[i]
		if x.Dir != "" {
			x.Dir = f(x.Dir)
		}
		if x.Shrunk != nil {
			x.Shrunk.Dir = f(x.Shrunk.Dir)
		}
	}
}

func cellFile(i int) string { return fmt.Sprintf("%05d.json", i) }

// put adds a finished cell to the record and to its directory.
func (r *Record) put(i int, f finished) error {
	r.done[f.Cell] = f
	r.ElapsedS += f.ElapsedS
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	var onFile finished // a copy, for the directories in it change
	if err := json.Unmarshal(data, &onFile); err != nil {
		return err
	}
	relocate(&onFile.Outcome, func(d string) string {
		if rel, err := filepath.Rel(r.dir, d); err == nil {
			return rel
		}
		return d
	})
	return write(filepath.Join(r.dir, cellDir, cellFile(i)), onFile)
}

// Report is all that is known, cells that were not run included.
func (r *Record) Report() *result.Report {
	h := &r.Head
	rep := &result.Report{Schema: result.Schema, Torntail: h.Torntail, Command: h.Command, Seed: h.Seed,
		Started: h.Started, ElapsedS: r.ElapsedS, Machine: h.Machine}
	for i, c := range h.Cells {
		if !h.Shard.has(i) {
			continue
		}
		f, ok := r.done[c.Name]
		if part, some := r.partly[c.Name]; !ok && some {
			f.Outcome = part
		} else if !ok {
			f.Outcome = c.blank("not run")
		}
		if x := f.Outcome.Result; x != nil {
			rep.Results = append(rep.Results, *x)
		}
		if x := f.Outcome.Claim; x != nil {
			rep.Claims = append(rep.Claims, *x)
		}
	}
	return rep
}

// blank is the cell as one of which nothing is proved.
func (c *HeadCell) blank(why string) Outcome {
	var o Outcome
	if b := c.Blank.Result; b != nil {
		x, e := *b, c.Expect
		x.Verdict, x.Why, x.Cell, x.Failures = result.Unknown, why, c.Name, nil
		e.As, e.Why = result.Unknown, why
		x.Expected = &e
		o.Result = &x
	}
	if b := c.Blank.Claim; b != nil {
		x := *b
		x.Verdict, x.NotMeasured = result.Unknown, why
		o.Claim = &x
	}
	return o
}

// Left is how many cells were not run.
func (r *Record) Left() int {
	n := 0
	for i := range r.Head.Cells {
		if _, ok := r.done[r.Head.Cells[i].Name]; r.Head.Shard.has(i) && !ok {
			n++
		}
	}
	return n
}

// Merge puts the records of all shards of a suite together. What no record has
// stays in the report as not run.
func Merge(dirs []string) (*Record, error) {
	var whole *Record
	seen := map[int]string{}
	for _, dir := range dirs {
		r, err := load(dir)
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is not the directory of a suite: it has no %s", dir, headFile)
		}
		if err != nil {
			return nil, err
		}
		shard := r.Head.Shard
		if shard.N == 0 {
			return nil, fmt.Errorf("%s: it has a whole suite, not a shard", dir)
		}
		if other, twice := seen[shard.K]; twice {
			return nil, fmt.Errorf("%s and %s are both %s", other, dir, shard)
		}
		seen[shard.K] = dir
		if whole == nil {
			whole = r
			continue
		}
		expected := whole.Head
		if expected.Shard.N == shard.N {
			expected.Shard = shard
		}
		if why := differs(&r.Head, &expected); why != "" {
			return nil, fmt.Errorf("%s: %w than %s: %s", dir, ErrOther, dirs[0], why)
		}
		for name, f := range r.done { // any order: names are unique
			whole.done[name] = f
		}
		whole.ElapsedS += r.ElapsedS
		if r.Head.Started.Before(whole.Head.Started) {
			whole.Head.Started = r.Head.Started
		}
	}
	n := whole.Head.Shard.N
	whole.Head.Shard = Shard{}
	for k := 1; k <= n; k++ {
		if seen[k] == "" {
			whole.missing(k, n)
		}
	}
	return whole, nil
}

// missing says of the cells of a shard that nobody has it.
func (r *Record) missing(k, n int) {
	for i := range r.Head.Cells {
		if c := &r.Head.Cells[i]; (Shard{k, n}).has(i) {
			r.done[c.Name] = finished{Cell: c.Name, Outcome: c.blank(fmt.Sprintf("not run: shard %d/%d is missing", k, n))}
		}
	}
}

// read reads JSON that has no field which is not known.
func read(path string, v any) error {
	data, err := bounded.Read(path, "the record of a suite", bounded.Results)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("%s: offset %d: %w", path, dec.InputOffset(), err)
	}
	return nil
}

// write writes JSON, whole or not at all.
func write(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteBytes(path, append(data, '\n'))
}
