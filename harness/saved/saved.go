// Package saved is a failure on file: the experiment that showed it, its plan, its story,
// its history, and the crash image where the run cannot be made again. What is saved is
// loaded and run again, judged again, or started on again.
package saved

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/contract"
	"github.com/torntail/torntail/checker/history"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/inside"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/workloads"
)

// Schema is the version of the replay directory's experiment.json.
const Schema = 1

// Files of a replay directory.
const (
	savedFile    = "experiment.json"
	planFile     = "plan.txt"
	storyFile    = "story.txt"
	contractFile = "contract.yaml" // the user's own, if there was one

	// HistoryFile is the record of the run, which Saved.Judge judges again.
	HistoryFile = "history.jsonl"
)

// Saved is a failure on file: the experiment, and what it showed.
type Saved struct {
	Schema   int    `json:"schema"`
	Torntail string `json:"torntail"` // version that made it
	Target   string `json:"target"`
	Store    string `json:"store,omitempty"` // "": redis
	Version  string `json:"version"`         // of the target
	Backend  string `json:"backend"`

	Mode        string              `json:"mode"`
	Span        time.Duration       `json:"span_ns,omitempty"` // how long clients write in one life; 0: the mode\'s own
	Directives  []product.Directive `json:"directives"`
	Crash       string              `json:"crash"`
	Workload    workloads.Spec      `json:"workload"`
	Personality string              `json:"personality"`
	Profile     string              `json:"profile"`
	Seed        uint64              `json:"seed"`
	Plants      string              `json:"plants,omitempty"`

	Anomaly string `json:"anomaly,omitempty"` // name of the first
	Finding string `json:"finding,omitempty"`
	Trace   string `json:"trace,omitempty"` // trace hash, hexadecimal; simulation only

	Verdict result.Verdict  `json:"verdict,omitempty"`
	Seen    experiment.Seen `json:"seen,omitzero"`

	plan     *plan.Plan
	contract *contract.File
	dir      string
}

// Save writes a failure into dir, which it makes: the experiment, its plan, its
// story, its history, and the contract if it is the user's own.
func Save(dir, torntail string, b campaign.Backend, x *experiment.Experiment, o *experiment.Outcome) error {
	s := Saved{
		Schema: Schema, Torntail: torntail, Target: b.Target, Version: b.Version, Backend: b.Name,
		Mode: x.Mode.Name, Span: x.Mode.Span, Directives: x.Mode.Directives, Crash: x.Crash.Name, Workload: x.Workload,
		Personality: x.Personality, Profile: x.Profile, Seed: x.Seed, Plants: x.Plants.String(),
		Verdict: o.Verdict, Seen: o.Seen,
	}
	var story strings.Builder
	for i, a := range o.Anomalies {
		if i == 0 && o.Verdict == result.Violated {
			s.Anomaly = a.Name
		}
		fmt.Fprintf(&story, "%s\n%s\n\n", a.Name, a.Story)
	}
	if store := x.Mode.Store; store != target.Stores[0] {
		s.Store = store.Name()
	}
	if len(o.Findings) > 0 {
		s.Finding = o.Findings[0]
		fmt.Fprintf(&story, "finding %s\n", strings.Join(o.Findings, ", "))
	}
	if o.Trace != 0 {
		s.Trace = strconv.FormatUint(o.Trace, 16)
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{savedFile: string(text) + "\n", planFile: x.Plan.String(), storyFile: story.String()}
	if x.Contract != nil {
		files[contractFile] = string(x.Contract.Text)
	}
	for name, data := range files { // any order: they are independent
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			return err
		}
	}
	return history.Save(filepath.Join(dir, HistoryFile), o.History)
}

// Into saves failures in directories of their own below dir, as campaigns do.
func Into(dir, torntail string, b campaign.Backend) func(x *experiment.Experiment, o *experiment.Outcome) (string, error) {
	return func(x *experiment.Experiment, o *experiment.Outcome) (string, error) {
		to := filepath.Join(dir, fmt.Sprintf("%s-%s-%d", x.Mode.Name, x.Crash, x.Seed))
		return to, Save(to, torntail, b, x, o)
	}
}

