package splitbrain

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
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
	o.Sentinel = append(slices.Clone(o.Sentinel), Directive{name, strconv.FormatInt(d.Milliseconds(), 10)})
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
	o.Directives = append(slices.Clone(o.Directives), Directive{s.Name, value})
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

// Cells are all combinations: the first sweep's values in turn, for each the second's.
func Cells(o Options, sweeps []Sweep) ([]*Cell, error) {
	type partial struct {
		values []string
		o      Options
	}
	list := []partial{{nil, o}}
	for _, s := range sweeps {
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

// Sizes of a sweep's picture, in pixels.
const (
	plotWidth, plotHeight = 620, 300
	plotLeft, plotTop     = 70, 44
)

// plotColours tell lines apart, for people with the common kinds of colour blindness too.
var plotColours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"}

// WritePlot draws loss against settings: the first sweep's values from left to right,
// a line for each value of the second, a bar from the least to the most of the runs.
func WritePlot(w io.Writer, sweeps []Sweep, cells []*Cell) error {
	if len(sweeps) == 0 {
		return nil
	}
	most := 1.0
	for _, c := range cells {
		_, _, m := c.lost()
		most = max(most, m)
	}
	groups := []string{""}
	if len(sweeps) > 1 {
		groups = sweeps[1].Values
	}
	var b []byte
	add := func(format string, a ...any) { b = fmt.Appendf(b, format+"\n", a...) }
	add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12" role="img">`, plotLeft+plotWidth+30, plotTop+plotHeight+56+18*len(groups))
	add(`<title>acknowledged writes lost, by %s</title><rect width="100%%" height="100%%" fill="white"/>`, escaped(sweeps[0].Name))
	add(`<text x="%d" y="20" font-size="14">acknowledged writes lost in a run</text>`, plotLeft)
	y := func(v float64) float64 { return plotTop + plotHeight*(1-v/most) }
	x := func(i int) float64 {
		return plotLeft + plotWidth*(float64(i)+0.5)/float64(len(sweeps[0].Values))
	}
	for i := range 5 {
		v := most * float64(i) / 4
		add(`<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%.0f</text>`, plotLeft, plotLeft+plotWidth, y(v), y(v), plotLeft-8, y(v)+4, v)
	}
	for i, v := range sweeps[0].Values {
		add(`<text x="%.1f" y="%d" text-anchor="middle">%s</text>`, x(i), plotTop+plotHeight+20, escaped(sweeps[0].Label(v)))
	}
	add(`<text x="%d" y="%d" text-anchor="middle">%s</text>`, plotLeft+plotWidth/2, plotTop+plotHeight+40, escaped(sweeps[0].Name))
	for g, group := range groups {
		colour := plotColours[g%len(plotColours)]
		path := ""
		for i := range sweeps[0].Values {
			c := cells[i*len(groups)+g]
			if len(c.Reports) == 0 {
				continue
			}
			least, mean, most := c.lost()
			at := x(i) + 6*(float64(g)-float64(len(groups)-1)/2)
			path += fmt.Sprintf("%s%.1f %.1f", map[bool]string{true: "M", false: "L"}[path == ""], at, y(mean))
			add(`<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="2"/><circle cx="%.1f" cy="%.1f" r="4" fill="%s"/>`, at, at, y(least), y(most), colour, at, y(mean), colour)
		}
		add(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5" stroke-dasharray="%s"/>`, path, colour, []string{"none", "6 3", "2 3"}[g%3])
		if len(sweeps) > 1 {
			ly := plotTop + plotHeight + 58 + 18*g
			add(`<rect x="%d" y="%d" width="22" height="4" fill="%s"/><text x="%d" y="%d">%s</text>`, plotLeft, ly-5, colour, plotLeft+30, ly, escaped(sweeps[1].Name+" "+sweeps[1].Label(group)))
		}
	}
	add(`</svg>`)
	_, err := w.Write(b)
	return err
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
