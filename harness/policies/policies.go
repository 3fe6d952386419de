// Package policies measures what persistence settings cost, side by side: how
// many operations a second a server takes and how long each waits, on the
// host's file system and on the fault disk; what it syncs and writes for each;
// how long it needs to come back. What a setting can lose is measured by
// harness/campaign; here the two are put together and advice is
// given.
//
// A machine has moods: a neighbour, a full cache, a hot CPU. So nothing is
// measured at one go. The settings take turns, in an order that is another one
// in each round, and the figure of each is the median of its rounds.
package policies

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/fusefs"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/internal/quantile"
	"github.com/torntail/torntail/reports/result"
)

// Measurement is what is measured and how.
type Measurement struct {
	Server machine.Opener // what is measured
	Dir    string         // where on the host; files are made in a directory of its own below it
	Modes  []product.Mode
	Load   result.Offered
	Rounds int
	Round  time.Duration // how long one lasts
	// RestartWrites is how many writes a server has taken before its restart is
	// timed; 0 times none.
	RestartWrites int
	// Tell is told what goes on; nil is silent.
	Tell func(what string, done, total int)
}

// warmUp is how long clients run before a round counts.
const warmUp = 200 * time.Millisecond

// Run measures. What cannot be measured on this machine is left out, and the
// place says why. When it cannot go on, or ctx ends, what was measured comes with the
// error; nil when not a turn was taken.
func (m *Measurement) Run(ctx context.Context) (*result.Policies, error) {
	p := &result.Policies{Load: m.Load, Rounds: m.Rounds, RoundS: m.Round.Seconds(), RestartWrites: m.RestartWrites}
	for i := range m.Modes {
		mode := &m.Modes[i]
		one := result.Policy{Mode: mode.Name}
		for _, d := range mode.Directives {
			one.Directives = append(one.Directives, d.String())
		}
		p.Policies = append(p.Policies, one)
	}
	host, err := m.Server(machine.HostDirs(m.Dir))
	if err != nil {
		return nil, fmt.Errorf("measure in %s: %w", m.Dir, err)
	}
	defer host.Close()
	for i := range m.Modes {
		m.Modes[i] = host.Store.On(m.Modes[i])
	}
	syncs, err := fusefs.MeasureSync(host.Disks.Dir())
	if err != nil {
		return nil, err
	}
	p.Host = PlaceOf(m.Dir)
	p.Host.Fsync = &result.Fsync{P50: result.MS(quantile.Median(syncs)), P99: result.MS(quantile.Of(syncs, 0.99))}
	p.Disk = result.Place{FileSystem: "fuse.torntail", Fsync: p.Host.Fsync}
	var places []*place
	if p.Host.Why == "" {
		places = append(places, &place{name: "the host", rig: host})
	}
	if err := fusefs.Available(); err != nil {
		p.Disk.Why, p.Disk.Fsync = err.Error(), nil
	} else {
		rig, err := m.Server(machine.FaultDisks)
		if err != nil {
			return nil, err
		}
		defer rig.Close()
		places = append(places, &place{name: "the fault disk", rig: rig, faults: true, syncs: syncs})
	}
	if len(places) == 0 {
		return nil, errors.New("costs can be measured neither on the host (" + p.Host.Why + ") nor on the fault disk (" + p.Disk.Why + ")")
	}
	if err = m.takeTurns(ctx, places, p); err != nil && !slices.ContainsFunc(p.Policies, func(one result.Policy) bool { return one.Best() != nil }) {
		return nil, err
	}
	return p, err
}

// FirstError is that of a setting of which no turn had been taken: the server may not bear
// it, where one that fails later has borne it.
type FirstError struct{ error }

func (f *FirstError) Unwrap() error { return f.error }

// rounds of one policy at one place.
type rounds struct {
	costs []result.Cost
	// counted at the fault disk, over all rounds
	ops, fsyncs, bytes int64
	restarts           []float64
	size               int64
}

// takeTurns gives each setting its rounds at each place, and tells the figures of those
// that were taken.
func (m *Measurement) takeTurns(ctx context.Context, places []*place, p *result.Policies) error {
	all := map[string]*rounds{} // place and mode
	of := func(pl *place, mode *product.Mode) *rounds {
		key := pl.name + " " + mode.Name + " " + joined(mode)
		if all[key] == nil {
			all[key] = new(rounds)
		}
		return all[key]
	}
	done, total := 0, len(places)*len(m.Modes)*m.Rounds
	err := func() error {
		for round := range m.Rounds {
			for i := range m.Modes {
				mode := &m.Modes[(i+round)%len(m.Modes)]
				for j := range places {
					at := places[(j+round)%len(places)]
					if m.Tell != nil {
						m.Tell(mode.Name+" on "+at.name, done, total)
					}
					err := m.one(ctx, at, mode, of(at, mode), at == places[0])
					if err != nil && !slices.ContainsFunc(places, func(p *place) bool { return len(of(p, mode).costs) > 0 }) {
						err = &FirstError{err}
					}
					if err != nil {
						return fmt.Errorf("%s on %s: %w", mode.Name, at.name, err)
					}
					done++
				}
			}
		}
		return nil
	}()
	if err != nil {
		why, _, _ := strings.Cut(err.Error(), "\n")
		if ctx.Err() != nil {
			why = "interrupted"
		}
		p.Unfinished = fmt.Sprintf("%d of %d turns were taken: %s", done, total, why)
	}
	for i := range m.Modes {
		for _, at := range places {
			r := of(at, &m.Modes[i])
			at.fill(&p.Policies[i], r)
			if len(r.restarts) > 0 {
				p.Policies[i].RestartMS, p.Policies[i].FileBytes = quantile.Median(quantile.Sorted(r.restarts)), r.size
			}
		}
	}
	return err
}

