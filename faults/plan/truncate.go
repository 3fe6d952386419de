package plan

import (
	"github.com/torntail/torntail/faults/disk"
)

// TruncateAtRest takes By bytes off the end of every file that matches,
// between a crash and the restart.
type TruncateAtRest struct {
	Node string // "": every node
	Glob string
	By   int64
}

func (*TruncateAtRest) Verb() string { return "truncate" }

func (a *TruncateAtRest) String() string {
	return "truncate " + nodePrefix(a.Node) + quoteGlob(a.Glob) + " by " + formatBytes(a.By)
}

func (a *TruncateAtRest) nodes() []string { return Target{Node: a.Node}.nodes() }

// Do shortens the files.
func (a *TruncateAtRest) Do(_ Trigger, on System) (why string, err error) {
	return damage(on, a.Node, a.Glob, func(d *disk.Disk, path string) error { return d.TruncateAtRest(path, a.By) })
}

func init() {
	register(Verb{
		Name: "truncate", Form: "truncate [NODE] GLOB by BYTES", Example: "at +10ms: truncate *.incr.aof by 7",
		Shown: "at n1 mkdir(x)#1: kill n1\nat +1ms: truncate f by 2",
		Doc:   "cut the end off files at rest (between crash and restart)", needs: []Need{NeedAtRest}, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, g, err := c.nodeAndGlob("by")
			if err != nil {
				return nil, err
			}
			if _, err := c.oneOf(`"by"`, "by"); err != nil {
				return nil, err
			}
			by, err := c.bytes(1, "")
			return &TruncateAtRest{Node: n, Glob: g, By: by}, err
		},
		generate: func(g *generator) Action {
			return &TruncateAtRest{Node: g.maybeServer(), Glob: g.glob(), By: 1 + g.rng.Int64N(64)}
		},
	})
}
