package result

import "slices"

// Policies is what persistence settings cost, each measured beside the others.
// What they lose is in Report.Results, by the same modes.
type Policies struct {
	Load   Offered `json:"load"`
	Rounds int     `json:"rounds"` // each figure is the median of so many, taken in turns
	RoundS float64 `json:"round_s"`
	Host   Place   `json:"host"`       // the file system that was measured
	Disk   Place   `json:"fault_disk"` // the fault disk, which the loss figures come from
	// Unfinished says how many turns were taken, and why no more; "" when all were. Then
	// figures may be those of fewer rounds, and no advice is given.
	Unfinished string `json:"unfinished,omitempty"`

	RestartWrites int      `json:"restart_writes"` // before the restart that was timed
	Policies      []Policy `json:"policies"`

	// MaxLossMS and MinRate are what the user asked for; nil and 0: nothing.
	MaxLossMS *float64 `json:"max_loss_ms,omitempty"`
	MinRate   float64  `json:"min_rate,omitempty"`
	// NotTested is what these figures say nothing about, each with the command that does.
	NotTested []string `json:"not_tested,omitempty"`
	// Choice is the mode to choose, "" when none fulfils what was asked or nothing
	// was; Advice says why.
	Choice string `json:"choice,omitempty"`
	Advice string `json:"advice,omitempty"`
}

// Offered is what clients did while costs were measured.
type Offered struct {
	Clients   int     `json:"clients"`
	Pipeline  int     `json:"pipeline"`
	ValueSize int     `json:"value_size"`
	ReadRatio float64 `json:"read_ratio"`
	Keys      int     `json:"keys"`
	Rate      float64 `json:"rate,omitempty"` // operations a second that were offered; 0: as fast as replies came
}

// Place is where servers kept their files.
type Place struct {
	Dir        string `json:"dir,omitempty"`
	FileSystem string `json:"file_system"`
	Device     string `json:"device,omitempty"`
	// Fsync is how long the sync of an append took there; nil when it was not measured.
	Fsync *Fsync `json:"fsync_ms,omitempty"`
	// Why says why costs could not be measured here; "" when they were.
	Why string `json:"why,omitempty"`
}

// Fsync is the distribution of how long syncs take.
type Fsync struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Policy is one persistence setting: what it costs.
type Policy struct {
	Mode       string   `json:"mode"`
	Directives []string `json:"directives"`
	Host       *Cost    `json:"host,omitempty"`       // on the host's file system
	FaultDisk  *Cost    `json:"fault_disk,omitempty"` // on the fault disk, with the host's fsync latency
	// Fsyncs and bytes written for each operation, counted at the fault disk,
	// which sees every call.
	FsyncsPerOp float64 `json:"fsyncs_per_op"`
	BytesPerOp  float64 `json:"bytes_per_op"`
	// RestartMS is how long the server took to serve again after an orderly
	// shutdown with FileBytes in its files; 0: not measured.
	RestartMS float64 `json:"restart_ms,omitempty"`
	FileBytes int64   `json:"file_bytes,omitempty"`
}

// Cost is throughput and latency without faults: medians over the rounds.
type Cost struct {
	Rate   float64   `json:"rate"` // operations a second
	P50    float64   `json:"p50_ms"`
	P99    float64   `json:"p99_ms"`
	P999   float64   `json:"p999_ms"`
	Rounds []float64 `json:"rounds"` // the rate of each
	Over   []Tick    `json:"over,omitempty"`
}

// Spread is from which rate to which the rounds went; equal with fewer than two.
func (c *Cost) Spread() (low, high float64) {
	if len(c.Rounds) < 2 {
		return c.Rate, c.Rate
	}
	return slices.Min(c.Rounds), slices.Max(c.Rounds)
}

// Tick is one tenth of a second, or so, of a round.
type Tick struct {
	AtMS float64 `json:"at_ms"`
	Rate float64 `json:"rate"`
	P99  float64 `json:"p99_ms"`
}

// Best is the cost on the host's file system, or that on the fault disk where
// the host's could not be measured.
func (p *Policy) Best() *Cost {
	if p.Host != nil {
		return p.Host
	}
	return p.FaultDisk
}

// Loss is what a mode lost under several crash kinds.
type Loss struct {
	MaxMS    float64 // the longest loss window that was seen
	Censored bool    // that is only a lower bound
	Crashes  int     // that struck
	// NotServed are those after which the server never served, whatever else was proved:
	// how much of what it had acknowledged is gone with them nobody knows.
	NotServed int
	// Proved: every one of the kinds struck and its contract held, or was not
	// applicable. Otherwise MaxMS and Censored say nothing.
	Proved bool
}

// LossOf is the loss of a mode under the crash kinds that count.
func LossOf(results []Result, mode string, counts func(crash string) bool) Loss {
	var l Loss
	disproved := false
	for i := range results {
		r := &results[i]
		if r.Mode != mode || !counts(r.Crash) || r.Verdict == NotApplicable {
			continue
		}
		l.Crashes += r.Struck
		l.NotServed += r.NotServed
		if r.Verdict != Holds || r.LossWindow == nil {
			disproved = true
			continue
		}
		l.Proved = true
		if r.LossWindow.Max > l.MaxMS || r.LossWindow.Max == l.MaxMS && r.LossWindow.Censored > 0 {
			l.MaxMS, l.Censored = r.LossWindow.Max, r.LossWindow.Censored > 0
		}
	}
	l.Proved = l.Proved && !disproved
	return l
}
