package hunt

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/internal/jsonform"
	"github.com/torntail/torntail/workloads"
)

// corpus is what reached something new: the experiments, and how often each shape has been
// reached by any.
type corpus struct {
	dir     string // "": it does not last
	entries []entry
	reached map[shape]int
}

// entry is an experiment that reached shapes which none had before it.
type entry struct {
	x      *experiment.Experiment
	shapes []shape
}

// take counts what an experiment reached, and keeps it when something is new.
func (c *corpus) take(x *experiment.Experiment, reached []shape) (fresh bool, err error) {
	for _, s := range reached {
		fresh = fresh || c.reached[s] == 0
		c.reached[s]++
	}
	if !fresh {
		return false, nil
	}
	c.entries = append(c.entries, entry{x, reached})
	return true, c.save(x)
}

// onFile is an experiment of a corpus as it stands in its file.
type onFile struct {
	Schema      int                 `json:"schema"`
	Mode        string              `json:"mode"`
	Directives  []product.Directive `json:"directives"`
	Span        time.Duration       `json:"span_ns"`
	Workload    workloads.Spec      `json:"workload"`
	Personality string              `json:"personality"`
	Profile     string              `json:"profile"`
	Seed        uint64              `json:"seed"`
	Plan        string              `json:"plan"`
}

// corpusSchema is the version of its files.
const corpusSchema = 1

const corpusExt = ".experiment.json"

// save writes an experiment into the corpus' directory, under a name made of what it is.
func (c *corpus) save(x *experiment.Experiment) error {
	if c.dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(onFile{corpusSchema, x.Mode.Name, x.Mode.Directives, x.Mode.Span, x.Workload, x.Personality, x.Profile, x.Seed, x.Plan.String()}, "", "  ")
	if err != nil {
		return err
	}
	h := fnv.New64a()
	h.Write(text)
	return atomicfile.WriteBytes(filepath.Join(c.dir, fmt.Sprintf("%016x%s", h.Sum64(), corpusExt)), append(text, '\n'))
}

// CorpusError is what is wrong with a corpus that a hunt was to begin with.
type CorpusError struct{ Err error }

func (e *CorpusError) Error() string { return "corpus: " + e.Err.Error() }
func (e *CorpusError) Unwrap() error { return e.Err }

// load reads the experiments of a corpus, which may be anybody's work, by name. What in it
// leads out of it is not followed: what is found is written there, under names that can be
// foreseen.
func (c *corpus) load(s *Space) (list []*experiment.Experiment, err error) {
	defer func() {
		if err != nil {
			err = &CorpusError{err}
		}
	}()
	if c.dir == "" {
		return nil, nil
	}
	files, err := os.ReadDir(c.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, os.MkdirAll(c.dir, 0o755)
	}
	if err != nil {
		return nil, err
	}
	if err := inside.Tree(c.dir); err != nil {
		return nil, err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), corpusExt) {
			continue
		}
		path := filepath.Join(c.dir, f.Name())
		data, err := bounded.Read(path, "an experiment of a corpus", bounded.Results)
		if err != nil {
			return nil, err
		}
		x, err := s.read(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if x != nil {
			list = append(list, x)
		}
	}
	return list, nil
}

// read makes an experiment of what stands in a file; nil when the target cannot have it.
func (s *Space) read(data []byte) (*experiment.Experiment, error) {
	var f onFile
	if err := jsonform.Parse(data, corpusSchema, &f); err != nil {
		return nil, err
	}
	p, err := plan.Parse(f.Plan)
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if err := f.Workload.Check(); err != nil {
		return nil, err
	}
	if f.Span <= 0 {
		return nil, fmt.Errorf("span_ns %d: want for how long clients write in one life, more than 0", f.Span)
	}
	i := slices.IndexFunc(s.Modes, func(m product.Mode) bool { return m.Name == f.Mode })
	k, err := experiment.KindOf(p)
	if err != nil {
		return nil, err
	}
	if i < 0 || p.Check(s.On, []string{experiment.Server}) != nil || !slices.Contains(s.Personalities, f.Personality) || !slices.Contains(s.Profiles, f.Profile) {
		return nil, nil
	}
	m := s.Modes[i]
	for _, d := range f.Directives {
		if err := m.Store.Takes(d); err != nil {
			return nil, &saved.StrangerError{Why: err}
		}
	}
	if err := errors.Join(saved.TrustPlan(p, m.Store), experiment.CheckCommands(p, m.Store, f.Workload)); err != nil {
		return nil, err
	}
	m.Directives, m.Span, m.Rate = f.Directives, min(f.Span, longestSpan), f.Workload.Rate
	m.Period = min(m.Period, m.Span/4)
	return &experiment.Experiment{Mode: m, Crash: k, Workload: f.Workload, Personality: f.Personality, Profile: f.Profile,
		Seed: f.Seed, Plan: p, Plants: s.Plants}, nil
}

// longestSpan is for how long the clients of a file's experiment write at most.
const longestSpan = 10 * time.Minute
