package suite

import (
	"context"
	"fmt"
	"strings"

	"github.com/torntail/torntail/harness/claims"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// This file is the section claims: what is said of Redis, put to the test. Each
// entry names targets and, for each claim, the outcome that is expected.

func init() { Register(Section{Name: "claims", Parse: parseClaims}) }

// parseClaims makes the cells of a block.
func parseClaims(f *File, n *Node) (cells []Cell, err error) {
	const must = "want targets, and expect with an outcome for each claim"
	var against []string
	expected := map[string]string{} // outcome, by claim
	list, expect := yamlnode.To("targets", &against, targets), yamlnode.Field{Name: "expect", Must: must, Read: func(n *Node) error {
		var fields []yamlnode.Field
		for i := range claims.Table {
			id := claims.Table[i].ID
			fields = append(fields, yamlnode.Field{Name: id, Read: func(n *Node) (err error) {
				expected[id], err = outcome(n)
				return err
			}})
		}
		return n.Read(fields...)
	}}
	list.Must = must
	if err := n.Read(list, expect); err != nil {
		return nil, err
	}
	for _, target := range against {
		for i := range claims.Table {
			row := &claims.Table[i]
			if expected[row.ID] == "" {
				continue
			}
			c := Cell{Name: targetName(target) + "/claim/" + row.ID, Runner: &claimRunner{target: target, row: row, expected: claims.Outcome(expected[row.ID])}}
			if f.names[c.Name] {
				return nil, n.Wrong("the cell %s comes about twice", c.Name)
			}
			f.names[c.Name] = true
			cells = append(cells, c)
		}
	}
	return cells, nil
}

var outcome = yamlnode.Word("outcome", []string{string(claims.Holds), string(claims.Refuted), string(claims.Depends), string(claims.Open)})

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
	never := false
	if c.NotMeasured, never = r.row.NotMeasured(target); never {
		c.Verdict = result.NotApplicable
	}
	if c.NotMeasured != "" {
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
	c.Outcome, c.Figure = string(m.Outcome), fmt.Sprintf("%s (%s)", m.Figure, wording.Times(m.Runs, "run"))
	c.Verdict = result.Holds
	if r.expected != claims.Open && r.expected != m.Outcome {
		c.Verdict = result.Violated
	}
	return &out, nil
}
