package splitbrain

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/torntail/torntail/faults/plan"
)

// file is a scenario as a YAML file has it: what a user writes, and what a run is
// saved as.
type file struct {
	Version   int           `yaml:"version"`
	Name      string        `yaml:"name,omitempty"`
	About     string        `yaml:"about,omitempty"`
	Topology  string        `yaml:"topology,omitempty"`
	Quorum    int           `yaml:"quorum,omitempty"`
	Timing    string        `yaml:"timing,omitempty"`
	Partition string        `yaml:"partition,omitempty"`
	CutAt     duration      `yaml:"cut_at,omitempty"`
	CutFor    duration      `yaml:"cut_for,omitempty"`
	After     duration      `yaml:"after,omitempty"`
	Plan      string        `yaml:"plan,omitempty"`
	Span      duration      `yaml:"span,omitempty"`
	Lag       duration      `yaml:"lag,omitempty"`
	Clients   []fileClients `yaml:"clients,omitempty"`
	Rate      float64       `yaml:"rate,omitempty"`
	Writes    int           `yaml:"writes,omitempty"`
	Wait      int           `yaml:"wait_replicas,omitempty"`
	Redis     []Directive   `yaml:"redis,omitempty"`
	Sentinel  []Directive   `yaml:"sentinel,omitempty"`
}

type fileClients struct {
	Number  int     `yaml:"number"`
	Side    Side    `yaml:"side"`
	Routing Routing `yaml:"routing,omitempty"`
}

// duration is a time.Duration that a file writes as 1.5s.
type duration time.Duration

func (d duration) MarshalYAML() (any, error) { return time.Duration(d).String(), nil }

func (d *duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if err != nil || v < 0 {
		return fmt.Errorf("line %d: %q: want a duration, such as 200ms or 1.5s", n.Line, n.Value)
	}
	*d = duration(v)
	return nil
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
	o := Options{Name: f.Name, About: f.About, Partition: f.Partition, Timing: f.Timing, Quorum: f.Quorum, Rate: f.Rate, Writes: f.Writes, Wait: f.Wait,
		Lag: time.Duration(f.Lag), CutAt: time.Duration(f.CutAt), CutFor: time.Duration(f.CutFor), After: time.Duration(f.After),
		Span: time.Duration(f.Span), Directives: f.Redis, Sentinel: f.Sentinel}
	if f.Topology != "" {
		if o.Topology, err = ParseTopology(f.Topology); err != nil {
			return fail(err)
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
		if c.Routing = or(c.Routing, Follow); c.Routing != Follow && c.Routing != Sticky {
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
	f := file{Version: fileVersion, Name: s.Name, About: s.About, Topology: s.Topology.String(), Quorum: s.Quorum, Timing: s.Timing.Name,
		Plan: s.Plan.String(), Span: duration(s.Span), Lag: duration(s.Lag), Rate: s.Rate, Writes: s.Writes, Wait: s.Wait,
		Redis: s.Directives, Sentinel: s.Sentinel}
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
