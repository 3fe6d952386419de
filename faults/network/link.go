// Package network is the state of the links between nodes: what a message sent
// from one node to another meets on its way.
//
// It is pure state. The simulated world (faults/sim) schedules deliveries by
// it, and the proxies between real processes forward by it, so that one fault
// means the same in both. Every link has a direction: cutting n1 to n2 leaves
// n2 to n1 as it was.
package network

import (
	"fmt"
	"math/bits"
	"time"

	"github.com/torntail/torntail/internal/seeding"
)

// Cut says what happens to messages on a link.
type Cut uint8

const (
	// Open: messages pass.
	Open Cut = iota
	// Hold: a black hole while it lasts. Nothing arrives, nobody is told, and what
	// was sent arrives after the heal, as TCP's retransmission would have it.
	Hold
	// Drop: as Hold, but what meets the cut is lost for good. A connection that
	// lost bytes cannot go on: its ends stay silent while the cut lasts and are
	// reset when it heals.
	Drop
	// Reset: connections over the link break at once at both ends, new ones are refused.
	Reset
)

var cutWords = [...]string{Open: "open", Hold: "hold", Drop: "drop", Reset: "reset"}

// String is the word used in plans.
func (c Cut) String() string {
	if int(c) < len(cutWords) {
		return cutWords[c]
	}
	return fmt.Sprintf("cut(%d)", uint8(c))
}

// ParseCut reads a plan's word for a cut: hold, drop or reset.
func ParseCut(word string) (Cut, error) {
	for c := Hold; c <= Reset; c++ {
		if cutWords[c] == word {
			return c, nil
		}
	}
	return Open, fmt.Errorf("unknown kind of cut %q: expected hold, drop or reset", word)
}

// Link is one direction between two nodes. The zero Link is a perfect one.
type Link struct {
	Cut Cut
	// Delay is added to the time each message takes.
	Delay time.Duration
	// BytesPerSecond limits the link, shared by its connections; 0 is no limit.
	BytesPerSecond int64
	// LoseNew loses the opening message of new connections; established ones go on.
	LoseNew bool
	// First, above 0, is of how many new connections LoseNew loses it: those after them pass.
	First int
	// LateBy is added to the time that LatePercent of a hundred of the bytes take. What was
	// sent behind them waits for them, as behind a segment that is sent again.
	LateBy      time.Duration
	LatePercent float64

	free    time.Duration // when a limited link has sent what it was given
	begun   int           // new connections that First has counted
	carried uint64        // bytes given to it while some are late
}

// Passes reports whether a message gets through at all at this moment.
func (l *Link) Passes() bool { return l.Cut == Open }

// Become takes over the faults of another link. What a slow link has accepted
// already stays accepted.
func (l *Link) Become(other Link) {
	if l.LoseNew && other.LoseNew && l.First == other.First {
		other.begun = l.begun
	}
	other.free, other.carried = l.free, l.carried
	*l = other
}

// Loses reports whether a new connection's opening message is lost now. number is the
// connection's own, 0 at first: its place among those that First counts.
func (l *Link) Loses(number *int) bool {
	if !l.LoseNew || l.First == 0 {
		return l.LoseNew
	}
	if *number == 0 {
		l.begun++
		*number = l.begun
	}
	return *number <= l.First
}

// SameFaults reports whether two links do the same to what is sent over them.
func (l *Link) SameFaults(other Link) bool {
	other.free, other.begun, other.carried = l.free, l.begun, l.carried
	return *l == other
}

// Send accounts for n bytes given to the link at now and returns the time they
// spend on it beyond the ordinary latency: waiting for earlier bytes on a slow
// link, being sent, and the added delay.
func (l *Link) Send(now time.Duration, n int) time.Duration {
	d := l.Delay
	if l.late(n) {
		d += l.LateBy
	}
	if l.BytesPerSecond > 0 {
		if l.free < now {
			l.free = now
		}
		l.free += transmission(int64(n), l.BytesPerSecond)
		d += l.free - now
	}
	return d
}

// late reports whether the next n bytes are of those that are late. That follows from how
// many the link has carried before: the same traffic meets the same.
func (l *Link) late(n int) bool {
	if l.LatePercent <= 0 || n == 0 {
		return false
	}
	at := l.carried
	l.carried += uint64(n)
	return float64(seeding.Hash(at)>>11)/(1<<53)*100 < l.LatePercent
}

// transmission is the time n bytes take at rate bytes a second. Whole seconds
// are split off so that the rest, below one second, cannot overflow.
func transmission(n, rate int64) time.Duration {
	hi, lo := bits.Mul64(uint64(n%rate), uint64(time.Second))
	rest, _ := bits.Div64(hi, lo, uint64(rate))
	return time.Duration(n/rate)*time.Second + time.Duration(rest)
}

// Links are all links between n nodes, which have the numbers 0 to n-1.
type Links struct {
	rows [][]Link
}

// Grow makes room for n nodes; links that are there keep their state.
func (l *Links) Grow(n int) {
	for len(l.rows) < n {
		if cap(l.rows) > len(l.rows) {
			l.rows = l.rows[:len(l.rows)+1]
		} else {
			l.rows = append(l.rows, nil)
		}
	}
	for i, row := range l.rows {
		for len(row) < n {
			row = append(row, Link{})
		}
		l.rows[i] = row
	}
}

// Reset forgets all nodes and keeps the memory.
func (l *Links) Reset() {
	for i := range l.rows {
		l.rows[i] = l.rows[i][:0]
	}
	l.rows = l.rows[:0]
}

// Nodes is the number of nodes.
func (l *Links) Nodes() int { return len(l.rows) }

// Link is the link from one node to another. The pointer is valid until the next Grow.
func (l *Links) Link(from, to int) *Link { return &l.rows[from][to] }

// Heal makes one direction perfect again. Bytes that a slow link has already
// accepted are taken to have been sent.
func (l *Links) Heal(from, to int) { l.rows[from][to] = Link{} }
