package explore

import (
	"fmt"
	"path"
	"strings"

	"github.com/torntail/torntail/faults/disk"
)

// Cause says which two operations a violating state tells apart.
type Cause struct {
	// Text is the sentence for people.
	Text string `json:"text"`
	// File is the one whose sync is missing or misplaced.
	File string `json:"file"`
	// Lost are the operations that the smallest example misses, Survives what it
	// has, or what had been promised, all the same.
	Lost     []string `json:"lost"`
	Survives string   `json:"survives"`
	// Sync is "missing", "late" (it comes after), "in flight", "returned" (it had
	// returned: the disk broke its word), or "none" where no sync would help.
	Sync string `json:"sync"`

	y     []*call
	names []string // present paths of their files
	x     event
}

// explain fills in a group's cause.
func (e *explorer) explain(g *group) {
	c := &g.cause
	c.Survives = c.x.String()
	for _, y := range c.y {
		c.Lost = append(c.Lost, y.String())
	}
	switch {
	case g.second != "":
		e.explainSecond(g)
	case g.anomaly.Name == "late-sync":
		c.Sync, c.Text = "missing", "no sync began in time: "+oneLine(g.anomaly.Story)
	case len(c.y) > 0:
		e.explainLoss(c)
	case g.asIs:
		c.Sync = "none"
		c.Text = fmt.Sprintf("the image that %q leaves after %s violates the contract", g.choice.String(), c.x)
	default:
		c.Sync = "none"
		if c.x.call != nil {
			c.File = c.x.call.Path
		}
		c.Text = fmt.Sprintf("no sync is missing: everything that was written survives, and still the state is wrong from %s on", c.x)
		if g.mends != nil {
			c.Text += fmt.Sprintf(" until %s, which should have come first", *g.mends)
		}
	}
}

// explainLoss is the cause where an operation y is lost and x was done relying on it.
func (e *explorer) explainLoss(c *Cause) {
	y := c.y[0]
	var lost []string
	name := isName(y)
	what, where := "data", y.Path
	c.File = y.Path
	if now := c.names[0]; now != "" && now != y.Path && !name {
		where, c.File = fmt.Sprintf("%s (written as %s)", now, y.Path), now
	}
	if name {
		what = "name"
		where = y.Path
		if y.Path2 != "" {
			where = y.Path2
		}
		c.File = where
	}
	for _, l := range c.y {
		lost = append(lost, fmt.Sprintf("%s #%d", l.Kind, l.ID))
	}
	list := strings.Join(lost, ", ")
	synced := "fsync of " + c.File
	if name {
		synced = "fsync of directory " + path.Dir(c.File)
	}
	survives := "state survives " + c.x.String()
	if c.x.call == nil && !c.x.exit {
		survives = "a client is told that its write took effect, by " + c.x.String() + ","
	}
	c.Text = fmt.Sprintf("%s without the %s of %s, because ", survives, what, where)
	before, after := e.syncs(y, c.x, name)
	switch {
	case before != nil && before.done < c.x.number:
		c.Sync = "returned"
		c.Text += fmt.Sprintf("%s, which had returned, made %s not durable", before, list)
	case before != nil:
		c.Sync = "in flight"
		c.Text += fmt.Sprintf("%s is still in flight after %s", before, list)
	case after != nil:
		c.Sync = "late"
		c.Text += fmt.Sprintf("%s comes after it, not between it and %s", after, list)
	default:
		c.Sync = "missing"
		c.Text += fmt.Sprintf("there is no %s between %s and it", synced, list)
	}
}

// syncs finds a sync that would have made y durable: one that entered between
// y and x, or else the first one after x. Where everything becomes durable in order, any
// will do, and one of y's own file or directory is named rather than another.
func (e *explorer) syncs(y *call, x event, name bool) (before, after *call) {
	p, err := disk.PersonalityByName(e.o.Personality)
	inOrder := err == nil && p.Has(disk.AllInOrder)
	own := false // before is one of y's own
	for id := y.ID + 1; id <= e.last; id++ {
		s := e.calls[id]
		if s == nil || !s.Kind.IsSync() {
			continue
		}
		its := !name && s.Ino == y.Ino || name && s.Kind == disk.OpDirSync &&
			(path.Clean(s.Path) == path.Dir(y.Path) || y.Path2 != "" && path.Clean(s.Path) == path.Dir(y.Path2))
		if !its && (!inOrder || s.Kind == disk.OpSyncRange) {
			continue
		}
		switch {
		case x.call != nil && s.ID > x.call.ID, x.call == nil && s.enter > x.at:
			if after == nil {
				after = s
			}
		case before == nil, s.done < x.number && (its || !own):
			before, own = s, its
		}
	}
	return before, after
}

// explainSecond is the cause where the recovery itself is at fault.
func (e *explorer) explainSecond(g *group) {
	c := &g.cause
	c.Sync, c.File = "none", g.file
	c.Text = "the recovery leaves something that the next start cannot read: " + g.second
	if g.file != "" && !g.truncated {
		c.Text = fmt.Sprintf("the tail of %s is loaded as truncated and is not cut off, because the recovery makes no truncate call on it; "+
			"what is written next stands behind the debris: %s", g.file, g.second)
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
