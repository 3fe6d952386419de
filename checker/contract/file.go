package contract

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/yamlform"
)

// FileVersion is the version of the contract file that this package reads.
const FileVersion = 1

// File is a user's own contract: rules that replace or change the built-in
// contract for the modes and crashes they name. Later rules win.
type File struct {
	Version int    `yaml:"contract"`
	Name    string `yaml:"name"`
	Rules   []Rule `yaml:"rules"`
	// Text is what Parse read, so that the contract can be kept with what it judged.
	Text []byte `yaml:"-"`
}

// Rule changes what it names and leaves the rest as the built-in table has it.
type Rule struct {
	Modes   words `yaml:"mode"`  // empty: every mode
	Crashes words `yaml:"crash"` // empty: every crash

	Level        *Level             `yaml:"level"`
	Keeps        *Keeps             `yaml:"keeps"`
	SyncWithin   *span              `yaml:"sync-within"`
	SyncSlack    *span              `yaml:"sync-slack"`
	PostponeUpTo *span              `yaml:"postpone-up-to"`
	DurableIn    *span              `yaml:"durable-within"`
	Bounds       map[string]span    `yaml:"bounds"`
	AfterFailed  *AfterFailedSync   `yaml:"after-failed-sync"`
	MaxWindow    *span              `yaml:"max-loss-window"`
	MaxLost      *int               `yaml:"max-lost"`
	MaxRefused   *int               `yaml:"max-refused"`
	RefusedFor   *span              `yaml:"max-refused-for"`
	Save         []savePointInWords `yaml:"save"`
	Recovery     *string            `yaml:"recovery"`
}

// words is one word or a list of them.
type words []string

func (w *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

// span is a duration in Go's notation: 1s, 250ms.
type span time.Duration

func (s *span) UnmarshalYAML(n *yaml.Node) error {
	d, err := time.ParseDuration(n.Value)
	if err != nil || d < 0 {
		return fmt.Errorf("line %d: %q is not a duration: want for example 250ms, 1s, 2m", n.Line, n.Value)
	}
	*s = span(d)
	return nil
}

// savePointInWords is "SECONDS CHANGES", as in redis.conf.
type savePointInWords SavePoint

func (s *savePointInWords) UnmarshalYAML(n *yaml.Node) error {
	var seconds, changes int
	var rest string
	if k, _ := fmt.Sscanf(n.Value, "%d %d%s", &seconds, &changes, &rest); k != 2 || seconds <= 0 || changes <= 0 {
		return fmt.Errorf("line %d: %q is not a save point: want \"SECONDS CHANGES\"", n.Line, n.Value)
	}
	*s = savePointInWords{time.Duration(seconds) * time.Second, changes}
	return nil
}

// Load reads the contract file at path.
func Load(path string) (*File, error) {
	b, err := bounded.Text(path, "a contract")
	if err != nil {
		return nil, fmt.Errorf("read contract: %w", err)
	}
	f, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("contract %s: %w", path, err)
	}
	return f, nil
}