func joined(m *product.Mode) string {
	var words []string
	for _, d := range m.Directives {
		words = append(words, d.String())
	}
	return strings.Join(words, "; ")
}

// place is where servers keep their files.
type place struct {
	name     string
	rig      *machine.Rig
	faults   bool             // it is the fault disk, which sees what is synced and written
	syncs    fusefs.Latencies // how long that takes there: as on the host
	machines uint64           // so far
}

// fill writes what came of all rounds into the policy.
func (at *place) fill(p *result.Policy, r *rounds) {
	if !at.faults {
		p.Host = medians(r.costs)
		return
	}
	p.FaultDisk = medians(r.costs)
	if r.ops > 0 {
		p.FsyncsPerOp, p.BytesPerOp = float64(r.fsyncs)/float64(r.ops), float64(r.bytes)/float64(r.ops)
	}
}

// one is one round of one setting at one place, on an empty disk.
func (m *Measurement) one(ctx context.Context, at *place, mode *product.Mode, r *rounds, restart bool) error {
	at.machines++
	host := at.rig.Machine()
	counting := false // under the machine's lock, as what is counted
	count := func(c *disk.Call) disk.Decision {
		host.Lock()
		defer host.Unlock()
		switch {
		case !counting:
		case c.Kind == disk.OpWrite:
			r.bytes += c.Len
		case c.Kind == disk.OpFsync || c.Kind == disk.OpFdatasync:
			r.fsyncs++
		}
		return disk.Decision{}
	}
	counts := func(on bool) {
		host.Lock()
		defer host.Unlock()
		counting = on
	}
	if err := host.Reset(&machine.Setup{Mode: mode, Personality: "ext4", Profile: "nvme", Seed: at.machines, Forget: true,
		SyncLatency: at.syncs.Source(at.machines), Watch: machine.Watch{Call: count}}); err != nil {
		return err
	}
	return host.Drive(ctx, func() error {
		if err := host.Start(ctx); err != nil {
			return err
		}
		if err := fillKeys(host.Addr(), &m.Load); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		counts(true)
		took, err := offer(ctx, host.Addr(), &m.Load, warmUp, m.Round)
		counts(false)
		if err != nil {
			return err
		}
		r.ops += took.all
		r.costs = append(r.costs, took.cost())
		if restart && m.RestartWrites > 0 {
			return m.timeRestart(ctx, host, mode, r)
		}
		return nil
	})
}

// medians is each figure's median over the rounds; what happened over time is
// of the round whose rate is the median.
func medians(costs []result.Cost) *result.Cost {
	if len(costs) == 0 {
		return nil
	}
	c := &result.Cost{}
	pick := func(f func(*result.Cost) float64) float64 {
		var list []float64
		for i := range costs {
			list = append(list, f(&costs[i]))
		}
		return quantile.Median(quantile.Sorted(list))
	}
	c.Rate = pick(func(c *result.Cost) float64 { return c.Rate })
	c.P50, c.P99 = pick(func(c *result.Cost) float64 { return c.P50 }), pick(func(c *result.Cost) float64 { return c.P99 })
	c.P999 = pick(func(c *result.Cost) float64 { return c.P999 })
	for i := range costs {
		c.Rounds = append(c.Rounds, costs[i].Rate)
		if costs[i].Rate == c.Rate {
			c.Over = costs[i].Over
		}
	}
	return c
}

// Check reports what is wrong with a measurement, naming the flag.
func (m *Measurement) Check() error {
	switch o := m.Load; {
	case o.Clients < 1 || o.Clients > 10_000:
		return fmt.Errorf("--clients %d: want 1 to 10000", o.Clients)
	case o.Pipeline < 1 || o.Pipeline > 10_000:
		return fmt.Errorf("--pipeline %d: want 1 to 10000", o.Pipeline)
	case o.ValueSize < 1 || o.ValueSize > 64<<20:
		return fmt.Errorf("--value-size %d: want 1 byte to 64 MiB", o.ValueSize)
	case o.ReadRatio < 0 || o.ReadRatio > 1:
		return fmt.Errorf("--read-ratio %v: want a share from 0 to 1", o.ReadRatio)
	case o.Keys < 1:
		return fmt.Errorf("--keys %d: want 1 or more", o.Keys)
	case o.Rate < 0:
		return fmt.Errorf("--rate %v: want operations a second, or 0 for as fast as replies come", o.Rate)
	case m.Rounds < 1 || m.Round < 100*time.Millisecond:
		return fmt.Errorf("--rounds %d of %v: want 1 or more, of 100ms or more", m.Rounds, m.Round)
	case m.RestartWrites < 0:
		return fmt.Errorf("--restart %d: want a number of writes, or 0 for no restart", m.RestartWrites)
	}
	return nil
}
