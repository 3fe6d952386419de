package suite

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/harness/cluster"
	"github.com/torntail/torntail/harness/product"
	"github.com/torntail/torntail/harness/product/redis"
	"github.com/torntail/torntail/harness/simcluster"
	"github.com/torntail/torntail/harness/splitbrain"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/reports/result"
	"github.com/torntail/torntail/reports/wording"
)

// This file is the section splitbrain: clusters that are partitioned while their
// Sentinels watch, the product of targets, scenarios, topologies and partitions.

func init() { Register(Section{Name: "splitbrain", Parse: parseSplitbrain}) }

// splitbrainBlock is a block of the section. A list that is not there has one empty
// text, which leaves what the scenario says.
type splitbrainBlock struct {
	targets, partitions []string
	modes               []string // of persistence
	scenarios           []splitbrain.Options
	topologies          []splitbrain.Topology
	directives          []product.Directive
	wait, runs          int
	expect              *Expectation
}

func parseSplitbrain(f *File, n *Node) (cells []Cell, err error) {
	// Each scenario takes some seconds, whatever the machine: it is run once when nobody says.
	b := splitbrainBlock{targets: []string{"redis-server"}, partitions: []string{""}, modes: []string{""}, scenarios: make([]splitbrain.Options, 1),
		topologies: make([]splitbrain.Topology, 1), runs: 1}
	if err := n.Read(
		yamlnode.To("targets", &b.targets, targets),
		yamlnode.To("scenarios", &b.scenarios, yamlnode.Each("scenario", scenario)),
		yamlnode.To("topologies", &b.topologies, yamlnode.Each("topology", yamlnode.By(splitbrain.ParseTopology))),
		yamlnode.To("partitions", &b.partitions, yamlnode.Each("partition", yamlnode.Word("partition", splitbrain.PartitionNames()))),
		yamlnode.To("modes", &b.modes, yamlnode.Each("mode", yamlnode.Word("mode", clusterModes()))),
		yamlnode.To("directives", &b.directives, clusterDirectives),
		yamlnode.To("wait-replicas", &b.wait, yamlnode.Int(0)),
		yamlnode.To("runs", &b.runs, yamlnode.Int(1)),
		yamlnode.To("expect", &b.expect, parseExpectation)); err != nil {
		return nil, err
	}
	all, err := combinations(n, len(b.targets), len(b.scenarios), len(b.topologies), len(b.partitions), len(b.modes))
	if err != nil {
		return nil, err
	}
	for _, i := range all {
		c, err := f.splitbrainCell(&b, b.targets[i[0]], b.scenarios[i[1]], b.topologies[i[2]], b.partitions[i[3]], b.modes[i[4]])
		if err != nil {
			return nil, n.At(err)
		}
		cells = append(cells, c)
	}
	return cells, nil
}

// clusterModes are the names of the ways in which a cluster's servers keep their data.
func clusterModes() (names []string) {
	for _, m := range redis.Store.Modes() {
		names = append(names, m.Name)
	}
	return names
}

// clusterDirectives are lines of redis.conf that a cluster's servers may have.
func clusterDirectives(n *Node) ([]product.Directive, error) {
	list, err := directives(n)
	for _, d := range list {
		if slices.Contains(splitbrain.Own, d.Name) {
			return nil, n.Wrong("torntail decides on %s itself", d.Name)
		}
	}
	return list, err
}

func (f *File) splitbrainCell(b *splitbrainBlock, target string, o splitbrain.Options, topology splitbrain.Topology, partition, mode string) (Cell, error) {
	if topology != (splitbrain.Topology{}) {
		o.Topology = topology
	}
	o.Partition, o.Wait, o.Mode = cmp.Or(partition, o.Partition), cmp.Or(b.wait, o.Wait), cmp.Or(mode, o.Mode)
	o.Directives = slices.Concat(o.Directives, b.directives)
	s, err := splitbrain.New(o)
	if err != nil {
		return Cell{}, err
	}
	on := cluster.System()
	if target == "engine" {
		on = simcluster.System()
	}
	if err := s.Check(on); err != nil {
		return Cell{}, err
	}
	r := &splitbrainRunner{target: target, scenario: s, runs: b.runs}
	at := map[string]string{"target": target, "mode": r.name(), "crash": r.fault(), "workload": "writes", "topology": s.Topology.String(), "partition": s.Partition}
	parts := []string{targetName(target), "splitbrain", r.name(), s.Topology.String(), r.fault()}
	if mode != "" {
		parts = append(parts, mode)
	}
	for _, d := range b.directives {
		parts = append(parts, d.Name+"="+d.Value)
	}
	if b.wait > 0 {
		parts = append(parts, fmt.Sprintf("wait-%d", b.wait))
	}
	return f.cell(r, at, b.expect, parts...), nil
}

// scenario is a named one, or one in a file.
func scenario(n *Node) (splitbrain.Options, error) {
	text, err := n.Text()
	if err != nil {
		return splitbrain.Options{}, err
	}
	found, err := splitbrain.Find(text, n.Relative(text))
	return found.Options, n.At(err)
}

// splitbrainRunner runs a scenario a few times.
type splitbrainRunner struct {
	target   string
	scenario *splitbrain.Scenario
	runs     int
}

// name is the scenario's, and fault what strikes, as reports call them.
func (r *splitbrainRunner) name() string { return cmp.Or(r.scenario.Name, "cluster") }

func (r *splitbrainRunner) fault() string { return cmp.Or(r.scenario.Partition, "plan") }

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
			return &out, err
		}
		r.count(res, report)
		if report.Verdict != result.Holds && len(res.Failures) < j.Keep {
			dir := filepath.Join(j.Failures, fmt.Sprintf("seed-%d", seed))
			if err := splitbrain.Save(dir, r.scenario, o, report); err != nil {
				return &out, err
			}
			res.Failures = append(res.Failures, result.Failure{Seed: seed, Plan: report.Plan, Dir: dir, Anomaly: append(wording.SortedNames(report.Anomalies), "")[0], Story: report.Story})
		}
		j.Tell(n+1, r.runs)
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
