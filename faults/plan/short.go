package plan

import (
	"github.com/torntail/torntail/faults/disk"
)

// Short makes writes take at most Bytes bytes (1 or more: Redis spins on a
// write that takes none).
type Short struct {
	Target
	Bytes int64
}

func (*Short) Verb() string { return "short" }

func (a *Short) String() string { return "short " + a.Target.String() + " " + formatBytes(a.Bytes) }

// Strike shortens a write that is longer.
func (a *Short) Strike(c *disk.Call, d *disk.Decision) bool {
	if c.Len <= a.Bytes || d.Short > 0 && d.Short <= a.Bytes {
		return false
	}
	d.Short = a.Bytes
	return true
}

func (a *Short) with(t Target) CallFault { return &Short{t, a.Bytes} }

func init() {
	register(Verb{
		Name: "short", Form: "short [NODE] write(GLOB) BYTES", Example: "at 1s: short write(*.incr.aof) 7 for 2 calls",
		Shown: "at 0s: short write(f) 7 for 1 calls",
		Doc:   "writes take at most so many bytes", needs: []Need{NeedCalls}, spans: timeSpan | callSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			c.skip()
			pos := c.pos
			t, err := c.target()
			if err != nil {
				return nil, err
			}
			if t.Call.Op != "write" {
				return nil, c.expected(pos, "write(GLOB): no other call can be short")
			}
			n, err := c.bytes(1, "")
			return &Short{t, n}, err
		},
		generate: func(g *generator) Action { return &Short{g.target("write"), 1 + g.rng.Int64N(600)} },
	})
}
