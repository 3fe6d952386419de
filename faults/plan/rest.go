package plan

import (
	"slices"
	"strconv"
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

// TruncateAtRest takes By bytes off the end of every file that matches,
// between a crash and the restart.
type TruncateAtRest struct {
	Node string // "": every node
	Glob string
	By   int64
}

func (*CorruptAtRest) Verb() string  { return "corrupt" }
func (*TruncateAtRest) Verb() string { return "truncate" }

func (a *CorruptAtRest) String() string {
	what := " bit "
	if a.Page {
		what = " page "
	}
	return "corrupt " + nodePrefix(a.Node) + quoteGlob(a.Glob) + what + strconv.FormatInt(a.Offset, 10)
}

func (a *TruncateAtRest) String() string {
	return "truncate " + nodePrefix(a.Node) + quoteGlob(a.Glob) + " by " + formatBytes(a.By)
}

func nodePrefix(node string) string {
	if node == "" {
		return ""
	}
	return node + " "
}

func (a *CorruptAtRest) nodes() []string  { return Target{Node: a.Node}.nodes() }
func (a *TruncateAtRest) nodes() []string { return Target{Node: a.Node}.nodes() }

// Matches reports whether a file at rest is one of those meant.
func (a *CorruptAtRest) Matches(node, path string) bool {
	g := compileGlob(a.Glob)
	return (a.Node == "" || a.Node == node) && g.match(path)
}

// Matches reports whether a file at rest is one of those meant.
func (a *TruncateAtRest) Matches(node, path string) bool {
	g := compileGlob(a.Glob)
	return (a.Node == "" || a.Node == node) && g.match(path)
}

// nodeAndGlob reads [NODE] GLOB before one of the keywords. With one word
// before the keyword it is the pattern, with two the first is the node.
func (c *cursor) nodeAndGlob(keywords ...string) (node, g string, err *Error) {
	saved := c.pos
	w, _ := c.word()
	aWord := isNode(w) && c.pos < len(c.text) && isBlank(c.text[c.pos])
	if next := c.token(); aWord && next != "" && !slices.Contains(keywords, next) {
		node = w
	} else {
		c.pos = saved
	}
	g, err = c.glob(false)
	return node, g, err
}

// needsOurFiles is why files at rest are out of reach in a backend.
func needsOurFiles(b Backend) string {
	if b == Block {
		return fileSystemFaults(b)
	}
	return needsFaultDisk(b)
}

func init() {
	register(Verb{
		Name: "corrupt", Form: "corrupt [NODE] GLOB bit|page OFFSET", Example: "at +10ms: corrupt n1 *.incr.aof bit 4096",
		Doc: "flip a bit, or zero a page, of files at rest (between crash and restart)", weight: 1, available: needsOurFiles,
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
	register(Verb{
		Name: "truncate", Form: "truncate [NODE] GLOB by BYTES", Example: "at +10ms: truncate *.incr.aof by 7",
		Doc: "cut the end off files at rest (between crash and restart)", weight: 1, available: needsOurFiles,
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
