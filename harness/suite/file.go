package suite

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/internal/bounded"
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
	// RequireBaseline: where that file is missing, the suite has not come as expected.
	RequireBaseline bool

	Cells []Cell

	defaults *settings
	rules    []rule
	names    map[string]bool // of cells
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

// Load reads a suite file.
func Load(path string) (*File, error) {
	text, err := bounded.Text(path, "a suite")
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
		Seed: SeedRule{Kind: "fixed", Value: 1}, Unknown: "fail", Keep: 3, Shrink: true, defaults: usual()}
	fields := []yamlnode.Field{
		yamlnode.Version("suite", Version),
		yamlnode.To("name", &f.Name, (*Node).Text),
		yamlnode.To("seed", &f.Seed, parseSeed),
		{Name: "budget", Read: f.budget},
		yamlnode.To("unknown", &f.Unknown, yamlnode.Word("unknown", []string{"fail", "warn"})),
		yamlnode.To("keep-failures", &f.Keep, yamlnode.Int(0)),
		yamlnode.To("shrink", &f.Shrink, (*Node).Bool),
		{Name: "baseline", Read: f.baseline},
		yamlnode.To("defaults", &f.defaults, f.parseSettings),
		yamlnode.To("expect", &f.rules, yamlnode.Each("expectation", parseRule)),
	}
	for _, s := range sections {
		fields = append(fields, yamlnode.Field{Name: s.Name, Read: func(n *Node) error { return f.section(s, n) }})
	}
	if err := root.Read(fields...); err != nil {
		return nil, err
	}
	if len(f.Cells) == 0 {
		return nil, root.Wrong("no cells: want a matrix")
	}
	return f, f.checkRules()
}

// maxCells bounds a suite, which has products in it.
const maxCells = 10000

// section adds the cells of a section's blocks.
func (f *File) section(s Section, n *Node) error {
	for _, block := range n.List() {
		cells, err := s.Parse(f, block)
		if err != nil {
			return err
		}
		if f.Cells = append(f.Cells, cells...); len(f.Cells) > maxCells {
			return block.Wrong("more than %d cells", maxCells)
		}
	}
	return nil
}

// combinations are each combination of an index below each of the sizes, the last changing first.
func combinations(block *Node, sizes ...int) (list [][]int, err error) {
	list = [][]int{nil}
	for _, size := range sizes {
		if size*len(list) > maxCells {
			return nil, block.Wrong("more than %d cells", maxCells)
		}
		var longer [][]int
		for _, have := range list {
			for i := range size {
				longer = append(longer, append(slices.Clip(have), i))
			}
		}
		list = longer
	}
	return list, nil
}

// cell is a cell at coordinates, and what is expected of it there: what stands in its
// own block, else what the last rule that names it says, else what the defaults say. Its
// name, put together of parts, has a number if another has it already.
func (f *File) cell(r Runner, at map[string]string, own *Expectation, parts ...string) Cell {
	c := Cell{Name: strings.Join(parts, "/"), Runner: r}
	for k, name := 2, c.Name; f.names[c.Name]; k++ {
		c.Name = fmt.Sprintf("%s#%d", name, k)
	}
	f.names[c.Name] = true
	at["cell"] = c.Name
	if f.defaults.expect != nil {
		c.Expect = *f.defaults.expect
	}
	for i := range f.rules {
		if r := &f.rules[i]; r.about(at) {
			r.used = true
			c.Expect = *r.expect
		}
	}
	if own != nil {
		c.Expect = *own
	}
	return c
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
	err := n.Read(
		yamlnode.To("runs", &f.Runs, yamlnode.Int(1)),
		yamlnode.To("time", &f.For, (*Node).Duration))
	if err == nil && (f.Runs > 0) == (f.For > 0) {
		return n.Wrong("want runs: crashes for each cell, or time: for all cells together")
	}
	return err
}

// baseline reads the name of a file, or a mapping that says whether it must be there.
func (f *File) baseline(n *Node) (err error) {
	if !n.IsMapping() {
		f.Baseline, err = n.Path()
		return err
	}
	file := yamlnode.To("file", &f.Baseline, (*Node).Path)
	file.Must = "which baseline? Want file: NAME"
	return n.Read(file, yamlnode.To("required", &f.RequireBaseline, (*Node).Bool))
}

// rule is an expectation of all cells that it names.
type rule struct {
	at     *Node
	where  map[string][]string // field: words; a field that is not there names all
	expect *Expectation
	used   bool
}

// coordinates are the fields by which rules name cells.
var coordinates = []string{"cell", "target", "mode", "crash", "workload", "personality", "profile", "plant", "topology", "partition"}

func parseRule(n *Node) (rule, error) {
	r := rule{at: n, where: map[string][]string{}}
	outcome := yamlnode.To("outcome", &r.expect, parseExpectation)
	outcome.Must = "what is expected? Want outcome: holds, violated, or fields such as loss-window"
	fields := []yamlnode.Field{outcome}
	for _, name := range coordinates {
		fields = append(fields, yamlnode.Field{Name: name, Read: func(n *Node) (err error) {
			r.where[name], err = yamlnode.Each("word", (*Node).Text)(n)
			return err
		}})
	}
	return r, n.Read(fields...)
}

// about reports whether the rule names a cell at these coordinates.
func (r *rule) about(at map[string]string) bool {
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
