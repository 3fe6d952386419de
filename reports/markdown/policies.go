package markdown

import (
	"fmt"
	"strings"

	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// costs writes what policies cost, where that was measured.
func costs(b *strings.Builder, r *result.Report) {
	p := r.Policies
	if p == nil {
		return
	}
	if p.Advice != "" {
		fmt.Fprintf(b, "\n**%s**\n", text(p.Advice))
	}
	fmt.Fprintf(b, "\n### What each setting costs\n\nWithout faults: %s. Host: %s. %s.\n\n", text(wording.CostLoad(p)), text(wording.Place(&p.Host)), text(wording.FaultDisk(p)))
	b.WriteString("| setting | host: ops/s | p50 | p99 | p99.9 | fault disk: ops/s | p99 | fsyncs/op | bytes/op | restart | files | longest loss |\n")
	b.WriteString("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for i := range p.Policies {
		x := &p.Policies[i]
		cells := []string{text(x.Mode)}
		if c := x.Host; c != nil {
			cells = append(cells, wording.Count(int64(c.Rate)), wording.Latency(c.P50), wording.Latency(c.P99), wording.Latency(c.P999))
		} else {
			cells = append(cells, "-", "-", "-", "-")
		}
		if c := x.FaultDisk; c != nil {
			cells = append(cells, wording.Count(int64(c.Rate)), wording.Latency(c.P99), text(wording.PerOperation(x.FsyncsPerOp)), wording.Bytes(x.BytesPerOp))
		} else {
			cells = append(cells, "-", "-", "-", "-")
		}
		if x.RestartMS > 0 {
			cells = append(cells, wording.Latency(x.RestartMS), wording.Bytes(float64(x.FileBytes)))
		} else {
			cells = append(cells, "-", "-")
		}
		cells = append(cells, text(wording.Loss(result.LossOf(r.Results, x.Mode, func(string) bool { return true }))))
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}