// Parse reads a contract file. Unknown fields, modes and words are errors that
// name the line or the rule, and what is allowed there.
func Parse(text []byte) (*File, error) {
	var f File
	if err := yamlform.Decode(text, &f); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("empty: want \"contract: 1\" and rules")
		}
		return nil, err
	}
	if f.Version != FileVersion {
		return nil, fmt.Errorf("\"contract: %d\" is not a version this program reads: want \"contract: %d\"", f.Version, FileVersion)
	}
	if len(f.Rules) == 0 {
		return nil, errors.New("no rules")
	}
	for i := range f.Rules {
		if err := f.Rules[i].check(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	f.Text = text
	return &f, nil
}

func (r *Rule) check() error {
	known := func(what, word string, all []string) error {
		if slices.Contains(all, word) {
			return nil
		}
		return fmt.Errorf("%s %q: want one of %s", what, word, strings.Join(all, ", "))
	}
	for _, m := range r.Modes {
		if err := known("mode", m, append(Modes(), "*")); err != nil {
			return err
		}
	}
	var crashes []string
	for _, c := range Crashes() {
		crashes = append(crashes, string(c))
	}
	for _, c := range r.Crashes {
		if err := known("crash", c, append(crashes, "*")); err != nil {
			return err
		}
	}
	if r.Level != nil {
		if err := known("level", string(*r.Level), []string{string(Durable), string(Buffered), string(Empty)}); err != nil {
			return err
		}
	}
	if r.Keeps != nil {
		all := []string{string(KeepsNothing), string(KeepsSynced), string(KeepsWritten), string(KeepsSnapshot), string(KeepsSync), string(KeepsAll)}
		if err := known("keeps", string(*r.Keeps), all); err != nil {
			return err
		}
	}
	if r.AfterFailed != nil {
		if err := known("after-failed-sync", string(*r.AfterFailed), []string{string(GoesOn), string(Refuses), string(Stops)}); err != nil {
			return err
		}
	}
	if r.Recovery != nil {
		if err := known("recovery", *r.Recovery, []string{"by-itself", "repaired", "refused"}); err != nil {
			return err
		}
	}
	for name := range r.Bounds { // any order: the first error is as good as another, and there is one name to get wrong
		if err := known("bound", name, boundNames); err != nil {
			return err
		}
	}
	if r.MaxLost != nil && *r.MaxLost < 0 {
		return fmt.Errorf("max-lost %d: want 0 or more", *r.MaxLost)
	}
	if r.MaxRefused != nil && *r.MaxRefused < 0 {
		return fmt.Errorf("max-refused %d: want 0 or more", *r.MaxRefused)
	}
	return nil
}

var boundNames = []string{"documented", "source", "modelled"}

// For is the contract of mode for crash: the built-in one, changed by the rules
// that name it.
func (f *File) For(mode string, crash Crash, conf Config) (Contract, error) {
	c, err := For(mode, crash, conf)
	if err != nil {
		return Contract{}, err
	}
	for i := range f.Rules {
		if r := &f.Rules[i]; r.names(mode, crash) {
			r.apply(&c)
		}
	}
	return c, nil
}

// Recovers changes of a contract what the rules say of the way in which the server must
// come back, and nothing else: for files that were damaged at rest. What must survive of
// those no configuration says, but whoever states by-itself means it. Of no file it
// changes nothing.
func (f *File) Recovers(c *Contract, mode string, crash Crash) {
	if f == nil {
		return
	}
	for i := range f.Rules {
		if r := &f.Rules[i]; r.names(mode, crash) {
			r.recovers(c)
		}
	}
}

func (r *Rule) recovers(c *Contract) {
	if r.Recovery != nil {
		c.AllowRepair = *r.Recovery != "by-itself"
		c.AllowRefusal = *r.Recovery == "refused"
	}
}

func (r *Rule) names(mode string, crash Crash) bool {
	in := func(w words, name string) bool {
		return len(w) == 0 || slices.Contains(w, name) || slices.Contains(w, "*")
	}
	return in(r.Modes, mode) && in(r.Crashes, string(crash))
}

func (r *Rule) apply(c *Contract) {
	if r.Level != nil {
		c.Level = *r.Level
		switch c.Level {
		case Durable:
			c.Keeps = KeepsAll
		case Empty:
			c.Keeps = KeepsNothing
		}
	}
	if r.Keeps != nil {
		c.Keeps = *r.Keeps
	}
	set := func(to *time.Duration, from *span) {
		if from != nil {
			*to = time.Duration(*from)
		}
	}
	if r.AfterFailed != nil {
		c.AfterFailedSync = *r.AfterFailed
	}
	set(&c.SyncWithin, r.SyncWithin)
	set(&c.SyncSlack, r.SyncSlack)
	set(&c.PostponeUpTo, r.PostponeUpTo)
	set(&c.DurableWithin, r.DurableIn)
	set(&c.MaxWindow, r.MaxWindow)
	if r.MaxLost != nil {
		c.MaxLost = *r.MaxLost
	}
	if r.MaxRefused != nil {
		c.MaxRefused = r.MaxRefused
	}
	if r.RefusedFor != nil {
		c.MaxRefusedFor = (*time.Duration)(r.RefusedFor)
	}
	if r.Save != nil {
		c.SavePoints = nil
		for _, s := range r.Save {
			c.SavePoints = append(c.SavePoints, SavePoint(s))
		}
	}
	if r.Bounds != nil {
		c.Bounds = nil
		for _, name := range boundNames {
			if v, ok := r.Bounds[name]; ok {
				c.Bounds = append(c.Bounds, Bound{Name: name, Value: time.Duration(v), From: "contract file"})
			}
		}
	}
	r.recovers(c)
}
