// Package claims measures what tutorials, interview guides and documentation
// say of Redis's persistence and replication: one claim, one configuration, one fault, one
// quantity. A measurement drives one server by hand, on a fault disk, in the
// simulated world (the embedded engine) or for real (redis-server), or runs a
// campaign of crash experiments; then it says whether the claim held, with the
// figure that decides it.
//
// The claims' texts and the outcomes expected of redis-server 7.0.15 are data
// (table.go); how each is measured is beside its neighbours, by subject.
package claims

import (
	"context"
	"fmt"
	"strings"
)

// Outcome is what a measurement says of a claim.
type Outcome string

const (
	Holds   Outcome = "holds"
	Refuted Outcome = "refuted"
	// Depends: it holds in one setting and not in another; the figure says on what.
	Depends Outcome = "depends"
	// Open is an expectation only: nobody knew before it was measured.
	Open Outcome = "?"
)

// Claim is one row of the table.
type Claim struct {
	ID       string
	From     string // any of T, tutorials, D, documentation, and F, folklore
	Text     string // as stated
	Quantity string // fault and quantity that decide it
	// Expected is what redis-server 7.0.15 is expected to show.
	Expected Outcome

	// measure does it; nil: Why says why nothing does.
	measure func(l *lab) Measurement
	// only is why one of the targets cannot measure it; "" when both can.
	notOnEngine, notOnServer string
	Why                      string
}

// Measurement is what was measured.
type Measurement struct {
	Outcome Outcome
	// Figure is the quantity, with units, in a few words.
	Figure string
	// Runs is how many crashes, starts or repetitions stand behind it.
	Runs int
}

// NeedsCluster reports whether the claim is about several servers.
func (c *Claim) NeedsCluster() bool { return strings.HasPrefix(c.ID, "H") }

// NotMeasured says why a target cannot measure the claim; "" when it can. never: it has no
// meaning there, as against one that nothing measures yet.
func (c *Claim) NotMeasured(target *Target) (why string, never bool) {
	why = c.notOnEngine
	if target.real() {
		why = c.notOnServer
	}
	if c.measure == nil {
		return c.Why, why != ""
	}
	return why, why != ""
}

// Measure measures a claim on a target. An error is torntail's own failure, the
// machine's, or ctx's: nothing is known of the claim then.
func (c *Claim) Measure(ctx context.Context, t *Target, seed uint64) (m Measurement, err error) {
	if why, _ := c.NotMeasured(t); why != "" {
		return Measurement{}, fmt.Errorf("claim %s: not measured: %s", c.ID, why)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("claim %s: %w", c.ID, err)
		}
	}()
	defer ended(&err)
	return c.measure(&lab{ctx: ctx, target: t, seed: seed}), nil
}

// As reports whether a measurement is what was expected.
func (c *Claim) As(m Measurement) bool {
	return c.Expected == Open || c.Expected == m.Outcome
}

// decide is a measurement of a claim that either holds or is refuted.
func decide(holds bool, runs int, format string, args ...any) Measurement {
	m := Measurement{Outcome: Refuted, Figure: fmt.Sprintf(format, args...), Runs: runs}
	if holds {
		m.Outcome = Holds
	}
	return m
}

// depends is a measurement of a claim that holds in one setting only.
func depends(runs int, format string, args ...any) Measurement {
	return Measurement{Outcome: Depends, Figure: fmt.Sprintf(format, args...), Runs: runs}
}
