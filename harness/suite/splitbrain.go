package suite

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// This file is the section splitbrain: clusters that are partitioned while their
// Sentinels watch, the product of targets, scenarios, topologies and partitions.

func init() { Register(Section{Name: "splitbrain", Parse: parseSplitbrain}) }

// splitbrainRuns is how often a scenario is run when nobody says: each takes some
// seconds, whatever the machine.
const splitbrainRuns = 1

func parseSplitbrain(f *File, n *Node) (cells []Cell, err error) {
	for _, block := range n.List() {
		more, err := f.splitbrainBlock(block)
		if err != nil {
			return nil, err
		}
		if cells = append(cells, more...); len(cells) > maxCells {
			return nil, block.Wrong("more than %d cells", maxCells)
		}
	}
	return cells, nil
}

// splitbrainBlock is one block of the section.
func (f *File) splitbrainBlock(n *Node) (cells []Cell, err error) {
	fields, err := n.Fields(append([]string{"scenarios", "topologies", "partitions"}, splitbrainNames...)...)
	if err != nil {
		return nil, err
	}
	b := splitbrainBlock{targets: []string{"redis-server"}, runs: splitbrainRuns}
	if err := fields.Each(splitbrainNames, b.field); err != nil {
		return nil, err
	}
	return f.splitbrainCells(n, fields, &b)
}

// splitbrainNames are the fields that are not multiplied with each other, in the order
// in which they are read.
var splitbrainNames = []string{"targets", "directives", "wait-replicas", "runs", "expect"}

func (b *splitbrainBlock) field(name string, n *Node) (err error) {
	switch name {
	case "targets":
		b.targets, err = targets(n)
	case "directives":
		b.directives, err = directives(n)
		for _, d := range b.directives {
			if slices.Contains(splitbrain.Own, d.Name) {
				return n.Wrong("torntail decides on %s itself", d.Name)
			}
		}
	case "wait-replicas":
		b.wait, err = n.Int(0)
	case "runs":
		b.runs, err = n.Int(1)
	case "expect":
		b.expect, err = pointer(parseExpectation(n))
	}
	return err
}

// splitbrainBlock is what all cells of a block share.
type splitbrainBlock struct {
	targets    []string
	directives []splitbrain.Directive
	wait, runs int
	expect     *Expectation
}

// splitbrainCells is the product of a block's lists. A field that is not there is
// an empty text, which leaves what the scenario says.
func (f *File) splitbrainCells(n *Node, fields map[string]*Node, b *splitbrainBlock) (cells []Cell, err error) {
	list := func(name string) []*Node {
		if fields[name] == nil {
			return []*Node{nil}
		}
		return fields[name].List()
	}
	for _, target := range b.targets {
		for _, scenario := range list("scenarios") {
			for _, topology := range list("topologies") {
				for _, partition := range list("partitions") {
					c, err := f.splitbrainCell(n, b, target, scenario, topology, partition)
					if err != nil {
						return nil, err
					}
					if cells = append(cells, c); len(cells) > maxCells {
						return nil, n.Wrong("more than %d cells", maxCells)
					}
				}
			}
		}
	}
	return cells, nil
}

