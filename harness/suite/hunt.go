package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/faults/plan"
	"github.com/torntail/torntail/faults/sim"
	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/hunt"
	"github.com/torntail/torntail/harness/machine"
	"github.com/torntail/torntail/harness/target"
	"github.com/torntail/torntail/harness/yamlnode"
	"github.com/torntail/torntail/internal/atomicfile"
	"github.com/torntail/torntail/reports/result"
)

// This file is the section hunt: searches for what nobody named, one cell for each target.
// A cell is violated by a finding that is new.

func init() { Register(Section{Name: "hunt", Parse: parseHunt}) }

// huntTime and huntExperiments are how much a cell hunts of which nobody says: on real
// servers and in simulation.
const (
	huntTime        = 2 * time.Minute
	huntExperiments = 2000
)

func parseHunt(f *File, n *Node) (cells []Cell, err error) {
	list, r := []string{"engine"}, huntRunner{guide: "rare", disk: "auto", personality: disk.Personalities[0].Name, profile: "cloud-ssd"}
	var expect *Expectation
	plant := ""
	if err := n.Read(
		yamlnode.To("targets", &list, targets),
		yamlnode.To("time", &r.time, (*Node).Duration),
		yamlnode.To("experiments", &r.experiments, yamlnode.Int(1)),
		yamlnode.To("guide", &r.guide, yamlnode.Word("guide", hunt.Guides)),
		yamlnode.To("corpus", &r.corpus, (*Node).Path),
		yamlnode.To("replay-corpus", &r.replay, (*Node).Bool),
		yamlnode.To("known", &r.known, func(n *Node) ([]string, error) {
			path, err := n.Path()
			if err != nil {
				return nil, err
			}
			known, err := hunt.ReadKnown(path)
			return known, n.At(err)
		}),
		yamlnode.To("personality", &r.personality, yamlnode.Word("personality", names(disk.Personalities, func(p *disk.Personality) string { return p.Name }))),
		yamlnode.To("profile", &r.profile, yamlnode.Word("profile", sim.ProfileNames())),
		yamlnode.To("disk", &r.disk, yamlnode.Word("disk", append([]string{"auto"}, machine.DiskWords()...))),
		yamlnode.To("workers", &r.workers, yamlnode.Int(0)),
		yamlnode.Field{Name: "plant", Read: func(n *Node) (err error) {
			if plant, err = n.Text(); err == nil {
				r.plants, err = experiment.ParsePlants(plant)
			}
			return n.At(err)
		}},
		yamlnode.To("expect", &expect, parseExpectation)); err != nil {
		return nil, err
	}
	if r.replay && r.corpus == "" {
		return nil, n.Wrong("replay-corpus: want a corpus, which is to be run")
	}
	for _, t := range list {
		its := r
		if its.target = t; t != "engine" && r.plants.Engine != 0 {
			return nil, n.Wrong("plant %s: planted bugs of the engine cannot be in %s", plant, t)
		}
		if r.corpus != "" { // what one target has reached the next has not
			its.corpus = filepath.Join(r.corpus, targetName(t))
		}
		at := map[string]string{"target": t, "mode": "hunt", "crash": "drawn", "workload": "drawn", "personality": r.personality, "profile": r.profile, "plant": plant}
		parts := []string{targetName(t), "hunt"}
		if plant != "" {
			parts = append(parts, plant)
		}
		cells = append(cells, f.cell(&its, at, expect, parts...))
	}
	return cells, nil
}

// huntRunner hunts one target.
type huntRunner struct {
	target, guide, corpus, disk, personality, profile string

	replay               bool
	known                []string
	plants               experiment.Plants
	time                 time.Duration // 0 with experiments 0: the suite's budget
	experiments, workers int
}

func (r *huntRunner) Blank() Outcome {
	res := &result.Result{Target: r.target, Backend: string(plan.Process), Mode: "hunt", Crash: "drawn", Workload: "drawn", Personality: r.personality}
	if r.target == "engine" {
		res.Backend = string(plan.Sim)
	}
	return Outcome{Result: res}
}

