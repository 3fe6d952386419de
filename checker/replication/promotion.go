package replication

import (
	"time"

	"github.com/torntail/torntail/checker/history"
)

// Promotion is one server taking another's place as master, and what became of it.
type Promotion struct {
	Event      int // place in History.Events
	At         time.Duration
	Node, From string
	// Again: it had been master before, and went on with what it had then.
	Again bool
	// Lost are the acknowledged writes that it cost: its history began without them, or
	// they are its own and nothing of it is left.
	Lost int
	// Ended is when it ceased to be master, until it was promoted again at least; Never:
	// it is one to the end. How says what it was seen as then: "slave" or "down".
	Ended time.Duration
	How   string
	Left  bool // it is the one master that is left
}

// promotions lists them in the order of time, once it is known what was lost.
func (a *accountant) promotions() {
	lost := map[int]int{} // by event
	for i := range a.out.Lost {
		lost[a.out.Lost[i].Promotion]++
	}
	from := a.terms[0].node
	polls := inTime(a.h, func(ev *history.Event) bool { return ev.Kind == history.RoleSeen })
	for t := 1; t < len(a.terms); t++ {
		term := &a.terms[t]
		if term.returned {
			continue
		}
		if term.resumed {
			from = term.node
			continue
		}
		p := Promotion{Event: term.event, At: term.from, Node: term.node, From: from, Again: before(a.terms, t, term.node) >= 0, Lost: lost[term.event], Ended: history.Never}
		from = term.node
		next := history.Never // promotion of it, or return when it was master no more
		for _, later := range a.terms[t+1:] {
			if later.node == term.node && !later.resumed && (!later.returned || later.to == later.from) {
				next = min(next, later.from)
			}
		}
		for _, i := range polls {
			switch ev := &a.h.Events[i]; {
			case ev.Node != p.Node || ev.At < p.At || ev.At >= next:
			case ev.Text == "master":
				p.Ended, p.How = history.Never, ""
			case p.Ended == history.Never:
				p.Ended, p.How = ev.At, ev.Text
			}
		}
		p.Left = p.Node == a.left && p.Ended == history.Never && next == history.Never
		a.out.Promotions = append(a.out.Promotions, p)
	}
}
