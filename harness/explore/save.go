package explore

import (
	"fmt"
	"path/filepath"

	"github.com/torntail/torntail/harness/campaign"
	"github.com/torntail/torntail/harness/experiment"
	"github.com/torntail/torntail/harness/saved"
)

// Save keeps the smallest example of each cause and finding in a directory below dir,
// for torntail replay, and notes where. Of causes it keeps those that show again.
func (r *Report) Save(o *Options, dir, torntail string, b campaign.Backend) error {
	x, err := o.experiment()
	if err != nil {
		return err
	}
	s := experiment.NewSimulator()
	defer s.Close()
	keep := func(name string, c *Crash) (string, error) {
		if c == nil {
			return "", nil
		}
		to := filepath.Join(dir, fmt.Sprintf("%s-%s-%s", r.Mode, r.Personality, name))
		return to, saved.SaveCrash(to, torntail, b, c.Experiment, c.Outcome, c.Image)
	}
	violations := func(list []Violated, name string) error {
		for i := range list {
			v := &list[i]
			c, plan, same, err := v.g.again(s, x)
			if v.Plan, v.Confirmed = plan, same; err == nil && same {
				v.Dir, err = keep(fmt.Sprint(name, i+1), c)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := violations(r.Groups, ""); err != nil {
		return err
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		c, plan, _, err := f.g.again(s, x)
		if f.Plan = plan; err == nil {
			f.Dir, err = keep(f.Name, c)
		}
		if err != nil {
			return err
		}
	}
	if r.Double == nil {
		return nil
	}
	return violations(r.Double.Groups, "twice-")
}

// again shows a group's example once more, as replay will: of the engine by the plan, in
// a simulator that nobody watches, of a crash in a recovery by starting on what it left,
// in a simulated world. Of a real server that has been done. Of a recovery that harms
// the next start it looks for a second life that shows the harm.
func (g *group) again(s *experiment.Simulator, x *experiment.Experiment) (c *Crash, plan string, same bool, err error) {
	if g.found {
		plan = g.cut.String()
	}
	switch {
	case g.twice && g.crash != nil:
		o, err := saved.AgainInSimulation(g.crash.Outcome, g.crash.Experiment, g.crash.Image)
		return g.crash, "", err == nil && g.same(o), err
	case g.crash != nil || !g.found:
		return g.crash, plan, g.confirmed, nil
	}
	lives := secondLives
	if g.second == "" {
		lives = lives[:1] // there is none
	}
	for _, g.life = range lives {
		c = &Crash{Experiment: g.experiment(x)}
		if c.Outcome, err = s.Run(c.Experiment, nil); err != nil {
			return nil, "", false, err
		}
		if same = g.same(c.Outcome); same {
			break
		}
	}
	return c, c.Experiment.Plan.String(), same, nil
}
