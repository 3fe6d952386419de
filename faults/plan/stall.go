package plan

import (
	"github.com/torntail/torntail/faults/disk"
)

// Stall leaves calls unanswered until the span ends.
type Stall struct{ Target }

func (*Stall) Verb() string { return "stall" }

func (a *Stall) String() string { return "stall " + a.Target.String() }

// Strike leaves the call unanswered.
func (a *Stall) Strike(_ *disk.Call, d *disk.Decision) bool {
	d.Stall = true
	return true
}

func (*Stall) holds() bool { return true }

// Do lets the calls go that it has held.
func (a *Stall) Do(_ Trigger, on System) (why string, err error) {
	h, why := reach[HeldCalls](on, NeedHeldCalls)
	if why != "" {
		return why, nil
	}
	return h.ReleaseCalls(a.Node)
}

func (*Stall) with(t Target) CallFault { return &Stall{t} }

func init() {
	register(Verb{
		Name: "stall", Form: "stall [NODE] OP(GLOB)", Example: "at n1 fsync(*.incr.aof)#2: stall n1 fsync(*.incr.aof) for 3s",
		Shown: "at n1 fsync(f)#1: stall fsync(f) for 30ms",
		Doc:   "calls are not answered until the span ends", needs: []Need{NeedCalls, NeedHeldCalls}, spans: timeSpan | callSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			t, err := c.target()
			return &Stall{t}, err
		},
		generate: func(g *generator) Action { return &Stall{g.target("")} },
	})
}
