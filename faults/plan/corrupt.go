package plan

import (
	"strconv"

	"github.com/torntail/torntail/faults/disk"
)

// CorruptAtRest damages every file that matches, between a crash and the
// restart. Offsets are from the start of the file; a file that is shorter is
// left as it is.
type CorruptAtRest struct {
	Node string // "": every node
	Glob string
	// Page: the 4 KiB page that holds byte Offset becomes zeroes. Otherwise bit
	// Offset is flipped: bit Offset%8, the lowest being 0, of byte Offset/8.
	Page   bool
	Offset int64
}

func (*CorruptAtRest) Verb() string { return "corrupt" }

func (a *CorruptAtRest) String() string {
	what := " bit "
	if a.Page {
		what = " page "
	}
	return "corrupt " + nodePrefix(a.Node) + quoteGlob(a.Glob) + what + strconv.FormatInt(a.Offset, 10)
}

func (a *CorruptAtRest) nodes() []string { return Target{Node: a.Node}.nodes() }

// Do damages the files.
func (a *CorruptAtRest) Do(_ Trigger, on System) (why string, err error) {
	return damage(on, a.Node, a.Glob, func(d *disk.Disk, path string) error {
		if a.Page {
			return d.ZeroAt(path, a.Offset)
		}
		return d.CorruptAt(path, a.Offset/8, 1<<(a.Offset%8))
	})
}

func init() {
	register(Verb{
		Name: "corrupt", Form: "corrupt [NODE] GLOB bit|page OFFSET", Example: "at +10ms: corrupt n1 *.incr.aof bit 4096",
		Shown: "at n1 mkdir(x)#1: kill n1\nat +1ms: corrupt f bit 9",
		Doc:   "flip a bit, or zero a page, of files at rest (between crash and restart)", needs: []Need{NeedAtRest}, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, g, err := c.nodeAndGlob("bit", "page")
			if err != nil {
				return nil, err
			}
			what, err := c.oneOf("bit or page", "bit", "page")
			if err != nil {
				return nil, err
			}
			off, err := c.count(0, "an offset, a number from 0")
			return &CorruptAtRest{Node: n, Glob: g, Page: what == "page", Offset: off}, err
		},
		generate: func(g *generator) Action {
			return &CorruptAtRest{Node: g.maybeServer(), Glob: g.glob(), Page: g.chance(2), Offset: g.rng.Int64N(1 << 16)}
		},
	})
}
