package plan

import (
	"github.com/torntail/torntail/faults/disk"
)

// ReadOnly remounts a disk read-only, as ext4 does after an error.
type ReadOnly struct{ Node string }

func (*ReadOnly) Verb() string { return "readonly" }

func (a *ReadOnly) String() string { return "readonly " + a.Node }

func (a *ReadOnly) nodes() []string { return []string{a.Node} }

// Do remounts the disk: read-only, and writable when the span is over.
func (a *ReadOnly) Do(t Trigger, on System) (why string, err error) {
	disks, why := reach[Disks](on, NeedDisks)
	if why != "" {
		return why, nil
	}
	return disks.OnDisk(a.Node, func(d *disk.Disk) { d.SetReadOnly(!t.End) })
}

func init() {
	register(Verb{
		Name: "readonly", Form: "readonly NODE", Example: "at 1s: readonly n1 for 2s",
		Shown: "at n1 write(f)#2: readonly n1",
		Doc:   "the disk is remounted read-only: EROFS", needs: []Need{NeedDisks}, spans: timeSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &ReadOnly{n}, err
		},
		generate: func(g *generator) Action { return &ReadOnly{g.server()} },
	})
}