// Load reads a replay directory. What in it leads out of it is not followed.
func Load(dir string) (*Saved, error) {
	path := filepath.Join(dir, savedFile)
	if err := inside.Tree(dir); errors.Is(err, inside.ErrNotFollowed) {
		return nil, err
	}
	data, err := bounded.Read(path, "a saved failure", bounded.Results)
	if err != nil {
		return nil, fmt.Errorf("%s is not a replay directory: %w", dir, err)
	}
	s := new(Saved)
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s); err != nil {
		return nil, fmt.Errorf("%s: offset %d: %w", path, dec.InputOffset(), err)
	}
	if dec.More() {
		return nil, fmt.Errorf("%s: offset %d: a second value: want one", path, dec.InputOffset())
	}
	if s.Schema != Schema {
		return nil, fmt.Errorf("%s: schema %d: this torntail reads schema %d", path, s.Schema, Schema)
	}
	text, err := bounded.Text(filepath.Join(dir, planFile), "a plan")
	if err != nil {
		return nil, fmt.Errorf("%s is not a replay directory: %w", dir, err)
	}
	if s.plan, err = plan.Parse(string(text)); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, planFile), err)
	}
	s.dir = dir
	own := filepath.Join(dir, contractFile)
	if _, err := os.Stat(own); err == nil {
		if s.contract, err = contract.Load(own); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Trust says why the failure is not run as it stands on file, which may be anybody's work:
// its directives and its plan must be such as a store takes from strangers. A directive that
// the user gives as well is taken from there alone.
func (s *Saved) Trust(given []product.Directive) error {
	store, err := target.StoreByName(s.Store)
	if err != nil {
		return err
	}
	var kept []product.Directive
	for _, d := range s.Directives {
		err := store.Takes(d)
		switch {
		case err == nil:
			kept = append(kept, d)
		case !slices.ContainsFunc(given, func(g product.Directive) bool { return g.Name == d.Name }):
			return &StrangerError{fmt.Errorf("%w (replay takes it with --directive, and a target file can have it)", err)}
		}
	}
	s.Directives = kept
	if fs, ok := experiment.IsRealFS(s.Personality); ok && len(fs.Unusual()) > 0 {
		return &StrangerError{fmt.Errorf("personality %q: mount option %s is none of those that decide what is durable (torntail run --fs takes any)", s.Personality, fs.Unusual()[0])}
	}
	return TrustPlan(s.plan, store)
}

// longestSpan is for how long the clients of a file's experiment write at most.
const longestSpan = 24 * time.Hour

// StrangerError is why not all is done that a saved failure says.
type StrangerError struct{ Why error }

func (e *StrangerError) Error() string {
	return "a saved failure may come from anybody: " + e.Why.Error()
}
func (e *StrangerError) Unwrap() error { return e.Why }

// TrustPlan says why a plan that is on file is not carried out.
func TrustPlan(p *plan.Plan, store product.Store) error {
	for i := range p.Statements {
		if do, ok := p.Statements[i].Action.(*plan.Do); ok {
			if err := store.Obeys(do.Args); err != nil {
				return &StrangerError{fmt.Errorf("%s: %w (torntail run --plan carries out any plan)", do, err)}
			}
		}
	}
	return nil
}

// Experiment is the experiment on file, with directives that override its own.
func (s *Saved) Experiment(override []product.Directive) (*experiment.Experiment, error) {
	store, err := target.StoreByName(s.Store)
	if err != nil {
		return nil, err
	}
	m, err := product.ModeByName(store, s.Mode)
	if err != nil {
		return nil, err
	}
	m.Directives = s.Directives
	if s.Span < 0 || s.Span > longestSpan {
		return nil, fmt.Errorf("span_ns %d: clients write for %v at most in one life", s.Span, longestSpan)
	}
	if s.Span > 0 {
		m.Span = s.Span
	}
	plants, err := experiment.ParsePlants(s.Plants)
	if err != nil {
		return nil, err
	}
	if err := s.Workload.Check(); err != nil {
		return nil, err
	}
	crash, err := experiment.CrashByName(s.Crash)
	if err != nil {
		return nil, err
	}
	if err := experiment.CheckPlace(s.Personality, s.Profile); err != nil {
		return nil, err
	}
	return &experiment.Experiment{Mode: m.With(override), Crash: crash, Workload: s.Workload, Personality: s.Personality,
		Profile: s.Profile, Seed: s.Seed, Plan: s.plan, Plants: plants, Contract: s.contract}, nil
}
