package workloads

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Spec says what the clients of one run do.
type Spec struct {
	Name      string
	Clients   int
	Rate      float64       // operations a second of all clients together; 0: as fast as replies come
	ReadRatio float64       // share of reads
	Keys      int           // number of keys
	ValueSize int           // bytes
	Pipeline  int           // commands sent at once by a client; at least 1
	Ops       int           // end after so many operations; 0: no limit
	Span      time.Duration // end after so long; 0: no limit
	// LongLife: of the keys that expire, half live so long, and the others a second
	// or two. 0: all live up to 20 s.
	LongLife time.Duration `json:",omitempty"`
	// Phases, when there are any, are what Rate is in turn, from the beginning of each life
	// of the server and over again.
	Phases []Phase `json:",omitempty"`
	// Beside: one more client sends every writing command to keys of all types.
	Beside  bool          `json:",omitempty"`
	Timeout time.Duration // how long a client waits for a reply before it calls it unknown and gives up
}

// Phase is a stretch of time in which clients write at one rate.
type Phase struct {
	For  time.Duration
	Rate float64 // operations a second of all clients together; 0: as fast as replies come; Silent: none
}

// Silent is the rate of clients that send nothing.
const Silent = -1

// A workload is what draws the next operation of a client.
type workload struct {
	about string
	step  func(c *Client)
	read  history.Kind   // reads what a key holds
	sends []history.Kind // the others that it needs; Expire for keys that expire
	// bare: values have no filler, for they become parts of others.
	bare bool
}

// size is how long the values are that the clients write.
func (r *Run) size() int {
	if r.does.bare {
		return 0
	}
	return r.spec.ValueSize
}

// Lacks is why a store cannot have the workload: what its protocol has not; "" when it can.
func (s Spec) Lacks(p Protocol) string {
	w := workloads[s.Name]
	needs := append(w.sends, w.read)
	if s.Beside {
		needs = append(slices.Clip(needs), history.SetAdd, history.HashSet, history.Txn)
	}
	for _, k := range needs {
		if !p.Has(k) {
			return "there is no operation " + k.String()
		}
	}
	return ""
}

// Confuses reports whether an operation beside the workload's own would make its history
// ambiguous: history.Append is said of strings and of lists, by what the key is.
func (s Spec) Confuses(k history.Kind) bool {
	lists := slices.Contains(workloads[s.Name].sends, history.Append)
	return k == history.Write && lists || k == history.Append && !lists
}

// workloads has each by its name, as its file registers it.
var workloads = map[string]workload{}

// register makes a workload known. It is called from init functions only.
func register(name string, w workload) {
	if _, ok := workloads[name]; ok {
		panic("workloads: " + name + " registered twice")
	}
	workloads[name] = w
}

// Names lists the workloads with what they do, sorted.
func Names() [][2]string {
	var names [][2]string
	for name, w := range workloads { // any order: sorted below
		names = append(names, [2]string{name, w.about})
	}
	sort.Slice(names, func(i, j int) bool { return names[i][0] < names[j][0] })
	return names
}

// Default is the workload of a run that names none.
func Default() Spec {
	return Spec{Name: "registers", Clients: 4, ReadRatio: 0.25, Keys: 16, ValueSize: 64, Pipeline: 1, Timeout: 5 * time.Second}
}

// Check reports what is wrong with a spec, naming the field and what it takes.
func (s Spec) Check() error {
	if _, ok := workloads[s.Name]; !ok {
		var known []string
		for _, n := range Names() {
			known = append(known, n[0])
		}
		return fmt.Errorf("workload %q is not known: want one of %s", s.Name, strings.Join(known, ", "))
	}
	switch {
	case s.Clients < 1 || s.Clients > 10000:
		return fmt.Errorf("clients %d: want 1 to 10000", s.Clients)
	case s.Keys < 1 || s.Keys > 10_000_000:
		return fmt.Errorf("keys %d: want 1 to 10000000", s.Keys)
	case s.ReadRatio < 0 || s.ReadRatio >= 1:
		return fmt.Errorf("read ratio %g: want 0 or more and less than 1 (a run without writes proves nothing)", s.ReadRatio)
	case s.ValueSize < 0 || s.ValueSize > 512<<20:
		return fmt.Errorf("value size %d: want 0 to 536870912 bytes", s.ValueSize)
	case s.Pipeline < 1 || s.Pipeline > 10000:
		return fmt.Errorf("pipeline %d: want 1 to 10000", s.Pipeline)
	case s.Rate < 0:
		return fmt.Errorf("rate %g: want 0 (closed loop) or more operations a second", s.Rate)
	case slices.ContainsFunc(s.Phases, func(p Phase) bool {
		return p.For < time.Millisecond || p.Rate < 0 && p.Rate != Silent
	}):
		return fmt.Errorf("phases %v: want each at least 1 ms long, with a rate of 0 (closed loop), more, or %d (silence)", s.Phases, Silent)
	case s.Ops < 0 || s.Span < 0:
		return fmt.Errorf("operations %d, span %s: want 0 (no limit) or more", s.Ops, s.Span)
	}
	return nil
}
