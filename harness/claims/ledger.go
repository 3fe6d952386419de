package claims

import (
	"fmt"
	"strconv"
	"time"

	"github.com/torntail/torntail/faults/env"
)

// ledger writes keys that nobody else writes, one after the other, and notes
// when each was acknowledged: whatever is missing afterwards is lost.
type ledger struct {
	m       *computer
	prefix  string
	size    int // bytes of a value
	every   time.Duration
	acked   []time.Duration // when the i-th was acknowledged
	refused []time.Duration // when a write was answered with an error
	errors  map[string]int  // of the refusals, by first word
	longest time.Duration   // from sending to reply, over all
	last    string          // the last error reply
	stop    bool
	ended   env.Cond
	done    bool
}

// write begins a ledger: a task that writes until halt, or until the connection ends.
func write(m *computer, prefix string, every time.Duration, size int) *ledger {
	l := &ledger{m: m, prefix: prefix, every: every, size: size, errors: map[string]int{}, ended: m.env().NewCond()}
	m.env().Go("ledger", l.run)
	return l
}

func (l *ledger) run() {
	defer func() {
		l.done = true
		l.ended.Broadcast()
	}()
	c, err := dial(l.m)
	if err != nil {
		return
	}
	defer c.close()
	e := l.m.env()
	next := e.Now()
	for n := 0; !l.stop; {
		sent := e.Now()
		r, err := c.do("SET", l.key(n), l.value(n))
		if err != nil {
			return
		}
		now := e.Now()
		l.longest = max(l.longest, now-sent)
		if r.error {
			l.refused = append(l.refused, now)
			l.errors[firstWord(r.text)]++
			l.last = r.text
		} else {
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
}

// audit reads every key of the ledger back. tc is the instant of the crash.
func (l *ledger) audit(tc time.Duration) (a account, err error) {
	c, err := dial(l.m)
	if err != nil {
		return a, err
	}
	defer c.close()
	a.acked = len(l.acked)
	survivors := 0
	for n := len(l.acked) - 1; n >= 0; n-- {
		r, err := c.do("GET", l.key(n))
		switch {
		case err != nil:
			return a, err
		case r.error:
			return a, fmt.Errorf("GET: %s", r.text)
		case r.null:
			a.lost++
			a.window = tc - min(l.acked[n], tc)
			if survivors > 0 {
				a.holes++
			}
		case r.text != l.value(n):
			a.wrong++
		default:
			survivors++
		}
	}
	return a, nil
}

func firstWord(s string) string {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i]
		}
	}
	return s
}
