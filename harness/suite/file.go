package suite

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/anomaly"
	"github.com/torntail/torntail/harness/yamlnode"
)

// Version is the version of the suite file that this package reads.
const Version = 1

// File is a suite as it was read.
type File struct {
	Path string
	Name string
	// Hash is of the text, so that a result can be told from that of another file.
	Hash string

	Seed    SeedRule
	Runs    int           // of each cell that does not say; 0: what suits the target
	For     time.Duration // instead: for all cells together
	Unknown string        // fail or warn
	Keep    int           // failures of each cell that are saved
	Shrink  bool
	// Baseline is a file to compare with, as a path from here; "" for none.
	Baseline string

	Cells []Cell

	defaults *settings
	rules    []rule
	names    map[string]bool
}

// SeedRule says which seed a suite has.
type SeedRule struct {
	Kind  string // fixed, date, random
	Value uint64 // fixed
}

// Of is the seed for a run that begins now; random draws one.
func (r SeedRule) Of(now time.Time, random func() uint64) uint64 {
	switch r.Kind {
	case "date":
		n, _ := strconv.ParseUint(now.UTC().Format("20060102"), 10, 64)
		return n
	case "random":
		return random() >> 11 // 53 bits, so that it survives a reader of JSON that knows only floats
	}
	return r.Value
}

// Anomalies are the names of anomalies.
func Anomalies() (names []string) {
	for _, n := range anomaly.Names() {
		names = append(names, string(n))
	}
	return names
}

// Load reads a suite file.
func Load(path string) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, text)
}

// Parse reads a suite. path is what mistakes name, and what other files that the
// suite names are found from.
func Parse(path string, text []byte) (*File, error) {
	root, err := yamlnode.Parse(path, text, `"suite: 1" and a matrix`)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	f := &File{Path: path, Hash: hex.EncodeToString(sum[:8]), names: map[string]bool{},
		Name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)),
		Seed: SeedRule{Kind: "fixed", Value: 1}, Unknown: "fail", Keep: 3, Shrink: true, defaults: &settings{}}
	known := append([]string{"suite"}, headNames...)
	for _, s := range sections {
		known = append(known, s.Name)
	}
	fields, err := root.Fields(known...)
	if err != nil {
		return nil, err
	}
	if fields["suite"] == nil {
		return nil, root.Wrong(`no version: want "suite: 1"`)
	}
	if v, err := fields["suite"].Text(); err != nil || v != strconv.Itoa(Version) {
		return nil, fields["suite"].Wrong("suite: %s is not a version that this torntail reads: want 1", fields["suite"].What())
	}
	if err := fields.Each(headNames, f.head); err != nil {
		return nil, err
	}
	for _, s := range sections {
		n := fields[s.Name]
		if n == nil {
			continue
		}
		cells, err := s.Parse(f, n)
		if err != nil {
			return nil, err
		}
		if err := f.add(n, cells); err != nil {
			return nil, err
		}
	}
	if len(f.Cells) == 0 {
		return nil, root.Wrong("no cells: want a matrix")
	}
	return f, f.checkRules()
}

// maxCells bounds a matrix, whose size is a product.
const maxCells = 10000

