package plan

import (
	"strings"

	"github.com/torntail/torntail/faults/disk"
)

// All stands for every node that has a disk, in PowerCut.
const All = "all"

// PowerCut takes a machine's memory and page cache, or those of several at one instant.
type PowerCut struct {
	Node string   // or All
	More []string // whose power goes with it
	// Keep says what of the rest survives, when HasKeep; else the run's own
	// seeded generator chooses.
	Keep    disk.Choice
	HasKeep bool
}

func (*PowerCut) Verb() string { return "power-cut" }

func (a *PowerCut) String() string {
	s := "power-cut " + strings.Join(a.all(), ",")
	if !a.HasKeep {
		return s
	}
	return s + " " + a.Keep.Clause()
}

func (a *PowerCut) nodes() []string {
	if a.Node == All {
		return nil
	}
	return a.all()
}

func (a *PowerCut) all() []string { return append([]string{a.Node}, a.More...) }

// Do cuts the power.
func (a *PowerCut) Do(_ Trigger, on System) (why string, err error) {
	p, why := reach[Power](on, NeedPower)
	if why != "" {
		return why, nil
	}
	var keep *disk.Choice
	if a.HasKeep {
		choice := a.Keep
		keep = &choice
	}
	return p.PowerCut(a.all(), keep)
}

func (*PowerCut) endsLife() {}

func init() {
	register(Verb{
		Name: "power-cut", Form: "power-cut NODES|all [keep CHOICE]",
		Example: "at n1 fsync(*.incr.aof)#3 in-flight: power-cut n1 keep torn 512",
		Shown:   "at n1 mkdir(x)#1: power-cut n1 keep none",
		Doc:     "memory and page cache are gone, of several nodes (n1,n2) at one instant; keep says what of the unsynced rest survives", needs: []Need{NeedPower},
		weight: 4, optional: []string{"keep"},
		parse:    parsePowerCut,
		generate: generatePowerCut,
	})
}

// choiceWords begin a choice of what survives.
var choiceWords = []string{"none", "all", "prefix", "torn", "drop", "keep", "random"}

func parsePowerCut(c *cursor) (Action, *Error) {
	if w := c.peek(); !isNode(w) {
		c.skip()
		return nil, c.expected(c.pos, "a node, such as n1, or all")
	}
	nodes, err := c.nodeList()
	if err != nil {
		return nil, err
	}
	a := &PowerCut{Node: nodes[0]}
	if len(nodes) > 1 {
		a.More = nodes[1:]
	}
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
