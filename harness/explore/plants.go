package explore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/workloads"
)

// Planted is a planted bug that exploring must find, and name the cause of.
type Planted struct {
	Plant, Mode, Personality string
	// Anomaly (any of several words), Sync and Says are of the cause that is to be
	// named: its text has all of Says. A base that is lost whole is loaded as an
	// empty one, one with a tail of zeroes is refused.
	Anomaly, Sync string
	Says          []string
	Commands      int
}

// PlantedBugs are those of the orders and syncs that a server with an AOF or
// snapshots lives by.
var PlantedBugs = []Planted{
	{"base-rename-without-fsync", "always", "ext4", "unrecoverable lost-write", "missing",
		[]string{"rename", "manifest", "without the data of appendonlydir/appendonly.aof.2.base.", "there is no fsync of appendonlydir/appendonly.aof.2.base.", "between write"}, 400},
	{"rename-without-dirsync", "always", "btrfs", "unrecoverable", "missing",
		[]string{"without the name of appendonlydir/appendonly.aof.", "there is no fsync of directory appendonlydir between rename"}, 400},
	{"manifest-before-base", "always", "ext4", "unrecoverable lost-write", "late",
		[]string{"without the data of appendonlydir/appendonly.aof.", "fsync", "comes after it, not between it and write"}, 400},
	{"unlink-before-manifest", "always", "ext4", "unrecoverable", "none",
		[]string{"no sync is missing", "from unlink", "incr.aof", "until rename", "manifest, which should have come first"}, 400},
	{"truncated-tail-kept", "always", "ext4", "unrecoverable", "none",
		[]string{"the tail of appendonly.aof.", ".incr.aof is loaded as truncated and is not cut off", "no truncate call"}, 400},
	{"reply-before-fsync", "always", "ext4", "lost-write", "in flight",
		[]string{"a client is told", "without the data of appendonlydir/appendonly.aof.1.incr.aof", "fdatasync", "is still in flight after write"}, 400},
	{"rdb-rename-without-fsync", "rdb", "ext4", "unrecoverable", "missing",
		[]string{"survives rename", "to dump.rdb without the data of dump.rdb", "there is no fsync of dump.rdb between write"}, 400},
	{"rewrite-loses-writes", "always", "ext4", "lost-write", "none",
		[]string{"no sync is missing", "from rename", "manifest"}, 400},
	{"split-transaction", "always", "ext4", "torn-transaction", "none",
		[]string{"no sync is missing", "from write", "until write", "incr.aof"}, 400},
}

// Options are those of the exploration that must find it.
func (p *Planted) Options(bound string, seed uint64) (*Options, error) {
	m, err := redis.ModeByName(p.Mode)
	if err != nil {
		return nil, err
	}
	plants, err := experiment.ParsePlants(p.Plant)
	if err != nil {
		return nil, err
	}
	b, err := BoundByName(bound)
	if err != nil {
		return nil, err
	}
	w := workloads.Default()
	w.Name = "mixed"
	return &Options{Mode: m, Personality: p.Personality, Profile: "cloud-ssd", Workload: w, Commands: p.Commands, Seed: seed, Plants: plants, Bound: b}, nil
}

// Named is the entry of a report whose cause is the planted one; nil when there is none.
func (p *Planted) Named(r *Report) *Violated {
	for i := range r.Groups {
		v := &r.Groups[i]
		if slices.Contains(strings.Fields(p.Anomaly), v.Anomaly) && v.Cause.Sync == p.Sync && hasAll(v.Cause.Text, p.Says) {
			return v
		}
	}
	return nil
}

func hasAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// Found is what came of looking for a planted bug in both ways.
type Found struct {
	*Planted
	States, Violating int    // of the exploration
	Starts            int    // servers that came back and failed at their next start
	Cause             string // as it was named; "" when it was not
	// Sampled is how many of Tries power cuts at random instants found anything,
	// First which try was the first; 0 when none did.
	Sampled, First, Tries int
}

// Selftest looks for each planted bug, by exploring one run and by so many
// sampled power cuts, and calls each with what came of it.
func Selftest(ctx context.Context, seed uint64, tries int, each func(Found)) error {
	for i := range PlantedBugs {
		p := &PlantedBugs[i]
		o, err := p.Options("triad", seed)
		if err != nil {
			return err
		}
		r, err := Run(ctx, o)
		if err != nil {
			return fmt.Errorf("planted %s: %w", p.Plant, err)
		}
		f := Found{Planted: p, States: r.States, Violating: r.Violated, Tries: tries}
		if v := p.Named(r); v != nil {
			f.Cause = v.Cause.Text
			if v.g.second != "" {
				f.Starts = v.States
			}
		}
		x := experiment.Experiment{Mode: o.Mode, Workload: o.Workload, Personality: o.Personality, Profile: o.Profile, Plants: o.Plants, Seed: seed}
		if f.Sampled, f.First, err = campaign.SamplePowerCuts(ctx, &x, tries); err != nil {
			return fmt.Errorf("planted %s: %w", p.Plant, err)
		}
		each(f)
	}
	return nil
}
