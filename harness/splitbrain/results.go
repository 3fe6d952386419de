package splitbrain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/internal/quantile"

	"github.com/torntail/torntail/reports/wording"
)

// File is the JSON report of a command: its experiments, by setting.
type File struct {
	Schema   int       `json:"schema"`
	Torntail string    `json:"torntail"`
	Command  string    `json:"command"`
	Seed     uint64    `json:"seed"`
	Started  time.Time `json:"started"`
	Sweeps   []Sweep   `json:"sweeps,omitempty"`
	Remarks  []string  `json:"remarks,omitempty"`
	Cells    []*Cell   `json:"cells"`
}

// Name is what a cell is about, in a few words.
func (c *Cell) Name() string {
	name := cmp.Or(c.Scenario.Name, c.Scenario.Partition, "plan")
	return strings.Join(append([]string{name}, c.Values...), " ")
}

// Line is a run in one line.
func (r *Report) Line() string {
	nobody := ""
	if r.Promotions == 0 {
		nobody = ", nobody promoted"
	}
	return fmt.Sprintf("seed %d: %d of %d acknowledged writes lost, %d unattributed, %s%s: %s", r.Seed, r.Lost, r.Acknowledged, r.Unattributed,
		map[bool]string{true: "converged after " + seconds(r.ConvergeMS), false: "not converged"}[r.ConvergeMS >= 0], nobody, r.Verdict)
}

// WriteSummary prints several runs of one scenario, a line each, and what they have in common.
func WriteSummary(w io.Writer, reports []*Report) {
	var lost, per []float64
	converged, attributed, failedOver := 0, 0, 0
	for _, r := range reports {
		lost = append(lost, float64(r.Lost))
		if p := r.lostPerSecond(); p > 0 {
			per = append(per, p)
		}
		if r.ConvergeMS >= 0 {
			converged++
		}
		if r.Promotions > 0 {
			failedOver++
		}
		if r.Unattributed+r.Refuted+r.AOFDiffer == 0 {
			attributed++
		}
	}
	fmt.Fprintf(w, "\n%s: %d converged, %d failed over; every lost write attributed in %d; lost %s\n", wording.Times(len(reports), "run"), converged, failedOver, attributed, spread(lost, "%.0f"))
	if len(per) > 0 {
		fmt.Fprintf(w, "lost per second that a client was exposed: %s\n", spread(per, "%.1f"))
	}
}

// lostPerSecond is over all clients.
func (r *Report) lostPerSecond() float64 {
	seconds, lost := 0.0, 0
	for _, e := range r.Exposure {
		seconds, lost = seconds+e.Seconds, lost+e.Lost
	}
	if seconds == 0 {
		return 0
	}
	return float64(lost) / seconds
}

// spread is the least, the quartiles and the most of some figures.
func spread(list []float64, form string) string {
	slices.Sort(list)
	at := func(q float64) float64 { return quantile.Of(list, q) }
	return fmt.Sprintf(form+" to "+form+", half of them "+form+" to "+form+", median "+form, at(0), at(1), at(0.25), at(0.75), at(0.5))
}

// Own are the directives on which torntail decides itself: those of every experiment, and
// what this one depends on besides. Append-only files are the ground truth, where there are
// any, and addresses are those of the proxies.
var Own = slices.Concat(redis.Own, []string{"aof-disable-auto-gc",
	"bind-source-addr", "replica-announce-ip", "replica-announce-port", "slave-announce-ip", "slave-announce-port", "include", "loadmodule",
	"masterauth", "aclfile", "user"})

// SentinelLine takes a line of sentinel.conf that says how a master is watched:
// "sentinel down-after-milliseconds NAME 5000", or the quorum of "sentinel monitor".
func SentinelLine(line string) (Directive, bool) {
	f := strings.Fields(strings.ToLower(line))
	switch {
	case len(f) == 6 && f[0] == "sentinel" && f[1] == "monitor":
		return Directive{Name: "quorum", Value: f[5]}, true
	case len(f) == 4 && f[0] == "sentinel" && slices.Contains([]string{"down-after-milliseconds", "failover-timeout", "parallel-syncs"}, f[1]):
		return Directive{Name: f[1], Value: f[3]}, true
	}
	return Directive{}, false
}
