package splitbrain

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/torntail/torntail/reports/chart"
)

// Sweep is a setting and the values to try.
type Sweep struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// sweepable are the settings of an experiment that are no directives of redis.conf.
var sweepable = []struct {
	name string
	set  func(o *Options, value string) error
}{
	{"down-after", func(o *Options, v string) error { return sentinelTime(o, "down-after-milliseconds", v) }},
	{"failover-timeout", func(o *Options, v string) error { return sentinelTime(o, "failover-timeout", v) }},
	{"lag", func(o *Options, v string) error { return setDuration(&o.Lag, v) }},
	{"cut-for", func(o *Options, v string) error { return setDuration(&o.CutFor, v) }},
	{"wait-replicas", func(o *Options, v string) error { return setInt(&o.Wait, v) }},
	{"quorum", func(o *Options, v string) error { return setInt(&o.Quorum, v) }},
	{"clients", func(o *Options, v string) error { return setInt(&o.Clients, v) }},
	{"partition", func(o *Options, v string) error { o.Partition = v; return nil }},
	{"routing", func(o *Options, v string) error { o.Routing = v; return nil }},
	{"topology", func(o *Options, v string) (err error) { o.Topology, err = ParseTopology(v); return err }},
}

func setDuration(into *time.Duration, v string) (err error) {
	*into, err = time.ParseDuration(v)
	return err
}

func setInt(into *int, v string) (err error) {
	*into, err = strconv.Atoi(v)
	return err
}

func sentinelTime(o *Options, name, v string) error {
	d, err := time.ParseDuration(v)
	if err != nil {
		return err
	}
	o.Sentinel = append(slices.Clone(o.Sentinel), Directive{Name: name, Value: strconv.FormatInt(d.Milliseconds(), 10)})
	return nil
}

// ParseSweep reads NAME=A,B,C.
func ParseSweep(text string) (Sweep, error) {
	name, values, ok := strings.Cut(text, "=")
	s := Sweep{Name: name, Values: strings.Split(values, ",")}
	if !ok || name == "" || slices.Contains(s.Values, "") {
		return s, fmt.Errorf("sweep %q: want NAME=VALUE,VALUE,..., such as min-replicas-max-lag=0,1,3,10", text)
	}
	return s, nil
}

// set gives a setting a value: one of the experiment's, else a directive of redis.conf.
func (s Sweep) set(o *Options, value string) error {
	for _, one := range sweepable {
		if one.name == s.Name {
			if err := one.set(o, value); err != nil {
				return fmt.Errorf("sweep %s=%s: %w", s.Name, value, err)
			}
			return nil
		}
	}
	o.Directives = append(slices.Clone(o.Directives), Directive{Name: s.Name, Value: value})
	return nil
}

// Label is a value as tables and pictures name it: lag 0 switches the check off.
func (s Sweep) Label(value string) string {
	if s.Name == "min-replicas-max-lag" && value == "0" {
		return "0 (off)"
	}
	return value
}

// Cell is one combination of values.
type Cell struct {
	Values   []string  `json:"values"` // of each sweep, in order
	Scenario *Scenario `json:"-"`
	Reports  []*Report `json:"reports"`
}

// mostCells is how many combinations there may be: each is a run of some seconds.
const mostCells = 10_000

// Cells are all combinations: the first sweep's values in turn, for each the second's.
func Cells(o Options, sweeps []Sweep) ([]*Cell, error) {
	type partial struct {
		values []string
		o      Options
	}
	list := []partial{{nil, o}}
	for _, s := range sweeps {
		if len(list)*len(s.Values) > mostCells {
			return nil, fmt.Errorf("sweep %s: more than %d combinations", s.Name, mostCells)
		}
		var next []partial
		for _, p := range list {
			for _, v := range s.Values {
				q := partial{append(slices.Clone(p.values), v), p.o}
				if err := s.set(&q.o, v); err != nil {
					return nil, err
				}
				next = append(next, q)
			}
		}
		list = next
	}
	cells := make([]*Cell, len(list))
	for i, p := range list {
		s, err := New(p.o)
		if err != nil {
			return nil, err
		}
		cells[i] = &Cell{Values: p.values, Scenario: s}
	}
	return cells, nil
}

// Remarks are what a reader of a sweep should know of its settings.
func Remarks(o Options, sweeps []Sweep) (list []string) {
	writes, swept := false, false
	for _, d := range o.Directives {
		writes = writes || d.Name == "min-replicas-to-write" && number(d.Value) > 0
	}
	for _, s := range sweeps {
		writes = writes || s.Name == "min-replicas-to-write"
		swept = swept || s.Name == "min-replicas-max-lag"
	}
	if swept && !writes {
		list = append(list, "min-replicas-max-lag can't matter: min-replicas-to-write is 0, which switches the check off (--directive min-replicas-to-write=1)")
	}
	return list
}

