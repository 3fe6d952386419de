package sim

import (
	"fmt"
	"math"
	"time"

	"github.com/torntail/torntail/faults/network"
)

// changeLink applies a change to the link from one node to another and records it.
func (w *World) changeLink(from, to, what string, arg uint64, change func(l *network.Link)) (*Node, *Node) {
	a, b := w.lookup(from), w.lookup(to)
	if a == nil || b == nil {
		panic(fmt.Sprintf("sim: link between unknown nodes %q and %q", from, to))
	}
	change(w.links.Link(a.id, b.id))
	w.event(traceLink, uint64(a.id)<<32|uint64(b.id), arg)
	mixBytes(w, what)
	if w.trace != nil {
		w.line("%s %s -> %s %d", what, from, to, arg)
	}
	return a, b
}

// Link is the link from one node to another, to look at; the world's methods change it.
func (w *World) Link(from, to string) network.Link {
	return *w.links.Link(w.lookup(from).id, w.lookup(to).id)
}

// Cut cuts the link from one node to another, in that direction only. Messages in
// flight meet the cut too. network.Open ends a cut and leaves other faults.
func (w *World) Cut(from, to string, how network.Cut) {
	before := w.Link(from, to).Cut
	a, b := w.changeLink(from, to, "cut", uint64(how), func(l *network.Link) { l.Cut = how })
	switch how {
	case network.Reset:
		w.pipesOver(a, b, func(p *pipe) { p.s.breakNow() })
	case network.Drop:
		if before == network.Hold {
			// What was held back is lost with the rest.
			w.pipesOver(a, b, func(p *pipe) {
				if p.held {
					p.lose()
				}
			})
		}
	case network.Open:
		if before != network.Open {
			w.pipesOver(a, b, func(p *pipe) { p.heal() })
		}
	}
}

// SetLink gives a link all the faults of another, and no more.
func (w *World) SetLink(from, to string, want network.Link) {
	is := w.Link(from, to)
	if is.Delay != want.Delay {
		w.Delay(from, to, want.Delay)
	}
	if is.BytesPerSecond != want.BytesPerSecond {
		w.SlowLink(from, to, want.BytesPerSecond)
	}
	if is.LoseNew != want.LoseNew || is.First != want.First {
		w.loseNew(from, to, want.LoseNew, want.First)
	}
	if is.LateBy != want.LateBy || is.LatePercent != want.LatePercent {
		w.changeLink(from, to, "late", uint64(want.LateBy)^math.Float64bits(want.LatePercent), func(l *network.Link) {
			changed := *l
			changed.LateBy, changed.LatePercent = want.LateBy, want.LatePercent
			l.Become(changed)
		})
	}
	if is.Cut != want.Cut { // last: what was held arrives over the link as it is now
		w.Cut(from, to, want.Cut)
	}
}

// Heal makes a link perfect again; what it held arrives.
func (w *World) Heal(from, to string) {
	a, b := w.changeLink(from, to, "heal", 0, func(l *network.Link) { *l = network.Link{} })
	w.pipesOver(a, b, func(p *pipe) { p.heal() })
}

// HealAll heals every link.
func (w *World) HealAll() {
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if *w.links.Link(a.id, b.id) != (network.Link{}) {
				w.Heal(a.name, b.name)
			}
		}
	}
}

// Delay adds d to the time each message takes from one node to another.
func (w *World) Delay(from, to string, d time.Duration) {
	w.changeLink(from, to, "delay", uint64(d), func(l *network.Link) { l.Delay = d })
}

// SlowLink limits a link to so many bytes a second; 0 is no limit.
func (w *World) SlowLink(from, to string, bytesPerSecond int64) {
	w.changeLink(from, to, "slow-link", uint64(bytesPerSecond), func(l *network.Link) { l.BytesPerSecond = bytesPerSecond })
}

// LoseNew makes a link lose the first message of new connections.
func (w *World) LoseNew(from, to string, on bool) { w.loseNew(from, to, on, 0) }

// loseNew is LoseNew of the first new connections alone, where first is above 0.
func (w *World) loseNew(from, to string, on bool, first int) {
	var arg uint64
	if on {
		arg = 1 + uint64(first)
	}
	w.changeLink(from, to, "lose-new", arg, func(l *network.Link) {
		changed := *l
		changed.LoseNew, changed.First = on, first
		l.Become(changed)
	})
}
