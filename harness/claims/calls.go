package claims

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/torntail/torntail/faults/disk"
	"github.com/torntail/torntail/harness/machine"
)

// This file strikes at every disk call of something a server does, one fresh
// machine for each call: until the call to strike at is behind the last.

// step is one crash of everyCall.
type step struct {
	call    string // what the power was cut at
	account account
	refused bool  // the server did not start on the image, repaired or not
	fixed   bool  // it did after its own tool had repaired it
	kept    int64 // keys that were there
}

// everyCall lets begin start something on a prepared machine, cuts the power at
// the k-th call that changes the disk, for k = 1, 2, ..., until begin's work ends
// before the k-th, and gives what each cut left.
func (l *lab) everyCall(o options, conf []string, prepare, begin func(m *computer), keep disk.Choice, most int) (steps []step) {
	for k := 1; k <= most; k++ {
		var st step
		over := false
		l.on(o, func(m *computer) {
			m.start(conf...)
			prepare(m)
			writes := write(m, "w", time.Millisecond, 64)
			m.env().Sleep(20 * time.Millisecond)
			var seen atomic.Int64
			m.onCall(func(c *disk.Call) disk.Decision {
				// What the writes going on do to the log is no step of the work.
				if !c.Kind.Mutates() && !c.Kind.IsSync() || isIncr(c.Path) && (c.Kind == disk.OpWrite || c.Kind == disk.OpFdatasync) {
					return disk.Decision{}
				}
				if seen.Add(1) != int64(k) {
					return disk.Decision{}
				}
				st.call = fmt.Sprintf("%s %s", c.Kind, c.Path)
				return m.cutAt(disk.PlaceInFlight, keep)
			})
			work := func() {
				begin(m)
				idle(m)
			}
			if attempt(work) == nil && st.call == "" {
				over = true
				writes.halt()
				return
			}
			if !m.awaitDown(replyLimit) {
				fail("the power was cut at %s, and the server lives", st.call)
			}
			m.onCall(nil)
			writes.halt()
			how := m.recover()
			st.refused, st.fixed = how == machine.RefusedToStart, how == machine.Repaired
			if !st.refused {
				st.kept = keys(m)
				st.account = writes.audit(m.downAt())
			}
		})
		if over {
			return steps
		}
		steps = append(steps, st)
	}
	fail("not over after a cut at each of %d calls", most)
	return nil
}