// lost are the losses of a cell's runs: the least, the mean and the most.
func (c *Cell) lost() (least, mean, most float64) {
	least = -1
	for _, r := range c.Reports {
		n := float64(r.Lost)
		mean += n / float64(len(c.Reports))
		most = max(most, n)
		if least < 0 || n < least {
			least = n
		}
	}
	return max(0, least), mean, most
}

// WriteSweep prints the table of a sweep.
func WriteSweep(w io.Writer, sweeps []Sweep, cells []*Cell, remarks []string) {
	for _, r := range remarks {
		fmt.Fprintln(w, r)
	}
	for _, s := range sweeps {
		fmt.Fprintf(w, "%-22s ", s.Name)
	}
	fmt.Fprintf(w, "%5s %6s %6s %7s %9s %9s %8s  %s\n", "runs", "acked", "lost", "share", "accepted", "two", "promoted", "verdict")
	for range sweeps {
		fmt.Fprintf(w, "%-22s ", "")
	}
	fmt.Fprintf(w, "%5s %6s %6s %7s %9s %9s\n", "", "", "", "", "after cut", "masters")
	for _, c := range cells {
		for i, s := range sweeps {
			fmt.Fprintf(w, "%-22s ", s.Label(c.Values[i]))
		}
		var acked, lost, promoted int
		var accept, dual float64
		verdicts := map[string]int{}
		for _, r := range c.Reports {
			acked, lost, promoted = acked+r.Acknowledged, lost+r.Lost, promoted+r.Promotions
			accept, dual = max(accept, r.AcceptMS), max(dual, r.DualMasterMS)
			verdicts[string(r.Verdict)]++
		}
		fmt.Fprintf(w, "%5d %6d %6d %7s %9s %9s %8d  %s\n", len(c.Reports), acked, lost, share(lost, acked), seconds(accept), seconds(dual), promoted, verdictWords(verdicts, len(c.Reports)))
	}
}

func verdictWords(n map[string]int, of int) string {
	if len(n) == 1 {
		for v := range n { // any order: there is one
			return v
		}
	}
	if of == 0 {
		return "not run"
	}
	return counts(n)
}

// WritePlot draws Plot as an SVG file; nothing without a sweep.
func WritePlot(w io.Writer, sweeps []Sweep, cells []*Cell) error {
	c, ok := Plot(sweeps, cells)
	if !ok {
		return nil
	}
	_, err := w.Write(c.Draw().File())
	return err
}

// Plot draws loss against settings: the first sweep's values from left to right,
// a line for each value of the second, a bar from the least to the most of the runs.
// ok is false when nothing was swept.
func Plot(sweeps []Sweep, cells []*Cell) (c chart.Chart, ok bool) {
	if len(sweeps) == 0 {
		return c, false
	}
	most := 0.0
	for _, c := range cells {
		_, _, m := c.lost()
		most = max(most, m)
	}
	groups := []string{""}
	if len(sweeps) > 1 {
		groups = sweeps[1].Values
	}
	ys := chart.Steps(max(most, 1))
	c.Title = "Acknowledged writes lost, by " + sweeps[0].Name
	c.Y = chart.Axis{Label: "acknowledged writes lost in a run", Max: ys[len(ys)-1], Ticks: ys}
	c.X = chart.Axis{Label: sweeps[0].Name, Min: -0.5, Max: float64(len(sweeps[0].Values)) - 0.5}
	for _, v := range sweeps[0].Values {
		c.X.Names = append(c.X.Names, sweeps[0].Label(v))
	}
	var about []string
	for g, group := range groups {
		s := chart.Series{Dots: true}
		if len(sweeps) > 1 {
			s.Name = sweeps[1].Name + " " + sweeps[1].Label(group)
		}
		for i := range sweeps[0].Values {
			cell := cells[i*len(groups)+g]
			if len(cell.Reports) == 0 {
				continue
			}
			least, mean, most := cell.lost()
			// Beside each other, so that bars do not cover each other.
			at := float64(i) + 0.06*(float64(g)-float64(len(groups)-1)/2)
			s.Points, s.Ranges = append(s.Points, chart.Point{X: at, Y: mean}), append(s.Ranges, chart.Range{Low: least, High: most})
			about = append(about, strings.TrimSpace(fmt.Sprintf("%s %s %s: %.0f to %.0f, mean %.1f", sweeps[0].Name, sweeps[0].Label(sweeps[0].Values[i]), s.Name, least, most, mean)))
		}
		c.Series = append(c.Series, s)
	}
	c.About = strings.Join(about, "; ")
	return c, true
}
