package claims

import (
	"time"

	"github.com/torntail/torntail/faults/disk"
)

// This file strikes at every disk call of something a server does, one fresh
// machine for each call: until the call to strike at is behind the last.

// everyCall lets begin start something on a prepared machine, cuts the power at
// the k-th call that changes the disk, for k = 1, 2, ..., until begin's work ends
// before the k-th, and gives what each cut left.
func (l *lab) everyCall(conf []string, prepare, begin func(m *computer), keep disk.Choice, most int) (steps []account) {
	for k := 1; k <= most; k++ {
		over := false
		a := l.written(trial{conf: conf, prepare: prepare}, func(m *computer, w *ledger) {
			m.Env().Sleep(20 * time.Millisecond)
			// What the writes going on do to the log is no step of the work.
			at := m.cutAtCall(k, disk.PlaceInFlight, keep, func(c *disk.Call) bool {
				return !isIncr(c.Path) || c.Kind != disk.OpWrite && c.Kind != disk.OpFdatasync
			})
			work := func() {
				begin(m)
				idle(m)
			}
			if over = attempt(work) == nil && *at == ""; !over && !m.awaitDown(replyLimit) {
				fail("the power was cut at %s, and the server lives", *at)
			}
		})
		if over {
			return steps
		}
		steps = append(steps, a)
	}
	fail("not over after a cut at each of %d calls", most)
	return nil
}
