package claims

import (
	"cmp"
	"strconv"
	"time"

	"github.com/torntail/torntail/faults/env"
	"github.com/torntail/torntail/harness/machine"
)

// ledger writes keys that nobody else writes, one after the other, and notes
// when each was acknowledged: whatever is missing afterwards is lost.
type ledger struct {
	m       *computer
	prefix  string
	size    int // bytes of a value
	every   time.Duration
	acked   []time.Duration // when the i-th was acknowledged
	longest time.Duration   // from sending to reply, over all
	stop    bool
	ended   env.Cond
	done    bool
}

// write begins a ledger: a task that writes until halt, or until the connection ends.
func write(m *computer, prefix string, every time.Duration, size int) *ledger {
	l := &ledger{m: m, prefix: prefix, every: every, size: size, ended: m.Env().NewCond()}
	m.Env().Go("ledger", l.run)
	return l
}

func (l *ledger) run() {
	defer func() {
		l.done = true
		l.ended.Broadcast()
	}()
	c, err := l.m.dial()
	if err != nil {
		return
	}
	defer c.Close()
	e := l.m.Env()
	next := e.Now()
	for n := 0; !l.stop; {
		sent := e.Now()
		r, err := c.Do(replyLimit, "SET", l.key(n), l.value(n))
		if err != nil {
			return
		}
		now := e.Now()
		l.longest = max(l.longest, now-sent)
		if !refused(r) {
			l.acked = append(l.acked, now)
			n++
		}
		if l.every > 0 {
			next = max(next+l.every, now)
			e.Sleep(next - now)
		}
	}
}

func (l *ledger) key(n int) string { return l.prefix + strconv.Itoa(n) }

func (l *ledger) value(n int) string {
	v := strconv.Itoa(n) + ":"
	for len(v) < l.size {
		v += "................"
	}
	return v[:max(l.size, len(strconv.Itoa(n))+1)]
}

// halt ends the ledger and waits for its task. After a crash it ends by itself.
func (l *ledger) halt() {
	l.stop = true
	for !l.done {
		l.ended.WaitFor(replyLimit)
	}
}

// account is what became of a ledger's writes.
type account struct {
	acked, lost int
	// window is how far back the loss reaches from the crash: 0 without a loss.
	window time.Duration
	// holes counts lost writes with a later survivor.
	holes int
	wrong int // values that are not what was written
	// longest is the longest that a client waited for a reply.
	longest time.Duration
	// kept is how many keys there were, and how is how the server came back; all is lost if
	// it did not.
	kept int64
	how  machine.Recovery
}

// trial is a server under a ledger's writes, until it ends.
type trial struct {
	options
	conf    []string
	prepare func(m *computer) // before the first write; nil: nothing
	every   time.Duration     // between two writes; 0: a millisecond
	size    int               // bytes of a value; 0: 64
}

// written lets a ledger write on a fresh server, which strike kills or cuts the power of,
// brings the server back, and says what became of the writes. A server that strike leaves
// alone has no account.
func (l *lab) written(t trial, strike func(m *computer, w *ledger)) (a account) {
	l.on(t.options, func(m *computer) {
		m.start(t.conf...)
		if t.prepare != nil {
			t.prepare(m)
		}
		w := write(m, "w", cmp.Or(t.every, time.Millisecond), cmp.Or(t.size, 64))
		strike(m, w)
		m.onCall(nil)
		w.halt()
		if m.Running() {
			return
		}
		how := m.recover()
		if how == machine.RefusedToStart {
			a.acked, a.lost = len(w.acked), len(w.acked)
		} else {
			kept := keys(m)
			a = w.audit(m.downAt())
			a.kept = kept
		}
		a.how, a.longest = how, w.longest
	})
	return a
}

// audit reads every key of the ledger back. tc is the instant of the crash.
func (l *ledger) audit(tc time.Duration) (a account) {
	c := get(l.m.dial())
	defer c.Close()
	a.acked = len(l.acked)
	survivors := 0
	for n := len(l.acked) - 1; n >= 0; n-- {
		r := get(c.Do(replyLimit, "GET", l.key(n)))
		switch {
		case refused(r):
			fail("GET: %s", r.Data)
		case absent(r):
			a.lost++
			a.window = tc - min(l.acked[n], tc)
			if survivors > 0 {
				a.holes++
			}
		case string(r.Data) != l.value(n):
			a.wrong++
		default:
			survivors++
		}
	}
	return a
}