func (r *huntRunner) Run(ctx context.Context, j *Job) (*Outcome, error) {
	b, err := j.Open(r.target, r.disk)
	if err != nil {
		return nil, err
	}
	out := r.Blank()
	h := r.hunt(b, j)
	if h.Corpus != "" {
		if err := os.MkdirAll(h.Corpus, 0o755); err != nil {
			return nil, err
		}
	}
	got, err := h.Run(ctx, b)
	if bad := new(hunt.CorpusError); errors.As(err, &bad) {
		return nil, &Lacking{Why: err.Error()}
	}
	if got == nil {
		return &out, err
	}
	if err == nil {
		err = os.MkdirAll(j.Failures, 0o755)
	}
	if err == nil {
		got.Torntail, got.Command = j.Torntail, j.Command
		err = atomicfile.WriteBytes(filepath.Join(j.Failures, "hunt.md"), got.Markdown())
	}
	count(out.Result, got, j.Keep)
	return &out, err
}

// hunt is what the cell runs. Its seed and its budget are the job's, unless it says.
func (r *huntRunner) hunt(b campaign.Backend, j *Job) *hunt.Hunt {
	store, personality := target.StoreOf(r.target), r.personality
	if rig := b.Rig(); rig != nil {
		store = rig.Store
	}
	if !b.DiskIsOurs() {
		personality = experiment.HostDisk
	}
	h := &hunt.Hunt{Space: hunt.NewSpace(b, store, personality, r.profile), Seed: j.Seed, Guide: r.guide, Corpus: r.corpus, Replay: r.replay, Known: r.known,
		Workers: r.workers, Dir: j.Failures, Torntail: j.Torntail, For: r.time, Experiments: r.experiments}
	h.Space.Plants = r.plants
	switch {
	case h.For > 0 || h.Experiments > 0 || h.Replay:
	case !j.Until.IsZero():
		h.For = max(time.Until(j.Until), time.Millisecond)
	case r.target == "engine":
		h.Experiments = huntExperiments
	default:
		h.For = huntTime
	}
	if h.Workers == 0 {
		h.Workers = j.Workers
	}
	h.Progress = func(p hunt.Progress) { j.Tell(p.Experiments, h.Experiments) }
	return h
}

// count makes the result of a cell of what a hunt has shown: what is known is counted by its
// name, and what is new breaks the contract.
func count(res *result.Result, h *hunt.Result, keep int) {
	res.Version, res.Backend = h.Version, h.Backend
	res.Runs, res.Struck, res.Compared = h.Experiments, h.Struck, h.AtStake
	for _, f := range h.Findings {
		switch {
		case f.Known == hunt.Listed:
		case !f.New():
			if res.Findings == nil {
				res.Findings = map[string]int{}
			}
			res.Findings[f.Known] += f.Runs
		default:
			if res.Anomalies == nil {
				res.Anomalies = map[string]int{}
			}
			res.Anomalies[f.Anomaly] += f.Runs
			if len(res.Failures) < keep {
				res.Failures = append(res.Failures, result.Failure{Plan: f.Plan, Dir: f.Dir, Anomaly: f.Anomaly, Story: f.Story, Shrunk: f.Shrunk, Seed: f.Seed()})
			}
		}
	}
	switch {
	case h.Fresh() > 0:
		res.Verdict = result.Violated
		if !slices.ContainsFunc(h.Findings, func(f *hunt.Finding) bool { return f.New() && f.Confirmed() }) {
			res.Verdict, res.Why = result.Unknown, fmt.Sprintf("%d findings were seen once, and replays did not show them again", h.Fresh())
		}
	case h.Struck == 0:
		res.Verdict, res.Why = result.Unknown, fmt.Sprintf("none of %d experiments struck", h.Experiments)
	default:
		res.Verdict = result.Holds
	}
}
