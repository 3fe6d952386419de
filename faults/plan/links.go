package plan

import (
	"fmt"
	"slices"

	"github.com/torntail/torntail/faults/network"
)

// Network is a world's links, as the faults of a plan set them. The simulated
// world and the proxies between real processes implement it, so that a
// statement means the same in both.
type Network interface {
	// SetLink gives the link from one node to another these faults, and no others.
	SetLink(from, to string, l network.Link)
}

// OnLinks reports whether LinkFaults.Apply carries the action out.
func OnLinks(a Action) bool {
	switch a.(type) {
	case *Cut, *Delay, *SlowLink, *LoseNew, *Flap, *Heal:
		return true
	}
	return false
}

// LinkFaults keeps which faults of links are in place in one run, because they
// overlap: the end of a cut leaves the delay of another statement, and the end of
// the first of two cuts leaves the second. Of several on one link the last cut
// counts, delays add up, and the lowest rate holds.
type LinkFaults struct {
	placed []placedFault // in the order in which they were put in place
}

type placedFault struct {
	index  int // of the statement in its plan
	action Action
	open   bool // a flap: its links are open now
}

// Apply carries out a trigger whose action is OnLinks. why says that there was
// nothing to strike.
func (f *LinkFaults) Apply(t Trigger, n Network) (why string) {
	a := t.Statement.Action
	if _, ok := a.(*Heal); ok {
		if len(f.placed) == 0 {
			return "no fault of a link was in place"
		}
		healed := f.placed
		f.placed = nil
		for i := range healed {
			f.set(healed[i].action, n)
		}
		return ""
	}
	at := slices.IndexFunc(f.placed, func(p placedFault) bool { return p.index == t.Index })
	switch {
	case t.End || t.Turn:
		if at < 0 {
			return "" // healed meanwhile
		}
		if f.placed[at].open = t.Open; t.End {
			f.placed = slices.Delete(f.placed, at, at+1)
		}
	case !someLink(a):
		return "it names no link between two nodes"
	default:
		f.placed = append(f.placed, placedFault{index: t.Index, action: a})
	}
	f.set(a, n)
	return ""
}

// InPlace are the texts of the faults that are in place, for people.
func (f *LinkFaults) InPlace() []string {
	texts := make([]string, len(f.placed))
	for i := range f.placed {
		texts[i] = f.placed[i].action.String()
	}
	return texts
}

// set sets the links that an action is about, to what is in place now.
func (f *LinkFaults) set(a Action, n Network) {
	eachLink(a, func(from, to string) { n.SetLink(from, to, f.link(from, to)) })
}

// link is what the faults in place make of a link.
func (f *LinkFaults) link(from, to string) (l network.Link) {
	for i := range f.placed {
		p := &f.placed[i]
		if p.open || !concerns(p.action, from, to) {
			continue
		}
		switch a := p.action.(type) {
		case *Cut:
			l.Cut = a.How.onLink()
		case *Flap:
			l.Cut = a.How.onLink()
		case *Delay:
			l.Delay += a.By
		case *SlowLink:
			if l.BytesPerSecond == 0 || a.Rate < l.BytesPerSecond {
				l.BytesPerSecond = a.Rate
			}
		case *LoseNew:
			l.LoseNew = true
		}
	}
	return l
}

// onLink is the cut as a link knows it.
func (h CutHow) onLink() network.Cut {
	how, err := network.ParseCut(cutWords[h])
	if err != nil {
		panic(fmt.Sprintf("plan: the words of cuts differ: %v", err))
	}
	return how
}

// linksOf are the links of an action, and whether both directions are meant.
func linksOf(a Action) (l Links, both bool) {
	switch a := a.(type) {
	case *Cut:
		return a.Links, a.Both
	case *Flap:
		return a.Links, a.Both
	case *Delay:
		return a.Links, false
	case *SlowLink:
		return a.Links, false
	case *LoseNew:
		return a.Links, false
	}
	return Links{}, false
}

// eachLink calls f for each directed link of an action, in the order of its text.
func eachLink(a Action, f func(from, to string)) {
	l, both := linksOf(a)
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

func someLink(a Action) (some bool) {
	eachLink(a, func(string, string) { some = true })
	return some
}

func concerns(a Action, from, to string) bool {
	l, both := linksOf(a)
	return slices.Contains(l.From, from) && slices.Contains(l.To, to) ||
		both && slices.Contains(l.From, to) && slices.Contains(l.To, from)
}
