package explore

import (
	"fmt"

	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/saved"
	"github.com/torntail/torntail/reports/result"
)

// SaveCrashes keeps the smallest example of each cause and finding of a real
// server: what the crash left, and the run until then. save returns the directory.
func (r *Report) SaveCrashes(save func(name string, c *Crash) (string, error)) (err error) {
	keep := func(name string, g *group, dir *string) {
		if err == nil && g != nil && g.crash != nil {
			*dir, err = save(fmt.Sprintf("%s-%s-%s", r.Mode, r.Personality, name), g.crash)
		}
	}
	for i := range r.Groups {
		v := &r.Groups[i]
		v.Plan = v.g.plan()
		if v.Confirmed = v.g.confirmed; v.Confirmed {
			keep(fmt.Sprint(i+1), v.g, &v.Dir)
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Plan = f.g.plan()
		keep(f.Name, f.g, &f.Dir)
	}
	return err
}

// SaveTwice keeps the first example of what crashes in recoveries left. It starts
// the engine on each once more, in a simulated world, as replay will.
func (r *Report) SaveTwice(save func(name string, c *Crash) (string, error)) error {
	if r.Double == nil {
		return nil
	}
	for i := range r.Double.Groups {
		t := &r.Double.Groups[i]
		if t.crash == nil {
			continue
		}
		o, err := saved.AgainInSimulation(t.crash.Outcome, t.crash.Experiment, t.crash.Image)
		if err != nil {
			return err
		}
		t.Confirmed = o.Verdict == result.Violated && o.Anomalies[0].Name == t.Anomaly
		if !t.Confirmed {
			continue
		}
		if t.Dir, err = save(fmt.Sprintf("%s-%s-twice-%d", r.Mode, r.Personality, i+1), t.crash); err != nil {
			return err
		}
	}
	return nil
}

// plan is the statement that says where a group's example was met.
func (g *group) plan() string {
	if !g.found {
		return ""
	}
	return g.cut.String()
}

// Save keeps the smallest example of each cause and finding for torntail
// replay. It runs each once more as replay will, in a simulator of its own and
// unwatched, and keeps what that run shows. save returns the directory.
func (r *Report) Save(o *Options, save func(name string, x *experiment.Experiment, out *experiment.Outcome) (string, error)) error {
	x, err := o.experiment()
	if err != nil {
		return err
	}
	s := experiment.NewSimulator()
	defer s.Close()
	for i := range r.Groups {
		v := &r.Groups[i]
		if !v.g.found {
			continue
		}
		again, out, err := v.confirm(s, x)
		if err != nil {
			return err
		}
		if !v.Confirmed {
			continue
		}
		if v.Dir, err = save(fmt.Sprintf("%s-%s-%d", r.Mode, r.Personality, i+1), again, out); err != nil {
			return err
		}
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		again := f.g.experiment(x)
		f.Plan = again.Plan.String()
		out, err := s.Run(again, nil)
		if err != nil {
			return err
		}
		if f.Dir, err = save(fmt.Sprintf("%s-%s-%s", r.Mode, r.Personality, f.Name), again, out); err != nil {
			return err
		}
	}
	return nil
}

// confirm runs the example once more. Of a recovery that harms the next start it
// looks for a second life that shows the harm.
func (v *Violated) confirm(s *experiment.Simulator, x *experiment.Experiment) (again *experiment.Experiment, out *experiment.Outcome, err error) {
	lives := secondLives
	if v.g.second == "" {
		lives = lives[:1] // there is none
	}
	for _, v.g.life = range lives {
		again = v.g.experiment(x)
		v.Plan = again.Plan.String()
		if out, err = s.Run(again, nil); err != nil {
			return nil, nil, err
		}
		if v.Confirmed = v.g.same(out); v.Confirmed {
			return again, out, nil
		}
	}
	return again, out, nil
}
