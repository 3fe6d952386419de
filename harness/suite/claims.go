package suite

import (
	"context"
	"fmt"
	"strings"

	"github.com/torntail/torntail/harness/claims"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/reports/result"
)

// This file is the section claims: what is said of Redis, put to the test. Each
// entry names targets and, for each claim, the outcome that is expected.

func init() { Register(Section{Name: "claims", Parse: parseClaims}) }

func parseClaims(f *File, n *Node) (cells []Cell, err error) {
	var ids []string
	for i := range claims.Table {
		ids = append(ids, claims.Table[i].ID)
	}
	outcomes := []string{string(claims.Holds), string(claims.Refuted), string(claims.Depends), string(claims.Open)}
	for _, block := range n.List() {
		fields, err := block.Fields("targets", "expect")
		if err != nil {
			return nil, err
		}
		if fields["targets"] == nil || fields["expect"] == nil {
			return nil, block.Wrong("want targets, and expect with an outcome for each claim")
		}
		against, err := targets(fields["targets"])
		if err != nil {
			return nil, err
		}
		expected, err := fields["expect"].Fields(ids...)
		if err != nil {
			return nil, err
		}
		for _, target := range against {
			for i := range claims.Table {
				row := &claims.Table[i]
				if expected[row.ID] == nil {
					continue
				}
				word, err := expected[row.ID].Word("outcome", outcomes)
				if err != nil {
					return nil, err
				}
				cells = append(cells, Cell{Name: targetName(target) + "/claim/" + row.ID,
					Runner: &claimRunner{target: target, row: row, expected: claims.Outcome(word)}})
			}
		}
	}
	return cells, nil
}

// claimRunner measures one claim on one target.
type claimRunner struct {
	target   string
	row      *claims.Claim
	expected claims.Outcome
}

func (r *claimRunner) Blank() Outcome {
	return Outcome{Claim: &result.Claim{ID: r.row.ID, Quote: r.row.Text, From: strings.Join(strings.Split(r.row.From, ""), ", "), Target: r.target,
		Quantity: r.row.Quantity, Expected: string(r.expected), Verdict: result.Unknown}}
}

func (r *claimRunner) Run(ctx context.Context, j *Job) (*Outcome, error) {
	out := r.Blank()
	c := out.Claim
	b, err := j.Open(r.target, "fuse")
	if err != nil {
		return nil, err
	}
	target := claims.Engine(experiment.Plants{})
	if r.target != "engine" {
		if !b.DiskIsOurs() {
			return nil, &Lacking{Why: "the claims need the fault disk"}
		}
		target = claims.Server(b)
	}
	if j.OpenCluster != nil {
		// A claim about clusters says itself that it has none.
		if target.Clusters, err = j.OpenCluster(r.target); err != nil && r.row.NeedsCluster() {
			return nil, err
		}
	}
	if c.NotMeasured = r.row.Measurable(target); c.NotMeasured != "" {
		if r.row.Cannot(target) {
			c.Verdict = result.NotApplicable
		}
		return &out, nil
	}
	m, err := r.row.Measure(ctx, target, j.Seed)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		c.NotMeasured = err.Error()
		return &out, nil
	}
	c.Outcome, c.Figure = string(m.Outcome), fmt.Sprintf("%s (%d runs)", m.Figure, m.Runs)
	c.Verdict = result.Holds
	if r.expected != claims.Open && r.expected != m.Outcome {
		c.Verdict = result.Violated
	}
	return &out, nil
}
