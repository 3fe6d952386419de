package plan

import (
	"strings"
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// All stands for every node that has a disk, in PowerCut.
const All = "all"

// Kill is SIGKILL: memory is gone, the page cache survives. Tree kills the
// process's children with it; without, a snapshot child lives on.
type Kill struct {
	Node string
	Tree bool
}

// Term is SIGTERM: an orderly shutdown.
type Term struct{ Node string }

// Pause stops the process (SIGSTOP) until the span ends or it is restarted.
type Pause struct{ Node string }

// Restart starts the server again on what its disk holds.
type Restart struct{ Node string }

// PowerCut takes a machine's memory and page cache.
type PowerCut struct {
	Node string // or All
	// Keep says what of the rest survives, when HasKeep; else the run's own
	// seeded generator chooses.
	Keep    disk.Choice
	HasKeep bool
}

// Clock moves the wall clock of a node. By is not zero.
type Clock struct {
	Node string
	By   time.Duration
}

func (*Kill) Verb() string     { return "kill" }
func (*Term) Verb() string     { return "term" }
func (*Pause) Verb() string    { return "pause" }
func (*Restart) Verb() string  { return "restart" }
func (*PowerCut) Verb() string { return "power-cut" }
func (*Clock) Verb() string    { return "clock" }

func (a *Kill) String() string {
	if a.Tree {
		return "kill " + a.Node + " tree"
	}
	return "kill " + a.Node
}
func (a *Term) String() string    { return "term " + a.Node }
func (a *Pause) String() string   { return "pause " + a.Node }
func (a *Restart) String() string { return "restart " + a.Node }
func (a *PowerCut) String() string {
	s := "power-cut " + a.Node
	if !a.HasKeep {
		return s
	}
	return s + " " + a.Keep.Clause()
}
func (a *Clock) String() string {
	sign := "+"
	if a.By < 0 {
		sign = "" // the duration brings its own
	}
	return "clock " + a.Node + " " + sign + a.By.String()
}

func (a *Kill) nodes() []string    { return []string{a.Node} }
func (a *Term) nodes() []string    { return []string{a.Node} }
func (a *Pause) nodes() []string   { return []string{a.Node} }
func (a *Restart) nodes() []string { return []string{a.Node} }
func (a *PowerCut) nodes() []string {
	if a.Node == All {
		return nil
	}
	return []string{a.Node}
}
func (a *Clock) nodes() []string { return []string{a.Node} }

// needsFaultDisk is the reason why power cuts and the like need our own disk.
func needsFaultDisk(b Backend) string {
	switch b {
	case Cluster:
		return "the servers of a cluster are on the host's own disk, which cannot lose what it was not told to keep"
	case ProcessHost:
		return "the host's own disk cannot lose what it was not told to keep; it needs --disk fuse"
	}
	return ""
}

// needsServers is why a mounted disk cannot do what takes more than its programs'
// process ids.
func needsServers(b Backend) string {
	if b == Mount {
		return "torntail did not start the programs that use the disk"
	}
	return ""
}

func init() {
	register(Verb{
		Name: "kill", Form: "kill NODE [tree]", Example: "at 1.2s: kill n1",
		Doc:      "SIGKILL: memory is gone, what reached write(2) survives; with tree its children die too",
		optional: []string{"tree"}, weight: 3,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Kill{Node: n, Tree: err == nil && c.accept("tree")}, err
		},
		generate: func(g *generator) Action { return &Kill{Node: g.server(), Tree: g.chance(2)} },
	})
	register(Verb{
		Name: "term", Form: "term NODE", Example: "at 1.2s: term n1",
		Doc: "SIGTERM: an orderly shutdown", weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Term{Node: n}, err
		},
		generate: func(g *generator) Action { return &Term{Node: g.server()} },
	})
	register(Verb{
		Name: "pause", Form: "pause NODE", Example: "at ack#5000: pause n2 for 3s",
		Doc: "SIGSTOP, until the span ends", spans: timeSpan, weight: 1,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Pause{Node: n}, err
		},
		generate: func(g *generator) Action { return &Pause{Node: g.server()} },
	})
	register(Verb{
		Name: "restart", Form: "restart NODE", Example: "at +200ms: restart n1",
		Doc: "start the server again on what its disk holds", weight: 3, available: needsServers,
		parse: func(c *cursor) (Action, *Error) {
			n, err := c.node()
			return &Restart{Node: n}, err
		},
		generate: func(g *generator) Action { return &Restart{Node: g.server()} },
	})
	register(Verb{
		Name: "power-cut", Form: "power-cut NODE|all [keep CHOICE]",
		Example: "at n1 fsync(*.incr.aof)#3 in-flight: power-cut n1 keep torn 512",
		Doc:     "memory and page cache are gone; keep says what of the unsynced rest survives",
		weight:  4, optional: []string{"keep"}, available: needsFaultDisk,
		parse:    parsePowerCut,
		generate: generatePowerCut,
	})
	register(Verb{
		Name: "clock", Form: "clock NODE +DURATION|-DURATION", Example: "at 1s: clock n1 +30s",
		Doc: "move the node's wall clock", weight: 1,
		available: func(b Backend) string {
			if b == Sim {
				return ""
			}
			return "a real process reads the machine's own clock"
		},
		parse: parseClock,
		generate: func(g *generator) Action {
			by := g.duration(time.Millisecond, time.Minute)
			if g.chance(2) {
				by = -by
			}
			return &Clock{Node: g.server(), By: by}
		},
	})
}

// choiceWords begin a choice of what survives.
var choiceWords = []string{"none", "all", "prefix", "torn", "drop", "keep", "random"}

func parsePowerCut(c *cursor) (Action, *Error) {
	n, pos := c.word()
	if !isNode(n) {
		return nil, c.expected(pos, "a node, such as n1, or all")
	}
	a := &PowerCut{Node: n}
	if !c.accept("keep") {
		return a, nil
	}
	// "keep keep 3,5" is what the table of the grammar says, "keep 3,5" what one
	// writes: both are read, the short one is printed.
	w, pos := c.word()
	rest := strings.TrimSpace(c.text[c.pos:])
	if !knownChoice(w) && (w == "" || w[0] < '0' || w[0] > '9') {
		return nil, c.misspelt(pos, w, "what survives: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED", choiceWords)
	}
	choice, perr := disk.ParseChoice(c.text[pos:])
	if perr != nil || (w == "none" || w == "all") && rest != "" {
		return nil, c.expected(pos, "what survives: none, all, prefix K, torn BYTES, drop IDS, keep IDS or random SEED")
	}
	c.pos = len(c.text)
	a.Keep, a.HasKeep = choice, true
	return a, nil
}

func knownChoice(w string) bool {
	for _, x := range choiceWords {
		if w == x {
			return true
		}
	}
	return false
}

func generatePowerCut(g *generator) Action {
	a := &PowerCut{Node: g.server()}
	if len(g.o.Servers) > 1 && g.chance(4) {
		a.Node = All
	}
	if g.chance(4) {
		return a
	}
	a.Keep, a.HasKeep = g.choice(), true
	return a
}

func parseClock(c *cursor) (Action, *Error) {
	n, err := c.node()
	if err != nil {
		return nil, err
	}
	w, pos := c.word()
	d, perr := time.ParseDuration(w)
	if perr != nil || d == 0 || w[0] != '+' && w[0] != '-' {
		return nil, c.expected(pos, "how far to move the clock, such as +30s or -5s")
	}
	return &Clock{Node: n, By: d}, nil
}
