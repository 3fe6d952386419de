package wording

import (
	"fmt"

	"github.com/torntail/torntail/reports/result"
)

// CostLoad says what the clients did while costs were measured.
func CostLoad(p *result.Policies) string {
	s := "all writes"
	if p.Load.ReadRatio > 0 {
		s = fmt.Sprintf("%.0f%% reads", 100*p.Load.ReadRatio)
	}
	pace := "as fast as replies come"
	if p.Load.Rate > 0 {
		pace = Count(int64(p.Load.Rate)) + " operations a second offered"
	}
	rounds := fmt.Sprintf("medians of %d rounds of %s, taken in turns", p.Rounds, Round(1000*p.RoundS))
	if p.Rounds == 1 {
		rounds = "one round of " + Round(1000*p.RoundS)
	}
	if p.Unfinished != "" {
		rounds += "; only " + p.Unfinished
	}
	return fmt.Sprintf("%d clients, pipeline %d, values of %d bytes, %s, %s; %s", p.Load.Clients, p.Load.Pipeline, p.Load.ValueSize, s, pace, rounds)
}

// Place says where files were, and how long an fsync takes there.
func Place(p *result.Place) string {
	s := p.FileSystem
	if p.Device != "" {
		s += " on " + p.Device
	}
	if p.Dir != "" {
		s += " (" + p.Dir + ")"
	}
	if p.Why != "" {
		return s + ": not measured: " + p.Why
	}
	if p.Fsync != nil {
		s += fmt.Sprintf(": an fsync takes %s (p50), %s (p99)", Latency(p.Fsync.P50), Latency(p.Fsync.P99))
	}
	return s
}

// FaultDisk says what the fault disk's costs are.
func FaultDisk(p *result.Policies) string {
	if p.Disk.Why != "" {
		return "Fault disk: not measured: " + p.Disk.Why
	}
	return "Fault disk: in memory, its fsyncs take as long as the host's"
}

// Spread is from which rate to which the rounds of a measurement went: "57.1k to 60.2k"; "" of one
// round.
func Spread(c *result.Cost) string {
	if c == nil || len(c.Rounds) < 2 {
		return ""
	}
	low, high := c.Spread()
	return Count(int64(low)) + " to " + Count(int64(high))
}

// Loss is the longest loss of a mode: "-" when nothing is proved about it.
func Loss(l result.Loss) string {
	switch {
	case !l.Proved:
		return "-"
	case l.Censored:
		return AtLeast(l.MaxMS)
	}
	return Duration(l.MaxMS)
}