// add takes the cells of a section, whose names File.unique has made.
func (f *File) add(n *Node, cells []Cell) error {
	if f.Cells = append(f.Cells, cells...); len(f.Cells) > maxCells {
		return n.Wrong("more than %d cells", maxCells)
	}
	seen := map[string]bool{}
	for _, c := range f.Cells {
		if seen[c.Name] {
			return n.Wrong("the cell %s comes about twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// headNames are the fields that are not sections of cells, in the order in which they
// are read.
var headNames = []string{"name", "seed", "budget", "unknown", "keep-failures", "shrink", "baseline", "defaults", "expect"}

func (f *File) head(name string, n *Node) (err error) {
	switch name {
	case "name":
		f.Name, err = n.Text()
	case "seed":
		f.Seed, err = parseSeed(n)
	case "budget":
		err = f.budget(n)
	case "unknown":
		f.Unknown, err = n.Word("unknown", []string{"fail", "warn"})
	case "keep-failures":
		f.Keep, err = n.Int(0)
	case "shrink":
		f.Shrink, err = n.Bool()
	case "baseline":
		if f.Baseline, err = n.Text(); err == nil {
			f.Baseline = f.Relative(f.Baseline)
		}
	case "defaults":
		f.defaults, err = f.parseSettings(n, nil)
	case "expect":
		f.rules, err = parseRules(n)
	}
	return err
}

// Relative is a path that the suite names, as a path from here.
func (f *File) Relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(f.Path), path)
}

func parseSeed(n *Node) (SeedRule, error) {
	text, err := n.Text()
	if err != nil {
		return SeedRule{}, err
	}
	r, err := ParseSeed(text)
	return r, n.At(err)
}

// ParseSeed reads a seed rule: a number, date or random.
func ParseSeed(text string) (SeedRule, error) {
	if text == "date" || text == "random" {
		return SeedRule{Kind: text}, nil
	}
	v, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		return SeedRule{}, fmt.Errorf("seed %q: want a number, date (of the day, in UTC) or random", text)
	}
	return SeedRule{Kind: "fixed", Value: v}, nil
}

// Targets are the targets of all cells, each once.
func (f *File) Targets() (list []string) {
	for _, c := range f.Cells {
		if r := c.Runner.Blank().Result; r != nil && !slices.Contains(list, r.Target) {
			list = append(list, r.Target)
		}
	}
	return list
}

func (f *File) budget(n *Node) error {
	fields, err := n.Fields("runs", "time")
	switch {
	case err != nil:
		return err
	case len(fields) != 1:
		return n.Wrong("want runs: crashes for each cell, or time: for all cells together")
	case fields["runs"] != nil:
		f.Runs, err = fields["runs"].Int(1)
	default:
		f.For, err = fields["time"].Duration()
	}
	return err
}

// rule is an expectation of all cells that it names.
type rule struct {
	at     *Node
	where  map[string][]string // field: words; a field that is not there names all
	expect Expectation
	used   bool
}

// coordinates are the fields by which rules name cells.
var coordinates = []string{"cell", "target", "mode", "crash", "workload", "personality", "profile", "plant", "topology", "partition"}

func parseRules(n *Node) (rules []rule, err error) {
	for _, e := range n.List() {
		fields, err := e.Fields(append([]string{"outcome"}, coordinates...)...)
		if err != nil {
			return nil, err
		}
		r := rule{at: e, where: map[string][]string{}}
		if fields["outcome"] == nil {
			return nil, e.Wrong("what is expected? Want outcome: holds, violated, or fields such as loss-window")
		}
		if r.expect, err = parseExpectation(fields["outcome"]); err != nil {
			return nil, err
		}
		for _, name := range coordinates {
			if fields[name] == nil {
				continue
			}
			for _, w := range fields[name].List() {
				word, err := w.Text()
				if err != nil {
					return nil, err
				}
				r.where[name] = append(r.where[name], word)
			}
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// Expect is what is expected of a cell at the coordinates: what stands in its own
// block, else what the last rule that names it says, else what the defaults say.
func (f *File) Expect(at map[string]string, own *Expectation) (e Expectation) {
	if f.defaults.expect != nil {
		e = *f.defaults.expect
	}
	for i := range f.rules {
		if r := &f.rules[i]; r.names(at) {
			r.used = true
			e = r.expect
		}
	}
	if own != nil {
		e = *own
	}
	return e
}

func (r *rule) names(at map[string]string) bool {
	for name, words := range r.where { // any order: all must agree
		if !slices.Contains(words, at[name]) {
			return false
		}
	}
	return true
}

// checkRules reports a rule that names no cell: a misspelt word in it would
// silently expect nothing.
func (f *File) checkRules() error {
	for i := range f.rules {
		if r := &f.rules[i]; !r.used {
			var words []string
			for _, name := range coordinates {
				if list := r.where[name]; list != nil {
					words = append(words, fmt.Sprintf("%s %s", name, strings.Join(list, " or ")))
				}
			}
			return r.at.Wrong("this expectation is about no cell of the suite (%s)", strings.Join(words, ", "))
		}
	}
	return nil
}
