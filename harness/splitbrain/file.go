package splitbrain

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/faults/plan"
)

// file is a scenario as a YAML file has it: what a user writes, and what a run is
// saved as.
type file struct {
	Version int `yaml:"version"`
	Options `yaml:",inline"`
	Plan    string        `yaml:"plan,omitempty"`
	Clients []fileClients `yaml:"clients,omitempty"`
}

type fileClients struct {
	Number  int     `yaml:"number"`
	Side    Side    `yaml:"side"`
	Routing Routing `yaml:"routing,omitempty"`
}

// fileVersion is the version of the format.
const fileVersion = 1

// ReadFile reads a scenario's file. name stands in errors.
func ReadFile(name string, r io.Reader) (Options, error) {
	fail := func(err error) (Options, error) { return Options{}, fmt.Errorf("%s: %w", name, err) }
	text, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return fail(err)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
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
	if f.Plan != "" {
		if f.Partition != "" || f.CutAt != 0 || f.CutFor != 0 || f.After != 0 {
			return fail(fmt.Errorf("plan says what strikes: leave partition, cut_at, cut_for and after out, and say with span how long clients write"))
		}
		if o.Plan, err = plan.Parse(f.Plan); err != nil {
			return fail(err)
		}
		if f.Span == 0 {
			return fail(fmt.Errorf("with a plan, span says how long clients write: it is missing"))
		}
	}
	for _, c := range f.Clients {
		if _, known := sideWords[c.Side]; !known {
			return fail(fmt.Errorf("clients: unknown side %q: want master, majority or everywhere", c.Side))
		}
		if c.Routing = cmp.Or(c.Routing, Follow); c.Routing != Follow && c.Routing != Sticky {
			return fail(fmt.Errorf("clients: unknown routing %q: want follow or sticky", c.Routing))
		}
		if c.Number < 1 || c.Number > maxClients {
			return fail(fmt.Errorf("clients: number %d: want 1 to %d", c.Number, maxClients))
		}
		for range c.Number {
			o.Placed = append(o.Placed, ClientPlace{c.Side, c.Routing})
		}
	}
	return o, nil
}

// WriteFile writes a scenario so that ReadFile gives it again, whatever defaults
// change later.
func (s *Scenario) WriteFile(w io.Writer) error {
	f := file{Version: fileVersion, Options: s.Options, Plan: s.Plan.String()}
	f.Timing, f.Partition = s.Timing.Name, "" // which the plan stands for
	for _, c := range s.Clients {
		if n := len(f.Clients); n > 0 && f.Clients[n-1].Side == c.Side && f.Clients[n-1].Routing == c.Routing {
			f.Clients[n-1].Number++
			continue
		}
		f.Clients = append(f.Clients, fileClients{1, c.Side, c.Routing})
	}
	e := yaml.NewEncoder(w)
	e.SetIndent(2)
	if err := e.Encode(f); err != nil {
		return err
	}
	return e.Close()
}
