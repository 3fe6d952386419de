package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/torntail/torntail/faults/network"
)

// Network is a world's links, as the faults of a plan set them. The simulated
// world and the proxies between real processes implement it, so that a
// statement means the same in both.
type Network interface {
	// SetLink gives the link from one node to another these faults, and no others.
	SetLink(from, to string, l network.Link)
}

// Links are the directed links from each of From to each of To.
type Links struct{ From, To []string }

func (l Links) String() string {
	return strings.Join(l.From, ",") + " -> " + strings.Join(l.To, ",")
}

func (l Links) nodes() []string { return slices.Concat(l.From, l.To) }

// What most faults of links have in common.
func (l Links) between() Links      { return l }
func (Links) both() bool            { return false }
func (Links) period() time.Duration { return 0 }

// each calls f for each directed link, in the order of the text.
func (l Links) each(both bool, f func(from, to string)) {
	for _, from := range l.From {
		for _, to := range l.To {
			if from == to {
				continue // what a node sends to itself is on no link
			}
			f(from, to)
			if both {
				f(to, from)
			}
		}
	}
}

func (l Links) some() (some bool) {
	l.each(false, func(string, string) { some = true })
	return some
}

func (l Links) concern(both bool, from, to string) bool {
	return slices.Contains(l.From, from) && slices.Contains(l.To, to) ||
		both && slices.Contains(l.From, to) && slices.Contains(l.To, from)
}

// linkFault is a fault of links. They overlap: LinkFaults has those in place.
type linkFault interface {
	Action
	between() Links
	both() bool             // it is also about the links back
	onLink(l *network.Link) // what it makes of a link, together with those placed before it
	period() time.Duration  // between two turns; 0 for what does not turn
}

// sharedLinkFault is one that may be about a share of the bytes alone.
type sharedLinkFault interface {
	linkFault
	onShare(l *network.Link, percent float64)
}

// doLinks carries out a trigger of a fault of links.
func doLinks(a linkFault, t Trigger, on System) (why string, err error) {
	l, why := reach[Linked](on, NeedLinks)
	if why != "" {
		return why, nil
	}
	return l.Links().apply(a, t), nil
}

// LinkFaults keeps which faults of links are in place in one world, because they
// overlap: the end of a cut leaves the delay of another statement, and the end of
// the first of two cuts leaves the second. Of several on one link the last cut
// counts, delays add up, and the lowest rate holds.
type LinkFaults struct {
	// Before, when not nil, is called before a statement changes links; ends says
	// that it ends faults.
	Before func(ends bool)

	net    Network
	placed []placedFault // in the order in which they were put in place
}

type placedFault struct {
	statement *Statement
	fault     linkFault
	open      bool // a flap: its links are open now
}

// NewLinkFaults makes a world's links, on which no fault is in place.
func NewLinkFaults(n Network) *LinkFaults { return &LinkFaults{net: n} }

func (f *LinkFaults) before(ends bool) {
	if f.Before != nil {
		f.Before(ends)
	}
}

// Place puts a statement's fault in place whose action is one of links, outside any plan.
func (f *LinkFaults) Place(s *Statement) {
	a := s.Action.(linkFault)
	f.placed = append(f.placed, placedFault{statement: s, fault: a})
	f.set(a)
}

// Lift ends what Place put in place.
func (f *LinkFaults) Lift(s *Statement) {
	if at := f.at(s); at >= 0 {
		a := f.placed[at].fault
		f.placed = slices.Delete(f.placed, at, at+1)
		f.set(a)
	}
}

// Clear ends everything that is in place, and reports whether something was.
func (f *LinkFaults) Clear() bool {
	healed := f.placed
	f.placed = nil
	for i := range healed {
		f.set(healed[i].fault)
	}
	return len(healed) > 0
}

// InPlace are the texts of the faults that are in place, for people.
func (f *LinkFaults) InPlace() []string {
	texts := make([]string, len(f.placed))
	for i := range f.placed {
		texts[i] = f.placed[i].fault.String()
	}
	return texts
}

func (f *LinkFaults) at(s *Statement) int {
	return slices.IndexFunc(f.placed, func(p placedFault) bool { return p.statement == s })
}

func (f *LinkFaults) apply(a linkFault, t Trigger) (why string) {
	f.before(t.End)
	at := f.at(t.Statement)
	switch {
	case t.End && at >= 0:
		f.Lift(t.Statement)
	case t.Turn && at >= 0:
		f.placed[at].open = t.Open
		f.set(a)
	case t.End || t.Turn: // healed meanwhile
	case !a.between().some():
		return "it names no link between two nodes"
	default:
		f.Place(t.Statement)
	}
	return ""
}

func (f *LinkFaults) heal() (why string) {
	f.before(true)
	if !f.Clear() {
		return "no fault of a link was in place"
	}
	return ""
}

// set sets the links that a fault is about, to what is in place now.
func (f *LinkFaults) set(a linkFault) {
	a.between().each(a.both(), func(from, to string) { f.net.SetLink(from, to, f.link(from, to)) })
}

// link is what the faults in place make of a link.
func (f *LinkFaults) link(from, to string) (l network.Link) {
	for i := range f.placed {
		if p := &f.placed[i]; !p.open && p.fault.between().concern(p.fault.both(), from, to) {
			if of, ok := p.fault.(sharedLinkFault); ok && p.statement.Percent > 0 {
				of.onShare(&l, p.statement.Percent)
			} else {
				p.fault.onLink(&l)
			}
		}
	}
	return l
}

func (c *cursor) links() (l Links, err *Error) {
	if l.From, err = c.nodeList(); err != nil {
		return l, err
	}
	if err = c.sign("->"); err != nil {
		return l, err
	}
	l.To, err = c.nodeList()
	return l, err
}
