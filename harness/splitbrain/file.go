package splitbrain

import (
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/internal/bounded"
	"github.com/torntail/torntail/internal/yamlform"
)

// file is a scenario as a YAML file has it: what a user writes, and what a run is
// saved as.
type file struct {
	Version int `yaml:"version"`
	Options `yaml:",inline"`
}

// fileVersion is the version of the format.
const fileVersion = 1

// ReadFile reads a scenario's file. name stands in errors.
func ReadFile(name string, r io.Reader) (Options, error) {
	fail := func(err error) (Options, error) { return Options{}, fmt.Errorf("%s: %w", name, err) }
	text, err := io.ReadAll(io.LimitReader(r, bounded.ByHand+1))
	if err != nil {
		return fail(err)
	}
	var f file
	if err := yamlform.Decode(text, &f); err != nil {
		return fail(err)
	}
	if f.Version != fileVersion {
		return fail(fmt.Errorf("version %d: want \"version: %d\" as the first line", f.Version, fileVersion))
	}
	o := f.Options
	for _, d := range o.times() {
		if d > 0 && d < time.Millisecond { // a number without a unit
			return fail(fmt.Errorf("%d: want a duration, such as 200ms or 1.5s", d))
		}
	}
	if o.Plan != nil {
		if o.Partition != "" || o.CutAt != 0 || o.CutFor != 0 || o.After != 0 {
			return fail(fmt.Errorf("plan says what strikes: leave partition, cut_at, cut_for and after out, and say with span how long clients write"))
		}
		if o.Span == 0 {
			return fail(fmt.Errorf("with a plan, span says how long clients write: it is missing"))
		}
	}
	return o, nil
}

// WriteFile writes a scenario so that ReadFile gives it again, whatever defaults
// change later.
func (s *Scenario) WriteFile(w io.Writer) error {
	f := file{Version: fileVersion, Options: s.Options}
	f.Timing, f.Partition = s.Timing.Name, "" // of the partition the plan is left
	if f.Poll == defaultPoll {
		f.Poll = 0
	}
	for _, c := range s.Clients {
		if n := len(f.Placed); n > 0 && f.Placed[n-1].ClientPlace == c {
			f.Placed[n-1].Number++
		} else {
			f.Placed = append(f.Placed, Placed{1, c})
		}
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return err
	}
	return e.Close()
}
