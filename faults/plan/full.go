package plan

import (
	"github.com/torntail/torntail/faults/disk"
)

// Full leaves a disk only Bytes of space: beyond, writes get ENOSPC.
type Full struct {
	Node  string
	Bytes int64
}

func (*Full) Verb() string { return "full" }

func (a *Full) String() string { return "full " + a.Node + " " + formatBytes(a.Bytes) }

func (a *Full) nodes() []string { return []string{a.Node} }

// Do sets the space that is left; all of it when the span is over.
func (a *Full) Do(t Trigger, on System) (why string, err error) {
	disks, why := reach[Disks](on, NeedDisks)
	if why != "" {
		return why, nil
	}
	return disks.OnDisk(a.Node, func(d *disk.Disk) {
		if t.End {
			d.SetFree(-1)
		} else {
			d.SetFree(a.Bytes)
		}
	})
}

func init() {
	register(Verb{
		Name: "full", Form: "full NODE BYTES", Example: "at 1s: full n1 64KiB for 2s",
		Shown: "at 0s: full n1 8000",
		Doc:   "only so much space is left: ENOSPC beyond", needs: []Need{NeedDisks}, spans: timeSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			if err != nil {
				return nil, err
			}
			b, err := c.bytes(0, "")
			return &Full{n, b}, err
		},
		generate: func(g *generator) Action { return &Full{g.server(), g.rng.Int64N(64 << 10)} },
	})
}
