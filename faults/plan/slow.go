package plan

import (
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// Slow adds By to the duration of calls.
type Slow struct {
	Target
	By time.Duration
}

func (*Slow) Verb() string { return "slow" }

func (a *Slow) String() string { return "slow " + a.Target.String() + " " + a.By.String() }

// Strike makes the call last longer.
func (a *Slow) Strike(_ *disk.Call, d *disk.Decision) bool {
	d.Delay += a.By
	return true
}

func (a *Slow) with(t Target) CallFault { return &Slow{t, a.By} }

func init() {
	register(Verb{
		Name: "slow", Form: "slow [NODE] OP(GLOB) DURATION", Example: "at 1s: slow fsync(*.incr.aof) 3s for 5s",
		Shown: "at 0s: slow fsync(f) 30ms for 2 calls",
		Doc:   "calls take so much longer", needs: []Need{NeedCalls}, spans: timeSpan | callSpan, weight: 2,
		parse: func(c *cursor) (Action, *Error) {
			t, err := c.target()
			if err != nil {
				return nil, err
			}
			d, err := c.duration()
			return &Slow{t, d}, err
		},
		generate: func(g *generator) Action { return &Slow{g.target(""), g.duration(time.Millisecond, 4*time.Second)} },
	})
}
