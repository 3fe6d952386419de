package terminal

import (
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// Columns of the cost table: 80 in all.
const policyWidth = 15

var costWidths = []int{6, 6, 6, 6, 7, 6, 8, 6, 8, 6}

const (
	costTop    = "                     host's file system   fault disk per operation after restart"
	costBottom = "policy          ops/s   p50   p99 p99.9  ops/s   p99  fsyncs bytes    time files"
)

// costs prints what each policy costs; nothing when that was not measured.
func (p *printer) costs(r *result.Policies) {
	if r == nil {
		return
	}
	p.line("")
	p.wrap("", "Costs, without faults: "+wording.CostLoad(r))
	p.wrap("", "Host: "+wording.Place(&r.Host))
	p.wrap("", wording.FaultDisk(r))
	p.line("")
	p.line(costTop)
	p.line(costBottom)
	for i := range r.Policies {
		x := &r.Policies[i]
		name := wording.Clean(x.Mode, false)
		if columns(name) > policyWidth {
			p.line(name)
			name = ""
		}
		var b strings.Builder
		b.WriteString(pad(name, policyWidth))
		for i, cell := range costCells(x) {
			b.WriteString(strings.Repeat(" ", max(1, costWidths[i]-columns(cell))) + cell)
		}
		p.line(b.String())
	}
	var spreads []string
	for i := range r.Policies {
		if x := &r.Policies[i]; wording.Spread(x.Best()) != "" {
			spreads = append(spreads, x.Mode+" "+wording.Spread(x.Best()))
		}
	}
	if len(spreads) > 0 {
		p.line("")
		p.wrap("", "ops/s of the slowest and fastest round: "+strings.Join(spreads, ", "))
	}
	if r.RestartWrites > 0 {
		p.line("")
		p.wrap("", "after a restart: an orderly shutdown after "+wording.Count(int64(r.RestartWrites))+" writes with a rewrite or snapshot half-way; the time until the server served again, and the bytes in its files")
	}
}

func costCells(x *result.Policy) []string {
	cells := []string{"-", "-", "-", "-", "-", "-", "-", "-", "-", "-"}
	if c := x.Host; c != nil {
		cells[0], cells[1], cells[2], cells[3] = wording.Count(int64(c.Rate)), wording.Latency(c.P50), wording.Latency(c.P99), wording.Latency(c.P999)
	}
	if c := x.FaultDisk; c != nil {
		cells[4], cells[5] = wording.Count(int64(c.Rate)), wording.Latency(c.P99)
		cells[6], cells[7] = wording.PerOperation(x.FsyncsPerOp), wording.Bytes(x.BytesPerOp)
	}
	if x.RestartMS > 0 {
		cells[8], cells[9] = wording.Latency(x.RestartMS), wording.Bytes(float64(x.FileBytes))
	}
	return cells
}

// untested prints what the figures say nothing about.
func (p *printer) untested(r *result.Policies) {
	if r == nil || len(r.NotTested) == 0 {
		return
	}
	p.line("")
	p.line(p.paint(bold, "Not tested"))
	for _, what := range r.NotTested {
		p.wrap("  ", what)
	}
}