func (f *File) splitbrainCell(n *Node, b *splitbrainBlock, target string, scenario, topology, partition *Node) (cell Cell, err error) {
	var o splitbrain.Options
	if scenario != nil {
		text, err := scenario.Text()
		if err != nil {
			return cell, err
		}
		found, err := splitbrain.Find(text, f.Relative(text))
		if err != nil {
			return cell, scenario.At(err)
		}
		o = found.Options
	}
	if topology != nil {
		text, err := topology.Text()
		if err != nil {
			return cell, err
		}
		if o.Topology, err = splitbrain.ParseTopology(text); err != nil {
			return cell, topology.At(err)
		}
	}
	if partition != nil {
		if o.Partition, err = partition.Word("partition", splitbrain.PartitionNames()); err != nil {
			return cell, err
		}
	}
	o.Directives = slices.Concat(o.Directives, b.directives)
	if b.wait > 0 {
		o.Wait = b.wait
	}
	s, err := splitbrain.New(o)
	if err != nil {
		return cell, n.At(err)
	}
	on := cluster.System()
	if target == "engine" {
		on = simcluster.System()
	}
	if err := s.Check(on); err != nil {
		return cell, n.At(err)
	}
	r := &splitbrainRunner{target: target, scenario: s, runs: b.runs}
	at := map[string]string{"target": target, "mode": r.name(), "crash": r.fault(), "workload": "writes", "topology": s.Topology.String(), "partition": s.Partition}
	parts := []string{targetName(target), "splitbrain", r.name(), s.Topology.String(), r.fault()}
	for _, d := range b.directives {
		parts = append(parts, d.Name+"="+d.Value)
	}
	if b.wait > 0 {
		parts = append(parts, fmt.Sprintf("wait-%d", b.wait))
	}
	cell.Name = f.unique(strings.Join(parts, "/"))
	at["cell"] = cell.Name
	cell.Runner, cell.Expect = r, f.Expect(at, b.expect)
	return cell, nil
}

// splitbrainRunner runs a scenario a few times.
type splitbrainRunner struct {
	target   string
	scenario *splitbrain.Scenario
	runs     int
}

// name is the scenario's, and fault what strikes, as reports call them.
func (r *splitbrainRunner) name() string {
	if r.scenario.Name == "" {
		return "cluster"
	}
	return r.scenario.Name
}

func (r *splitbrainRunner) fault() string {
	if r.scenario.Partition == "" {
		return "plan"
	}
	return r.scenario.Partition
}

func (r *splitbrainRunner) Blank() Outcome {
	res := &result.Result{Target: r.target, Backend: string(plan.Process), Mode: r.name(), Crash: r.fault(), Workload: "split brain, " + r.scenario.Topology.String()}
	for _, d := range r.scenario.Directives {
		res.Directives = append(res.Directives, d.String())
	}
	return Outcome{Result: res}
}

func (r *splitbrainRunner) Run(ctx context.Context, j *Job) (*Outcome, error) {
	if j.OpenCluster == nil {
		return nil, &Lacking{Why: "no clusters can be made here"}
	}
	b, err := j.OpenCluster(r.target)
	if err != nil {
		return nil, err
	}
	out := r.Blank()
	res := out.Result
	res.Backend, res.Verdict = b.Name, result.Holds
	for n := range r.runs {
		seed := j.Seed + uint64(n)
		report, o, err := b.Experiment(ctx, r.scenario, seed)
		if err != nil {
			return nil, err
		}
		r.count(res, report)
		if report.Verdict != result.Holds && len(res.Failures) < j.Keep {
			dir := filepath.Join(j.Dir, fmt.Sprintf("seed-%d", seed))
			if err := splitbrain.Save(dir, r.scenario, o, report); err != nil {
				return nil, err
			}
			res.Failures = append(res.Failures, result.Failure{Seed: seed, Plan: report.Plan, Dir: dir, Anomaly: append(wording.SortedNames(report.Anomalies), "")[0], Story: report.Story})
		}
		if j.Progress != nil {
			j.Progress(n+1, r.runs, 0, 0)
		}
	}
	return &out, nil
}

// count adds a run to the cell's result: one violation makes it violated, and one
// run that proves nothing makes what is not violated unknown.
func (r *splitbrainRunner) count(res *result.Result, x *splitbrain.Report) {
	res.Version = x.Version
	res.Runs++
	if x.Struck {
		res.Struck++
	}
	res.Acknowledged += int64(x.Acknowledged)
	res.Lost += int64(x.Lost)
	res.LostMax = max(res.LostMax, int64(x.Lost))
	res.SpanMS = max(res.SpanMS, x.SpanMS)
	for name := range x.Anomalies { // any order: counted
		if res.Anomalies == nil {
			res.Anomalies = map[string]int{}
		}
		res.Anomalies[name]++
	}
	if x.Verdict == result.Violated || x.Verdict == result.Unknown && res.Verdict == result.Holds {
		res.Verdict, res.Why = x.Verdict, x.Why
	}
}
